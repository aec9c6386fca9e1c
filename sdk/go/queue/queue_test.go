package queue

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman/dragoman/sdk/go"
)

// server answers what `say` makes of each command; "" ends the connection, "-" says nothing.
type server struct {
	net.Listener
	mu       sync.Mutex
	commands [][]string
	say      func(number int, command []string) string
}

func serve(t *testing.T, say func(int, []string) string) *server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: listener, say: say}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
	return s
}

// all is what was said so far.
func (s *server) all() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

func (s *server) talk(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		command, err := read(reader)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.commands = append(s.commands, command)
		answer := s.say(len(s.commands), command)
		s.mu.Unlock()
		if answer == "" {
			return
		}
		if answer != "-" {
			io.WriteString(conn, answer+"\r\n")
		}
	}
}

func read(reader *bufio.Reader) ([]string, error) {
	count, err := number(reader)
	if err != nil {
		return nil, err
	}
	command := make([]string, count)
	for i := range command {
		size, err := number(reader)
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(reader, word); err != nil {
			return nil, err
		}
		command[i] = string(word[:size])
	}
	return command, nil
}

func number(reader *bufio.Reader) (int, error) {
	line, err := reader.ReadString('\n')
	if err != nil || len(line) < 3 {
		return 0, io.EOF
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

func fine(number int, command []string) string {
	if command[0] == "XADD" {
		id := fmt.Sprintf("%d-0", number)
		return fmt.Sprintf("$%d\r\n%s", len(id), id)
	}
	return "+OK"
}

func dial(t *testing.T, address string, options ...Option) *Producer {
	p, err := Dial(context.Background(), address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestASentMessageIsAnEntryWithABodyAndHeaders(t *testing.T) {
	s := serve(t, fine)
	p := dial(t, "redis://me:p%40ss@"+s.Addr().String()+"/3", WithKeep(100))
	type order struct {
		Item string `json:"item"`
	}
	id, err := p.Send(context.Background(), "orders", order{"tea"}, Headers{"correlation-id": "o\r\n1"})
	if err != nil || id != "3-0" {
		t.Fatal(id, err)
	}
	want := [][]string{
		{"AUTH", "me", "p@ss"},
		{"SELECT", "3"},
		{"XADD", "orders", "MAXLEN", "~", "100", "*", "body", `{"item":"tea"}`, "correlation-id", "o\r\n1"},
	}
	if !reflect.DeepEqual(s.all(), want) {
		t.Fatalf("%q", s.all())
	}
}

func TestInputsAreJsonOrBytesAsTheyAre(t *testing.T) {
	s := serve(t, fine)
	p := dial(t, "redis://"+s.Addr().String())
	for input, want := range map[any]string{
		nil: "* body {}",
		3:   "* body 3",
	} {
		if _, err := p.Send(context.Background(), "s", input); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.all()[len(s.all())-1][2:], " "); got != want {
			t.Fatal(got)
		}
	}
	p.Send(context.Background(), "s", json.RawMessage(`{"a": 1}`))
	p.Send(context.Background(), "s", []byte("\x00\xff"))
	p.Send(context.Background(), "s", []byte("arrow"), Headers{"content-type": "application/vnd.apache.arrow.stream"})
	rest := s.all()[len(s.all())-3:]
	if rest[0][4] != `{"a":1}` && rest[0][4] != `{"a": 1}` {
		t.Fatal(rest[0])
	}
	if !slices.Equal(rest[1][2:], []string{"*", "body", "\x00\xff", "content-type", "application/octet-stream"}) {
		t.Fatalf("%q", rest[1])
	}
	if !slices.Equal(rest[2][2:], []string{"*", "body", "arrow", "content-type", "application/vnd.apache.arrow.stream"}) {
		t.Fatalf("%q", rest[2])
	}
}

func TestManyAreSentInTheirOrderAndWhatWasRefusedHasNoID(t *testing.T) {
	s := serve(t, func(number int, command []string) string {
		if command[len(command)-1] == "2" {
			return "-OOM command not allowed when used memory > 'maxmemory'."
		}
		return fine(number, command)
	})
	p := dial(t, "redis://"+s.Addr().String())
	messages := make([]Message, 2500)
	for i := range messages {
		messages[i] = Message{Input: i}
	}
	ids, err := p.SendAll(context.Background(), "s", messages...)
	if !errors.Is(err, dragoman.ResourceExhausted) || len(ids) != 2500 || ids[2] != "" || ids[3] != "5-0" || ids[2499] != "2501-0" {
		t.Fatal(err, len(ids), ids[:5])
	}
	for i, command := range s.all()[1:] {
		if command[4] != strconv.Itoa(i) {
			t.Fatal(i, command)
		}
	}
}

func TestAConnectionThatIsLostIsMadeAnewAndTheErrorSaysWhatMayBeStored(t *testing.T) {
	s := serve(t, func(number int, command []string) string {
		if number == 3 {
			return ""
		}
		return fine(number, command)
	})
	p := dial(t, "redis://"+s.Addr().String())
	if _, err := p.Send(context.Background(), "s", 1); err != nil {
		t.Fatal(err)
	}
	var fault *dragoman.Fault
	_, err := p.Send(context.Background(), "s", 2)
	if !errors.As(err, &fault) || fault.Code != dragoman.Unavailable || fault.Started != dragoman.StartedUnknown {
		t.Fatal(err)
	}
	if _, err := p.Send(context.Background(), "s", 3); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatSaysNothingIsGivenUpWithItsContext(t *testing.T) {
	s := serve(t, func(number int, command []string) string {
		if number == 2 {
			return "-"
		}
		return fine(number, command)
	})
	p := dial(t, "redis://"+s.Addr().String())
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	if _, err := p.Send(ctx, "s", 1); !errors.Is(err, dragoman.DeadlineExceeded) {
		t.Fatal(err)
	}
	if id, err := p.Send(context.Background(), "s", 2); err != nil || id != "4-0" {
		t.Fatal(id, err)
	}
}

// late is a connection whose caller gives up just when a last answer has come.
type late struct {
	net.Conn
	last   string
	giveUp func()
}

func (c late) Read(to []byte) (int, error) {
	n, err := c.Conn.Read(to)
	if bytes.Contains(to[:n], []byte(c.last)) {
		c.giveUp()
	}
	return n, err
}

func TestWhatIsNotSentAnyMoreHasAnErrorThoughAllBeforeWasStored(t *testing.T) {
	s := serve(t, fine)
	p := dial(t, "redis://"+s.Addr().String())
	ctx, giveUp := context.WithCancel(context.Background())
	last := fmt.Sprintf("%d-0", batch+1)
	p.conn = late{p.conn, last + "\r\n", giveUp}
	p.reader = bufio.NewReader(p.conn)
	ids, err := p.SendAll(ctx, "s", make([]Message, batch+1)...)
	var fault *dragoman.Fault
	if !errors.As(err, &fault) || fault.Code != dragoman.Cancelled || fault.Started != dragoman.StartedNo {
		t.Fatal(err)
	}
	if len(ids) != batch+1 || ids[batch-1] != last || ids[batch] != "" {
		t.Fatal(len(ids), ids[batch-1:])
	}
}

func TestRefusalsHaveCodes(t *testing.T) {
	for text, want := range map[string]dragoman.Code{
		"NOAUTH Authentication required.":          dragoman.Unauthenticated,
		"NOPERM no permissions":                    dragoman.PermissionDenied,
		"LOADING":                                  dragoman.Unavailable,
		"WRONGTYPE Operation against a key":        dragoman.FailedPrecondition,
		"ERR " + strings.Repeat("long ", 1000):     dragoman.FailedPrecondition,
		"OOM command not allowed when used memory": dragoman.ResourceExhausted,
	} {
		s := serve(t, func(number int, command []string) string {
			if command[0] == "XADD" {
				return "-" + text
			}
			return "+OK"
		})
		p := dial(t, "redis://"+s.Addr().String())
		_, err := p.Send(context.Background(), "s", 1)
		var fault *dragoman.Fault
		if !errors.As(err, &fault) || fault.Code != want || fault.Started != dragoman.StartedNo {
			t.Fatal(text, err)
		}
	}
}

func TestWhatIsNoRedisIsTold(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 400 Bad Request", "$99999999999", "$3\r\nab", "*1", strings.Repeat("x", lineMost*2)} {
		s := serve(t, func(int, []string) string { return answer })
		if _, err := Dial(context.Background(), "redis://"+s.Addr().String()); !errors.Is(err, dragoman.Unavailable) {
			t.Fatal(answer[:min(len(answer), 20)], err)
		}
	}
}

func TestWhatCannotBeSentIsRefusedBeforeItIs(t *testing.T) {
	s := serve(t, fine)
	p := dial(t, "redis://"+s.Addr().String())
	for _, headers := range []Headers{{"body": "x"}, {"Upper": "x"}, {"": "x"}, {"a b": "x"}, {"ce-id": "1"}} {
		if _, err := p.Send(context.Background(), "s", 1, headers); !errors.Is(err, dragoman.InvalidArgument) {
			t.Fatal(headers, err)
		}
	}
	if _, err := p.Send(context.Background(), "s", func() {}); !errors.Is(err, dragoman.InvalidArgument) {
		t.Fatal(err)
	}
	if _, err := p.Send(context.Background(), "", 1); !errors.Is(err, dragoman.InvalidArgument) {
		t.Fatal(err)
	}
	p.Close()
	if _, err := p.Send(context.Background(), "s", 1); !errors.Is(err, dragoman.Cancelled) {
		t.Fatal(err)
	}
	for _, address := range []string{"http://h", "redis://h/x", "redis://h:port", "%", "unix://"} {
		if _, err := Dial(context.Background(), address); !errors.Is(err, dragoman.InvalidArgument) {
			t.Fatal(address, err)
		}
	}
	if len(s.all()) != 1 {
		t.Fatal(s.all())
	}
}
