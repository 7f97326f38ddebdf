package functionshost

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// reload requests a second handler from the supervisor.
type reload struct {
	overlap time.Duration
	done    chan<- error
}

// Reload behaves as the real host does when host.json changes: it starts a second handler on
// another port, sends new calls to it once it answers, and ends the first handler after overlap.
func (h *Host) Reload(ctx context.Context, overlap time.Duration) error {
	done := make(chan error, 1)
	select {
	case h.reloads <- reload{overlap, done}:
	case <-h.stopping:
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-h.stopping:
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// untilExit waits for the end of the handler and performs reloads in the meantime. It returns the
// ended process and its port.
func (h *Host) untilExit(
	ctx context.Context, p *process, port string,
) (ended *process, itsPort string) {
	for {
		select {
		case <-p.exited:
			return p, port
		case r := <-h.reloads:
			second, at, err := h.second(ctx)
			if err != nil {
				r.done <- fmt.Errorf("reload: %w", err)
				continue
			}
			wait(ctx, r.overlap)
			p.forgiven.Store(true)
			p.kill()
			h.counters.change(func(s *Stats) { s.Processor += p.processor })
			h.emit(Event{Kind: HandlerExited, PID: p.pid, ExitCode: p.code})
			p, port = second, at
			r.done <- nil
		}
	}
}

// second starts another handler and sends new calls to it.
func (h *Host) second(ctx context.Context) (*process, string, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := h.launch(ctx, port)
	if err != nil {
		return nil, "", err
	}
	h.counters.change(func(s *Stats) { s.Starts++ })
	h.emit(Event{Kind: HandlerStarted, PID: p.pid})
	if err := p.answers(ctx, h.app.initialization); err != nil {
		p.kill()
		return nil, "", err
	}
	h.setCurrent(p)
	h.setReady(p)
	h.log.LogAttrs(ctx, slog.LevelInfo, "second handler is ready", slog.Int("pid", p.pid))
	h.emit(Event{Kind: HandlerReady, PID: p.pid})
	return p, port, nil
}
