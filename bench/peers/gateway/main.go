// Gateway is what a Go team would write instead of Dragoman's host: net/http in front of the same Python worker,
// with routing, limits, deadlines, call ids and metrics, and calls multiplexed over one socket.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	bodyBytesMax = 16 << 20
	timeoutMax   = 30 * time.Second
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on")
	source := flag.String("source", "", "Python file that the worker serves")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	worker, err := startWorker(flag.Args(), *source)
	if err != nil {
		log.Fatal(err)
	}
	defer worker.stop()
	server := &http.Server{
		Addr:              *listen,
		Handler:           newGateway(worker).routes(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(ending)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Print(err)
	}
}

type gateway struct {
	worker *worker
	series map[string]*series
}

func newGateway(worker *worker) *gateway {
	g := &gateway{worker: worker, series: make(map[string]*series, len(worker.functions))}
	for name := range worker.functions {
		g.series[name] = &series{name: name}
	}
	return g
}

func (g *gateway) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/call/{function}", g.call)
	mux.HandleFunc("GET /metrics", func(to http.ResponseWriter, _ *http.Request) {
		for _, each := range g.series {
			each.write(to)
		}
	})
	return mux
}

func (g *gateway) call(to http.ResponseWriter, from *http.Request) {
	began := time.Now()
	id := strconv.FormatUint(rand.Uint64(), 16)
	to.Header().Set("Dragoman-Call-Id", id)
	name := from.PathValue("function")
	index, known := g.worker.functions[strings.TrimPrefix(name, "functions.")]
	if !known {
		problem(to, http.StatusNotFound, "NOT_FOUND", "no function "+strconv.Quote(name), id)
		return
	}
	timeout, err := timeoutOf(from)
	if err != nil {
		problem(to, http.StatusBadRequest, "INVALID_ARGUMENT", err.Error(), id)
		return
	}
	body, err := read(to, from)
	if err != nil {
		problem(to, http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT", err.Error(), id)
		return
	}
	codec := byte(codecJSON)
	if from.Header.Get("Content-Type") == "application/octet-stream" {
		codec = codecBytes
	}
	series := g.series[strings.TrimPrefix(name, "functions.")]
	series.inFlight.Add(1)
	ctx, cancel := context.WithTimeout(from.Context(), timeout)
	defer cancel()
	answer, err := g.worker.call(ctx, index, codec, body, timeout)
	took := time.Since(began)
	series.observe(took, err == nil && answer.kind == kindEnd)
	reply(to, answer, err, id, took)
}

func reply(to http.ResponseWriter, answer frame, err error, id string, took time.Duration) {
	switch {
	case errors.Is(err, errOverloaded):
		problem(to, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", err.Error(), id)
	case errors.Is(err, context.DeadlineExceeded):
		problem(to, http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", "out of time", id)
	case err != nil:
		problem(to, http.StatusServiceUnavailable, "UNAVAILABLE", err.Error(), id)
	case answer.kind == kindFault:
		problem(to, http.StatusInternalServerError, "UNKNOWN", string(answer.body), id)
	default:
		header := to.Header()
		header.Set("Content-Type", "application/json")
		if answer.codec&0x0f == codecBytes {
			header.Set("Content-Type", "application/octet-stream")
		}
		header.Set("Content-Length", strconv.Itoa(len(answer.body)))
		header.Set("Server-Timing", "run;dur="+millis(answer.amount)+", total;dur="+millis(uint32(took.Microseconds())))
		to.Write(answer.body)
	}
}

func millis(micros uint32) string {
	return strconv.FormatFloat(float64(micros)/1000, 'f', 3, 64)
}

// read takes a body of known length in one piece: io.ReadAll would grow its way there.
func read(to http.ResponseWriter, from *http.Request) ([]byte, error) {
	limited := http.MaxBytesReader(to, from.Body, bodyBytesMax)
	if from.ContentLength < 0 || from.ContentLength > bodyBytesMax {
		return io.ReadAll(limited)
	}
	body := make([]byte, from.ContentLength)
	_, err := io.ReadFull(limited, body)
	return body, err
}

func timeoutOf(from *http.Request) (time.Duration, error) {
	asked := from.Header.Get("Dragoman-Timeout")
	if asked == "" {
		return timeoutMax, nil
	}
	timeout, err := time.ParseDuration(asked)
	if err != nil {
		return 0, err
	}
	return min(timeout, timeoutMax), nil
}

func problem(to http.ResponseWriter, status int, code, detail, id string) {
	body, _ := json.Marshal(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "code": code, "detail": detail,
		"call_id": id,
	})
	to.Header().Set("Content-Type", "application/problem+json")
	to.WriteHeader(status)
	to.Write(body)
}
