package flatten

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// Resource describes an evaluated line. Its bytes are valid until the next line.
type Resource struct {
	Type, ID, VersionID, LastUpdated []byte
	// Deleted marks a tombstone, Subsetted a resource with elements left out by the server.
	Deleted, Subsetted bool
	// Misses counts the references without a key in the rows.
	Misses []native.Miss
	// Differences are top-level members of the resource that R4 does not have or has in another
	// form.
	Differences []jsontape.Difference
}

// Evaluator runs the views of one resource type over lines. It is used by one
// goroutine at a time.
type Evaluator interface {
	// Eval emits the rows of all views for one line: cells in the order of the view's columns, nil
	// for NULL, else canonical text. The cells are valid until emit returns. An error of class
	// BadData means that the line is bad, for example not JSON in UTF-8. Rows may have been emitted
	// before an error.
	Eval(
		ctx context.Context, line []byte, emit func(view int, row [][]byte) error,
	) (Resource, error)
}

// PlanViews provides the views of a plan to a Flattener.
type PlanViews interface {
	// Tables returns the tables of the plan's current views.
	Tables(plan string) ([]Table, error)
	// Engine returns a constructor of evaluators for the plan's views of one resource type, in the
	// order of TablesOf.
	Engine(plan, resource string) (func(Room) Evaluator, error)
	// ViewSet returns a fingerprint of the views.
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

// Options configure a Flattener. Lake and Views are required; zero values of the others mean the
// defaults.
type Options struct {
	Lake pipeline.Lake
	// Views must not change during the Flattener's life.
	Views PlanViews
	// Evaluators is the number of goroutines that evaluate lines; 0 means one per processor.
	Evaluators int
	// LineLimit bounds a line in bytes; 0 means 64 MB.
	LineLimit int
	// Block is the size of one goroutine's unit of work in bytes; 0 means 256 KiB.
	Block int
	// RowGroup bounds the bytes that wait for their row groups, over all tables of a file; 0 means
	// 8 MB. A row is never split.
	RowGroup int
	// Codec defaults to Snappy.
	Codec Codec
	// Quarantined, if not nil, is called from any goroutine with the number of further quarantined
	// lines. The file's flattening may still fail.
	Quarantined func(lines int64)
}

// Flattener implements pipeline.Flattener with an engine of views.
type Flattener struct {
	o     Options
	codec parquetfile.Codec

	mu     sync.Mutex
	byType map[typeKey]*typeTables
	sets   map[string]string // fingerprints by plan

	evaluators freeList[*typeTables, Evaluator]
	results    freeList[*typeTables, *result]
	writers    freeList[*typeTables, []*parquetfile.Writer]
	buffers    freeList[struct{}, []byte] // of blocks

	running atomic.Int64        // files in progress
	turns   *semaphore.Weighted // of files, one per processor; waiting files use no memory

	largeTurn *semaphore.Weighted // of lines that need much memory: one at a time over all files
}

// Sizes of the free lists: enough for two files that are flattened concurrently.
const (
	keptEvaluators = 4
	keptResults    = 6
	keptWriters    = 2
	keptBuffers    = 6
)

// typeKey names the tables of a type.
type typeKey struct{ plan, resource string }

// typeTables holds the tables and the engine of one resource type.
type typeTables struct {
	tables []Table
	engine func(Room) Evaluator
	// compartment is the number of the table with the resource's patients; -1 if there is none.
	compartment int
}

// newWriters returns the writers of the tables of a type, with the heads last.
func (f *Flattener) newWriters(k *typeTables) []*parquetfile.Writer {
	var writers []*parquetfile.Writer
	for _, t := range k.tables {
		writers = append(writers,
			parquetfile.NewWriter(t.Name, tableColumns(t, keyColumns), f.codec))
	}
	return append(writers, parquetfile.NewWriter("head", headColumns, f.codec))
}

// inFlight bounds the bytes of lines in evaluation. A single line may be longer.
const inFlight = 8 << 20

// NewFlattener returns a Flattener.
func NewFlattener(o Options) (*Flattener, error) {
	o.Evaluators = cmp.Or(o.Evaluators, runtime.GOMAXPROCS(0))
	o.RowGroup = cmp.Or(o.RowGroup, 8<<20)
	o.Codec = cmp.Or(o.Codec, Snappy)
	if o.Lake == nil || o.Views == nil {
		return nil, errors.New("a flattener needs a lake and views")
	}
	codec, err := codecOf(o.Codec)
	if err != nil {
		return nil, err
	}
	return &Flattener{
		o: o, codec: codec, byType: map[typeKey]*typeTables{}, sets: map[string]string{},
		evaluators: freeList[*typeTables, Evaluator]{most: keptEvaluators},
		results:    freeList[*typeTables, *result]{most: keptResults},
		turns:      semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))),
		largeTurn:  semaphore.NewWeighted(1),
		writers:    freeList[*typeTables, []*parquetfile.Writer]{most: keptWriters},
		buffers:    freeList[struct{}, []byte]{most: keptBuffers},
	}, nil
}

// typeTables returns the tables and the engine of a file's type, created at their first use.
func (f *Flattener) typeTables(in pipeline.Flattening) (*typeTables, error) {
	key := typeKey{in.Plan, in.Type}
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.byType[key]; k != nil {
		return k, nil
	}
	all, err := f.o.Views.Tables(in.Plan)
	if err != nil {
		return nil, fmt.Errorf("read the views of plan %s: %w", in.Plan, err)
	}
	engine, err := f.o.Views.Engine(in.Plan, in.Type)
	if err != nil {
		return nil, fmt.Errorf("compile the views of %s: %w", in.Type, err)
	}
	k := &typeTables{tables: TablesOf(all, in.Type), engine: engine}
	k.compartment = slices.IndexFunc(k.tables, func(t Table) bool {
		return t.Name == flatview.CompartmentName(in.Type)
	})
	f.byType[key] = k
	return k, nil
}

// ViewSet implements pipeline.Flattener.
func (f *Flattener) ViewSet(plan string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if set, ok := f.sets[plan]; ok {
		return set, nil
	}
	set, err := f.o.Views.ViewSet(plan)
	if err == nil {
		f.sets[plan] = set
	}
	return set, err
}

// HasViews implements pipeline.Flattener.
func (f *Flattener) HasViews(plan, resourceType string) (bool, error) {
	all, err := f.o.Views.Tables(plan)
	if err != nil {
		return false, fmt.Errorf("read the views of plan %s: %w", plan, err)
	}
	return len(TablesOf(all, resourceType)) > 0, nil
}

// Flatten implements pipeline.Flattener.
func (f *Flattener) Flatten(
	ctx context.Context, in pipeline.Flattening, r io.Reader,
) (pipeline.Done, error) {
	f.running.Add(1)
	defer f.running.Add(-1)
	if err := f.turns.Acquire(ctx, 1); err != nil {
		return pipeline.Done{}, fmt.Errorf("flatten %s: wait for a processor: %w", in.Path, err)
	}
	defer f.turns.Release(1)
	done, err := f.flatten(ctx, in, r)
	if err != nil {
		return pipeline.Done{}, fmt.Errorf("flatten %s: %w", in.Path, err)
	}
	return done, nil
}

// GiveUp frees the memory kept for the next file, unless a file is in progress.
func (f *Flattener) GiveUp() {
	if f.running.Load() > 0 {
		return
	}
	f.evaluators.clear()
	f.results.clear()
	f.writers.clear()
	f.buffers.clear()
}

func (f *Flattener) flatten(
	ctx context.Context, in pipeline.Flattening, r io.Reader,
) (done pipeline.Done, err error) {
	defer caught(&err, func() string { return "flatten the file" })
	k, err := f.typeTables(in)
	if err != nil {
		return pipeline.Done{}, err
	}
	if in.Members != nil && k.compartment < 0 && len(schema.PatientCompartment(in.Type)) > 0 {
		// Everybody's resources would be loaded.
		return pipeline.Done{}, fault.Permanentf(
			"plan %s has members and no view %s of the patients of a resource", in.Plan,
			flatview.CompartmentName(in.Type))
	}
	writers, ok := f.writers.take(k)
	if !ok {
		writers = f.newWriters(k)
	}
	defer f.writers.put(k, writers)
	sink := newSink(ctx, f.o, in, k.tables, writers)
	err = sink.close(f.run(ctx, r, in, k, shape{
		result: func() *result {
			if r, ok := f.results.take(k); ok {
				return r
			}
			return newResult(k.tables)
		},
		write: sink.write,
		done:  func(r *result) { f.results.put(k, r) },
	}))
	return sink.done, err
}
