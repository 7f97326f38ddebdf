// Package enginebench compares the native engine with DuckDB's own reader of JSON, which computes
// the same columns from the same files, and a load into a given SQL Server with a plain bulk copy.
// It has tests only; `make bench` runs it on one processor and on two.
package enginebench

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
)

var (
	dataFlag = flag.String("data", "",
		"folder of NDJSON files with Patients and Observations; empty takes the synthetic hospital")
	megabytes = flag.Int64("megabytes", 200,
		"how much NDJSON: a fifth Patients, the rest Observations")
)

// parts lists the files of a run, with their share of its size in fifths.
var parts = []struct {
	resource string
	fifths   int64
}{{"Patient", 1}, {"Observation", 4}}

// job is the work of a side: the files of data, with a number of threads.
type job struct {
	data, out string
	cores     int
}

func (j job) file(resource string) string { return filepath.Join(j.data, resource+".ndjson") }

// side is one way to read the files. It returns the number of lines or rows read.
type side func(context.Context, job) (int64, error)

// BenchmarkColumns computes all columns. The native engine keeps each block in memory as text and
// offsets; DuckDB folds the columns into a hash.
func BenchmarkColumns(b *testing.B) {
	j, size := newJob(b, *megabytes)
	beside(b, j, size, evaluate, duckHash)
}

// BenchmarkParquet writes all columns to Parquet files with Snappy.
func BenchmarkParquet(b *testing.B) {
	j, size := newJob(b, *megabytes)
	beside(b, j, size, writeParquet, duckCopy)
	if err := sameRows(b.Context(), j); err != nil {
		b.Error(err)
	}
}

// beside runs both sides in turn and reports medians, the ratio, and the peak memory of each side
// in addition to the program's memory.
func beside(b *testing.B, j job, size int64, ours, theirs side) {
	sides := []side{ours, theirs}
	seconds, peaks, rows := make([][]float64, 2), make([]float64, 2), make([]int64, 2)
	for run := 0; b.Loop(); run++ {
		for i := range sides {
			n := (i + run) % 2 // the sides take turns to be first
			debug.FreeOSMemory()
			before := memory("VmRSS:")
			_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // resets VmHWM on Linux
			began := time.Now()
			var err error
			if rows[n], err = sides[n](b.Context(), j); err != nil {
				b.Fatal(err)
			}
			seconds[n] = append(seconds[n], time.Since(began).Seconds())
			peaks[n] = max(peaks[n], memory("VmHWM:")-before)
		}
	}
	if rows[0] != rows[1] {
		b.Errorf("the native engine has %d rows, DuckDB %d", rows[0], rows[1])
	}
	b.ReportMetric(0, "ns/op")
	for n, name := range []string{"native", "DuckDB"} {
		b.ReportMetric(float64(size)/1e6/median(seconds[n]), name+"-MB/s")
		b.ReportMetric(peaks[n], name+"-MiB")
	}
	b.ReportMetric(median(seconds[1])/median(seconds[0]), "times-DuckDB")
}

// memory returns a line of this process's status in MiB; 0 if there is none.
func memory(line string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, after, _ := bytes.Cut(text, []byte(line))
	if f := bytes.Fields(after); len(f) > 0 {
		kb, _ := strconv.ParseFloat(string(f[0]), 64)
		return kb / 1024
	}
	return 0
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// newJob multiplies the resources of a folder up to the size of the files.
func newJob(t testing.TB, megabytes int64) (j job, size int64) {
	t.Helper()
	j = job{data: t.TempDir(), out: t.TempDir(), cores: runtime.GOMAXPROCS(0)}
	from := synthetic.Hospital()
	if *dataFlag != "" {
		from = os.DirFS(*dataFlag)
	}
	files, err := store.DataFiles(from)
	for _, p := range parts {
		var one, all bytes.Buffer
		for _, f := range files {
			if strings.HasPrefix(f, p.resource+".") {
				err = errors.Join(err, store.Lines(from, f, func(_ int, line []byte) error {
					one.Write(line)
					one.WriteByte('\n')
					return nil
				}))
			}
		}
		copies := max(1, megabytes*1_000_000*p.fifths/5/max(1, int64(one.Len())))
		dir := fstest.MapFS{p.resource + ".ndjson": {Data: one.Bytes()}}
		err = errors.Join(err,
			synthetic.Multiply(dir, int(copies), func(_ string, line []byte) error {
				all.Write(line)
				all.WriteByte('\n')
				return nil
			}))
		if err := errors.Join(err,
			os.WriteFile(j.file(p.resource), all.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		size += int64(all.Len())
	}
	return j, size
}

// compileViews returns the flat view of a resource type.
func compileViews(resource string) ([]*sof.View, error) {
	name := filepath.Join("views", "flat_"+strings.ToLower(resource)+".json")
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	v, err := sof.Compile(name, src)
	return []*sof.View{v}, err
}

// column holds the values of one column of a block, concatenated.
type column struct {
	text []byte
	ends []int32 // end of each value in text; ^end for a NULL
}

// evaluate puts every cell into a column in memory, block by block, and discards the columns. A
// writer of a columnar format must do at least this work; workers take the blocks of a file in
// turn.
func evaluate(ctx context.Context, j job) (int64, error) {
	var rows atomic.Int64
	for _, p := range parts {
		views, err := compileViews(p.resource)
		if err != nil {
			return 0, err
		}
		engine, err := native.New(views)
		if err != nil {
			return 0, err
		}
		f, err := os.Open(j.file(p.resource))
		if err != nil {
			return 0, err
		}
		r := ndjson.NewReader(f, ndjson.Options{})
		var reading sync.Mutex
		var g errgroup.Group
		for range j.cores {
			g.Go(func() (err error) {
				e, columns := engine.Evaluator(), make([]column, len(views[0].Columns))
				for b := (ndjson.Block{}); ; {
					reading.Lock()
					b, err = r.Next(b.Data)
					reading.Unlock()
					if errors.Is(err, io.EOF) {
						return nil
					}
					n, failed := fill(ctx, e, b, columns)
					if err := errors.Join(err, failed); err != nil {
						return err
					}
					rows.Add(n)
				}
			})
		}
		if err := errors.Join(g.Wait(), f.Close()); err != nil {
			return 0, err
		}
	}
	return rows.Load(), nil
}

// fill replaces the contents of the columns by the rows of a block.
func fill(
	ctx context.Context, e *native.Evaluator, b ndjson.Block, columns []column,
) (rows int64, err error) {
	for i := range columns {
		columns[i] = column{columns[i].text[:0], columns[i].ends[:0]}
	}
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
	for l, err := range b.Lines() {
		if err != nil {
			return rows, err
		}
		if _, err := e.Eval(ctx, l.JSON, emit); err != nil {
			return rows, fmt.Errorf("line %d: %w", l.Number, err)
		}
	}
	return rows, nil
}

// writeParquet runs the code of `fhirsynapse load --to parquet:DIR` on each file.
func writeParquet(ctx context.Context, j job) (rows int64, err error) {
	for _, p := range parts {
		views, err := compileViews(p.resource)
		if err != nil {
			return 0, err
		}
		f, err := flatten.NewFlattener(flatten.Options{
			Lake: localfs.New(j.out), Views: flatten.Native(func(string) ([]*sof.View, error) {
				return views, nil
			}), Evaluators: j.cores,
		})
		if err != nil {
			return 0, err
		}
		x, err := f.Extraction("bench", p.resource,
			flatten.Parquet, func(table string) (io.WriteCloser, error) {
				return os.Create(filepath.Join(j.out, table+".native.parquet"))
			})
		if err != nil {
			return 0, err
		}
		r, err := os.Open(j.file(p.resource))
		if err != nil {
			return 0, err
		}
		in := pipeline.Flattening{
			Plan: "bench", Type: p.resource, Path: p.resource + ".ndjson",
			Dir: "bench/" + p.resource, LastUpdated: time.Unix(0, 0).UTC(),
		}
		done, err := x.Add(ctx, in, r)
		if err := errors.Join(err, x.Close(), r.Close()); err != nil {
			return 0, err
		}
		for _, n := range done.Rows {
			rows += n
		}
	}
	return rows, nil
}
