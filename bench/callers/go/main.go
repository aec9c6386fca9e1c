// Command caller calls a Python function over and over, in one of several ways, and prints how long a call takes.
//
//	caller WAY ADDRESS CALLS
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	dragoman "github.com/dragoman/dragoman/sdk/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// ended is run before the program ends.
var ended = func() {}

// say is what every way sends, and gets back.
var say = strings.Repeat("x", 89)

// Text is the input.
type Text struct {
	Text string `json:"text"`
}

// raw is a codec that leaves bytes as they are, so that no generated code is in the way.
type raw struct{}

func (raw) Name() string { return "raw" }

func (raw) Marshal(value any) ([]byte, error) { return *value.(*[]byte), nil }

func (raw) Unmarshal(data []byte, value any) error {
	*value.(*[]byte) = bytes.Clone(data)
	return nil
}

func native(address string) (func() (string, error), error) {
	ctx := context.Background()
	client, err := dragoman.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return func() (string, error) {
		return dragoman.Call[Text, string](ctx, client, "functions.mirror", Text{say})
	}, nil
}

func ping(address string) (func() (string, error), error) {
	wire, err := net.Dial("unix", address)
	if err != nil {
		return nil, err
	}
	body, answer := []byte(say), make([]byte, len(say))
	return func() (string, error) {
		if _, err := wire.Write(body); err != nil {
			return "", err
		}
		_, err := io.ReadFull(wire, answer)
		return string(answer), err
	}, nil
}

func overGRPC(address string) (func() (string, error), error) {
	options := grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.WaitForReady(true))
	client, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), options)
	if err != nil {
		return nil, err
	}
	ctx, body := context.Background(), []byte(say)
	return func() (string, error) {
		var answer []byte
		err := client.Invoke(ctx, "/bench.Functions/Mirror", &body, &answer)
		return string(answer), err
	}, nil
}

func overHTTP(address string) (func() (string, error), error) {
	url := address + "/v1/call/functions.mirror"
	return func() (string, error) {
		body, err := json.Marshal(Text{say})
		if err != nil {
			return "", err
		}
		response, err := http.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		var answer string
		err = json.NewDecoder(response.Body).Decode(&answer)
		io.Copy(io.Discard, response.Body)
		return answer, err
	}, nil
}

// serveGRPC answers the calls of other languages' programs, until it is told to end.
func serveGRPC(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	answer := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var body []byte
		err := decode(&body)
		return &body, err
	}
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}))
	methods := []grpc.MethodDesc{{MethodName: "Mirror", Handler: answer}}
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Functions", Methods: methods}, nil)
	return server.Serve(listener)
}

func main() {
	switch os.Args[1] {
	case "serve-grpc":
		check(serveGRPC(os.Args[2]))
		return
	case "serve-plugin":
		servePlugin()
		return
	}
	ways := map[string]func(string) (func() (string, error), error){
		"dragoman": native, "ping": ping, "grpc": overGRPC, "http": overHTTP, "plugin": toPlugin,
	}
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	call, err := ways[os.Args[1]](os.Args[2])
	check(err)
	took := make([]time.Duration, count)
	began := time.Now()
	for turn := -count; turn < count; turn++ { // the first half warms up
		if turn == 0 {
			began = time.Now()
		}
		start := time.Now()
		answer, err := call()
		check(err)
		if answer != say {
			check(fmt.Errorf("answered %q", answer))
		}
		if turn >= 0 {
			took[turn] = time.Since(start)
		}
	}
	rate := float64(count) / time.Since(began).Seconds()
	slices.Sort(took)
	us := func(at int) float64 { return float64(took[at].Nanoseconds()) / 1e3 }
	fmt.Printf(`{"p50_us": %f, "p99_us": %f, "rate_s": %f}`+"\n", us(count/2), us(count*99/100), rate)
	ended()
}

func check(err error) {
	if err != nil {
		ended()
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
