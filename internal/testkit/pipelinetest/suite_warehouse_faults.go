package pipelinetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// brokenLake fails to open paths that end in suffix, with err.
type brokenLake struct {
	pipeline.Lake
	suffix string
	err    error
}

func (l brokenLake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	if strings.HasSuffix(path, l.suffix) {
		return nil, l.err
	}
	return l.Lake.Open(ctx, area, path, etag)
}

func warehouseUnreadable(t *testing.T, w *tables) {
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{live("a", "08:00", "1", "A", "x")})))
	b := w.batch("plan-2", w.prepare(t, "Patient", file{live("a", "09:00", "2", "B", "y")}),
		w.prepare(t, "Patient", file{gone("a", "10:00", "3")}))
	for _, suffix := range []string{b.Files[1].Dir + "/head.parquet", "patient_name.parquet"} {
		down := fault.Transientf("the storage is down")
		err := w.refused(t, w.Open(t, brokenLake{w.lake, suffix, down}, w.views.Tables), b)
		if !errors.Is(err, down) || fault.Of(err) != fault.Transient {
			t.Errorf("%s: %v", suffix, err)
		}
	}
	w.commit(t, b)
}

func warehouseCancelled(t *testing.T, w *tables) {
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{live("a", "08:00", "1", "A", "x")})))
	b := w.batch("plan-2", w.prepare(t, "Patient", file{gone("a", "10:00", "3")}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Open(t, w.lake, w.views.Tables).Commit(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	w.compare(t, schema, "plan-1", "plan-2")
	w.commit(t, b)
}

// stallingLake blocks at its first Open until it is released.
type stallingLake struct {
	pipeline.Lake
	once          sync.Once
	reached, goOn chan struct{}
}

func (l *stallingLake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	l.once.Do(func() {
		close(l.reached)
		select {
		case <-l.goOn:
		case <-ctx.Done():
		}
	})
	return l.Lake.Open(ctx, area, path, etag)
}

func warehouseStalled(t *testing.T, w *tables) {
	stale := w.batch("plan-1",
		w.prepare(t, "Patient",
			file{
				live("a", "08:00", "1", "A", "x"), live("b", "08:00", "1", "B"),
				live("c", "09:00", "1", "C"),
			}))
	l := &stallingLake{Lake: w.lake, reached: make(chan struct{}), goOn: make(chan struct{})}
	var g errgroup.Group
	sleeper := w.Open(t, l, w.views.Tables)
	g.Go(func() error { return sleeper.Commit(t.Context(), stale) })
	<-l.reached
	w.commit(t, w.batch("plan-1",
		w.prepare(t, "Patient",
			file{live("a", "09:00", "2", "A2", "y", "z"), gone("b", "09:00", "2")})))
	// Another warehouse commits the stalled batch itself, too.
	again := stale
	again.Attempt = "ee"
	w.commit(t, again)
	w.commit(t, w.batch("plan-2", w.prepare(t, "Patient", file{gone("c", "10:00", "2")})))
	close(l.goOn)
	must(t, g.Wait())
	w.compare(t, schema, "plan-1", "plan-2")
	if d := cmp.Diff([]string{"a A2 y,z"}, shape(w.Content(t, schema))); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
}
