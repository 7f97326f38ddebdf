package serverless_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
)

// interleaved is a lake that runs a function before its nth use.
type interleaved struct {
	pipeline.Lake
	left *int
	then func()
}

func (l interleaved) use() {
	if *l.left--; *l.left == 0 {
		l.then()
	}
}

func (l interleaved) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	l.use()
	return l.Lake.List(ctx, area, prefix)
}

func (l interleaved) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	l.use()
	return l.Lake.Open(ctx, area, path, etag)
}

func (l interleaved) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	l.use()
	return l.Lake.Put(ctx, area, path, r)
}

// Two committers without a lease, one running completely between any two storage calls of the
// other: both stay visible.
func TestTwoCommittersMakeSnapshots(t *testing.T) {
	t.Parallel()
	runs := 0
	for n := 1; ; n++ {
		if n > 60 {
			t.Fatal("the commit has no end")
		}
		w := newWorld(t)
		w.snapshots = everySecond
		w.unseen(t, w.Prepare(t, "plan-1", patient("a", 1, "A")+patient("b", 1, "B")))
		one := w.Prepare(t, "plan-2", patient("a", 2, "A2")+gone("b", 2))
		// Its parts sort after parts with the same number, or before.
		other := w.Prepare(t, "plan-3", patient("a", 3, "A3")+patient("c", 1, "C"))
		if n%2 == 0 {
			one.Attempt, other.Attempt = other.Attempt, one.Attempt
		}
		left := n
		lake := interleaved{w.published, &left, func() {
			if err := w.open(t, w.published).Commit(t.Context(), other); err != nil {
				t.Errorf("at use %d: the other: %v", n, err)
			}
		}}
		if err := w.open(t, lake).Commit(t.Context(), one); err != nil {
			t.Errorf("at use %d: %v", n, err)
		}
		if left > 0 {
			break
		}
		if err := w.model.Commit(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		w.compare(t, one)
		for i := range 3 {
			w.clock = w.clock.Add(25 * time.Hour)
			w.unseen(t, w.Prepare(t, fmt.Sprintf("plan-%d", 4+i), patient("d", 1+i, "D")))
		}
		w.commit(t, w.Prepare(t, "plan-9", patient("e", 1, "E")))
		if w.reads() == "" {
			t.Errorf("at use %d: no snapshot is read", n)
		}
		runs++
		if t.Failed() {
			t.Fatalf("at use %d", n)
		}
	}
	if runs < 15 {
		t.Errorf("a commit with %d uses of the storage", runs)
	}
}
