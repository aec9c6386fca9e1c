package dragoman

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/dragoman/dragoman/sdk/go/internal/wire"
)

// libraryVersion is the version of this library.
const libraryVersion = "0.1.0"

const (
	envWire       = "DRAGOMAN_WIRE_FD"
	envPath       = "DRAGOMAN_WIRE_PATH"
	envToken      = "DRAGOMAN_WIRE_TOKEN"
	envProgress   = "DRAGOMAN_PROGRESS_FD"
	envSegmentIn  = "DRAGOMAN_SEGMENT_IN_FD"
	envSegmentOut = "DRAGOMAN_SEGMENT_OUT_FD"
)

// wireFDLeast is where the wire moves, out of the way of code that closes and reuses low descriptors.
const wireFDLeast = 200

const pageBytes = 4096

// Main serves the registered functions until the host is done, and ends the process. It is the last line of main.
func Main() {
	if err := Serve(); err != nil {
		fmt.Fprintln(os.Stderr, "dragoman:", err)
		var fault *Fault
		if errors.As(err, &fault) {
			os.Exit(1)
		}
		os.Exit(exitUsage)
	}
	os.Exit(0)
}

// Serve serves the registered functions until the host is done. It is Main for a program that has something to tidy up;
// where the host is lost the process ends here all the same.
func Serve() error {
	socket, token, err := adopt()
	if err != nil {
		return err
	}
	page, shared := openPage(), openArenas(descriptor(envSegmentIn), descriptor(envSegmentOut))
	for _, name := range []string{envWire, envPath, envToken, envProgress, envSegmentIn, envSegmentOut} {
		os.Unsetenv(name)
	}
	registryMu.Lock()
	functions := registry
	registryMu.Unlock()

	l, reader := newLine(wire.AsGuest, socket), wire.NewReader(socket)
	s := newServer(l, reader, functions)
	s.page, s.arenas = page, shared
	s.greeted()
	manifest, err := contracts(functions)
	if err == nil {
		err = s.ready(manifest, token)
	}
	if err != nil {
		fault := unstarted(FailedPrecondition, "%v", err)
		s.Lock()
		_ = s.put(&wire.Frame{Kind: wire.Fault, Codec: uint8(wire.JSON), Body: wire.AppendFault(nil, fault.body())})
		s.finish()
		s.Unlock()
		return fault
	}
	go s.read()
	<-s.end
	return nil
}

// greeted reads HELLO.
func (s *server) greeted() {
	for s.conn.Phase == wire.Start {
		frame, err := s.reader.Next()
		s.Lock()
		if err != nil {
			s.lost(err)
		}
		if _, fault := s.conn.Receive(&frame); fault != nil {
			s.lost(fault)
		}
		s.Unlock()
	}
	s.reader.Limit = s.conn.Limits.FrameBytesMax
}

// ready says READY.
func (s *server) ready(manifest []json.RawMessage, token string) error {
	ready := wire.ReadyBody{
		Token: token, Version: wire.Version, Language: "go", LanguageVersion: strings.TrimPrefix(runtime.Version(), "go"),
		Library: "dragoman/" + libraryVersion, Features: []string{"revoke", "checks"}, Functions: manifest,
	}
	if s.page != nil {
		ready.Features = append(ready.Features, "progress")
	}
	if s.arenas != nil {
		ready.Features = append(ready.Features, "segments")
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(ready); err != nil {
		return err
	}
	s.Lock()
	defer s.Unlock()
	if err := s.put(&wire.Frame{Kind: wire.Ready, Codec: uint8(wire.JSON), Body: body.Bytes()}); err != nil {
		return fmt.Errorf("the manifest cannot be sent: %w", err)
	}
	if s.conn.Segments() {
		s.reader.Segments, s.conn.ArenaIn = true, s.arenas.inSize
		s.out.putBody = func(frame *wire.Frame) error { return s.putBody(nil, frame) }
		s.out.body = s.body
	} else {
		s.arenas = nil
	}
	s.flush()
	return s.err
}

// socket is the wire as a blocking descriptor: to wait in the system call itself wakes quicker than any poller.
type socket int

func (s socket) Read(to []byte) (int, error) {
	for {
		n, err := syscall.Read(int(s), to)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s socket) Write(data []byte) (int, error) {
	sent := 0
	for sent < len(data) {
		n, err := syscall.Write(int(s), data[sent:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return sent, os.NewSyscallError("write", err)
		}
		sent += n
	}
	return sent, nil
}

// TryWrite writes as much as there is room for. It does not tell the scheduler, since it does not wait.
func (s socket) TryWrite(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EAGAIN:
			return 0, nil
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError("sendto", errno)
		}
	}
}

func descriptor(name string) int {
	fd, err := strconv.Atoi(os.Getenv(name))
	if err != nil || fd < 0 {
		return -1
	}
	return fd
}

// adopt takes the wire that the environment names.
func adopt() (socket, string, error) {
	if os.Getenv(envWire) == "" && os.Getenv(envPath) != "" {
		return dialWire(os.Getenv(envPath), os.Getenv(envToken))
	}
	fd := descriptor(envWire)
	if fd < 0 {
		return 0, "", fmt.Errorf("this program is a worker, which a host starts with %s set: run it by `dragoman serve`", envWire)
	}
	moved, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, wireFDLeast)
	if errno == syscall.EINVAL { // so many files may not be open here: it stays lower
		moved, _, errno = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, uintptr(fd)+1)
	}
	if errno != 0 {
		return 0, "", fmt.Errorf("%s names %d, which cannot be used: %w", envWire, fd, errno)
	}
	syscall.Close(fd)
	if err := syscall.SetNonblock(int(moved), false); err != nil {
		return 0, "", os.NewSyscallError("fcntl", err)
	}
	return socket(moved), "", nil
}

func dialWire(path, token string) (socket, string, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, "", os.NewSyscallError("socket", err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return 0, "", fmt.Errorf("%s names %s, which cannot be connected to: %w", envPath, path, err)
	}
	return socket(fd), token, nil
}

func openPage() *pageWord {
	fd := descriptor(envProgress)
	if fd < 0 {
		return nil
	}
	memory, err := syscall.Mmap(fd, 0, pageBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	syscall.Close(fd)
	return progressPage(memory)
}
