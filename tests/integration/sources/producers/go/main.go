// A program that sends what it is told to, line by line, and says what came of it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/dragoman/dragoman/sdk/go"
	"github.com/dragoman/dragoman/sdk/go/queue"
)

var (
	event = queue.Headers{"ce-specversion": "1.0", "ce-id": "17", "ce-source": "/shop", "ce-type": "order", "ce-subject": "é"}
	said  = queue.Headers{
		"traceparent":       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"dragoman-deadline": "2099-01-01T00:00:00Z",
		"dragoman-priority": "critical",
		"idempotency-key":   "order-17",
		"correlation-id":    "a\r\nb ☕",
	}
)

type order struct {
	Item  string         `json:"item"`
	Count int            `json:"count"`
	Note  *string        `json:"note"`
	Lines []int          `json:"lines"`
	More  map[string]int `json:"more"`
}

type tea struct {
	Item string `json:"item"`
}

func table(ctx context.Context, p *queue.Producer) error {
	both := maps.Clone(event)
	maps.Copy(both, said)
	numbers := []any{0, -1, int64(9007199254740993), uint64(18446744073709551615), 1.5, -0.25, 0.1, true, false, nil}
	for _, each := range []queue.Message{
		{Input: order{Item: "tea", Count: 2, Lines: []int{}, More: map[string]int{}}},
		{Input: "é ☕ <&> \" \\ / \n \t \x01 \x7f \u2028 😀"},
		{Input: numbers},
		{},
		{Input: []byte{0, 255, '\r', '\n'}},
		{Input: []byte("1"), Headers: queue.Headers{"content-type": "application/json"}},
		{Input: tea{"tea"}, Headers: said},
		{Input: tea{"tea"}, Headers: event},
		{Input: tea{"tea"}, Headers: both},
	} {
		if _, err := p.Send(ctx, "table", each.Input, each.Headers); err != nil {
			return err
		}
	}
	_, err := p.SendAll(ctx, "table", queue.Message{Input: "a"}, queue.Message{Input: "b"})
	return err
}

func crowd(ctx context.Context, p *queue.Producer, stream string, goroutines, count int) error {
	var all sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range count {
				if _, err := p.Send(ctx, stream, g*count+i); err != nil {
					errs[g] = err
					return
				}
			}
		}()
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func do(ctx context.Context, p *queue.Producer, verb, stream string, number, count int) error {
	switch verb {
	case "table":
		return table(ctx, p)
	case "send":
		_, err := p.Send(ctx, stream, number)
		return err
	case "all":
		messages := make([]queue.Message, count)
		for i := range messages {
			messages[i].Input = i
		}
		_, err := p.SendAll(ctx, stream, messages...)
		return err
	case "crowd":
		return crowd(ctx, p, stream, number, count)
	case "heavy":
		_, err := p.SendAll(ctx, stream, slices.Repeat([]queue.Message{{Input: make([]byte, number)}}, count)...)
		return err
	case "large":
		_, err := p.Send(ctx, stream, make([]byte, number))
		return err
	}
	return p.Close()
}

func say(err error) {
	var fault *dragoman.Fault
	switch {
	case err == nil:
		fmt.Println("ok")
	case errors.As(err, &fault):
		detail, _ := json.Marshal(fault.Detail)
		fmt.Println(fault.Code, fault.Started, string(detail))
	default:
		fmt.Println("UNKNOWN", "unknown", err)
	}
}

func main() {
	ctx := context.Background()
	keep, _ := strconv.Atoi(os.Args[2])
	p, err := queue.Dial(ctx, os.Args[1], queue.WithKeep(keep))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var verb, stream string
		var number, count int
		fmt.Sscan(lines.Text(), &verb, &stream, &number, &count)
		if p == nil {
			say(err)
			p, err = queue.Dial(ctx, os.Args[1], queue.WithKeep(keep))
			continue
		}
		say(do(ctx, p, verb, stream, number, count))
	}
}
