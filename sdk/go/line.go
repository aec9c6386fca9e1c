package dragoman

import (
	"io"
	"sync"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

const (
	// partBytes is from where a body is sent from where it lies, and not copied behind its header: about where the copy
	// costs more than another system call.
	partBytes = 32 << 10
	// flushBytes is how much may gather before it is sent, whatever else is going on.
	flushBytes = 64 << 10
	// waitingBytesMax is how much may wait for a peer that does not read, before those who write must wait too.
	waitingBytesMax = 4 << 20
)

// line is one end of a wire: the connection's state, and the frames that wait to be sent. Its lock guards both, and all
// that belongs to its calls.
type line struct {
	sync.Mutex
	conn *wire.Conn
	rw   io.ReadWriter

	out     []byte   // small frames that wait
	parts   [][]byte // what waits before out, in order
	size    int
	writing bool
	drained sync.Cond
	err     error // why nothing can be sent any more
}

func newLine(role wire.Role, rw io.ReadWriter) *line {
	l := &line{conn: wire.NewConn(role), rw: rw}
	l.drained.L = &l.Mutex
	return l
}

// put checks a frame and lets it wait to be sent. Under the lock.
func (l *line) put(f *wire.Frame) error {
	if l.err != nil {
		return l.err
	}
	if err := l.conn.Send(f); err != nil {
		return err
	}
	l.append(f)
	return nil
}

func (l *line) append(f *wire.Frame) {
	l.size += wire.HeaderBytes + len(f.Meta) + len(f.Body)
	if len(f.Body) < partBytes {
		l.out = wire.Append(l.out, f)
		return
	}
	l.parts = append(l.parts, wire.AppendHeader(l.out, f), f.Body)
	l.out = nil
}

// answer sends what the connection itself found must be sent. Under the lock.
func (l *line) answer() {
	if answers := l.conn.Answers; len(answers) > 0 {
		l.out = append(l.out, answers...)
		l.size += len(answers)
		l.conn.Answers = answers[:0]
	}
}

// release gives a region back to the peer. Under the lock.
func (l *line) release(f *wire.Frame) {
	if f.Flags&wire.Segment != 0 {
		from := len(l.out)
		l.out = l.conn.GiveBack(l.out, f.Region)
		l.size += len(l.out) - from
	}
}

// flush sends what waits. Under the lock, which is given away while the system sends; whoever flushes meanwhile leaves
// it to the one who is at it. It never waits for the peer to read, since whoever reads the wire flushes too: what the
// system does not take at once is left to a goroutine of its own.
func (l *line) flush() {
	if l.writing {
		return
	}
	l.writing = true
	for (len(l.out) > 0 || len(l.parts) > 0) && l.err == nil {
		parts, out := l.parts, l.out
		l.parts, l.out, l.size = nil, nil, 0
		if len(out) > 0 {
			parts = append(parts, out)
		}
		l.Unlock()
		rest, err := l.try(parts)
		l.Lock()
		if err != nil {
			l.err = err
		} else if len(rest) > 0 {
			go l.push(rest)
			return
		}
		if l.out == nil && cap(out) <= 2*flushBytes {
			l.out = out[:0]
		}
	}
	l.writing = false
	l.drained.Broadcast()
}

// eager is a connection that can be written to without waiting.
type eager interface {
	// TryWrite writes as much as there is room for, maybe nothing.
	TryWrite(data []byte) (int, error)
}

// try sends what can be sent at once, and returns what is left.
func (l *line) try(parts [][]byte) ([][]byte, error) {
	to, ok := l.rw.(eager)
	for ok && len(parts) > 0 {
		n, err := to.TryWrite(parts[0])
		if err != nil {
			return nil, err
		}
		if n < len(parts[0]) {
			parts[0] = parts[0][n:]
			break
		}
		parts = parts[1:]
	}
	return parts, nil
}

// push sends what waits for the peer to read, and then what has come meanwhile.
func (l *line) push(parts [][]byte) {
	var err error
	for _, part := range parts {
		if _, err = l.rw.Write(part); err != nil {
			break
		}
	}
	l.Lock()
	defer l.Unlock()
	if err != nil {
		l.err = err
	}
	l.writing = false
	l.drained.Broadcast()
	l.flush()
}

// finish waits until all is sent. Under the lock.
func (l *line) finish() {
	l.flush()
	for l.writing && l.err == nil {
		l.drained.Wait()
	}
}

func (l *line) send(parts [][]byte, out []byte) error {
	for _, part := range parts {
		if _, err := l.rw.Write(part); err != nil {
			return err
		}
	}
	if len(out) == 0 {
		return nil
	}
	_, err := l.rw.Write(out)
	return err
}

// room waits while too much waits for the peer to read. Under the lock; not for whoever reads the wire.
func (l *line) room() {
	for l.writing && l.size > waitingBytesMax && l.err == nil {
		l.drained.Wait()
	}
}
