package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/dragoman/dragoman/sdk/go"
)

const quarters = "year,quarter,cpi\n1999,4,1.5\n2000,1,2\n2000,2,2.5\n2002,1,3\n"

func table(t *testing.T) *Table {
	read, err := ReadTable(strings.NewReader(quarters))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestASpanIsCutOut(t *testing.T) {
	for _, each := range []struct {
		since, until int
		first, last  string
		count        int
	}{{0, 0, "1999Q4", "2002Q1", 4}, {2000, 2000, "2000Q1", "2000Q2", 2}, {2001, 0, "2002Q1", "2002Q1", 1}, {0, 1999, "1999Q4", "1999Q4", 1}} {
		points, err := table(t).between(Span{"cpi", each.since, each.until})
		if err != nil || len(points) != each.count || points[0].Quarter != each.first || points[len(points)-1].Quarter != each.last {
			t.Errorf("%+v: %v, %v", each, points, err)
		}
	}
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	if _, err := table(t).between(Span{Column: "gold"}); !errors.Is(err, dragoman.NotFound) {
		t.Error(err)
	}
	if _, err := table(t).between(Span{"cpi", 2003, 0}); !errors.Is(err, dragoman.OutOfRange) {
		t.Error(err)
	}
	if _, err := ReadTable(strings.NewReader("year,quarter,cpi\n1999,4,none\n")); err == nil || !strings.Contains(err.Error(), "line 2, cpi") {
		t.Error(err)
	}
}
