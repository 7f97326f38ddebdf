package pipeline_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// gate wraps every port: it counts the calls and lets a test make them fail.
type gate struct {
	mu    sync.Mutex
	calls int
	log   []string
	// listed counts the blobs in listings.
	listed int
	// hold, if set, decides which of several concurrent calls continues.
	hold func(context.Context)
	// before and after run around call n (the first is 1). An error of before
	// refuses the call; an error of after loses its answer.
	before, after func(n int, port string) error
	// open lets all calls through, for the checks of the test itself.
	open bool
}

type crash struct{}

func (g *gate) enter(ctx context.Context, port string) (func(error) error, error) {
	if g.open {
		return func(err error) error { return err }, nil
	}
	if g.hold != nil {
		g.hold(ctx)
	}
	g.mu.Lock()
	g.calls++
	n := g.calls
	g.log = append(g.log, port)
	g.mu.Unlock()
	if g.before != nil {
		if err := g.before(n, port); err != nil {
			return nil, err
		}
	}
	return func(err error) error {
		if err == nil && g.after != nil {
			return g.after(n, port)
		}
		return err
	}, nil
}

type (
	gatedLake struct {
		pipeline.Lake
		*gate
	}
	gatedJournal struct {
		pipeline.Journal
		*gate
	}
	gatedQueue struct {
		pipeline.Queue
		*gate
	}
	gatedWarehouse struct {
		pipeline.Warehouse
		*gate
	}
	gatedLandings struct {
		pipeline.Landings
		*gate
	}
	gatedRemover struct {
		pipeline.Remover
		*gate
	}
	gatedSource struct {
		pipeline.Server
		*gate
	}
)

func (l gatedLake) List(
	ctx context.Context, a pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	leave, err := l.enter(ctx, "lake list")
	if err == nil {
		err = leave(nil)
	}
	if err != nil {
		return func(yield func(pipeline.File, error) bool) { yield(pipeline.File{}, err) }
	}
	return func(yield func(pipeline.File, error) bool) {
		for f, err := range l.Lake.List(ctx, a, prefix) {
			l.mu.Lock()
			l.listed++
			l.mu.Unlock()
			if !yield(f, err) {
				return
			}
		}
	}
}

func (l gatedLake) Stat(ctx context.Context, a pipeline.Area, path string) (pipeline.File, error) {
	return gated(ctx, l.gate, "lake stat", func() (pipeline.File, error) {
		return l.Lake.Stat(ctx, a, path)
	})
}

func (l gatedLake) Open(
	ctx context.Context, a pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	return gated(ctx, l.gate, "lake open", func() (io.ReadCloser, error) {
		return l.Lake.Open(ctx, a, path, etag)
	})
}

func (l gatedLake) Put(
	ctx context.Context, a pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return gated(ctx, l.gate, "lake put", func() (pipeline.File, error) {
		return l.Lake.Put(ctx, a, path, r)
	})
}

func (l gatedLandings) Create(
	ctx context.Context, a pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return gated(ctx, l.gate, "lake create", func() (pipeline.File, error) {
		return l.Landings.Create(ctx, a, path, r)
	})
}

func (j gatedJournal) Read(ctx context.Context, key string) (pipeline.Entry, error) {
	return gated(ctx, j.gate, "journal read", func() (pipeline.Entry, error) {
		return j.Journal.Read(ctx, key)
	})
}

func (j gatedJournal) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
	return gated(ctx, j.gate, "journal write", func() (string, error) {
		return j.Journal.Write(ctx, key, etag, data)
	})
}

func (j gatedJournal) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	leave, err := j.enter(ctx, "journal list")
	if err == nil {
		err = leave(nil)
	}
	if err != nil {
		return func(yield func(string, error) bool) { yield("", err) }
	}
	return j.Journal.List(ctx, prefix)
}

func (q gatedQueue) Send(ctx context.Context, m ...pipeline.Message) error {
	_, err := gated(ctx, q.gate, "queue send", func() (struct{}, error) {
		return struct{}{}, q.Queue.Send(ctx, m...)
	})
	return err
}

func (r gatedRemover) Remove(ctx context.Context, a pipeline.Area, path string) error {
	_, err := gated(ctx, r.gate, "lake remove", func() (struct{}, error) {
		return struct{}{}, r.Remover.Remove(ctx, a, path)
	})
	return err
}

func (w gatedWarehouse) Commit(ctx context.Context, b pipeline.Batch) error {
	_, err := gated(ctx, w.gate, "warehouse commit", func() (struct{}, error) {
		return struct{}{}, w.Warehouse.Commit(ctx, b)
	})
	return err
}

// adder is a Concluder of tables that nothing is removed from.
type adder struct{ pipeline.Concluder }

func (adder) OnlyAdds() {}

func (w *world) concluder() pipeline.Concluder {
	c := gatedConcluder{w.tables, w.gate}
	if w.adds {
		return adder{c}
	}
	return c
}

// gatedConcluder is the same for the ends of exports.
type gatedConcluder struct {
	pipeline.Concluder
	*gate
}

func (c gatedConcluder) Conclude(
	ctx context.Context, in pipeline.Conclusion,
) (pipeline.Concluded, error) {
	return gated(ctx, c.gate, "warehouse conclude", func() (pipeline.Concluded, error) {
		return c.Concluder.Conclude(ctx, in)
	})
}

func (w gatedWarehouse) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	return gated(ctx, w.gate, "warehouse ledger", func() ([]pipeline.LedgerEntry, error) {
		return w.Warehouse.Ledger(ctx, schema, export)
	})
}

func (s gatedSource) Now(ctx context.Context) (time.Time, error) {
	return gated(ctx, s.gate, "source now", func() (time.Time, error) { return s.Server.Now(ctx) })
}

func (s gatedSource) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	return gated(ctx, s.gate, "source kick-off", func() (pipeline.Accepted, error) {
		return s.Server.KickOff(ctx, r)
	})
}

func (s gatedSource) Status(ctx context.Context, url string) (pipeline.Status, error) {
	return gated(ctx, s.gate, "source status", func() (pipeline.Status, error) {
		return s.Server.Status(ctx, url)
	})
}

func (s gatedSource) Cancel(ctx context.Context, url string) error {
	_, err := gated(ctx, s.gate, "source cancel", func() (struct{}, error) {
		return struct{}{}, s.Server.Cancel(ctx, url)
	})
	return err
}

// Issues implements pipeline.IssueReader. It sends no request, so no call is counted.
func (s gatedSource) Issues(f pipeline.OutputFile, r io.Reader) ([]pipeline.Issue, error) {
	if reader, ok := s.Server.(pipeline.IssueReader); ok {
		return reader.Issues(f, r)
	}
	return nil, errors.New("this server has no error files")
}

func gated[T any](ctx context.Context, g *gate, port string, call func() (T, error)) (T, error) {
	leave, err := g.enter(ctx, port)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := call()
	return v, leave(err)
}

var errOutage = errors.New("503 from nowhere")

func portOf(call string) string { name, _, _ := strings.Cut(call, " "); return name }
