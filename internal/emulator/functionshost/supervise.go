package functionshost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

// sample reads the memory size of a running process.
func (h *Host) sample(p *process) {
	n := peakMemory(p.pid)
	h.counters.change(func(s *Stats) { s.PeakMemory = max(s.PeakMemory, n) })
}

// supervise runs the handler, and restarts it by the host's rules. It closes first when the handler
// answers for the first time.
func (h *Host) supervise(ctx context.Context, first chan<- struct{}) {
	faults, last := 0, time.Time{}
	var once sync.Once
	port, err := freePort(ctx) // the same for every process, except after a reload
	if err != nil {
		h.finish(fmt.Errorf("find a port for the handler: %w", err))
		return
	}
	for ctx.Err() == nil && !h.isStopping() {
		p, err := h.launch(ctx, port)
		// Linux refuses to start a file that another thread's child, between fork and exec, still
		// holds open for writing (golang.org/issue/22315). This concerns a newly written handler,
		// for some milliseconds.
		for range 100 {
			if !errors.Is(err, syscall.ETXTBSY) {
				break
			}
			wait(ctx, probeEvery)
			p, err = h.launch(ctx, port)
		}
		if err != nil {
			if ctx.Err() == nil {
				h.finish(err) // the real host does not retry, either
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
			h.log.LogAttrs(ctx, slog.LevelError, "handler is not ready",
				slog.String("error", err.Error()))
			p.kill()
		}
		p, port = h.untilExit(ctx, p, port)
		h.counters.change(func(s *Stats) { s.Processor += p.processor })
		h.setGone(err == nil && p.code == exitDone)
		h.emit(Event{Kind: HandlerExited, PID: p.pid, ExitCode: p.code})
		switch {
		case ctx.Err() != nil, p.forgiven.Load():
		case p.code == exitDone && err != nil:
			h.finish(ErrExitedZero)
			return
		case p.code == exitDone:
			h.log.LogAttrs(ctx, slog.LevelError,
				"handler ended with exit code 0: the host does not restart it, and every invocation fails from here on")
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
			h.log.LogAttrs(ctx, slog.LevelError, "handler crashed", slog.Int("pid", p.pid),
				slog.Int("exitCode", p.code), slog.Int("errors", faults))
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

// wake notifies the goroutines that wait for a handler. The caller holds h.mu.
func (h *life) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}
