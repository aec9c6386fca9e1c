package dragoman

import (
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

func TestFlushingNeverWaitsForThePeerAndKeepsTheOrder(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := socket(fds[0]), socket(fds[1])
	defer syscall.Close(fds[1])
	l := newLine(wire.AsHost, ours)
	const frames = 4000
	// Nobody reads yet: the system takes the first few, and nothing here may hang.
	for i := range frames {
		l.Lock()
		l.append(&wire.Frame{Kind: wire.Ping, Call: uint64(i), Body: make([]byte, i%50)})
		if i%10 == 0 {
			l.append(&wire.Frame{Kind: wire.End, Codec: uint8(wire.Bytes), Call: uint64(i), Body: make([]byte, partBytes)})
		}
		l.flush()
		l.Unlock()
	}
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		l.Lock()
		defer l.Unlock()
		l.finish()
		syscall.Close(fds[0])
	}()
	reader := wire.NewReader(theirs)
	for i := range frames {
		frame, err := reader.Next()
		if err != nil || frame.Call != uint64(i) || len(frame.Body) != i%50 {
			t.Fatal(i, frame.Call, len(frame.Body), err)
		}
		if i%10 == 0 {
			if frame, err = reader.Next(); err != nil || frame.Kind != wire.End || len(frame.Body) != partBytes {
				t.Fatal(i, frame.Kind, err)
			}
		}
	}
	group.Wait()
	if _, err := reader.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

// busyWire is a wire that something else happens beside, whenever it is written to.
type busyWire struct {
	io.ReadWriter
	meanwhile func()
}

func (w busyWire) TryWrite(data []byte) (int, error) {
	w.meanwhile()
	return len(data), nil
}

func TestACallIsBegunOnceThoughOthersBeginCallsWhileRepliesAreSent(t *testing.T) {
	var s *server
	l := newLine(wire.AsGuest, busyWire{meanwhile: func() {
		s.Lock()
		defer s.Unlock()
		s.spread()
	}})
	l.conn.Hello.Concurrency = 2
	s = newServer(l, nil, nil)
	s.Lock()
	defer s.Unlock()
	waiting := &call{server: s}
	s.queue, s.running = []*call{waiting}, 1
	l.out, l.size = make([]byte, flushBytes), flushBytes
	if next := s.next(s.turn); next != waiting || s.running != 1 || len(s.queue) != 0 {
		t.Fatal(next, s.running, s.queue)
	}
}

func TestTheReaderIsRelievedOfALongCallThoughOthersBeginMeanwhile(t *testing.T) {
	silent, _ := io.Pipe()
	s := newServer(newLine(wire.AsGuest, nil), wire.NewReader(silent), nil)
	s.Lock()
	defer s.Unlock()
	s.inline, s.mine = true, &call{server: s}
	s.arm()
	for i := 0; s.inline; i++ {
		if i == 500 {
			t.Fatal("nobody reads the wire while the call runs")
		}
		s.begun++
		// The lock of a mutex that was waited for so long goes to who waits: one call begins between two looks of the watch.
		time.Sleep(4 * tick)
		s.Unlock()
		s.Lock()
	}
	if s.turn != 1 {
		t.Fatal(s.turn)
	}
}
