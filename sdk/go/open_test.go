package dragoman

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dragoman")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAHostThatDoesNotStartSaysWhy(t *testing.T) {
	var output bytes.Buffer
	_, err := Open(context.Background(), t.TempDir(), WithOutput(&output), WithProgram(script(t, "echo no such thing >&2; exit 3")))
	if !errors.Is(err, Unavailable) || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(output.String(), "no such thing") {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), t.TempDir(), WithProgram("no-such-dragoman"))
	if !errors.Is(err, FailedPrecondition) {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), filepath.Join(t.TempDir(), "none"), WithProgram(script(t, "")))
	if !errors.Is(err, NotFound) {
		t.Fatal(err)
	}
}

func TestAHostThatHangsIsLetGo(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer stop()
	begun := time.Now()
	// Like a host, it ends when its standard input does.
	_, err := Open(ctx, t.TempDir(), WithOutput(&bytes.Buffer{}), WithProgram(script(t, "cat > /dev/null")))
	if !errors.Is(err, Unavailable) || time.Since(begun) > 5*time.Second {
		t.Fatal(err, time.Since(begun))
	}
}

// TestARealHost needs Dragoman itself: the variable DRAGOMAN names it, as the tests of the repository do.
func TestARealHost(t *testing.T) {
	if os.Getenv("DRAGOMAN") == "" {
		t.Skip("needs the variable DRAGOMAN")
	}
	source := filepath.Join(t.TempDir(), "shop.py")
	text := `
from collections.abc import Iterator
import os
def total(prices: list[float]) -> float: return sum(prices)
def count(n: int) -> Iterator[int]: yield from range(n)
def late() -> None:
    import time
    time.sleep(60)
def fail() -> None: raise ValueError("as asked")
def raw(data: bytes) -> bytes: return data[::-1]
`
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	project, err := Open(ctx, source)
	if err != nil {
		t.Fatal(err)
	}
	defer project.Close()
	type prices struct {
		Prices []float64 `json:"prices"`
	}
	if total, err := Call[prices, float64](ctx, project, "shop.total", prices{[]float64{1, 2.5}}); err != nil || total != 3.5 {
		t.Fatal(total, err)
	}
	n := 0
	for item, err := range Stream[map[string]int, int](ctx, project, "shop.count", map[string]int{"n": 100_000}) {
		if err != nil || item != n {
			t.Fatal(item, n, err)
		}
		n++
	}
	if n != 100_000 {
		t.Fatal(n)
	}
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	defer stop()
	if _, err := Call[struct{}, any](short, project, "shop.late", struct{}{}); !errors.Is(err, DeadlineExceeded) {
		t.Fatal(err)
	}
	var fault *Fault
	if _, err := Call[struct{}, any](ctx, project, "shop.fail", struct{}{}); !errors.As(err, &fault) || fault.Code != Unknown || fault.Detail != "ValueError: as asked" {
		t.Fatal(err)
	}
	_, err = Call[map[string]any, float64](ctx, project, "shop.total", map[string]any{"prices": "x"})
	if !errors.As(err, &fault) || fault.Code != InvalidArgument || len(fault.Errors) != 1 || fault.Errors[0].Path != "/prices" {
		t.Fatalf("%+v", fault)
	}
	if _, err := Call[struct{}, any](ctx, project, "shop.nothing", struct{}{}); !errors.Is(err, NotFound) {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("abcd"), 1<<20)
	if got, err := Call[[]byte, []byte](ctx, project, "shop.raw", large); err != nil || len(got) != len(large) || got[0] != 'd' {
		t.Fatal(len(got), err)
	}
	functions, err := project.Functions(ctx)
	if err != nil || len(functions) != 5 {
		t.Fatal(functions, err)
	}
	pid := project.command.Process.Pid
	if err := project.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + itoa(pid)); err == nil {
		t.Fatal("the host lives on")
	}
}
