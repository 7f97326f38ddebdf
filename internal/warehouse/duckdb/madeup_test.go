package duckdb

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fhirsynapse/internal/batch/localfs"
	resourcestore "fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
	bundled "fhirsynapse/views"
)

// BenchmarkCommitMadeUp commits about 100 MB of generated Observations, in files of 10,000, to the
// bundled tables.
func BenchmarkCommitMadeUp(b *testing.B) {
	set, err := bundled.Load(nil)
	if err != nil {
		b.Fatal(err)
	}
	plan := flatten.Native(func(string) ([]*sof.View, error) { return set, nil })
	typ := "Observation"
	dir := b.TempDir()
	lake := localfs.New(filepath.Join(dir, "lake"))
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: plan})
	if err != nil {
		b.Fatal(err)
	}
	s, err := resourcestore.New(resourcestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 300},
		func(_ string, line []byte) error { return s.Add(line) }); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Dump(filepath.Join(dir, "one")); err != nil {
		b.Fatal(err)
	}
	batch := pipeline.Batch{
		Schema: "fhir", Plan: "plan", Export: "x-000001", Type: typ, ViewSet: 1, Attempt: "a",
	}
	var buf bytes.Buffer
	var size int64
	lines := 0
	flush := func() {
		in := pipeline.Flattening{
			Plan: "plan", Type: typ, Path: fmt.Sprint("x/", len(batch.Files)),
			Dir: fmt.Sprint("x/", len(batch.Files), "@1"),
		}
		size += int64(buf.Len())
		done, err := f.Flatten(b.Context(), in, &buf)
		if err != nil {
			b.Fatal(err)
		}
		buf.Reset()
		batch.Files = append(batch.Files, pipeline.PreparedFile{
			File: pipeline.File{Path: in.Path, ETag: "1"}, Dir: in.Dir, Done: done,
		})
		lines = 0
	}
	err = synthetic.Multiply(os.DirFS(filepath.Join(dir,
		"one")), 40, func(t string, line []byte) error {
		if t != typ {
			return nil
		}
		buf.Write(line)
		buf.WriteByte('\n')
		if lines++; lines == 10000 {
			flush()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	flush()
	var rows int64
	for _, f := range batch.Files {
		for _, n := range f.Done.Rows {
			rows += n
		}
	}
	for b.Loop() {
		db := filepath.Join(b.TempDir(), "x.duckdb")
		w, err := Open(Options{
			Path: db, Lake: lake, Views: warehouse.Views(plan.Tables),
			TempDir: filepath.Join(dir, "tmp"), Now: nowOf(start),
		})
		if err != nil {
			b.Fatal(err)
		}
		peak(b)
		before, began := cpu(b), b.Elapsed()
		if err := w.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(db)
		if err != nil {
			b.Fatal(err)
		}
		used := cpu(b) - before
		b.Logf("%d MB, %d rows: wall %s, processors %s, %.1f s/GB, %.2f µs a row, peak %d MiB, database %d MiB", size/1e6, rows, b.Elapsed()-began, used,
			used.Seconds()/float64(size)*1e9, used.Seconds()*1e6/float64(rows), peak(b),
			info.Size()>>20)
	}
}
