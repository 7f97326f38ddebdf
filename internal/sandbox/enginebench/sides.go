package enginebench

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
)

// job is what a side does: the files of data, with so many threads.
type job struct {
	data, out string
	cores     int
	server    string // a connection string, or ""
	now       func() time.Time
}

func (j job) file(resource string) string { return filepath.Join(j.data, resource+".ndjson") }

// side is one way to read the files. It gives the lines or rows that it has seen.
type side struct {
	name, title string
	run         func(context.Context, job) (int64, error)
}

// The names of the sides that write files.
const (
	nativeParquet = "native-parquet"
	duckParquet   = "duckdb-parquet"
	nativeColumns = "native-columns"
	duckColumns   = "duckdb-columns"
)

// idle reads nothing: what it takes is the program itself, with DuckDB in it.
var idle = side{"idle", "nothing", func(context.Context, job) (int64, error) { return 0, nil }}

var sides = []side{
	{"lines", "lines found, no more", readLines},
	{nativeColumns, "native engine, columns in memory", evaluate},
	{duckColumns, "DuckDB read_json, columns in memory", duckHash},
	{nativeParquet, "native engine, Parquet files", writeParquet},
	{duckParquet, "DuckDB read_json, Parquet files", duckCopy},
}

// figures are what a measurement found.
type figures struct {
	Seconds float64 `json:"seconds"`
	Peak    int64   `json:"peak"` // bytes; 0 where the system does not tell
	Rows    int64   `json:"rows"`
	cpu     float64 // seconds of the whole process, which the parent knows
}

// measure runs a side in this process and prints its figures.
func measure(ctx context.Context, s side, j job, out io.Writer) error {
	runtime.GOMAXPROCS(j.cores)
	began := j.now()
	rows, err := s.run(ctx, j)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(figures{Seconds: j.now().Sub(began).Seconds(), Peak: peakMemory(), Rows: rows})
}

// peakMemory is the largest resident size of this process in bytes, where the
// system tells.
func peakMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte("VmHWM:"))
	f := bytes.Fields(after)
	if len(f) == 0 {
		return 0
	}
	kb, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

//go:embed views/*.json
var viewFiles embed.FS

// compileViews gives the views of a resource type: the flat table of each.
func compileViews(resource string) ([]*sof.View, error) {
	entries, err := viewFiles.ReadDir("views")
	if err != nil {
		return nil, err
	}
	var views []*sof.View
	for _, e := range entries {
		src, err := viewFiles.ReadFile("views/" + e.Name())
		if err != nil {
			return nil, err
		}
		v, err := sof.Compile(e.Name(), src)
		if err != nil {
			return nil, err
		}
		if v.Resource == resource {
			views = append(views, v)
		}
	}
	return views, nil
}

// blocks hands the blocks of a file to so many workers, each with a function of
// its own.
func blocks(ctx context.Context, path string, workers int, worker func() func(ndjson.Block) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := ndjson.NewReader(f, ndjson.Options{})
	if workers == 1 {
		do := worker()
		var b ndjson.Block
		for {
			if b, err = r.Next(b.Data); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := do(b); err != nil {
				return err
			}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	work, free := make(chan ndjson.Block), make(chan []byte, 2*workers)
	g.Go(func() error {
		defer close(work)
		for {
			var buf []byte
			select {
			case buf = <-free:
			default:
			}
			b, err := r.Next(buf)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			select {
			case work <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	for range workers {
		g.Go(func() error {
			do := worker()
			for b := range work {
				if err := do(b); err != nil {
					return err
				}
				select {
				case free <- b.Data:
				default:
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func readLines(ctx context.Context, j job) (int64, error) {
	var all atomic.Int64
	for _, p := range parts {
		err := blocks(ctx, j.file(p.resource), j.cores, func() func(ndjson.Block) error {
			return func(b ndjson.Block) error {
				n := int64(0)
				for _, err := range b.Lines() {
					if err != nil {
						return err
					}
					n++
				}
				all.Add(n)
				return nil
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return all.Load(), nil
}

// column is the values of one column of a block, one behind the other.
type column struct {
	text []byte
	ends []int32 // of each value in text; ^end of a NULL
}

// evaluate puts every cell into a column in memory, which is dropped block by
// block: what any writer of a columnar format has to do at least.
func evaluate(ctx context.Context, j job) (int64, error) {
	var all atomic.Int64
	for _, p := range parts {
		views, err := compileViews(p.resource)
		if err != nil {
			return 0, err
		}
		engine, err := native.New(views)
		if err != nil {
			return 0, err
		}
		err = blocks(ctx, j.file(p.resource), j.cores, func() func(ndjson.Block) error {
			e := engine.Evaluator()
			columns := make([]column, len(views[0].Columns))
			rows := int64(0)
			emit := func(_ int, row [][]byte) error {
				rows++
				for i, cell := range row {
					c := &columns[i]
					c.text = append(c.text, cell...)
					end := int32(len(c.text))
					if cell == nil {
						end = ^end
					}
					c.ends = append(c.ends, end)
				}
				return nil
			}
			return func(b ndjson.Block) error {
				rows = 0
				for i := range columns {
					columns[i] = column{columns[i].text[:0], columns[i].ends[:0]}
				}
				for l, err := range b.Lines() {
					if err != nil {
						return err
					}
					if l.Blank() {
						continue
					}
					if _, err := e.Eval(ctx, l.JSON, emit); err != nil {
						return fmt.Errorf("line %d: %w", l.Number, err)
					}
				}
				all.Add(rows)
				return nil
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return all.Load(), nil
}

// writeParquet is what `fhirsynapse load --to parquet:DIR` does with one file.
func writeParquet(ctx context.Context, j job) (rows int64, err error) {
	for _, p := range parts {
		done, err := extract(ctx, j, p.resource)
		if err != nil {
			return 0, err
		}
		for _, n := range done.Rows {
			rows += n
		}
	}
	return rows, nil
}

func extract(ctx context.Context, j job, resource string) (done pipeline.Done, err error) {
	views, err := compileViews(resource)
	if err != nil {
		return done, err
	}
	f, err := prepared.NewFlattener(prepared.Options{
		Lake: localfs.New(j.out), Views: prepared.Native(func(string) ([]*sof.View, error) { return views, nil }), Evaluators: j.cores,
	})
	if err != nil {
		return done, err
	}
	x, err := f.Extraction("bench", resource, prepared.Parquet, func(table string) (io.WriteCloser, error) {
		return os.Create(filepath.Join(j.out, table+".parquet"))
	})
	if err != nil {
		return done, err
	}
	r, err := os.Open(j.file(resource))
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	in := pipeline.Flattening{Plan: "bench", Type: resource, Path: resource + ".ndjson", Dir: "bench/" + resource, LastUpdated: time.Unix(0, 0).UTC()}
	if done, err = x.Add(ctx, in, r); err != nil {
		return done, err
	}
	return done, x.Close()
}
