package functionshost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// ErrHandlerEnded reports that the host ended the handler during an invocation.
var ErrHandlerEnded = errors.New("the host has ended the handler")

// hostVersion is the version that the emulator announces.
const hostVersion = "4.1048.200.0"

// Invoke calls a function with the given body, as the host would for a trigger without a listener
// here: {"Data": ..., "Metadata": ...}. It streams the body and returns the failure of the
// invocation.
func (h *Host) Invoke(ctx context.Context, function string, body io.Reader) error {
	f := h.function(function)
	if f == nil {
		return fmt.Errorf("invoke %s: no such function in %q", function, h.Functions())
	}
	return h.tracked(func() error { return h.invoke(ctx, f, body) })
}

// FireTimer runs a timer's function now, as a person would by the admin API. It waits for a running
// call of the same timer first, and returns the failure of the invocation.
func (h *Host) FireTimer(ctx context.Context, function string) error {
	f := h.function(function)
	if f == nil || f.schedule == nil {
		return fmt.Errorf("fire %s: no such timer in %q", function, h.Functions())
	}
	return h.tracked(func() error {
		select {
		case f.turn <- struct{}{}:
			defer func() { <-f.turn }()
		case <-h.stopping:
			return errStopping
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now := h.opt.Now()
		return h.invoke(ctx, f,
			encoded(timerBody(f, timerStatus{next: f.schedule.Next(now)}, false, now)))
	})
}

func (h *launcher) function(name string) *function {
	for _, f := range h.app.functions {
		if f.name == name {
			return f
		}
	}
	return nil
}

// tracked makes the end of the host wait for f.
func (h *Host) tracked(f func() error) error {
	h.mu.Lock()
	select {
	case <-h.stopping:
		h.mu.Unlock()
		return errStopping
	default:
		h.work.Add(1)
	}
	h.mu.Unlock()
	defer h.work.Done()
	return f()
}

// encoded returns the JSON of a body, as a stream.
func encoded(body invocation) io.Reader {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(json.NewEncoder(w).Encode(body)) }()
	return r
}

// invoke calls a function and judges the answer.
func (h *Host) invoke(ctx context.Context, f *function, body io.Reader) error {
	if c, ok := body.(io.Closer); ok {
		defer func() { _ = c.Close() }() // releases the writer of an unread body
	}
	id := uuid.NewString()
	started := h.opt.Now()
	h.emit(Event{Kind: InvocationStarted, Function: f.name, Invocation: id})
	p, err := h.await(ctx)
	if err == nil {
		err = h.post(ctx, p, f, id, body)
		h.sample(p)
	}
	h.counters.invocation(f.name, err)
	attrs := []slog.Attr{
		slog.String("function", f.name), slog.String("invocation", id),
		slog.Duration("duration", h.opt.Now().Sub(started)),
	}
	if err != nil {
		h.log.LogAttrs(ctx, slog.LevelError, "invocation failed",
			append(attrs, slog.String("reason", err.Error()))...)
	} else {
		h.log.LogAttrs(ctx, slog.LevelDebug, "invocation succeeded", attrs...)
	}
	h.emit(Event{Kind: InvocationEnded, Function: f.name, Invocation: id, Err: err})
	return err
}

// await waits for a handler that answers. The real host shuts down if that takes four times
// initializationTimeout.
func (h *Host) await(ctx context.Context) (*process, error) {
	var limit <-chan time.Time
	if h.app.initialization > 0 {
		t := time.NewTimer(4 * h.app.initialization)
		defer t.Stop()
		limit = t.C
	}
	for {
		h.mu.Lock()
		p, dead, changed := h.ready, h.dead, h.changed
		h.mu.Unlock()
		switch {
		case p != nil && !p.gone():
			return p, nil
		case dead:
			return nil, errors.New("the handler has ended with exit code 0 and is not restarted")
		}
		select {
		case <-changed:
		case <-h.stopping:
			return nil, errStopping
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-limit:
			h.finish(ErrSlow)
			return nil, ErrSlow
		}
	}
}

// post sends one request. The real host sends it without a cancellation token, so only the end of
// the process interrupts it.
func (h *Host) post(ctx context.Context, p *process, f *function, id string, body io.Reader) error {
	// Hide all methods but Read: net/http would set the length of a body that it knows, and the
	// host sends in chunks.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/"+f.name,
		struct{ io.Reader }{body})
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Azure-Functions-Host/"+hostVersion)
	req.Header.Set("X-Azure-Functions-HostVersion", hostVersion)
	req.Header.Set("X-Azure-Functions-InvocationId", id)

	if h.app.functionTimeout > 0 {
		t := time.AfterFunc(h.app.functionTimeout+killAfterTimeout, func() {
			p.forgiven.Store(true)
			h.log.LogAttrs(ctx, slog.LevelError,
				"timeout: the handler is killed, with everything in flight",
				slog.String("function", f.name), slog.String("invocation", id),
				slog.Duration("functionTimeout", h.app.functionTimeout))
			h.sample(p)
			p.kill()
		})
		defer func() {
			if !t.Stop() {
				<-p.exited // the kill is under way
			}
		}()
	}
	res, err := p.client.Do(req)
	if err != nil {
		return h.cut(ctx, p, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return h.cut(ctx, p, err)
	}
	err = judge(res.StatusCode, res.Header.Get("Content-Type"), answer)
	if errors.Is(err, errHangs) {
		h.log.LogAttrs(ctx, slog.LevelError, "the host hangs on this answer until functionTimeout",
			slog.String("function", f.name), slog.String("reason", err.Error()))
		select {
		case <-p.exited:
			return h.cut(ctx, p, err)
		case <-h.stopping:
			return errStopping
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

// killAfterTimeout is the time between functionTimeout and the kill of the handler.
const killAfterTimeout = 2 * time.Second

// noticeLimit bounds the wait of an interrupted request until the end of the handler is noticed.
// Without this wait, the broker's next deliveries would all fail on a handler that is dead but not
// reaped, and a busy machine would fill dead-letter queues.
const noticeLimit = 2 * time.Second

// cut returns the cause of an interrupted request, in a text that stays the same for the same
// cause.
func (h *Host) cut(ctx context.Context, p *process, err error) error {
	// The port of an ending process closes a moment before the end is noticed.
	if errors.Is(err, syscall.ECONNREFUSED) && !p.gone() && !ending(p.pid) {
		return errors.New("connection refused: the handler runs and has closed its port")
	}
	noticed := time.NewTimer(noticeLimit)
	defer noticed.Stop()
	select {
	case <-p.exited:
	case <-noticed.C:
	case <-ctx.Done():
	}
	if p.forgiven.Load() {
		return fmt.Errorf("%w, at its functionTimeout of %s or for another one", ErrHandlerEnded,
			h.app.functionTimeout)
	}
	select {
	case <-h.stopping:
		return errStopping
	default:
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.New("the handler ended, or closed the connection, before it answered")
}
