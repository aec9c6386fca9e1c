// Feed sends every figure of market.csv to a stream, as a data vendor would: the far end of the pipeline.
//
//	go run ./feed -times 10
//
// It needs no host to be there, only the Redis or Valkey: what it has sent waits for one.
package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/dragoman/dragoman/sdk/go/queue"
)

// Figure is the input of watch.judge.
type Figure struct {
	Column  string  `json:"column"`
	Quarter string  `json:"quarter"`
	Value   float64 `json:"value"`
}

// Figures reads a file whose first line names the columns `year`, `quarter` and the series: all of a quarter, then the next.
func Figures(file io.Reader) ([]Figure, error) {
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the file has no line of names")
	}
	var figures []Figure
	for i, row := range rows[1:] {
		quarter := row[0] + "Q" + row[1]
		for j, text := range row[2:] {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("line %d, %s: %w", i+2, rows[0][j+2], err)
			}
			figures = append(figures, Figure{rows[0][j+2], quarter, value})
		}
	}
	return figures, nil
}

// Messages are figures as messages; results come back with the correlation id, which says what they are about.
func Messages(figures []Figure) []queue.Message {
	messages := make([]queue.Message, len(figures))
	for i, each := range figures {
		messages[i] = queue.Message{Input: each, Headers: queue.Headers{"correlation-id": each.Column + "/" + each.Quarter}}
	}
	return messages
}

func run(ctx context.Context, url, stream, path string, times int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	figures, err := Figures(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	producer, err := queue.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := Messages(figures)
	start := time.Now()
	for range times {
		if _, err := producer.SendAll(ctx, stream, messages...); err != nil {
			return err
		}
	}
	took := time.Since(start).Seconds()
	sent := times * len(messages)
	fmt.Printf("sent %d messages to %s in %.2fs, %.0f/s\n", sent, stream, took, float64(sent)/took)
	return nil
}

func main() {
	url := flag.String("url", cmp.Or(os.Getenv("DRAGOMAN_SHARED_URL"), "redis://127.0.0.1:6379"), "the Redis or Valkey")
	stream := flag.String("stream", "market.figures", "the stream that is sent to")
	path := flag.String("file", "market.csv", "the figures")
	times := flag.Int("times", 1, "how often all of them are sent")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *url, *stream, *path, *times); err != nil {
		log.Fatalf("feed: %v", err)
	}
}
