package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// inFlightMax bounds the calls given to the worker: past it a call is refused at once.
const inFlightMax = 1024

var (
	errOverloaded = errors.New("too many calls in flight")
	errLost       = errors.New("the worker is gone")
)

// worker multiplexes calls over one socket to one process: one goroutine writes, batching whatever waits into one
// system call, one reads.
type worker struct {
	socket    net.Conn
	process   *exec.Cmd
	functions map[string]uint32
	outgoing  chan frame
	lost      chan struct{}
	nextID    atomic.Uint64

	mutex   sync.Mutex
	waiting map[uint64]chan frame
}

// startWorker starts the command with one end of a socketpair as descriptor 3 and shakes hands.
func startWorker(command []string, source string) (*worker, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "wire"), os.NewFile(uintptr(pair[1]), "wire")
	socket, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	process := exec.Command(command[0], command[1:]...)
	process.Env = append(os.Environ(), "DRAGOMAN_WIRE_FD=3", "DRAGOMAN_SOURCE="+source)
	process.ExtraFiles = []*os.File{theirs}
	process.Stderr = os.Stderr
	err = process.Start()
	theirs.Close()
	if err != nil {
		return nil, err
	}
	w := &worker{
		socket:   socket,
		process:  process,
		outgoing: make(chan frame, inFlightMax),
		lost:     make(chan struct{}),
		waiting:  make(map[uint64]chan frame, inFlightMax),
	}
	incoming := bufio.NewReaderSize(socket, 64<<10)
	if err := w.greet(incoming); err != nil {
		process.Process.Kill()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	go w.write()
	go w.read(incoming)
	return w, nil
}

// greet says HELLO and learns the functions, in the order of their indices, from READY.
func (w *worker) greet(incoming *bufio.Reader) error {
	hello := frame{kind: kindHello, codec: codecJSON, body: helloBody()}
	w.socket.SetDeadline(time.Now().Add(30 * time.Second))
	defer w.socket.SetDeadline(time.Time{})
	if _, err := w.socket.Write(append(hello.appendHeader(nil), hello.body...)); err != nil {
		return err
	}
	header := make([]byte, headerBytes)
	for {
		answer, err := readFrame(incoming, header)
		if err != nil {
			return err
		}
		switch answer.kind {
		case kindReady:
			return w.learn(answer.body)
		case kindFault:
			return fmt.Errorf("the source does not start: %s", answer.body)
		}
	}
}

func (w *worker) learn(ready []byte) error {
	var manifest struct {
		Functions []struct {
			Name string `json:"name"`
		} `json:"functions"`
	}
	if err := json.Unmarshal(ready, &manifest); err != nil {
		return err
	}
	w.functions = make(map[string]uint32, len(manifest.Functions))
	for index, function := range manifest.Functions {
		w.functions[function.Name] = uint32(index)
	}
	return nil
}

func (w *worker) write() {
	out := bufio.NewWriterSize(w.socket, 64<<10)
	header := make([]byte, 0, headerBytes)
	for {
		select {
		case next := <-w.outgoing:
			out.Write(next.appendHeader(header[:0]))
			out.Write(next.body)
			if len(w.outgoing) == 0 {
				if out.Flush() != nil {
					return // the reader sees it too, and tells everybody
				}
			}
		case <-w.lost:
			return
		}
	}
}

func (w *worker) read(incoming *bufio.Reader) {
	defer close(w.lost)
	header := make([]byte, headerBytes)
	for {
		next, err := readFrame(incoming, header)
		if err != nil {
			return
		}
		switch next.kind {
		case kindEnd, kindFault:
			if waiter := w.take(next.call); waiter != nil {
				waiter <- next
			}
		case kindPing:
			w.outgoing <- frame{kind: kindPong, call: next.call, body: next.body}
		}
	}
}

func (w *worker) take(id uint64) chan frame {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	waiter := w.waiting[id]
	delete(w.waiting, id)
	return waiter
}

var waiters = sync.Pool{New: func() any { return make(chan frame, 1) }}

// call runs one function. It returns errOverloaded, errLost or the context's error where there is no answer.
func (w *worker) call(ctx context.Context, function uint32, codec byte, body []byte, left time.Duration) (frame, error) {
	id := w.nextID.Add(1)
	waiter := waiters.Get().(chan frame)
	w.mutex.Lock()
	if len(w.waiting) >= inFlightMax {
		w.mutex.Unlock()
		waiters.Put(waiter)
		return frame{}, errOverloaded
	}
	w.waiting[id] = waiter
	w.mutex.Unlock()
	left_ms := uint32(max(left.Milliseconds(), 1))
	w.outgoing <- frame{kind: kindCall, codec: codec, function: function, call: id, amount: left_ms, body: body}
	select {
	case answer := <-waiter:
		waiters.Put(waiter)
		return answer, nil
	case <-ctx.Done():
		if w.take(id) == nil {
			return <-waiter, nil // answered in the same moment
		}
		waiters.Put(waiter)
		w.outgoing <- frame{kind: kindCancel, call: id}
		return frame{}, ctx.Err()
	case <-w.lost:
		return frame{}, errLost
	}
}

// stop ends the worker and waits for it.
func (w *worker) stop() {
	w.socket.Close()
	time.AfterFunc(2*time.Second, func() { w.process.Process.Kill() })
	w.process.Wait()
}
