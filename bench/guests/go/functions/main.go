// Command functions is the bench's functions in Go.
package main

import (
	"context"

	dragoman "github.com/dragoman/dragoman/sdk/go"
)

type numbers struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

type text struct {
	Text string `json:"text"`
}

func add(in numbers) float64 { return in.A + in.B }

func mirror(in text) string { return in.Text }

func table(ctx context.Context, in dragoman.Arrow) dragoman.Arrow {
	out := dragoman.Allocate(ctx, len(in))
	copy(out, in)
	return out
}

func main() {
	dragoman.Register("add", add)
	dragoman.Register("mirror", mirror)
	dragoman.Register("table", table)
	dragoman.Main()
}
