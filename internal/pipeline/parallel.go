package pipeline

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// several calls do for 0 to n-1, at most atOnce at a time, and returns the first error; the
// context of the other calls is then cancelled. It panics in the caller's goroutine if a call
// panics: on its own goroutine the panic would end the process.
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
