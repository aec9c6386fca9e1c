package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

var bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
}

// series are the counters of one function, bound to it once.
type series struct {
	name     string
	inFlight atomic.Int64
	done     atomic.Uint64
	failed   atomic.Uint64
	nanos    atomic.Uint64
	buckets  [len(bounds) + 1]atomic.Uint64
}

func (s *series) observe(took time.Duration, ok bool) {
	s.inFlight.Add(-1)
	s.nanos.Add(uint64(took))
	place := 0
	for place < len(bounds) && took > bounds[place] {
		place++
	}
	s.buckets[place].Add(1)
	if ok {
		s.done.Add(1)
	} else {
		s.failed.Add(1)
	}
}

func (s *series) write(to http.ResponseWriter) {
	fmt.Fprintf(to, "gateway_calls_total{function=%q,code=\"OK\"} %d\n", s.name, s.done.Load())
	fmt.Fprintf(to, "gateway_calls_total{function=%q,code=\"other\"} %d\n", s.name, s.failed.Load())
	fmt.Fprintf(to, "gateway_calls_in_flight{function=%q} %d\n", s.name, s.inFlight.Load())
	total := uint64(0)
	for place := range s.buckets {
		total += s.buckets[place].Load()
		edge := "+Inf"
		if place < len(bounds) {
			edge = fmt.Sprint(bounds[place].Seconds())
		}
		fmt.Fprintf(to, "gateway_call_duration_seconds_bucket{function=%q,le=%q} %d\n", s.name, edge, total)
	}
	fmt.Fprintf(to, "gateway_call_duration_seconds_sum{function=%q} %g\n", s.name, float64(s.nanos.Load())/1e9)
	fmt.Fprintf(to, "gateway_call_duration_seconds_count{function=%q} %d\n", s.name, total)
}
