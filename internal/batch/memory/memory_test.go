package memory_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/batch/memory"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func TestJournal(t *testing.T) {
	t.Parallel()
	pipelinetest.TestJournal(t, func(*testing.T) pipeline.Journal { return memory.NewJournal() })
}

func TestQueue(t *testing.T) {
	t.Parallel()
	pipelinetest.TestQueue(t, func(*testing.T) (pipeline.Queue, pipelinetest.Receiver) {
		f := &farEnd{now: start}
		f.queue = memory.NewQueue(f.Now)
		return f.queue, f
	})
}

type farEnd struct {
	queue *memory.Queue

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
	for {
		if m, ok := f.queue.Take(); ok {
			return m, nil
		}
		select {
		case <-f.queue.Sent():
		case <-ctx.Done():
			return pipeline.Message{}, ctx.Err()
		}
	}
}

func TestMessagesComeInOrderOfTheirTime(t *testing.T) {
	t.Parallel()
	f := &farEnd{now: start}
	f.queue = memory.NewQueue(f.Now)
	for _, in := range []int{30, 10, 20} {
		if err := f.queue.Send(t.Context(), pipeline.Message{
			ID: fmt.Sprint(in), At: start.Add(time.Duration(in) * time.Second),
		}); err != nil {
			t.Fatal(err)
		}
	}
	if at, ok := f.queue.Next(); !ok || !at.Equal(start.Add(10*time.Second)) {
		t.Errorf("next at %v, %t", at, ok)
	}
	if m, ok := f.queue.Take(); ok {
		t.Errorf("took %s before its time", m.ID)
	}
	f.Advance(time.Minute)
	var got string
	for range 3 {
		m, _ := f.queue.Take()
		got += m.ID + " "
	}
	if got != "10 20 30 " {
		t.Errorf("took %s", got)
	}
	if _, ok := f.queue.Next(); ok {
		t.Error("there is a message left")
	}
}

func TestAMessageThatIsPutBackComesAgain(t *testing.T) {
	t.Parallel()
	q := memory.NewQueue(func() time.Time { return start })
	if err := q.Send(t.Context(), pipeline.Message{ID: "a", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	m, _ := q.Take()
	q.PutBack(m)
	if again, ok := q.Take(); !ok || again.ID != "a" || string(again.Body) != "x" {
		t.Errorf("took %+v, %t", again, ok)
	}
}
