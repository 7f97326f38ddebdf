package pipelinetest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func TestMemoryLake(t *testing.T) {
	t.Parallel()
	pipelinetest.TestLake(t, func(*testing.T) pipeline.Lake {
		return pipelinetest.NewMemoryLake(func() time.Time { return start })
	})
}

func TestMemoryLandings(t *testing.T) {
	t.Parallel()
	pipelinetest.TestLandings(t, func(*testing.T) pipelinetest.LakeWithLandings {
		return pipelinetest.NewMemoryLake(func() time.Time { return start })
	})
}

func TestMemoryRemover(t *testing.T) {
	t.Parallel()
	pipelinetest.TestRemover(t, func(*testing.T) pipelinetest.LakeWithRemover {
		return pipelinetest.NewMemoryLake(func() time.Time { return start })
	})
}

func TestMemoryJournal(t *testing.T) {
	t.Parallel()
	pipelinetest.TestJournal(t, func(*testing.T) pipeline.Journal {
		return pipelinetest.NewMemoryJournal()
	})
}

func TestMemoryQueue(t *testing.T) {
	t.Parallel()
	pipelinetest.TestQueue(t, func(*testing.T) (pipeline.Queue, pipelinetest.Receiver) {
		f := &farEnd{now: start}
		f.queue = pipelinetest.NewMemoryQueue(f.Now)
		return f.queue, f
	})
}

// farEnd is the Receiver of a MemoryQueue.
type farEnd struct {
	queue *pipelinetest.MemoryQueue

	mu  sync.Mutex
	now time.Time
}

func (f *farEnd) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *farEnd) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *farEnd) Receive(ctx context.Context) (pipeline.Message, error) {
	var got pipeline.Message
	if f.queue.Receive(ctx, nil, func(_ context.Context, m pipeline.Message) error {
		got = m
		return nil
	}) {
		return got, nil
	}
	// Nobody sends while the suite waits, so there is nothing to wait for.
	<-ctx.Done()
	return got, ctx.Err()
}
