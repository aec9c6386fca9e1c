// Work of every sort, good and bad, for the tests of Go workers.
package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/dragoman/dragoman/sdk/go"
)

type order struct {
	ID    int64             `json:"id"`
	Lines []line            `json:"lines"`
	Note  *string           `json:"note,omitempty"`
	At    time.Time         `json:"at"`
	Tags  map[string]string `json:"tags"`
}

type line struct {
	Name  string           `json:"name"`
	Price dragoman.Decimal `json:"price"`
	Count uint8            `json:"count" doc:"how many"`
}

type number struct {
	N int64 `json:"n"`
}

type seconds struct {
	S float64 `json:"s"`
}

type nothing struct{}

var hoard [][]byte

func main() {
	dragoman.Register("order", func(in order) order { return in }, dragoman.Description("Gives an order back."), dragoman.Idempotent())
	dragoman.Register("square", func(in number) int64 { return in.N * in.N })
	dragoman.Register("pid", os.Getpid)
	dragoman.Register("nap", func(ctx context.Context, in seconds) (int, error) {
		select {
		case <-time.After(time.Duration(in.S * float64(time.Second))):
			return os.Getpid(), nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	dragoman.Register("count", func(ctx context.Context, in number) iter.Seq2[int64, error] {
		return func(yield func(int64, error) bool) {
			for i := int64(0); i < in.N && yield(i, nil); i++ {
			}
		}
	})
	dragoman.Register("sum", func(numbers iter.Seq2[int64, error]) (total int64, err error) {
		for n, err := range numbers {
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	}, dragoman.InputStream("numbers"))
	dragoman.Register("reverse", func(in []byte) []byte {
		out := make([]byte, len(in))
		for i, b := range in {
			out[len(in)-1-i] = b
		}
		return out
	})
	dragoman.Register("same", func(ctx context.Context, in dragoman.Lent) dragoman.Lent {
		out := dragoman.Allocate(ctx, len(in))
		copy(out, in)
		return out
	})
	dragoman.Register("ask", func(ctx context.Context, in number) (int64, error) {
		return dragoman.Call[number, int64](ctx, dragoman.Host(ctx), "py.twice", in)
	})
	dragoman.Register("ask_stream", func(ctx context.Context, in number) (total int64, err error) {
		for n, err := range dragoman.Stream[number, int64](ctx, dragoman.Host(ctx), "py.count", in) {
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	})
	dragoman.Register("ask_slow", func(ctx context.Context) (string, error) {
		return dragoman.Call[nothing, string](ctx, dragoman.Host(ctx), "py.slow", nothing{})
	})
	dragoman.Register("log", func(ctx context.Context, in number) {
		fmt.Println("printed", in.N)
		dragoman.Log(ctx, "logged", "n", in.N)
	})
	bad()
	dragoman.Main()
}

func bad() {
	dragoman.Register("fail", func() error {
		return dragoman.Errorf(dragoman.NotFound, "no order %d", 7).WithBreach("/id", "is unknown")
	})
	dragoman.Register("error", func() error { return fmt.Errorf("plain") })
	dragoman.Register("panics", func(in number) int64 { return []int64{}[in.N] })
	dragoman.Register("exits_goroutine", func() { runtime.Goexit() })
	dragoman.Register("goroutine_panics", func() {
		go func() { panic("in a goroutine") }()
		select {}
	})
	dragoman.Register("exits", func() { os.Exit(3) })
	dragoman.Register("aborts", func() { _ = syscall.Kill(os.Getpid(), syscall.SIGABRT); select {} })
	dragoman.Register("overflows", func() { overflow(0) })
	dragoman.Register("stops_itself", func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP); time.Sleep(time.Minute) })
	dragoman.Register("stubborn", func() {
		_ = exec.Command("sleep", os.Getenv("MARK")).Start()
		for {
			time.Sleep(time.Second)
		}
	})
	dragoman.Register("spins", func() {
		for i := 0; ; i++ {
		}
	})
	dragoman.Register("prints", func(in number) string {
		text := strings.Repeat("x", 1<<10) + "\n"
		for range in.N {
			fmt.Print(text)
		}
		return "printed"
	})
	dragoman.Register("unserialisable", func() any { return map[string]any{"a": []any{1, make(chan int)}} })
	dragoman.Register("leaks", func() int {
		block := make([]byte, 32<<20)
		for i := range block {
			block[i] = 1
		}
		hoard = append(hoard, block)
		return os.Getpid()
	})
	dragoman.Register("nonsense", func() {
		// The wire is the only socket that a worker has.
		for fd := 3; fd < 1024; fd++ {
			if _, err := syscall.Getsockname(fd); err == nil {
				_, _ = syscall.Write(fd, []byte(strings.Repeat("nonsense", 8)))
			}
		}
		time.Sleep(time.Minute)
	})
}

//go:noinline
func overflow(n int) int {
	var room [1024]int
	room[n%1024] = overflow(n + 1)
	return room[0]
}
