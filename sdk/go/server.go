package dragoman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/dragoman/dragoman/sdk/go/internal/value"
	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

const (
	// tick is about how long whoever reads the wire may run a function in between, and how long a finished reply may wait
	// for others to leave with it. Most functions are quicker, and then a call costs one read, one write and no switch.
	// Whoever looks after that wakes once a tick while there are calls: a timer for each would cost as much as a call.
	tick = 500 * time.Microsecond
	// idleTicks without a call let the watch end: a worker without work costs nothing.
	idleTicks = 4
	// quickTime and quickRuns are when a function that was slow once counts as quick again.
	quickTime = 50 * time.Microsecond
	quickRuns = 16
)

const (
	exitLost     = 74 // EX_IOERR
	exitUsage    = 64 // EX_USAGE
	exitProtocol = 76 // EX_PROTOCOL
)

// notReader is no reader's turn: that of goroutines that only run functions.
const notReader = ^uint64(0)

// server runs the calls of one host. One goroutine at a time reads the wire; when a call comes alone, the reader runs it
// itself, and only if that takes longer than a tick another goroutine takes the reading over.
type server struct {
	*line
	reader    *wire.Reader
	functions []*function
	arenas    *arenas
	page      *pageWord
	out       *outbound

	// Under the lock of the line.
	calls    map[uint64]*call
	queue    []*call
	running  int
	draining bool
	inline   bool   // the reader runs a function
	turn     uint64 // of the reader: another one's has another number
	left     bool
	mine     *call  // what it runs
	begun    uint64 // calls that began
	watching bool
	watches  chan struct{}
	since    time.Time // of the last flush of what need not leave at once
	end      chan struct{}
}

func newServer(l *line, reader *wire.Reader, functions []*function) *server {
	s := &server{line: l, reader: reader, functions: functions, calls: map[uint64]*call{}, end: make(chan struct{})}
	s.out = newOutbound(l, s.handOver)
	s.watches = make(chan struct{}, 1)
	go s.watch()
	return s
}

// read reads the wire until another goroutine takes over, or it ends.
func (s *server) read() {
	for {
		frame, err := s.reader.Next()
		s.Lock()
		if err != nil {
			s.lost(err)
		}
		act, fault := s.conn.Receive(&frame)
		if fault != nil {
			s.lost(fault)
		}
		s.answer()
		if act {
			s.act(&frame)
		}
		if s.reader.Buffered() {
			s.Unlock()
			continue
		}
		for s.startable() && s.queue[0].slow() {
			go s.work(s.begin(), notReader)
		}
		if s.startable() {
			mine, turn := s.begin(), s.turn
			s.inline, s.mine = true, mine
			s.arm()
			s.Unlock()
			s.work(mine, turn)
			s.Lock()
			if s.turn != turn {
				s.Unlock()
				return // somebody else reads
			}
			s.inline, s.mine = false, nil
		}
		s.flush()
		left := s.leave()
		s.Unlock()
		if left {
			return
		}
	}
}

// handOver lets another goroutine read the wire, where the reader runs a function that takes its time. Under the lock.
func (s *server) handOver() {
	if s.inline {
		if f := s.mine.function; f != nil {
			f.quick = -quickRuns
		}
		s.inline, s.mine = false, nil
		s.turn++
		go s.read()
	}
	s.spread()
}

// arm sees to it that somebody looks after what the reader runs, and after what waits to be sent.
func (s *server) arm() {
	if !s.watching {
		s.watching = true
		s.watches <- struct{}{}
	}
}

// watch hands the reading over where the reader runs a function for more than a tick, and sends what has waited so long.
func (s *server) watch() {
	for range s.watches {
		last, idle := uint64(0), 0
		var ran *call
		for idle < idleTicks {
			time.Sleep(tick)
			s.Lock()
			switch {
			case s.inline && s.mine == ran:
				s.handOver()
			case s.begun == last && s.size == 0:
				idle++
			default:
				idle = 0
			}
			last, ran = s.begun, s.mine
			s.flush()
			s.watching = idle < idleTicks
			s.Unlock()
		}
	}
}

// flushSoon sends what waits, at once if the last flush is a while ago: items that follow one another closely leave
// together.
func (s *server) flushSoon() {
	now := time.Now()
	if s.size >= flushBytes || now.Sub(s.since) > 2*tick {
		s.since = now
		s.flush()
		return
	}
	s.arm()
}

// lost ends the process: without its host a worker has nothing to live for.
func (s *server) lost(err error) {
	var fault *wire.ProtocolFault
	if errors.As(err, &fault) && s.err == nil {
		code := Internal
		if fault.Reason == "handshake" {
			code = FailedPrecondition
		}
		said := unstarted(code, "the host broke the protocol: %v", fault)
		_ = s.put(&wire.Frame{Kind: wire.Fault, Codec: uint8(wire.JSON), Body: wire.AppendFault(nil, said.body())})
		s.finish()
		os.Exit(exitProtocol)
	}
	if errors.Is(err, io.EOF) && s.left {
		os.Exit(0)
	}
	os.Exit(exitLost)
}

// act does what a frame asks. Under the lock.
func (s *server) act(frame *wire.Frame) {
	switch frame.Kind {
	case wire.Call:
		s.take(frame)
	case wire.Item, wire.End, wire.Fault:
		if frame.Kind == wire.Fault && frame.Call == 0 {
			os.Exit(exitLost)
		}
		if c := s.calls[frame.Call]; c != nil {
			if frame.Kind == wire.End {
				c.ended = true
			} else {
				c.input = append(c.input, *frame)
			}
			c.ring()
			return
		}
		s.out.take(frame)
	case wire.Cancel:
		s.cancel(frame)
	case wire.Credit:
		if c := s.calls[frame.Call]; c != nil {
			c.ring()
			return
		}
		s.out.ring(frame.Call)
	case wire.Ping:
		_ = s.put(&wire.Frame{Kind: wire.Pong, Body: frame.Body})
		s.flush()
	case wire.Release:
		s.arenas.put(frame.Region)
	case wire.Drain:
		s.draining = true
	case wire.Bye:
		os.Exit(0)
	}
}

func (s *server) take(frame *wire.Frame) {
	c := &call{server: s, frame: *frame, queued: true}
	if frame.Amount != 0 {
		c.deadline = time.Now().Add(time.Duration(frame.Amount) * time.Millisecond)
	}
	if frame.Flags&wire.Input == 0 {
		c.ended = true
	}
	s.calls[frame.Call] = c
	s.queue = append(s.queue, c)
}

func (s *server) cancel(frame *wire.Frame) {
	c := s.calls[frame.Call]
	if c == nil {
		return
	}
	corrupt, revoke := frame.Flags&wire.Corrupt != 0, frame.Flags&wire.Unstarted != 0
	if corrupt {
		c.spoiled = &Fault{Code: DataLoss, Detail: "the input came with a checksum that does not match", Started: StartedYes}
	}
	if !c.queued {
		if !revoke {
			c.cancel(context.Canceled)
			c.ring()
		}
		return
	}
	for i, waiting := range s.queue {
		if waiting == c {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			break
		}
	}
	fault := unstarted(Cancelled, "the call was cancelled before it began")
	if revoke {
		fault = unstarted(Aborted, "given back before it began")
	} else if corrupt {
		fault = c.spoiled
		fault.Started = StartedNo
	}
	s.fail(c, fault, 0, revoke)
	s.flush()
}

// startable says whether a call may begin. Under the lock, as all that follows.
func (s *server) startable() bool {
	return len(s.queue) > 0 && s.running < s.conn.Hello.Concurrency
}

// slow says whether the function of a call that has not begun was slow lately: then it is not the reader's to run.
func (c *call) slow() bool {
	functions := c.server.functions
	return int64(c.frame.Function) < int64(len(functions)) && functions[c.frame.Function].quick < 0
}

// spread begins the calls whose turn it is side by side. Until a function turns out to take longer than a tick they run
// one after the other: that is quicker than any switch.
func (s *server) spread() {
	for s.startable() {
		go s.work(s.begin(), notReader)
	}
}

// begin takes the call whose turn it is: they begin in the order in which they came.
func (s *server) begin() *call {
	c := s.queue[0]
	s.queue[0] = nil
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil
	}
	c.queued = false
	s.running++
	s.begun++
	if int64(c.frame.Function) < int64(len(s.functions)) {
		c.function = s.functions[c.frame.Function]
	}
	if s.page != nil {
		s.page.Store(c.frame.Call)
	}
	return c
}

// work runs a call, and those whose turn it is then.
func (s *server) work(c *call, turn uint64) {
	for c != nil {
		finished := false
		func() {
			// A function that ends its goroutine (runtime.Goexit) takes this one along.
			defer func() {
				if !finished {
					s.Lock()
					s.handOver()
					next := s.next(notReader)
					s.flush()
					s.Unlock()
					if next != nil {
						go s.work(next, notReader)
					}
				}
			}()
			s.run(c)
			finished = true
		}()
		s.Lock()
		c = s.next(turn)
		s.Unlock()
	}
}

// next ends a call's turn and gives the one whose turn it is. Under the lock.
func (s *server) next(turn uint64) *call {
	s.running--
	if s.startable() {
		c := s.begin()
		if turn == s.turn {
			s.mine = c
		}
		if s.size >= flushBytes {
			s.flush() // gives the lock away, and others may begin what is left in the queue
		} else if s.size > 0 {
			s.arm()
		}
		return c
	}
	if turn != s.turn {
		if s.running > 0 && !s.writing {
			// Others may be about to end: what they have to say leaves with this.
			s.Unlock()
			runtime.Gosched()
			s.Lock()
		}
		s.flush()
		s.leave()
	}
	return nil
}

// leave says BYE once the host has said DRAIN and has all its answers. Under the lock.
func (s *server) leave() bool {
	if s.draining && !s.left && s.conn.Taken() == 0 && s.running == 0 {
		if s.put(&wire.Frame{Kind: wire.Bye}) == nil {
			s.left = true
			s.finish()
			close(s.end)
		}
	}
	return s.left
}

// run runs one call to its answer.
func (s *server) run(c *call) {
	began := time.Now()
	var fault *Fault
	frame := wire.Frame{Kind: wire.End, Call: c.frame.Call}
	answered := false
	defer func() {
		if !answered { // runtime.Goexit
			s.settle(c, &frame, &Fault{Code: Unknown, Detail: "the function ended its goroutine (runtime.Goexit)", Started: StartedYes}, began)
		}
	}()
	codec, body, err := s.reply(c, began)
	if err != nil {
		fault = s.failure(c, err)
	}
	frame.Codec, frame.Body = uint8(codec), body
	answered = true
	s.settle(c, &frame, fault, began)
}

func (s *server) failure(c *call, err error) *Fault {
	var own *served
	if errors.As(err, &own) {
		return own.fault
	}
	return faultOf(err, c)
}

// served is a fault that this library made, and not the function.
type served struct{ fault *Fault }

func (e *served) Error() string { return e.fault.Error() }

func refuse(code Code, format string, args ...any) error {
	return &served{unstarted(code, format, args...)}
}

// settle sends the answer of a call.
func (s *server) settle(c *call, frame *wire.Frame, fault *Fault, began time.Time) {
	took := time.Since(began)
	spent := uint32(min(took.Microseconds(), int64(^uint32(0))))
	s.Lock()
	defer s.Unlock()
	if f := c.function; f != nil && f.quick < 0 {
		if f.quick++; took > quickTime {
			f.quick = -quickRuns
		}
	}
	if c.spoiled != nil {
		fault = c.spoiled
	}
	c.tellHeld()
	if fault == nil {
		frame.Amount = spent
		if err := s.putBody(c, frame); err != nil {
			fault = faultOf(tooLarge(err), c)
		}
	}
	if fault != nil {
		s.fail(c, fault, spent, false)
	} else {
		s.forget(c)
	}
	c.cancel(context.Canceled)
}

// putBody sends a frame whose body may travel in shared memory. Under the lock.
func (s *server) putBody(c *call, frame *wire.Frame) error {
	s.room()
	if s.arenas == nil {
		return s.put(frame)
	}
	region, ok := s.arenas.regionOf(frame.Body)
	if ok && c != nil && c.owns(region) {
		ok = true
	} else if len(frame.Body) < s.conn.Limits.SegmentFromBytes || len(frame.Body) > int(s.conn.Limits.FrameBytesMax) {
		return s.put(frame)
	} else {
		// The copy is made outside of the lock: it may take a while.
		s.Unlock()
		var memory []byte
		region, memory, ok = s.arenas.take(len(frame.Body))
		copy(memory, frame.Body)
		s.Lock()
		if !ok {
			return s.put(frame)
		}
	}
	there := *frame
	there.Flags |= wire.Segment
	there.Region, there.Body = region, region.Body()
	err := s.put(&there)
	if err != nil {
		s.arenas.put(region)
	}
	return err
}

// owns says whether a region begins a buffer that the call allocated, and lets the call forget it.
func (c *call) owns(r wire.Region) bool {
	for i, buffer := range c.buffers {
		if buffer.Offset != r.Offset || r.Size > buffer.Size {
			continue
		}
		c.buffers = append(c.buffers[:i], c.buffers[i+1:]...)
		if used := (r.Size + arenaAlign - 1) &^ (arenaAlign - 1); used < buffer.Size {
			c.server.arenas.put(wire.Region{Offset: r.Offset + used, Size: buffer.Size - used})
		}
		return true
	}
	return false
}

// fail answers a call by a fault. Under the lock.
func (s *server) fail(c *call, fault *Fault, spent uint32, unstarted bool) {
	frame := wire.Frame{Kind: wire.Fault, Codec: uint8(wire.JSON), Call: c.frame.Call, Amount: spent}
	if unstarted {
		frame.Flags = wire.Unstarted
	}
	frame.Body = wire.AppendFault(nil, fault.body())
	_ = s.put(&frame)
	s.forget(c)
}

func (s *server) forget(c *call) {
	for i := range c.input {
		s.release(&c.input[i])
	}
	c.input = nil
	s.release(&c.frame)
	for _, buffer := range c.buffers {
		s.arenas.put(buffer)
	}
	c.buffers = nil
	delete(s.calls, c.frame.Call)
}

// reply runs the function of a call and encodes what it gives.
func (s *server) reply(c *call, began time.Time) (wire.Codec, []byte, error) {
	f := c.function
	if f == nil {
		return 0, nil, refuse(NotFound, "this worker has no function number %d", c.frame.Function)
	}
	switch {
	case f.streaming && c.frame.Flags&wire.Stream == 0:
		return 0, nil, refuse(Unimplemented, "%s streams: call it for a stream", f.name)
	case !f.takesStream && c.frame.Flags&wire.Input != 0:
		return 0, nil, refuse(Unimplemented, "%s takes no input stream", f.name)
	case !c.deadline.IsZero() && !began.Before(c.deadline):
		return 0, nil, refuse(DeadlineExceeded, "the deadline passed before %s began", f.name)
	}
	arguments, err := s.arguments(c, f)
	if err != nil {
		return 0, nil, err
	}
	results, err := invoke(f, arguments)
	if err != nil {
		return 0, nil, err
	}
	codec := f.replyCodec(&c.frame)
	switch {
	case f.streaming:
		return codec, nil, s.stream(c, f, codec, results[0])
	case f.output == nil:
		return encodeNull(codec)
	}
	return encodeResult(f, codec, results[0])
}

func encodeNull(codec wire.Codec) (wire.Codec, []byte, error) {
	if codec == wire.MessagePack {
		return codec, []byte{0xc0}, nil
	}
	return wire.JSON, []byte("null"), nil
}

func encodeResult(f *function, codec wire.Codec, result reflect.Value) (wire.Codec, []byte, error) {
	if f.raw != nil && codec > wire.MessagePack {
		return codec, result.Bytes(), nil
	}
	body, used, err := f.output.Encode(nil, value.Codec(codec), result)
	if err != nil {
		return 0, nil, &served{&Fault{
			Code: OutOfRange, Detail: fmt.Sprintf("the result of %s cannot be sent: %v", f.name, err), Started: StartedYes,
		}}
	}
	return wire.Codec(used), body, nil
}

// invoke calls the function; a panic of its own goroutine is an error.
func invoke(f *function, arguments []reflect.Value) (results []reflect.Value, err error) {
	defer recovered(&err)
	results = f.fn.Call(arguments)
	if f.fails {
		if failed, _ := results[len(results)-1].Interface().(error); failed != nil {
			return nil, failed
		}
	}
	return results, nil
}

func recovered(err *error) {
	if what := recover(); what != nil {
		detail := fmt.Sprintf("panic: %v", what)
		if failure, ok := what.(error); ok && !errors.As(failure, new(runtime.Error)) {
			detail = "panic: " + describe(failure)
		}
		*err = &served{&Fault{Code: Unknown, Detail: detail, Started: StartedYes, Traceback: string(debug.Stack())}}
	}
}

// stream sends what a function gives one by one.
func (s *server) stream(c *call, f *function, codec wire.Codec, results reflect.Value) (err error) {
	defer recovered(&err)
	for item, failed := range f.pull(results) {
		if failed != nil {
			return failed
		}
		used, body, err := encodeResult(f, codec, item)
		if err == nil {
			err = c.sendItem(used, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pageWord is the first word of the progress page.
type pageWord = atomic.Uint64

func progressPage(memory []byte) *pageWord {
	return (*pageWord)(unsafe.Pointer(&memory[0]))
}
