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
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// Restart rule of the host: it ends at the third error, if the gaps between errors are at most half
// an hour.
const (
	maxErrors = 3
	errorGap  = 30 * time.Minute
)

// Exit codes with a special meaning for the host.
const (
	exitDone    = 0   // a normal end: not restarted
	exitRestart = 200 // asks for a restart, which does not count
)

// Reasons for the end of a host.
var (
	// ErrCrashing reports that the handler failed three times.
	ErrCrashing = errors.New(
		"the handler failed three times with less than half an hour between: the host gives up")
	// ErrExitedZero reports that the handler ended with code 0 before it answered.
	ErrExitedZero = errors.New(
		"the handler ended with exit code 0 before it answered GET /: the host takes that for a good end and does not restart it")
	// ErrSlow reports that an invocation waited too long for a handler.
	ErrSlow = errors.New(
		"an invocation waited four times initializationTimeout for the handler: the host gives up")
)

var errStopping = errors.New("the host is stopping")

// Options configures a Host. Root, Log and Now are required.
type Options struct {
	// Root is the folder of the packaged function app.
	Root string
	// Settings holds the app settings. They resolve %NAME% and connections, and are part of the
	// handler's environment.
	Settings map[string]string
	// Env is the rest of the handler's environment, and the second source of settings. Pass
	// os.Environ() to behave as the real host.
	Env []string
	Log *slog.Logger
	// Stdout receives the handler's standard output, one write per line. If nil, the lines go to
	// Log at level info.
	Stdout io.Writer
	// Stderr receives the handler's standard error. If nil, the lines go to Log at level error, or
	// warn for lines that contain "warn": the host's rule.
	Stderr io.Writer
	Now    func() time.Time
	// LeaveHandler leaves the handler running when the host ends, without a signal, as the real
	// host does. It is for a host in its own process: a handler ends itself when its parent process
	// is gone.
	LeaveHandler bool
	// RunTimersAtStart fires every timer once as past due, as the real host does after it missed a
	// tick.
	RunTimersAtStart bool
	// OnEvent receives the events, from many goroutines. It must not block.
	OnEvent func(Event)
	// HTTP is the address for the requests of functions with an httpTrigger, for example
	// "127.0.0.1:0"; empty means that there is none.
	HTTP string
	// Keys are demanded of requests; without them all are allowed.
	Keys Keys
	// ServiceBus is passed to the SDK, for example with a connection in memory.
	ServiceBus *azservicebus.ClientOptions
}

// Host is a running emulator of the host.
type Host struct {
	launcher
	life
	counters counters
	reloads  chan reload

	web web

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

// life holds the running handler, and whether the host must end.
type life struct {
	mu      sync.Mutex
	current *process      // the running process, ready or not; nil if none runs
	ready   *process      // the same process, once it answers
	dead    bool          // it ended with code 0 and is not restarted
	changed chan struct{} // closed and replaced when ready or dead changes
	cause   error         // the reason of the end

	end      sync.Once
	stopping chan struct{} // closed: no new work, no restart
	done     chan struct{} // closed: everything has ended
}

// Start reads the app, starts its handler and, once the handler answers, the timers and queue
// listeners. If the app cannot run, it fails and leaves nothing behind: see ErrNoFunctions,
// ErrCrashing, ErrExitedZero. The end of ctx stops the host.
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
		life: life{
			changed: make(chan struct{}), stopping: make(chan struct{}), done: make(chan struct{}),
		},
		reloads: make(chan reload),
	}
	queues, err := h.queues()
	if err != nil {
		return nil, fmt.Errorf("start the functions host: %w", err)
	}
	for _, n := range a.notes {
		h.log.LogAttrs(ctx, slog.LevelWarn, "function app", slog.String("note", n))
	}
	for _, f := range a.functions {
		h.log.LogAttrs(ctx, slog.LevelInfo, "function found", slog.String("function", f.name),
			slog.String("trigger", f.trigger.Type))
	}

	if err := h.web.listen(ctx, h); err != nil {
		return nil, fmt.Errorf("start the functions host: %w", err)
	}
	h.listen, h.unlisten = context.WithCancel(ctx)
	// The handler outlives the listeners: run controls its end.
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
		return nil, fmt.Errorf("start the functions host: %w",
			cmpErr(h.Err(), context.Cause(ctx), errStopping))
	}
	h.startListeners(life, queues)
	return h, nil
}

// cmpErr returns the first non-nil error.
func cmpErr(errs ...error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// startListeners starts a goroutine per trigger. life is the context of the invocations.
func (h *Host) startListeners(life context.Context, queues []*queueListener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.stopping: // run may already wait for h.work
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

// run ends the listeners, the handler and the running calls, in this order.
func (h *Host) run(ctx context.Context, kill context.CancelFunc, supervised <-chan struct{}) {
	select {
	case <-ctx.Done():
		h.finish(nil)
	case <-h.stopping:
	}
	h.unlisten()
	h.web.close()
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
		h.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "host ended",
			slog.String("error", err.Error()))
	}
	h.emit(Event{Kind: HostEnded, Err: err})
	close(h.done)
}

// drainLimit is the time for which the real host waits for running calls when it is stopped.
const drainLimit = 10 * time.Second

// drain waits for the running calls, up to drainLimit.
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

// finish starts the end of the host. The first cause counts.
func (h *life) finish(cause error) {
	h.end.Do(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.cause = cause
		close(h.stopping)
	})
}

// Stop ends the listeners, then the handler by SIGKILL, and returns when everything has ended.
// Running calls fail, and their messages are abandoned; with Options.LeaveHandler they have ten
// seconds to end, and the handler continues. Stop may be called more than once.
func (h *Host) Stop() {
	h.finish(nil)
	<-h.done
}

// Done returns a channel that is closed when the host has ended, by itself or by Stop.
func (h *life) Done() <-chan struct{} { return h.done }

// Wait waits for the end of the host and returns its cause; nil for a Stop or the end of its
// context.
func (h *Host) Wait() error {
	<-h.done
	return h.Err()
}

// Err returns the reason why the host ended by itself; nil while it runs.
func (h *life) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cause
}

// HandlerPID returns the process id of the running handler, or 0 if none runs.
func (h *life) HandlerPID() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current == nil {
		return 0
	}
	return h.current.pid
}

// KillHandler ends the handler by SIGKILL. This counts as a crash: the host restarts the handler or
// gives up. It returns when the process is reaped, and reports whether a handler was running.
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

// Functions returns the enabled functions of the app.
func (h *launcher) Functions() []string {
	var names []string
	for _, f := range h.app.functions {
		names = append(names, f.name)
	}
	return names
}

// Stats returns the counts up to now. It can be called after the end, too.
func (h *Host) Stats() Stats {
	h.mu.Lock()
	p := h.current
	h.mu.Unlock()
	if p != nil {
		h.sample(p)
	}
	return h.counters.snapshot()
}

func (h *Host) emit(e Event) {
	if h.opt.OnEvent != nil {
		h.opt.OnEvent(e)
	}
}

func (h *launcher) stdoutLine(b []byte) {
	if h.opt.Stdout == nil {
		h.log.LogAttrs(context.Background(), slog.LevelInfo, "handler",
			slog.String("stdout", string(b)))
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
	// A failing writer must not stop the handler.
	_, _ = w.Write(append(bytes.Clone(b), '\n'))
}
