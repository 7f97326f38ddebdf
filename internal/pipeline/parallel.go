package pipeline

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// several does n things, so many at once, and returns the first error that one of
// them has met; the others are told by their context. A panic is the caller's: on a
// goroutine of its own it would end the process past whoever answers for the step.
func several(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	var panicked atomic.Pointer[any]
	for i := range n {
		if each.Err() != nil {
			break
		}
		g.Go(func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					panicked.Store(&r)
					err = context.Canceled
				}
			}()
			return do(each, i)
		})
	}
	err := g.Wait()
	if r := panicked.Load(); r != nil {
		panic(*r)
	}
	if err != nil {
		return err
	}
	return context.Cause(ctx)
}
