// Package queue sends messages to Redis Streams, from which hosts of Dragoman make calls: the way in that needs no host
// to be there. It speaks with Redis or Valkey itself, and needs nothing but the standard library.
//
//	producer, err := queue.Dial(ctx, "redis://:password@cache:6379")
//	id, err := producer.Send(ctx, "orders", Order{Item: "tea"}, queue.Headers{"correlation-id": "order-17"})
package queue

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dragoman/dragoman/sdk/go"
	"github.com/dragoman/dragoman/sdk/go/internal/value"
)

const (
	// patience is how long a server may take for one answer, where the context does not say less.
	patience = 10 * time.Second
	// batch is how many messages are sent ahead of their answers: enough that waiting costs nothing, little to remember.
	batch = 1000
	// batchBytes is past how many no more are, so that the answer to each batch may be waited for as long as for one.
	batchBytes = 8 * 1024 * 1024
	// bodyMost is what Redis takes, unless its owner says otherwise.
	bodyMost = 512 * 1024 * 1024
	// idle is when a connection is looked at before it is used again: the server may have gone since.
	idle = time.Second
	// lineMost bounds an answer: an id has 40 bytes, an error a sentence.
	lineMost = 64 * 1024
)

// Headers are what a message says beside its input: correlation-id, traceparent, dragoman-deadline and the like.
type Headers map[string]string

// Message is what is sent: an input, as functions take it, and headers. Bytes go as they are, json.RawMessage as JSON.
type Message struct {
	Input   any
	Headers Headers
}

// Option changes how a producer sends.
type Option func(*Producer)

// WithTLS says how the server of rediss:// is trusted; what the system trusts, unless said otherwise.
func WithTLS(config *tls.Config) Option { return func(p *Producer) { p.tls = config } }

// WithKeep has a stream keep about so many messages, the latest. Without it streams grow until somebody trims them: a
// queue of a project does so with trim = "handled".
func WithKeep(count int) Option { return func(p *Producer) { p.keep = count } }

// Producer sends messages over one connection, which any number of goroutines may share, and which is made anew when it
// is lost.
type Producer struct {
	network, address, server string
	secure                   bool
	login                    []string
	database                 string
	tls                      *tls.Config
	keep                     int

	turn     chan struct{} // taken by whoever uses the connection
	conn     net.Conn
	reader   *bufio.Reader
	used     time.Time
	failed   error // why there was no connection, and when that was
	failedAt time.Time
	once     sync.Once
	ended    chan struct{}
}

// Dial connects to a server: redis://user:password@host:6379/0, rediss:// with TLS, or unix:///run/valkey.sock.
func Dial(ctx context.Context, address string, options ...Option) (*Producer, error) {
	p := &Producer{turn: make(chan struct{}, 1), ended: make(chan struct{})}
	if err := p.read(address); err != nil {
		return nil, err
	}
	for _, option := range options {
		option(p)
	}
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Send adds one message to a stream, and gives its id. An error that may have come after the message was stored says so:
// its Started is unknown.
func (p *Producer) Send(ctx context.Context, stream string, input any, headers ...Headers) (string, error) {
	message := Message{Input: input, Headers: Headers{}}
	for _, each := range headers {
		for name, text := range each {
			message.Headers[name] = text
		}
	}
	ids, err := p.SendAll(ctx, stream, message)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// SendAll adds messages to a stream, in their order, without waiting for each, and gives their ids. Where some could not
// be added, their ids are empty, and the error is that of the first.
func (p *Producer) SendAll(ctx context.Context, stream string, messages ...Message) ([]string, error) {
	ids := make([]string, 0, len(messages))
	commands := make([][]byte, len(messages))
	for i, message := range messages {
		command, err := p.command(stream, message)
		if err != nil {
			return nil, err
		}
		commands[i] = command
	}
	begun := time.Now()
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	defer p.leave()
	if p.failed != nil && p.failedAt.After(begun) {
		return nil, p.failed // it was waited for by somebody else, and is not there
	}
	var first error
	for start, end := 0, 0; start < len(commands); start = end {
		for size := 0; end < len(commands) && end-start < batch && size < batchBytes; end++ {
			size += len(commands[end])
		}
		more, err := p.exchange(ctx, commands[start:end])
		if ids = append(ids, more...); err != nil && first == nil {
			first = err
		}
		if err != nil && p.conn == nil {
			break
		}
	}
	return append(ids, make([]string, len(commands)-len(ids))...), first
}

// Close ends the connection.
func (p *Producer) Close() error {
	p.once.Do(func() { close(p.ended) })
	p.turn <- struct{}{}
	defer p.leave()
	p.drop()
	return nil
}

func (p *Producer) read(address string) error {
	parts, err := url.Parse(address)
	if err != nil {
		return fault(dragoman.InvalidArgument, "not the address of a server: use redis://host:6379, rediss:// or unix:///path")
	}
	p.network, p.address, p.database = "tcp", parts.Host, strings.Trim(parts.Path, "/")
	switch parts.Scheme {
	case "redis":
	case "rediss":
		p.secure = true
	case "unix":
		p.network, p.address, p.database = "unix", parts.Path, parts.Query().Get("db")
		if p.address == "" {
			return fault(dragoman.InvalidArgument, "not the address of a server: unix:// needs a path")
		}
	default:
		return fault(dragoman.InvalidArgument, "%q is no scheme of a server: use redis://host:6379, rediss:// or unix:///path", parts.Scheme)
	}
	if p.network == "tcp" {
		host, port := parts.Hostname(), parts.Port()
		if host == "" {
			host = "localhost"
		}
		if port == "" {
			port = "6379"
		}
		p.address = net.JoinHostPort(host, port)
		p.server = host
	}
	if p.database != "" {
		if _, err := strconv.ParseUint(p.database, 10, 31); err != nil {
			return fault(dragoman.InvalidArgument, "%q is no number of a database", p.database)
		}
	}
	if password, ok := parts.User.Password(); ok {
		p.login = []string{"AUTH", password}
		if user := parts.User.Username(); user != "" {
			p.login = []string{"AUTH", user, password}
		}
	}
	return nil
}

func (p *Producer) command(stream string, message Message) ([]byte, error) {
	body, media, err := encode(message.Input)
	if err != nil {
		return nil, err
	}
	if stream == "" {
		return nil, fault(dragoman.InvalidArgument, "the stream has no name")
	}
	words := []string{"XADD", stream}
	if p.keep > 0 {
		words = append(words, "MAXLEN", "~", strconv.Itoa(p.keep))
	}
	if len(body) > bodyMost {
		return nil, fault(dragoman.OutOfRange, "the body has %d bytes, where %d is the most", len(body), bodyMost)
	}
	headers := maps.Clone(message.Headers)
	if _, said := headers["content-type"]; media != "" && !said {
		if headers == nil {
			headers = Headers{}
		}
		headers["content-type"] = media
	}
	event := false
	for name := range headers {
		if !plain(name) || name == "body" {
			return nil, fault(dragoman.InvalidArgument, "%q cannot be the name of a header: use lower case, printable, and not body", name)
		}
		event = event || strings.HasPrefix(name, "ce-")
	}
	if event && (headers["ce-specversion"] != "1.0" || headers["ce-id"] == "" || headers["ce-source"] == "" || headers["ce-type"] == "") {
		return nil, fault(dragoman.InvalidArgument, "an event has ce-specversion 1.0, ce-id, ce-source and ce-type")
	}
	command := packed(append(words, "*", "body"), len(body), 2*len(headers))
	command = append(append(command, body...), '\r', '\n')
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		command = fmt.Appendf(command, "$%d\r\n%s\r\n$%d\r\n%s\r\n", len(name), name, len(headers[name]), headers[name])
	}
	return command, nil
}

// exchange sends commands, and reads an answer for each.
func (p *Producer) exchange(ctx context.Context, commands [][]byte) ([]string, error) {
	p.fresh(ctx)
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	lost := func(err error) error {
		p.drop()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return &dragoman.Fault{Code: code(err), Started: dragoman.StartedUnknown, Detail: fmt.Sprintf("%s: %v; it may be stored", p.address, err)}
	}
	stop := p.watch(ctx)
	defer stop()
	buffers := net.Buffers(commands)
	if _, err := buffers.WriteTo(p.conn); err != nil {
		return nil, lost(err)
	}
	var first error
	ids := make([]string, 0, len(commands))
	for range commands {
		id, err := p.answer()
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			if first == nil {
				first = refused.fault(p.address)
			}
		} else if err != nil {
			return ids, lost(err)
		}
		ids = append(ids, id)
	}
	p.used = time.Now()
	return ids, first
}

// connect makes the connection where there is none.
func (p *Producer) connect(ctx context.Context) error {
	if p.conn != nil {
		return nil
	}
	err := p.reach(ctx)
	if p.failed = nil; err != nil && ctx.Err() == nil {
		p.failed, p.failedAt = err, time.Now()
	}
	return err
}

func (p *Producer) reach(ctx context.Context) error {
	dialer := &net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, p.network, p.address)
	if err == nil && p.secure {
		config := &tls.Config{}
		if p.tls != nil {
			config = p.tls.Clone()
		}
		if config.ServerName == "" {
			config.ServerName = p.server
		}
		secured := tls.Client(conn, config)
		within, cancel := context.WithTimeout(ctx, patience)
		if err = secured.HandshakeContext(within); err != nil {
			conn.Close()
		}
		cancel()
		conn = secured
	}
	if err != nil {
		return &dragoman.Fault{Code: code(err), Started: dragoman.StartedNo, Detail: fmt.Sprintf("no server at %s: %v", p.address, err)}
	}
	p.conn, p.reader = conn, bufio.NewReaderSize(conn, 4096)
	p.used = time.Now()
	stop := p.watch(ctx)
	defer stop()
	if err := p.greet(); err != nil {
		p.drop()
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			return refused.fault(p.address)
		}
		return &dragoman.Fault{Code: code(err), Started: dragoman.StartedNo, Detail: fmt.Sprintf("%s: %v", p.address, err)}
	}
	return nil
}

func (p *Producer) greet() error {
	commands := [][]string{{"PING"}}
	if p.login != nil {
		commands[0] = p.login
	}
	if p.database != "" && p.database != "0" {
		commands = append(commands, []string{"SELECT", p.database})
	}
	for _, command := range commands {
		if err := p.ask(command...); err != nil {
			return err
		}
	}
	return nil
}

// ask sends one command, and waits for its answer.
func (p *Producer) ask(command ...string) error {
	last := len(command) - 1
	if _, err := p.conn.Write(fmt.Appendf(packed(command[:last], len(command[last]), 0), "%s\r\n", command[last])); err != nil {
		return err
	}
	_, err := p.answer()
	return err
}

// fresh lets go of a connection that has not been used for a while and is gone: nothing was sent on it that may be stored.
func (p *Producer) fresh(ctx context.Context) {
	if p.conn == nil || time.Since(p.used) < idle {
		return
	}
	defer p.watch(ctx)()
	refused := (*refusal)(nil)
	if err := p.ask("PING"); err != nil && !errors.As(err, &refused) {
		p.drop()
	}
}

// watch ends what waits for the server when the context does, or its time is up.
func (p *Producer) watch(ctx context.Context) func() {
	conn := p.conn
	conn.SetDeadline(time.Now().Add(patience))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < patience {
		conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if !stop() {
			p.drop() // its deadline may be set at any moment
		}
	}
}

// answer reads one answer: a word, or what was refused.
func (p *Producer) answer() (string, error) {
	line, err := p.line()
	if err != nil {
		return "", err
	}
	switch line[0] {
	case '+', ':':
		return line[1:], nil
	case '-':
		return "", &refusal{line[1:]}
	case '$':
		if size, err := strconv.Atoi(line[1:]); err == nil && size >= 0 && size <= lineMost {
			word, err := p.line()
			if err != nil || len(word) == size {
				return word, err
			}
		}
	}
	return "", fmt.Errorf("what answers there is no Redis: %.40q", line)
}

func (p *Producer) line() (string, error) {
	var line []byte
	for {
		part, err := p.reader.ReadSlice('\n')
		if line = append(line, part...); err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > lineMost {
			return "", err
		}
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return "", fmt.Errorf("what answers there is no Redis: %.40q", line)
	}
	return string(line[:len(line)-2]), nil
}

func (p *Producer) drop() {
	if p.conn != nil {
		p.conn.Close()
	}
	p.conn, p.reader = nil, nil
}

func (p *Producer) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return fault(code(ctx.Err()), "%w", ctx.Err())
	case <-p.ended:
		return fault(dragoman.Cancelled, "the producer is closed")
	}
	select {
	case <-p.ended: // while the turn came: a connection that is made now would never be closed
		p.leave()
		return fault(dragoman.Cancelled, "the producer is closed")
	default:
		return nil
	}
}

func (p *Producer) leave() { <-p.turn }

// refusal is an error that the server has answered.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func (r *refusal) fault(address string) *dragoman.Fault {
	kind, _, _ := strings.Cut(r.text, " ")
	code := dragoman.FailedPrecondition
	switch kind {
	case "NOAUTH", "WRONGPASS":
		code = dragoman.Unauthenticated
	case "NOPERM":
		code = dragoman.PermissionDenied
	case "OOM":
		code = dragoman.ResourceExhausted
	case "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN":
		code = dragoman.Unavailable
	}
	return fault(code, "%s: %s", address, r.text)
}

func fault(code dragoman.Code, format string, args ...any) *dragoman.Fault {
	made := dragoman.Errorf(code, format, args...)
	made.Started = dragoman.StartedNo
	return made
}

func code(err error) dragoman.Code {
	var late net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return dragoman.Cancelled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return dragoman.DeadlineExceeded
	}
	return dragoman.Unavailable
}

// encode gives an input as a body, and its media type where that is not JSON.
func encode(input any) ([]byte, string, error) {
	switch raw := input.(type) {
	case nil:
		return []byte("{}"), "", nil
	case []byte:
		return raw, "application/octet-stream", nil
	}
	kind, err := value.Of(reflect.TypeOf(input))
	if err != nil {
		return nil, "", fault(dragoman.InvalidArgument, "%w", err)
	}
	body, codec, err := kind.Encode(nil, value.JSON, reflect.ValueOf(input))
	if err != nil {
		return nil, "", fault(dragoman.InvalidArgument, "%w", err)
	}
	if codec != value.JSON {
		return nil, "", fault(dragoman.InvalidArgument, "the input cannot be said in JSON")
	}
	return body, "", nil
}

// packed is the start of a command as the server reads it, up to the word of so many bytes that comes next; more follow it.
func packed(words []string, next, more int) []byte {
	out := fmt.Appendf(make([]byte, 0, 256+next), "*%d\r\n", len(words)+1+more)
	for _, word := range words {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(word), word)
	}
	return fmt.Appendf(out, "$%d\r\n", next)
}

func plain(name string) bool {
	for _, each := range name {
		if each <= ' ' || each > '~' || (each >= 'A' && each <= 'Z') {
			return false
		}
	}
	return name != ""
}
