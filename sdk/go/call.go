package dragoman

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// call is one call that this worker took; it is the context of its function too. It makes its channel only when it is
// asked for one, since most functions never do.
type call struct {
	server   *server
	frame    wire.Frame
	function *function
	deadline time.Time

	// Under the lock of the line.
	queued  bool
	spoiled *Fault // what the answer is, whatever the function makes of it
	wake    chan struct{}
	input   []wire.Frame
	ended   bool // the input
	reports time.Time
	held    *progress // reported too soon after that

	buffers []wire.Region // made by Allocate, and not sent yet

	mu      sync.Mutex
	err     error
	done    chan struct{}
	timer   *time.Timer
	after   map[int]func()
	lastFn  int
	entries *wire.Entries
}

type callKey struct{}

// callOf is the call that a context belongs to; nil outside of any.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// Deadline is when the caller stops waiting.
func (c *call) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Value gives the call itself.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return nil
}

// Err says why the call should stop, if it should.
func (c *call) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil && !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		c.stop(context.DeadlineExceeded)
	}
	return c.err
}

// Done is closed when the call should stop.
func (c *call) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
		c.watch()
	}
	return c.done
}

// AfterFunc lets contexts made from this one follow it without a goroutine of their own.
func (c *call) AfterFunc(f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = map[int]func(){}
	}
	c.lastFn++
	id := c.lastFn
	c.after[id] = f
	c.watch()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waits := c.after[id]
		delete(c.after, id)
		return waits
	}
}

// watch sets the clock, once somebody wants to be told. Under c.mu.
func (c *call) watch() {
	if c.timer == nil && c.err == nil && !c.deadline.IsZero() {
		c.timer = time.AfterFunc(time.Until(c.deadline), func() { c.cancel(context.DeadlineExceeded) })
	}
}

func (c *call) cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop(err)
}

// stop ends the context. Under c.mu.
func (c *call) stop(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	for _, f := range c.after {
		go f()
	}
	c.after = nil
}

// carried is what travelled with the call besides its input.
func (c *call) carried() *wire.Entries {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		entries, _ := wire.ReadEntries(c.frame.Meta) // checked when it came
		if entries.CallID == "" {
			entries.CallID = c.server.conn.Hello.CallID(c.frame.Call)
		}
		c.entries = &entries
	}
	return c.entries
}

// ring wakes the function where it waits for credit or input. Under the lock of the line.
func (c *call) ring() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// wait gives the line's lock away until there is news of the call. It returns why the call should stop, if it should.
func (c *call) wait() error {
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	wake := c.wake
	c.server.handOver()
	c.server.flush()
	c.server.Unlock()
	defer c.server.Lock()
	select {
	case <-wake:
		return nil
	case <-c.Done():
		return c.Err()
	}
}

// items is the input stream of the call, as values are wanted of it.
func (c *call) items(yield func(frame *wire.Frame, at int, err error) bool) {
	for at := 0; ; at++ {
		frame, err := c.nextItem()
		if frame == nil && err == nil {
			return
		}
		if !yield(frame, at, err) || err != nil {
			return
		}
	}
}

func (c *call) nextItem() (*wire.Frame, error) {
	s := c.server
	s.Lock()
	defer s.Unlock()
	for len(c.input) == 0 {
		if c.spoiled != nil {
			return nil, c.spoiled
		}
		if c.ended {
			return nil, nil
		}
		if err := c.wait(); err != nil {
			return nil, err
		}
	}
	frame := c.input[0]
	c.input = c.input[1:]
	return &frame, nil
}

// consumed grants the caller what an item took, and gives its region back.
func (c *call) consumed(frame *wire.Frame) {
	s := c.server
	s.Lock()
	defer s.Unlock()
	s.release(frame)
	if due := s.conn.Consumed(frame.Call, wire.Cost(frame)); due > 0 {
		_ = s.put(&wire.Frame{Kind: wire.Credit, Call: frame.Call, Amount: due})
		s.flush()
	}
}

// sendItem sends one item of the reply, once there is credit.
func (c *call) sendItem(codec wire.Codec, body []byte) error {
	s := c.server
	s.Lock()
	defer s.Unlock()
	for s.conn.Credit(c.frame.Call) <= 0 {
		if err := c.wait(); err != nil {
			return err
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	frame := wire.Frame{Kind: wire.Item, Codec: uint8(codec), Call: c.frame.Call, Body: body}
	if err := s.putBody(c, &frame); err != nil {
		return tooLarge(err)
	}
	s.flushSoon()
	return nil
}

func tooLarge(err error) error {
	var oversized *wire.OversizedError
	if errors.As(err, &oversized) {
		return &Fault{Code: ResourceExhausted, Detail: "the result is too large to send: " + err.Error(), Started: StartedYes}
	}
	return err
}
