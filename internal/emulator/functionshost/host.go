package functionshost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// The restart rule of the host: the third error with no gap of more than half an
// hour between them ends it.
const (
	maxErrors = 3
	errorGap  = 30 * time.Minute
)

// Exit codes that the host treats apart.
const (
	exitDone    = 0   // ended well, so not restarted
	exitRestart = 200 // asks for a restart, which does not count
)

// Reasons for the end of a host.
var (
	// ErrCrashing says that the handler failed three times.
	ErrCrashing = errors.New("the handler failed three times with less than half an hour between: the host gives up")
	// ErrExitedZero says that the handler ended with code 0 before it answered.
	ErrExitedZero = errors.New("the handler ended with exit code 0 before it answered GET /: the host takes that for a good end and does not restart it")
	// ErrSlow says that an invocation waited too long for a handler.
	ErrSlow = errors.New("an invocation waited four times initializationTimeout for the handler: the host gives up")
)

var errStopping = errors.New("the host is stopping")

// Options configure a Host. Root, Log and Now are required.
type Options struct {
	// Root is the staged function app.
	Root string
	// Settings are the app settings: they resolve %NAME% and connections, and the
	// handler gets them in its environment.
	Settings map[string]string
	// Env is the environment the handler inherits besides, and the second place
	// for settings; pass os.Environ() to do as the real host does.
	Env []string
	Log *slog.Logger
	// Stdout gets the handler's standard output, whole lines, one write each; Log
	// at level info when nil.
	Stdout io.Writer
	// Stderr gets its standard error; Log at level error when nil (or warn, for
	// lines with "warn" in them: the host's rule).
	Stderr io.Writer
	Now    func() time.Time
	// LeaveHandler leaves the handler running when the host ends, without a signal, as
	// the real host does. It is for a host in a process of its own: a handler ends
	// itself when its parent process is gone.
	LeaveHandler bool
	// RunTimersAtStart fires every timer once as past due, as the real host does
	// when a tick was missed while it was down.
	RunTimersAtStart bool
	// OnEvent is told what happens, from many goroutines; it must not block.
	OnEvent func(Event)
	// ServiceBus is passed to the SDK, for instance with a connection in memory.
	ServiceBus *azservicebus.ClientOptions
}

// Host is a running stand-in host.
type Host struct {
	launcher
	life
	counters counters
	reloads  chan reload

	work     sync.WaitGroup
	listen   context.Context //nolint:containedctx // the listeners' life, ended before the handler's
	unlisten context.CancelFunc
}

// launcher starts handlers of an app.
type launcher struct {
	opt    Options
	app    *app
	log    *slog.Logger
	output sync.Mutex // one line at a time to Stdout and Stderr
}

// life knows the handler that runs, and whether the host is to end.
type life struct {
	mu      sync.Mutex
	current *process      // the running process, ready or not; nil when there is none
	ready   *process      // the same, once it answers
	dead    bool          // it ended with code 0 and stays away
	changed chan struct{} // closed and replaced when ready or dead change
	cause   error         // why the host ended

	end      sync.Once
	stopping chan struct{} // closed: no new work, no restart
	done     chan struct{} // closed: all is gone
}

// Start reads the app, starts its handler and, once that answers, the timers and
// queue listeners. It fails, leaving nothing behind, when the app cannot run:
// see ErrNoFunctions, ErrCrashing, ErrExitedZero. The end of ctx is a Stop.
func Start(ctx context.Context, o Options) (*Host, error) {
	if o.Log == nil || o.Now == nil {
		return nil, errors.New("start the functions host: Log and Now are required")
	}
	a, err := load(o.Root, settings{given: o.Settings, environment: o.Env})
	if err != nil {
		return nil, fmt.Errorf("start the functions host: %w", err)
	}
	h := &Host{
		launcher: launcher{opt: o, app: a, log: o.Log},
		life:     life{changed: make(chan struct{}), stopping: make(chan struct{}), done: make(chan struct{})},
		reloads:  make(chan reload),
	}
	queues, err := h.queues()
	if err != nil {
		return nil, fmt.Errorf("start the functions host: %w", err)
	}
	for _, n := range a.notes {
		h.log.LogAttrs(ctx, slog.LevelWarn, "function app", slog.String("note", n))
	}
	for _, f := range a.functions {
		h.log.LogAttrs(ctx, slog.LevelInfo, "function found", slog.String("function", f.name), slog.String("trigger", f.trigger.Type))
	}

	h.listen, h.unlisten = context.WithCancel(ctx)
	// The handler outlives the listeners: its end is ordered by run.
	life, kill := context.WithCancel(context.WithoutCancel(ctx))
	first := make(chan struct{})
	supervised := make(chan struct{})
	go func() {
		defer close(supervised)
		h.supervise(life, first)
	}()
	go h.run(ctx, kill, supervised)

	select {
	case <-first:
	case <-h.done:
		return nil, fmt.Errorf("start the functions host: %w", cmpErr(h.Err(), context.Cause(ctx), errStopping))
	}
	h.startListeners(life, queues)
	return h, nil
}

// cmpErr is the first error that is one.
func cmpErr(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// startListeners starts a goroutine per trigger. life is that of invocations.
func (h *Host) startListeners(life context.Context, queues []*queueListener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.stopping: // run may be waiting for h.work already
		return
	default:
	}
	for _, q := range queues {
		h.work.Go(func() { q.run(h.listen, life) })
	}
	for _, f := range h.app.functions {
		if f.trigger.Type == timerTrigger {
			h.work.Go(func() { h.runTimer(h.listen, life, f) })
		}
	}
}

// run orders the end: listeners, handler, what is in flight.
func (h *Host) run(ctx context.Context, kill context.CancelFunc, supervised <-chan struct{}) {
	select {
	case <-ctx.Done():
		h.finish(nil)
	case <-h.stopping:
	}
	h.unlisten()
	h.mu.Lock()
	p := h.current
	h.mu.Unlock()
	if p != nil {
		h.sample(p)
	}
	if h.opt.LeaveHandler {
		h.drain()
	} else {
		kill()
		<-supervised
		h.work.Wait()
	}
	err := h.Err()
	if err != nil {
		h.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "host ended", slog.String("error", err.Error()))
	}
	h.emit(Event{Kind: HostEnded, Err: err})
	close(h.done)
}

// drainLimit is how long the real host waits for calls that run when it is told to
// stop.
const drainLimit = 10 * time.Second

// drain waits for the calls that run, and then gives up on them.
func (h *Host) drain() {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		h.work.Wait()
	}()
	late := time.NewTimer(drainLimit)
	defer late.Stop()
	select {
	case <-drained:
	case <-late.C:
	}
}

// finish begins the end. The first cause counts.
func (h *life) finish(cause error) {
	h.end.Do(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.cause = cause
		close(h.stopping)
	})
}

// Stop ends the host: listeners first, then the handler by SIGKILL, and it
// returns when everything is gone. What was in flight has failed, and its
// messages are abandoned. With Options.LeaveHandler the calls that run have ten
// seconds to end, and the handler stays. It may be called more than once.
func (h *Host) Stop() {
	h.finish(nil)
	<-h.done
}

// Done is closed when the host has ended, by itself or by Stop.
func (h *life) Done() <-chan struct{} { return h.done }

// Wait waits for the end of the host and says why it ended; nil for a Stop or
// the end of its context.
func (h *Host) Wait() error {
	<-h.done
	return h.Err()
}

// Err is why the host ended by itself; nil while it runs.
func (h *life) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cause
}

// HandlerPID is the process id of the running handler; 0 when there is none.
func (h *life) HandlerPID() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return 0
	}
	return h.current.pid
}

// KillHandler ends the handler by SIGKILL, as a crash: it counts, and the host
// restarts it or gives up. It returns when the process is reaped, and says
// whether there was one.
func (h *Host) KillHandler() bool {
	h.mu.Lock()
	p := h.current
	h.mu.Unlock()
	if p == nil {
		return false
	}
	h.sample(p)
	p.kill()
	return true
}

// Functions lists the functions of the app that are not disabled.
func (h *launcher) Functions() []string {
	var names []string
	for _, f := range h.app.functions {
		names = append(names, f.name)
	}
	return names
}

// Stats is what has happened so far; it may be asked after the end too.
func (h *Host) Stats() Stats {
	h.mu.Lock()
	p := h.current
	h.mu.Unlock()
	if p != nil {
		h.sample(p)
	}
	return h.counters.snapshot()
}

// sample looks at the memory of a running process.
func (h *Host) sample(p *process) {
	n := peakMemory(p.pid)
	h.counters.change(func(s *Stats) { s.PeakMemory = max(s.PeakMemory, n) })
}

// supervise runs the handler again and again, by the host's rules. first is
// closed when the handler answers for the first time.
func (h *Host) supervise(ctx context.Context, first chan<- struct{}) {
	faults, last := 0, time.Time{}
	var once sync.Once
	port, err := freePort(ctx) // the same for every process, but after a reload
	if err != nil {
		h.finish(fmt.Errorf("find a port for the handler: %w", err))
		return
	}
	for ctx.Err() == nil && !h.isStopping() {
		p, err := h.launch(ctx, port)
		// Linux refuses to start a file that another thread's child, between fork
		// and exec, still holds open for writing (golang.org/issue/22315): a freshly
		// staged handler, for some milliseconds.
		for range 100 {
			if !errors.Is(err, syscall.ETXTBSY) {
				break
			}
			wait(ctx, probeEvery)
			p, err = h.launch(ctx, port)
		}
		if err != nil {
			if ctx.Err() == nil {
				h.finish(err) // the real host does not try again either
			}
			return
		}
		h.counters.change(func(s *Stats) { s.Starts++ })
		h.setCurrent(p)
		h.emit(Event{Kind: HandlerStarted, PID: p.pid})
		err = p.answers(ctx, h.app.initialization)
		if err == nil {
			h.setReady(p)
			h.log.LogAttrs(ctx, slog.LevelInfo, "handler is ready", slog.Int("pid", p.pid))
			h.emit(Event{Kind: HandlerReady, PID: p.pid})
			once.Do(func() { close(first) })
		} else if !errors.Is(err, errExited) && ctx.Err() == nil {
			h.log.LogAttrs(ctx, slog.LevelError, "handler is not ready", slog.String("error", err.Error()))
			p.kill()
		}
		p, port = h.untilExit(ctx, p, port)
		h.setGone(err == nil && p.code == exitDone)
		h.emit(Event{Kind: HandlerExited, PID: p.pid, ExitCode: p.code})
		switch {
		case ctx.Err() != nil, p.forgiven.Load():
		case p.code == exitDone && err != nil:
			h.finish(ErrExitedZero)
			return
		case p.code == exitDone:
			h.log.LogAttrs(ctx, slog.LevelError, "handler ended with exit code 0: the host does not restart it, and every invocation fails from here on")
			return
		case p.code == exitRestart:
			h.log.LogAttrs(ctx, slog.LevelInfo, "handler asks for a restart")
		default:
			now := h.opt.Now()
			if now.Sub(last) > errorGap {
				faults = 0
			}
			faults, last = faults+1, now
			h.counters.change(func(s *Stats) { s.Crashes++ })
			h.log.LogAttrs(ctx, slog.LevelError, "handler crashed", slog.Int("pid", p.pid), slog.Int("exitCode", p.code), slog.Int("errors", faults))
			if faults >= maxErrors {
				h.finish(ErrCrashing)
				return
			}
		}
	}
}

func (h *life) setCurrent(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = p
}

func (h *life) setReady(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = p
	h.wake()
}

func (h *life) setGone(forGood bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current, h.ready, h.dead = nil, nil, forGood
	h.wake()
}

// wake tells those who wait for a handler; h.mu is held.
func (h *life) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *Host) emit(e Event) {
	if h.opt.OnEvent != nil {
		h.opt.OnEvent(e)
	}
}

func (h *launcher) stdoutLine(b []byte) {
	if h.opt.Stdout == nil {
		h.log.LogAttrs(context.Background(), slog.LevelInfo, "handler", slog.String("stdout", string(b)))
		return
	}
	h.writeLine(h.opt.Stdout, b)
}

func (h *launcher) stderrLine(b []byte) {
	if h.opt.Stderr != nil {
		h.writeLine(h.opt.Stderr, b)
		return
	}
	level := slog.LevelError
	if bytes.Contains(bytes.ToLower(b), []byte("warn")) {
		level = slog.LevelWarn
	}
	h.log.LogAttrs(context.Background(), level, "handler", slog.String("stderr", string(b)))
}

func (h *launcher) writeLine(w io.Writer, b []byte) {
	h.output.Lock()
	defer h.output.Unlock()
	// A sink that fails must not stop the handler.
	_, _ = w.Write(append(bytes.Clone(b), '\n'))
}
