// Series serves the quarters of one series, from memory.
//
// It reads the file once, when it starts; a call is a binary search and a slice, which is why it is in Go.
package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"log"
	"os"
	"slices"
	"strconv"

	"github.com/dragoman/dragoman/sdk/go"
)

// Quarter is one quarter of one year, in the order of time.
type Quarter struct {
	Year, Number int
}

func (q Quarter) String() string { return fmt.Sprintf("%dQ%d", q.Year, q.Number) }

// Table holds every series of the file, and the quarter of each of their values.
type Table struct {
	quarters []Quarter
	columns  map[string][]float64
}

// ReadTable reads a file whose first line names the columns `year`, `quarter` and the series, oldest quarter first.
func ReadTable(file io.Reader) (*Table, error) {
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the file has no line of names")
	}
	table := &Table{columns: map[string][]float64{}}
	for i, row := range rows[1:] {
		values := make([]float64, len(row))
		for j, text := range row {
			if values[j], err = strconv.ParseFloat(text, 64); err != nil {
				return nil, fmt.Errorf("line %d, %s: %w", i+2, rows[0][j], err)
			}
		}
		table.quarters = append(table.quarters, Quarter{int(values[0]), int(values[1])})
		for j, name := range rows[0][2:] {
			table.columns[name] = append(table.columns[name], values[j+2])
		}
	}
	return table, nil
}

// From is the place of a year's first quarter, or of the first one after it.
func (t *Table) From(year int) int {
	at, _ := slices.BinarySearchFunc(t.quarters, year, func(q Quarter, year int) int {
		if q.Year < year {
			return -1
		}
		return 1
	})
	return at
}

// Span is what between and each take.
type Span struct {
	Column string `json:"column" doc:"a column of market.csv, such as realgdp"`
	Since  int    `json:"since,omitempty" doc:"the first year; from the beginning if it is left out"`
	Until  int    `json:"until,omitempty" doc:"the last year; to the end if it is left out"`
}

// Point is one value of a series.
type Point struct {
	Quarter string  `json:"quarter"`
	Value   float64 `json:"value"`
}

func (t *Table) points(span Span) (iter.Seq[Point], int, error) {
	values, known := t.columns[span.Column]
	if !known {
		return nil, 0, dragoman.Errorf(dragoman.NotFound, "there is no series %q", span.Column)
	}
	first, last := t.From(span.Since), len(values)
	if span.Until != 0 {
		last = t.From(span.Until + 1)
	}
	if first >= last {
		return nil, 0, dragoman.Errorf(dragoman.OutOfRange, "%s has no quarters from %d to %d: it has %s to %s",
			span.Column, span.Since, span.Until, t.quarters[0], t.quarters[len(t.quarters)-1])
	}
	return func(yield func(Point) bool) {
		for i := first; i < last; i++ {
			if !yield(Point{t.quarters[i].String(), values[i]}) {
				return
			}
		}
	}, last - first, nil
}

func (t *Table) between(span Span) ([]Point, error) {
	points, count, err := t.points(span)
	if err != nil {
		return nil, err
	}
	return slices.AppendSeq(make([]Point, 0, count), points), nil
}

func (t *Table) each(ctx context.Context, span Span) iter.Seq2[Point, error] {
	return func(yield func(Point, error) bool) {
		points, _, err := t.points(span)
		if err != nil {
			yield(Point{}, err)
			return
		}
		for point := range points {
			if !yield(point, ctx.Err()) {
				return
			}
		}
	}
}

func main() {
	file, err := os.Open("market.csv")
	if err != nil {
		log.Fatal(err)
	}
	table, err := ReadTable(file)
	if err != nil {
		log.Fatalf("%s: %v", file.Name(), err)
	}
	file.Close()
	dragoman.Register("between", table.between, dragoman.Idempotent(), dragoman.Description("The quarters of one series, from a year to a year."))
	dragoman.Register("each", table.each, dragoman.Idempotent(), dragoman.Description("The same, one after the other."))
	dragoman.Main()
}
