package dragoman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

const (
	// handshakeTime is how long a host may take to greet: it does nothing else before it.
	handshakeTime = 10 * time.Second
	// A lost connection is made anew after a first pause of pauseLeast, each next one twice as long up to pauseMost: soon
	// enough after a restart, seldom enough for a host that is gone.
	pauseLeast = 20 * time.Millisecond
	pauseMost  = 2 * time.Second
)

// Client calls the functions of a host over one connection, which many goroutines may share and which is made anew when
// it is lost.
type Client struct {
	address string
	options dialOptions

	mu      sync.Mutex
	current *session
	making  chan struct{} // closed when the attempt to connect that is under way has ended
	closed  bool
	ended   chan struct{} // closed by Close
	all     map[*session]struct{}
}

type dialOptions struct {
	token    string
	patience time.Duration
	dial     Dialer
}

// Conn is a connection to a host; a net.Conn is one.
type Conn interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Dialer connects to an address: what stands behind the scheme.
type Dialer func(ctx context.Context, address string) (Conn, error)

// DialOption changes how a client connects.
type DialOption func(*dialOptions)

// WithToken gives the token that the host asks for.
func WithToken(token string) DialOption { return func(o *dialOptions) { o.token = token } }

// WithDialer says how an address of tcp+tls is connected to: package secure has the one for TLS. It stands apart, so that
// workers start without what only few clients need.
func WithDialer(dial Dialer) DialOption { return func(o *dialOptions) { o.dial = dial } }

// WithPatience is how long a call waits for a lost connection to be made anew: 10 seconds unless said otherwise. Its
// context may end it sooner.
func WithPatience(patience time.Duration) DialOption {
	return func(o *dialOptions) { o.patience = patience }
}

// Dial connects to the native ingress of a host, `unix:///run/dragoman.sock` or `tcp+tls://host:port`, and waits for its
// greeting. The context is only about that.
func Dial(ctx context.Context, address string, options ...DialOption) (*Client, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	c := &Client{address: rest, ended: make(chan struct{}), all: map[*session]struct{}{}}
	c.options = dialOptions{patience: 10 * time.Second}
	for _, option := range options {
		option(&c.options)
	}
	switch {
	case ok && scheme == "unix" && rest != "":
		c.options.dial = dialUnix
	case ok && scheme == "tcp+tls" && rest != "":
		if c.options.dial == nil {
			return nil, unstarted(InvalidArgument, "for %q add the option secure.TLS(nil), of the package secure beside this one", address)
		}
	default:
		return nil, unstarted(InvalidArgument, "%q is no address of a host: use unix:///path/to.sock or tcp+tls://host:port", address)
	}
	if _, err := c.attempt(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// session is one connection of a client.
type session struct {
	*line
	client  *Client
	raw     Conn
	out     *outbound
	drains  bool
	echoed  bool
	gone    bool
	reading chan struct{} // closed when the reading has ended
}

// Service is the name of the project that the host serves.
func (c *Client) Service() string {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil {
		return ""
	}
	s.Lock()
	defer s.Unlock()
	return s.conn.Hello.Service
}

func (c *Client) connect(ctx context.Context) (*outbound, error) {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s != nil {
		return s.out, nil
	}
	s, err := c.reconnect(ctx)
	if err != nil {
		return nil, err
	}
	return s.out, nil
}

// reconnect waits for a connection, or makes one: whoever comes first tries, the others wait for it.
func (c *Client) reconnect(ctx context.Context) (*session, error) {
	ctx, stop := context.WithTimeout(ctx, c.options.patience)
	defer stop()
	var last error
	for pause := pauseLeast; ; pause = min(2*pause, pauseMost) {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, unstarted(Unavailable, "the client is closed")
		}
		if s := c.current; s != nil {
			c.mu.Unlock()
			return s, nil
		}
		making := c.making
		if making == nil {
			c.making = make(chan struct{})
		}
		c.mu.Unlock()
		wait := time.NewTimer(pause/2 + rand.N(pause))
		if making == nil {
			s, err := c.attempt(ctx)
			c.mu.Lock()
			close(c.making)
			c.making = nil
			c.mu.Unlock()
			if err == nil || !errors.Is(err, Unavailable) {
				wait.Stop()
				return s, err
			}
			last, making = err, nil
		}
		select {
		case <-making: // never, where this goroutine tried itself
		case <-wait.C:
		case <-c.ended:
		case <-ctx.Done():
			wait.Stop()
			if last == nil {
				last = ctx.Err()
			}
			return nil, unstarted(Unavailable, "the host at %s cannot be reached: %v", c.address, last)
		}
		wait.Stop()
	}
}

// attempt connects once.
func (c *Client) attempt(ctx context.Context) (*session, error) {
	ctx, stop := context.WithTimeout(ctx, handshakeTime)
	defer stop()
	raw, err := c.options.dial(ctx, c.address)
	if err != nil {
		return nil, unstarted(Unavailable, "the host at %s cannot be reached: %v", c.address, err)
	}
	s := &session{line: newLine(wire.AsClient, raw), client: c, raw: raw, reading: make(chan struct{})}
	s.out = newOutbound(s.line, func() {})
	s.out.idle = s.idle
	reader := wire.NewReader(raw)
	release := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	err = s.greet(reader)
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	c.mu.Lock()
	if err == nil && c.closed {
		err = unstarted(Unavailable, "the client is closed")
	}
	if err == nil {
		c.current = s
		c.all[s] = struct{}{}
	}
	c.mu.Unlock()
	if err != nil {
		raw.Close()
		var fault *Fault
		if errors.As(err, &fault) {
			return nil, fault
		}
		return nil, unstarted(Unavailable, "the host at %s does not greet: %v", c.address, err)
	}
	go s.read(reader)
	return s, nil
}

// dialUnix connects to a UNIX socket. A host with a full line of those who wait for it is asked again.
func dialUnix(ctx context.Context, path string) (Conn, error) {
	for {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			return nil, os.NewSyscallError("socket", err)
		}
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if err == nil {
			return newUnixConn(os.NewFile(uintptr(fd), path))
		}
		syscall.Close(fd)
		if err != syscall.EAGAIN {
			return nil, os.NewSyscallError("connect", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pauseLeast):
		}
	}
}

// unixConn is a UNIX socket that can be written to without waiting.
type unixConn struct {
	*os.File
	raw syscall.RawConn
}

func newUnixConn(file *os.File) (Conn, error) {
	raw, err := file.SyscallConn()
	return unixConn{file, raw}, err
}

// TryWrite writes as much as there is room for.
func (c unixConn) TryWrite(data []byte) (n int, err error) {
	closed := c.raw.Write(func(fd uintptr) bool {
		n, err = socket(fd).TryWrite(data)
		return true
	})
	if closed != nil {
		return 0, closed
	}
	return n, err
}

// greet reads HELLO and says READY.
func (s *session) greet(reader *wire.Reader) error {
	for s.conn.Phase == wire.Start {
		if err := s.receive(reader); err != nil {
			return err
		}
	}
	reader.Limit = s.conn.Limits.FrameBytesMax
	body := wire.ReadyBody{Token: s.client.options.token, Version: wire.Version, Language: "go", Library: "dragoman/" + libraryVersion}
	s.Lock()
	defer s.Unlock()
	if err := s.put(&wire.Frame{Kind: wire.Ready, Codec: uint8(wire.JSON), Body: body.Append(nil)}); err != nil {
		return err
	}
	// A host may refuse this client only once it knows it: the echo says that it has not.
	if err := s.put(&wire.Frame{Kind: wire.Ping}); err != nil {
		return err
	}
	s.flush()
	for !s.echoed && s.err == nil {
		s.Unlock()
		err := s.receive(reader)
		s.Lock()
		if err != nil {
			return err
		}
	}
	return s.err
}

// receive takes one frame. The error is why nothing more comes.
func (s *session) receive(reader *wire.Reader) error {
	frame, err := reader.Next()
	if err != nil && !errors.As(err, new(*wire.ProtocolFault)) {
		return err
	}
	s.Lock()
	defer s.Unlock()
	act := false
	if err == nil {
		var fault *wire.ProtocolFault
		if act, fault = s.conn.Receive(&frame); fault != nil {
			err = fault
		}
	}
	if err != nil {
		said := unstarted(Internal, "the host broke the protocol: %v", err)
		_ = s.put(&wire.Frame{Kind: wire.Fault, Codec: uint8(wire.JSON), Body: wire.AppendFault(nil, said.body())})
		s.flush()
		said.Started = StartedUnknown
		return said
	}
	s.answer()
	if act {
		err = s.act(&frame)
	}
	if !reader.Buffered() {
		s.flush()
	}
	return err
}

// act does what a frame asks. Under the lock.
func (s *session) act(frame *wire.Frame) error {
	switch frame.Kind {
	case wire.Item, wire.End, wire.Fault:
		if frame.Call == 0 {
			return readFault(frame.Body, "")
		}
		s.out.take(frame)
	case wire.Credit:
		s.out.ring(frame.Call)
	case wire.Pong:
		s.echoed = true
	case wire.Ping:
		_ = s.put(&wire.Frame{Kind: wire.Pong, Body: frame.Body})
	case wire.Drain:
		s.drains = true
		s.retire()
		s.idle()
	case wire.Bye:
		return io.EOF
	}
	return nil
}

// read reads the connection to its end.
func (s *session) read(reader *wire.Reader) {
	defer close(s.reading)
	for {
		if err := s.receive(reader); err != nil {
			s.fail(err)
			return
		}
	}
}

// retire lets the next call connect anew.
func (s *session) retire() {
	c := s.client
	c.mu.Lock()
	if c.current == s {
		c.current = nil
	}
	c.mu.Unlock()
}

func (s *session) fail(err error) {
	s.retire()
	fault := &Fault{Code: Unavailable, Detail: fmt.Sprintf("the connection to %s was lost: %v", s.client.address, err), Started: StartedUnknown}
	if errors.Is(err, io.EOF) {
		fault.Detail = fmt.Sprintf("the connection to %s was closed by the host", s.client.address)
	}
	errors.As(err, &fault)
	s.Lock()
	if s.err == nil {
		s.err = fault
	}
	s.out.fail(fault)
	s.drained.Broadcast()
	s.Unlock()
	s.raw.Close()
	s.client.mu.Lock()
	delete(s.client.all, s)
	s.client.mu.Unlock()
}

// idle leaves a host that drains, once it has answered all. Under the lock.
func (s *session) idle() {
	if s.drains && !s.gone && len(s.out.live) == 0 && s.conn.Made() == 0 {
		s.gone = true
		if s.put(&wire.Frame{Kind: wire.Bye}) == nil {
			s.flush()
		}
		s.raw.Close()
	}
}

// Shutdown waits until the calls in flight are answered, or the context ends, and closes the client. New calls are
// refused at once.
func (c *Client) Shutdown(ctx context.Context) error {
	sessions := c.end()
	var err error
	for _, s := range sessions {
		s.Lock()
		s.drains = true
		s.idle()
		s.Unlock()
		select {
		case <-s.reading:
		case <-ctx.Done():
			err = ctx.Err()
			s.close()
		}
	}
	return err
}

// Close leaves the host at once; calls in flight fail.
func (c *Client) Close() error {
	for _, s := range c.end() {
		s.close()
		<-s.reading
	}
	return nil
}

// close says BYE and closes the connection.
func (s *session) close() {
	// Whoever hangs in a write to a host that does not read is let go.
	s.raw.SetWriteDeadline(time.Now().Add(time.Second))
	s.Lock()
	s.out.fail(&Fault{Code: Cancelled, Detail: "the client was closed", Started: StartedUnknown})
	if s.put(&wire.Frame{Kind: wire.Bye}) == nil {
		s.finish()
	}
	s.Unlock()
	s.raw.Close()
}

func (c *Client) end() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.ended)
	}
	c.current = nil
	sessions := make([]*session, 0, len(c.all))
	for s := range c.all {
		sessions = append(sessions, s)
	}
	return sessions
}

// Function is one function that a host offers.
type Function struct {
	Name        string         `json:"name"`
	Version     string         `json:"version,omitempty"`
	Description string         `json:"description,omitempty"`
	Streaming   bool           `json:"streaming,omitempty"`
	Idempotent  bool           `json:"idempotent,omitempty"`
	Input       map[string]any `json:"input,omitempty"`
	Output      map[string]any `json:"output,omitempty"`
}

// Functions lists what the host offers.
func (c *Client) Functions(ctx context.Context) ([]Function, error) {
	listing, err := Call[struct{}, struct {
		Functions []Function `json:"functions"`
	}](ctx, c, "dragoman.functions", struct{}{})
	return listing.Functions, err
}
