// The conformance service in Go: see conformance/README.md of the repository.
package main

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/big"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dragoman/dragoman/sdk/go"
)

type colour string

func (colour) Enum() []colour { return []colour{"red", "green"} }

type shape interface{ corners() int }

type circle struct {
	Radius float64 `json:"radius"`
}

type square struct {
	Side float64 `json:"side"`
}

func (circle) corners() int { return 0 }
func (square) corners() int { return 4 }

type typed struct {
	Int      int64            `json:"int"`
	Big      big.Int          `json:"big"`
	Float    float64          `json:"float"`
	Decimal  dragoman.Decimal `json:"decimal"`
	Flag     bool             `json:"flag"`
	Text     string           `json:"text"`
	Bytes    []byte           `json:"bytes"`
	Moment   time.Time        `json:"moment"`
	Date     dragoman.Date    `json:"date"`
	Duration time.Duration    `json:"duration"`
	UUID     dragoman.UUID    `json:"uuid"`
	Colour   colour           `json:"colour"`
	Tags     []string         `json:"tags"`
	Scores   map[string]int64 `json:"scores"`
	Shape    shape            `json:"shape"`
	Maybe    *int64           `json:"maybe,omitempty"`
	Nullable *int64           `json:"nullable"`
	Inner    *typed           `json:"inner,omitempty"`
}

type value struct {
	Value any `json:"value"`
}

type pair struct {
	A int64 `json:"a"`
	B int64 `json:"b"`
}

type numbers struct {
	Numbers iter.Seq2[int64, error] `json:"numbers"`
}

type nested struct {
	Function string         `json:"function"`
	Input    map[string]any `json:"input"`
}

type seconds struct {
	Seconds float64 `json:"seconds"`
}

func (s seconds) duration() time.Duration { return time.Duration(s.Seconds * float64(time.Second)) }

func main() {
	dragoman.RegisterUnion("kind", map[string]shape{"circle": circle{}, "square": square{}})
	values()
	streams()
	contexts()
	dragoman.Main()
}

func values() {
	dragoman.Register("echo", func(in value) any { return in.Value })
	dragoman.Register("add", func(in pair) (*big.Int, error) {
		return new(big.Int).Add(big.NewInt(in.A), big.NewInt(in.B)), nil
	})
	dragoman.Register("typed", func(in typed) typed { return in })
	dragoman.Register("fail", func(in struct {
		Code   dragoman.Code `json:"code"`
		Detail string        `json:"detail"`
	}) error {
		return dragoman.Errorf(in.Code, "%s", in.Detail).WithBreach("/code", "as asked")
	})
	dragoman.Register("crash", func(in struct {
		Message string `json:"message"`
	}) {
		panic(in.Message)
	})
	dragoman.Register("unserialisable", func() any { return func() {} })
	dragoman.Register("reverse", func(in dragoman.Lent) []byte {
		out := slices.Clone([]byte(in))
		slices.Reverse(out)
		return out
	})
}

func streams() {
	dragoman.Register("count", func(in struct {
		To    int `json:"to"`
		Bytes int `json:"bytes,omitempty"`
	}) iter.Seq[any] {
		return func(yield func(any) bool) {
			for i := range in.To {
				var item any = i
				if in.Bytes > 0 {
					item = strings.Repeat("x", in.Bytes)
				}
				if !yield(item) {
					return
				}
			}
		}
	})
	dragoman.Register("fail_after", func(in struct {
		Items int `json:"items"`
	}) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range in.Items {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, dragoman.Errorf(dragoman.FailedPrecondition, "as asked"))
		}
	})
	dragoman.Register("endless", func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := 0; ctx.Err() == nil; i++ {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, ctx.Err())
		}
	})
	dragoman.Register("sum", func(in numbers) (total int64, err error) {
		for number, err := range in.Numbers {
			if err != nil {
				return 0, err
			}
			total += number
		}
		return total, nil
	})
	dragoman.Register("first", func(in numbers) (int64, error) {
		for number, err := range in.Numbers {
			return number, err
		}
		return 0, dragoman.Errorf(dragoman.InvalidArgument, "no numbers")
	})
	dragoman.Register("double", func(_ context.Context, numbers iter.Seq2[int64, error]) iter.Seq2[int64, error] {
		return func(yield func(int64, error) bool) {
			for number, err := range numbers {
				if !yield(2*number, err) {
					return
				}
			}
		}
	}, dragoman.InputStream("numbers"))
}

func contexts() {
	dragoman.Register("sleep", func(ctx context.Context, in seconds) (string, error) {
		select {
		case <-time.After(in.duration()):
			return "slept", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	dragoman.Register("stubborn", func(in seconds) string {
		time.Sleep(in.duration())
		return "done"
	})
	dragoman.Register("call", func(ctx context.Context, in nested) (any, error) {
		return dragoman.Call[map[string]any, any](ctx, dragoman.Host(ctx), in.Function, in.Input)
	})
	dragoman.Register("relay", func(ctx context.Context, in nested) iter.Seq2[any, error] {
		return dragoman.Stream[map[string]any, any](ctx, dragoman.Host(ctx), in.Function, in.Input)
	})
	dragoman.Register("log", func(ctx context.Context, in struct {
		Message string `json:"message"`
		Level   string `json:"level"`
	}) {
		level := map[string]slog.Level{"debug": slog.LevelDebug, "warning": slog.LevelWarn, "error": slog.LevelError}[in.Level]
		dragoman.Logger(ctx).Log(ctx, level, in.Message, "n", 1)
	})
	dragoman.Register("progress", func(ctx context.Context, in struct {
		Share   float64 `json:"share"`
		Message string  `json:"message"`
	}) {
		dragoman.Progress(ctx, in.Share, in.Message)
	})
	dragoman.Register("steps", func(ctx context.Context, in struct {
		Shares  []float64 `json:"shares"`
		Seconds float64   `json:"seconds"`
	}) {
		for _, share := range in.Shares {
			dragoman.Progress(ctx, share, "")
		}
		for ends := time.Now().Add(seconds{in.Seconds}.duration()); time.Now().Before(ends); {
		}
	})
	dragoman.Register("print", func(in struct {
		Text string `json:"text"`
	}) {
		fmt.Println(in.Text)
		fmt.Fprintln(os.Stderr, in.Text)
	})
	dragoman.Register("remaining", func(ctx context.Context) *float64 {
		deadline, ok := ctx.Deadline()
		if !ok {
			return nil
		}
		left := max(time.Until(deadline).Seconds(), 0)
		return &left
	})
	dragoman.Register("about", about)
}

type aboutCall struct {
	CallID    string  `json:"call_id"`
	TraceID   *string `json:"trace_id"`
	Cancelled bool    `json:"cancelled"`
}

func about(ctx context.Context) aboutCall {
	out := aboutCall{CallID: dragoman.CallID(ctx), Cancelled: ctx.Err() != nil}
	if parent, _ := dragoman.Trace(ctx); parent != "" {
		id := strings.Split(parent, "-")[1]
		out.TraceID = &id
	}
	return out
}
