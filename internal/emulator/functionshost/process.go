package functionshost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

const (
	probeEvery = 25 * time.Millisecond // as the real host
	maxLine    = 1 << 20               // of the handler's output; longer lines are split
	// drainOutput bounds the wait for output from grandchildren after the handler has ended.
	drainOutput = 2 * time.Second
)

// process is one run of the handler.
type process struct {
	pid    int
	url    string // http://127.0.0.1:port
	client *http.Client
	// forgiven is set if the host itself ends the process, after a timeout or a replacement. Such
	// an end does not count as a crash.
	forgiven atomic.Bool
	exited   chan struct{} // closed when it is reaped
	code     int           // after exited; -1 for a signal
	// processor is the time that all its threads computed, after exited.
	processor time.Duration
}

// launch starts the handler on a port. It returns only errors of the start itself.
func (h *launcher) launch(ctx context.Context, port string) (*process, error) {
	p := &process{
		url:    "http://127.0.0.1:" + port,
		exited: make(chan struct{}),
		client: &http.Client{
			// Its own transport: without a proxy, and connections end with the process.
			Transport: &http.Transport{MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	worker := uuid.NewString()
	// #nosec G204 -- running the app's handler is our job
	cmd := exec.CommandContext(ctx, h.app.executable, h.app.arguments...)
	cmd.Dir = h.app.dir
	cmd.Env = append(h.environment(),
		"FUNCTIONS_CUSTOMHANDLER_PORT="+port,
		"FUNCTIONS_HTTPWORKER_PORT="+port,
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID="+worker,
		"FUNCTIONS_HTTPWORKER_ID="+worker,
		"FUNCTIONS_APP_ROOT_PATH="+h.app.root,
	)
	out, faults := &lines{sink: h.stdoutLine}, &lines{sink: h.stderrLine}
	cmd.Stdout, cmd.Stderr = out, faults
	cmd.WaitDelay = drainOutput
	cmd.Cancel = func() error { killGroup(cmd.Process.Pid); return nil }
	isolate(cmd, !h.opt.LeaveHandler)

	started := make(chan error)
	go func() {
		// Pdeathsig fires when the thread that started the child ends, not the process: keep the
		// thread while the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait() // the state has the same information
		killGroup(p.pid)
		out.flush()
		faults.flush()
		p.code = cmd.ProcessState.ExitCode()
		p.processor = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		p.client.CloseIdleConnections()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the handler: %w", err)
	}
	return p, nil
}

// environment returns the handler's environment: the host's own environment with all app settings.
func (h *launcher) environment() []string {
	env := append([]string(nil), h.opt.Env...)
	for k, v := range h.opt.Settings {
		env = append(env, k+"="+v)
	}
	return env
}

// freePort asks the system for a free port. Another program may take it first; the handler then
// ends, and is restarted.
func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	tcp, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "", errors.New("not a TCP address")
	}
	return strconv.Itoa(tcp.Port), nil
}

// errExited reports that the handler ended before it was ready.
var errExited = errors.New("the handler ended")

// answers waits until the handler answers GET / with any status.
func (p *process) answers(ctx context.Context, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		if p.ping(ctx) == nil {
			return nil
		}
		select {
		case <-p.exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf(
				"the handler did not answer GET / on its port (FUNCTIONS_CUSTOMHANDLER_PORT) within %s", limit)
		case <-tick.C:
		}
	}
}

func (p *process) ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/", nil)
	if err != nil {
		return err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return res.Body.Close()
}

// kill ends the process and waits until it is reaped.
func (p *process) kill() {
	select {
	case <-p.exited:
		return
	default:
	}
	killGroup(p.pid)
	<-p.exited
}

// gone reports whether the process is reaped.
func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// lines splits output into whole lines.
type lines struct {
	mu   sync.Mutex
	part []byte
	sink func([]byte)
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			l.part = append(l.part, b...)
			if len(l.part) >= maxLine {
				l.emit()
			}
			break
		}
		l.part = append(l.part, b[:i]...)
		b = b[i+1:]
		l.emit()
	}
	return n, nil
}

func (l *lines) emit() {
	l.sink(bytes.TrimSuffix(l.part, []byte("\r")))
	l.part = l.part[:0]
}

// flush writes a last line without a line break.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.emit()
	}
}
