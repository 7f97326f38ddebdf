package pipeline

import (
	"context"
	"sync"
)

// several does n things, so many at once, and returns the first error that one of
// them has met; the others are told by their context. A panic is the caller's.
func several(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	panics := make(chan any, atOnce)
	work := make(chan int)
	for range min(n, atOnce) {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panics <- r
					cancel(context.Canceled)
				}
			}()
			for i := range work {
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case work <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	wg.Wait()
	select {
	case r := <-panics:
		panic(r)
	default:
		return context.Cause(ctx)
	}
}
