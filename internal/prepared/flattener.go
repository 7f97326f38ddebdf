package prepared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// Resource is what an evaluator found out about a line. Its bytes are valid until
// the next line.
type Resource struct {
	Type, ID, VersionID, LastUpdated []byte
	// Deleted marks a tombstone, Subsetted a resource that the server has cut.
	Deleted, Subsetted bool
}

// Evaluator runs the views of one resource type over lines. It is used by one
// goroutine at a time.
type Evaluator interface {
	// Eval emits the rows of all views for one line: cells in the order of the
	// view's columns, nil for NULL, else canonical text. The cells are valid until
	// emit returns. An error of class BadData means that the line is bad.
	Eval(line []byte, emit func(view int, row [][]byte) error) (Resource, error)
}

// PlanViews is what a Flattener needs of a plan.
type PlanViews interface {
	// Tables are the tables of the plan's present views.
	Tables(plan string) ([]Table, error)
	// Engine makes evaluators for the plan's views of one resource type, in the
	// order of TablesOf.
	Engine(plan, resource string) (func() Evaluator, error)
	// ViewSet fingerprints the views.
	ViewSet(plan string) (string, error)
}

// Codec compresses the Parquet files.
type Codec string

// The codecs.
const (
	Snappy Codec = "snappy"
	Zstd   Codec = "zstd"
	None   Codec = "none"
)

// Options are what a Flattener is made of. Lake and Views are needed; the zero
// values of the others mean the defaults.
type Options struct {
	Lake  pipeline.Lake
	Views PlanViews
	// Evaluators is how many goroutines evaluate lines; 0 means one a processor.
	Evaluators int
	// LineLimit is the longest line in bytes; 0 means 64 MB.
	LineLimit int
	// Block is how much a goroutine takes at a time; 0 means 1 MB.
	Block int
	// RowGroup bounds the bytes that wait for their row groups, over all tables of
	// a file; 0 means 8 MB. A row is never split.
	RowGroup int
	// Codec is Snappy unless said otherwise.
	Codec Codec
	// Quarantined is told, from any goroutine, how many more lines went to the
	// quarantine, of files whose flattening may still fail; it may be nil.
	Quarantined func(lines int64)
}

// Flattener is pipeline.Flattener over an engine of views.
type Flattener struct {
	o Options
}

// inFlight bounds the bytes of lines that are being evaluated; a single line may
// be longer.
const inFlight = 8 << 20

// NewFlattener makes a Flattener.
func NewFlattener(o Options) (*Flattener, error) {
	o.Evaluators = cmp.Or(o.Evaluators, runtime.GOMAXPROCS(0))
	o.RowGroup = cmp.Or(o.RowGroup, 8<<20)
	o.Codec = cmp.Or(o.Codec, Snappy)
	if o.Lake == nil || o.Views == nil {
		return nil, errors.New("a flattener needs a lake and views")
	}
	if _, err := codecOf(o.Codec); err != nil {
		return nil, err
	}
	return &Flattener{o: o}, nil
}

// ViewSet implements pipeline.Flattener.
func (f *Flattener) ViewSet(plan string) (string, error) { return f.o.Views.ViewSet(plan) }

// job is one block on its way from the reader over an evaluator to the writer.
type job struct {
	block  ndjson.Block
	weight int64
	result *result
	err    error
	done   chan struct{}
}

// Flatten implements pipeline.Flattener.
func (f *Flattener) Flatten(ctx context.Context, in pipeline.Flattening, r io.Reader) (pipeline.Done, error) {
	done, err := f.flatten(ctx, in, r)
	if err != nil {
		return pipeline.Done{}, fmt.Errorf("flatten %s: %w", in.Path, err)
	}
	return done, nil
}

func (f *Flattener) flatten(ctx context.Context, in pipeline.Flattening, r io.Reader) (pipeline.Done, error) {
	all, err := f.o.Views.Tables(in.Plan)
	if err != nil {
		return pipeline.Done{}, fmt.Errorf("read the views of plan %s: %w", in.Plan, err)
	}
	tables := TablesOf(all, in.Type)
	engine, err := f.o.Views.Engine(in.Plan, in.Type)
	if err != nil {
		return pipeline.Done{}, fmt.Errorf("compile the views of %s: %w", in.Type, err)
	}
	sink := newSink(ctx, f.o, in, tables)
	err = sink.close(f.run(ctx, r, shape{
		evaluation: func() *evaluation { return newEvaluation(in, tables, engine()) },
		result:     func() *result { return newResult(tables) },
		write:      sink.write,
	}))
	return sink.done, err
}

// shape is what the rows are to be made into.
type shape struct {
	evaluation func() *evaluation // one a goroutine
	result     func() *result
	// write takes the results in the order of their blocks; each is used again
	// when it returns.
	write func(*result) error
}

// run evaluates the lines of r, block by block, on every processor.
func (f *Flattener) run(ctx context.Context, r io.Reader, s shape) error {
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *job)
	order := make(chan *job, f.o.Evaluators+1)
	// What the writer is through with goes back to be filled again.
	buffers := make(chan []byte, cap(order)+2)
	results := make(chan *result, cap(order)+2)
	weights := semaphore.NewWeighted(inFlight)

	g.Go(func() error {
		defer close(work)
		defer close(order)
		blocks := ndjson.NewReader(r, ndjson.Options{Limit: f.o.LineLimit, Block: f.o.Block})
		for {
			b, err := blocks.Next(take(buffers))
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			j := &job{block: b, weight: int64(min(len(b.Data), inFlight)), done: make(chan struct{})}
			if err := weights.Acquire(ctx, j.weight); err != nil {
				return err
			}
			for _, to := range []chan<- *job{order, work} {
				select {
				case to <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
	})
	for range f.o.Evaluators {
		g.Go(func() error {
			e := s.evaluation()
			for j := range work {
				if j.result = take(results); j.result == nil {
					j.result = s.result()
				}
				j.err = e.block(j.block, j.result)
				close(j.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		for j := range order {
			select {
			case <-j.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if j.err != nil {
				return j.err
			}
			if err := s.write(j.result); err != nil {
				return err
			}
			weights.Release(j.weight)
			j.result.reset()
			give(results, j.result)
			if cap(j.block.Data) <= 4*ndjson.DefaultBlock {
				give(buffers, j.block.Data)
			}
		}
		return nil
	})
	return g.Wait()
}

func take[T any](from <-chan T) (v T) {
	select {
	case v = <-from:
	default:
	}
	return v
}

func give[T any](to chan<- T, v T) {
	select {
	case to <- v:
	default:
	}
}
