package duckdb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
)

// wideViews is a table as wide as the bundled one of observations. It needs no compiler of views,
// so that only preparing and committing is measured.
type wideViews struct{ columns []sof.Column }

func newWideViews() wideViews {
	var v wideViews
	for i := range 25 {
		c := sof.Column{Name: fmt.Sprintf("c%02d", i)}
		if i%8 == 3 {
			c.Kind = sof.Decimal
		}
		v.columns = append(v.columns, c)
	}
	return v
}

func (v wideViews) Tables(string) ([]flatten.Table, error) {
	return []flatten.Table{{Name: "observation", Resource: "Observation", Columns: v.columns}}, nil
}

func (v wideViews) ViewSet(string) (string, error) { return "wide", nil }

func (v wideViews) Engine(string, string) (func(flatten.Room) flatten.Evaluator, error) {
	return func(flatten.Room) flatten.Evaluator {
		return &wideEvaluator{cells: make([][]byte, len(v.columns))}
	}, nil
}

type wideEvaluator struct{ cells [][]byte }

// Eval reads a line "id,hour,padding".
func (e *wideEvaluator) Eval(
	_ context.Context, line []byte, emit func(view int, row [][]byte) error,
) (flatten.Resource, error) {
	id, rest, _ := bytes.Cut(line, []byte{','})
	hour, _, _ := bytes.Cut(rest, []byte{','})
	for i := range e.cells {
		switch i % 8 {
		case 3:
			e.cells[i] = append(append([]byte{}, id[len(id)-3:]...), ".25"...)
		case 5:
			e.cells[i] = nil
		case 6:
			e.cells[i] = []byte("http://loinc.org")
		default:
			e.cells[i] = append([]byte("text of the value "), id[len(id)-4:]...)
		}
	}
	if err := emit(0, e.cells); err != nil {
		return flatten.Resource{}, err
	}
	return flatten.Resource{
		Type: []byte("Observation"), ID: id, VersionID: []byte("1"),
		LastUpdated: fmt.Appendf(nil, "2024-01-01T%s:00:00.123Z", hour),
	}, nil
}

// padding makes lines as long as observations.
var padding = strings.Repeat("-", 950)

// lines returns n lines without holding them in memory.
func lines(from, n int, hour string) io.Reader {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 1<<20)
		for i := range n {
			_, _ = fmt.Fprintf(b, "%08x-0000-4000-8000-%012d,%s,%s\n", i*2654435761, from+i, hour,
				padding)
		}
		_ = w.CloseWithError(b.Flush())
	}()
	return r
}

// peak returns the peak memory of this process in MiB since the last call.
func peak(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("needs /proc")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
				t.Log("peak memory is that since the start")
			}
			return kb >> 10
		}
	}
	t.Skip("/proc tells no peak memory")
	return 0
}

// cpu returns the processor time of this process, because wall time varies on a shared machine.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resources is the number of resources per round of BenchmarkCommit.
const resources = 200_000

// BenchmarkCommit prepares and commits wide resources in four files, then the same again, then a
// newer version of each, and prints the times.
func BenchmarkCommit(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		lake := localfs.New(filepath.Join(dir, "lake"))
		views := newWideViews()
		w, err := Open(Options{
			Path: filepath.Join(dir, "x.duckdb"), Lake: lake, Views: views.Tables,
			TempDir: filepath.Join(dir, "tmp"), Now: nowOf(start),
		})
		if err != nil {
			b.Fatal(err)
		}
		for i, round := range []struct{ name, hour string }{
			{"new", "08"}, {"again", "08"}, {"newer", "09"},
		} {
			batch, err := wideBatch(b, lake, views, round.name, round.hour, resources)
			if err != nil {
				b.Fatal(err)
			}
			prepareElapsed, prepareMiB, prepareCPU := b.Elapsed(), peak(b), cpu(b)
			debug.FreeOSMemory() // commits run as separate steps
			peak(b)
			if err := w.Commit(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			b.Logf("round %d, %s: prepared at %s, peak %d MiB; commit %s, processors %s, peak %d MiB", i, round.name, prepareCPU, prepareMiB,
				b.Elapsed()-prepareElapsed, cpu(b)-prepareCPU, peak(b))
		}
		if info, err := os.Stat(filepath.Join(dir, "x.duckdb")); err == nil {
			b.Logf("database: %d MiB", info.Size()>>20)
		}
	}
}

func wideBatch(
	b *testing.B, lake pipeline.Lake, views wideViews, export, hour string, n int,
) (pipeline.Batch, error) {
	b.Helper()
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		return pipeline.Batch{}, err
	}
	batch := pipeline.Batch{
		Schema: "fhir", Plan: "plan", Export: export, Type: "Observation", ViewSet: 1, Attempt: "a",
	}
	const files = 4
	var errs []error
	for i := range files {
		in := pipeline.Flattening{
			Plan: "plan", Type: "Observation", Path: fmt.Sprint(export, "/", i),
			Dir: fmt.Sprint(export, "/", i, "@1"),
		}
		done, err := f.Flatten(b.Context(), in, lines(i*n/files, n/files, hour))
		errs = append(errs, err)
		batch.Files = append(batch.Files, pipeline.PreparedFile{
			File: pipeline.File{Path: in.Path, ETag: "1"}, Dir: in.Dir, Done: done,
		})
	}
	return batch, errors.Join(errs...)
}
