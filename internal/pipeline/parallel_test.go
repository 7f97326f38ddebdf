package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestSeveral(t *testing.T) {
	t.Parallel()
	var done [1000]atomic.Bool
	var under, most atomic.Int64
	err := several(t.Context(), len(done), 8, func(_ context.Context, i int) error {
		most.Store(max(most.Load(), under.Add(1)))
		defer under.Add(-1)
		done[i].Store(true)
		return nil
	})
	for i := range done {
		if !done[i].Load() {
			t.Fatalf("%d was not done", i)
		}
	}
	if err != nil || most.Load() > 8 {
		t.Errorf("%d at once, %v", most.Load(), err)
	}
}

func TestSeveralEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var calls atomic.Int64
	err := several(t.Context(), 1000, 8, func(ctx context.Context, i int) error {
		if calls.Add(1); i == 3 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, broken) || calls.Load() > 9 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := several(ctx, 1000, 8, func(ctx context.Context, _ int) error {
		return ctx.Err()
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSeveralPanicsWhereItWasCalled(t *testing.T) {
	t.Parallel()
	defer func() {
		if r := recover(); r != "killed" {
			t.Errorf("recovered %v", r)
		}
	}()
	err := several(t.Context(), 100, 8, func(context.Context, int) error { panic("killed") })
	t.Errorf("returned %v", err)
}
