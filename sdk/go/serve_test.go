package dragoman

import (
	"strconv"
	"syscall"
	"testing"
)

func TestTheWireIsTakenWhereFewFilesMayBeOpen(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[1])
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: wireFDLeast / 2, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	t.Setenv(envWire, strconv.Itoa(fds[0]))
	wire, _, err := adopt()
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(int(wire))
	if _, err := wire.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
}
