package dragoman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// startTime is how long a host may take to greet, which it does once its sources are built: as long as one build may
	// take where the project does not say otherwise. The context may say less.
	startTime = 10 * time.Minute
	// leaveTime is how long a host may take to finish its calls and stop: somewhat more than it allows its workers.
	leaveTime = 40 * time.Second
	// greetEvery is how often a host that is starting is asked.
	greetEvery = 20 * time.Millisecond
	// tailBytes is how much of what a host says is kept, for the case that it does not start.
	tailBytes = 4 << 10
)

// Project is a host that runs as a child of this program, and a client of it.
type Project struct {
	*Client
	command *exec.Cmd
	stdin   io.Closer
	folder  string
	exited  chan struct{}
	once    sync.Once
}

type openOptions struct {
	program   string
	arguments []string
	output    io.Writer
	dial      []DialOption
}

// OpenOption changes how a host is started.
type OpenOption func(*openOptions)

// WithProgram names the program `dragoman`; otherwise it is what the environment variable DRAGOMAN says, or found on
// the PATH.
func WithProgram(path string) OpenOption { return func(o *openOptions) { o.program = path } }

// WithArguments gives `dragoman serve` more arguments, such as "--debug".
func WithArguments(arguments ...string) OpenOption {
	return func(o *openOptions) { o.arguments = append(o.arguments, arguments...) }
}

// WithOutput takes what the host says and logs; otherwise it goes to standard error.
func WithOutput(output io.Writer) OpenOption { return func(o *openOptions) { o.output = output } }

// Open hosts a project, a folder or a source, in a child process that ends with this program, and connects to it. The
// context is only about the start.
func Open(ctx context.Context, project string, options ...OpenOption) (*Project, error) {
	o := openOptions{output: os.Stderr, program: os.Getenv("DRAGOMAN")}
	for _, option := range options {
		option(&o)
	}
	if o.program == "" {
		o.program = "dragoman"
	}
	program, err := exec.LookPath(o.program)
	if err != nil {
		return nil, unstarted(FailedPrecondition, "the program %s is not found: install it (pip install dragoman), or name it by the variable DRAGOMAN: %v", o.program, err)
	}
	if _, err := os.Stat(project); err != nil {
		return nil, unstarted(NotFound, "there is no project %s: %v", project, err)
	}
	folder, err := os.MkdirTemp("", "dragoman-")
	if err != nil {
		return nil, unstarted(Internal, "there is no place for a socket: %v", err)
	}
	p, err := start(ctx, program, project, folder, &o)
	if err != nil {
		os.RemoveAll(folder)
	}
	return p, err
}

func start(ctx context.Context, program, project, folder string, o *openOptions) (*Project, error) {
	address := "unix://" + filepath.Join(folder, "sock")
	arguments := []string{"serve", project, "--native", address, "--no-http", "--exit-with-stdin"}
	p := &Project{folder: folder, exited: make(chan struct{})}
	p.command = exec.Command(program, append(arguments, o.arguments...)...)
	said := &tail{to: o.output}
	p.command.Stdout, p.command.Stderr = said, said
	// Pipes that a grandchild holds on to must not keep us waiting once the host has ended.
	p.command.WaitDelay = time.Second
	stdin, err := p.command.StdinPipe()
	if err == nil {
		p.stdin = stdin
		err = p.command.Start()
	}
	if err != nil {
		return nil, unstarted(FailedPrecondition, "%s cannot be started: %v", program, err)
	}
	go func() {
		_ = p.command.Wait()
		close(p.exited)
	}()
	ctx, stop := context.WithTimeout(ctx, startTime)
	defer stop()
	if p.Client, err = p.greeted(ctx, address, o); err != nil {
		p.stop()
		if words := strings.TrimSpace(said.String()); words != "" {
			err = unstarted(Unavailable, "%v; it said: %s", err, words)
		}
		return nil, err
	}
	return p, nil
}

// greeted waits until the host takes calls.
func (p *Project) greeted(ctx context.Context, address string, o *openOptions) (*Client, error) {
	ticker := time.NewTicker(greetEvery)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(strings.TrimPrefix(address, "unix://")); err == nil {
			client, err := Dial(ctx, address, o.dial...)
			if err == nil || !errors.Is(err, Unavailable) {
				return client, err
			}
		}
		select {
		case <-p.exited:
			return nil, unstarted(Unavailable, "the host ended before it took calls (%v)", p.command.ProcessState)
		case <-ctx.Done():
			return nil, unstarted(Unavailable, "the host takes no calls yet: %v", ctx.Err())
		case <-ticker.C:
		}
	}
}

// Close leaves the host and ends it; it returns once it has gone.
func (p *Project) Close() error {
	err := p.Client.Close()
	p.stop()
	return err
}

func (p *Project) stop() {
	p.once.Do(func() {
		p.stdin.Close()
		late := time.AfterFunc(leaveTime, func() { _ = p.command.Process.Kill() })
		<-p.exited
		late.Stop()
		os.RemoveAll(p.folder)
	})
}

// tail hands on what is written, and keeps the end of it.
type tail struct {
	mu   sync.Mutex
	to   io.Writer
	kept []byte
}

func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, data...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append([]byte{}, t.kept[over:]...)
	}
	if _, err := t.to.Write(data); err != nil {
		return len(data), nil // a log that nobody reads any more is no reason to stop the host
	}
	return len(data), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%s", t.kept)
}
