package flatten

import (
	"context"
	"errors"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// shape defines the output of the rows.
type shape struct {
	result func() *result
	// write receives the results in the order of their blocks. A result is reused after write
	// returns.
	write func(*result) error
	done  func(*result) // takes back an empty result
}

// job is one block between the reader, an evaluator and the writer.
type job struct {
	block  ndjson.Block
	weight int64
	large  bool // it holds the turn of large lines
	result *result
	rest   ndjson.Block // lines that the writer must evaluate
	err    error
	done   chan struct{}
}

// run is one stream of lines in evaluation.
type run struct {
	f          *Flattener
	in         pipeline.Flattening
	typeTables *typeTables
	shape      shape
	weights    *semaphore.Weighted // bytes of lines in evaluation
	// large is set while this run holds the turn of large lines. The reader takes the turn and the
	// writer releases it.
	large bool
}

// run evaluates the lines of r, block by block, on all processors. A panic in its goroutines is
// returned as an error.
func (f *Flattener) run(
	ctx context.Context, r io.Reader, in pipeline.Flattening, k *typeTables, s shape,
) error {
	x := &run{f: f, in: in, typeTables: k, shape: s, weights: semaphore.NewWeighted(inFlight)}
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *job)
	order := make(chan *job, f.o.Evaluators+1)
	g.Go(func() (err error) {
		defer close(work)
		defer close(order)
		defer caught(&err, func() string { return "read the file" })
		return x.read(ctx, r, order, work)
	})
	for range f.o.Evaluators {
		g.Go(func() error { return x.evaluate(ctx, work) })
	}
	g.Go(func() (err error) {
		defer caught(&err, func() string { return "write the rows" })
		return x.write(ctx, order)
	})
	err := g.Wait()
	x.releaseLarge()
	return err
}

// read cuts r into jobs and sends each twice: to the writer, which keeps the order, and to an
// evaluator.
func (x *run) read(ctx context.Context, r io.Reader, order, work chan<- *job) error {
	admitted := false
	blocks := ndjson.NewReader(r, ndjson.Options{
		Limit: x.f.o.LineLimit, Block: x.f.o.Block, Large: largeLine,
		Admit: func() error {
			admitted = true
			return x.acquireLarge(ctx)
		},
	})
	for {
		buffer, _ := x.f.buffers.take(struct{}{})
		admitted = false
		b, err := blocks.Next(buffer)
		if err != nil && cap(buffer) > 0 {
			x.f.buffers.put(struct{}{}, buffer)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		j := &job{block: b, weight: int64(min(len(b.Data), inFlight)), done: make(chan struct{})}
		if admitted {
			j.large, j.weight = true, inFlight
		} else if err := x.weights.Acquire(ctx, j.weight); err != nil {
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
}

// acquireLarge waits until all blocks of this run are written and no other run has a large line. It
// acquires the weights first, because the holder of the turn must not wait for others.
func (x *run) acquireLarge(ctx context.Context) error {
	if err := x.weights.Acquire(ctx, inFlight); err != nil {
		return err
	}
	if err := x.f.largeTurn.Acquire(ctx, 1); err != nil {
		return err
	}
	x.large = true
	runtime.GC() // frees the memory of other large lines first
	return nil
}

func (x *run) releaseLarge() {
	if x.large {
		x.large = false
		x.f.largeTurn.Release(1)
	}
}

// evaluate processes jobs.
func (x *run) evaluate(ctx context.Context, work <-chan *job) error {
	kept, _ := x.f.evaluators.take(x.typeTables)
	e := newEvaluation(x.in, x.typeTables, LittleRoom, kept)
	for j := range work {
		if j.large {
			runtime.GC() // frees what reading the line has used
		}
		j.result = x.shape.result()
		ok := x.evaluateBlock(ctx, e, j)
		if close(j.done); !ok {
			return nil // the writer reports it, and the evaluator may be broken
		}
	}
	x.f.evaluators.put(x.typeTables, e.ev)
	return nil
}

func (x *run) evaluateBlock(ctx context.Context, e *evaluation, j *job) (ok bool) {
	defer caught(&j.err, e.place)
	j.rest, j.err = e.block(ctx, j.block, j.result)
	j.result.measure()
	return j.err == nil
}

// write writes the results in the order of their blocks.
func (x *run) write(ctx context.Context, order <-chan *job) error {
	for j := range order {
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if j.err != nil {
			return j.err
		}
		if err := x.shape.write(j.result); err != nil {
			return err
		}
		j.result.reset()
		x.shape.done(j.result)
		j.result = nil
		if len(j.rest.Data) > 0 {
			if err := x.inTurn(ctx, j); err != nil {
				return err
			}
		}
		if n := cap(j.block.Data); n > 0 && n <= 4*ndjson.DefaultBlock {
			x.f.buffers.put(struct{}{}, j.block.Data)
		}
		if j.large {
			j.block.Data, j.rest.Data = nil, nil
			x.releaseLarge()
		}
		x.weights.Release(j.weight)
	}
	return nil
}
