package duckdb

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// Long cells within a line's limits are committed. A longer one costs its line, not its type.
func TestLongCellsAreCommitted(t *testing.T) {
	t.Parallel()
	v, err := sof.Compile("v.json",
		[]byte(`{"resource":"Patient","name":"patient","select":[{"column":[{"name":"a","path":"name.text.first()"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	plan := flatten.Native(func(string) ([]*sof.View, error) { return []*sof.View{v}, nil })
	dir := t.TempDir()
	lake := localfs.New(filepath.Join(dir, "lake"))
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: plan})
	if err != nil {
		t.Fatal(err)
	}
	const lines, long = 3000, 15 << 20
	r, w := io.Pipe()
	go func() {
		for i := range lines {
			n := 10
			switch i {
			case 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007:
				n = long
			case 2000:
				n = 20 << 20
			}
			_, _ = fmt.Fprintf(w,
				`{"resourceType":"Patient","id":"%d","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"name":[{"text":"%s"}]}`+"\n", i, strings.Repeat("x", n))
		}
		_ = w.Close()
	}()
	in := pipeline.Flattening{Plan: "plan", Type: "Patient", Path: "x/1", Dir: "x/1@1"}
	done, err := f.Flatten(t.Context(), in, r)
	if err != nil {
		t.Fatal(err)
	}
	if done.Quarantined != 1 || done.Heads != lines-1 {
		t.Errorf("%+v", done)
	}
	s := newStore(t)
	to := s.Open(t, lake, warehouse.Views(plan.Tables))
	batch := pipeline.Batch{
		Schema: "fhir", Plan: "plan", Export: "x-000001", Type: "Patient", ViewSet: 1, Attempt: "a",
		Files: []pipeline.PreparedFile{{
			File: pipeline.File{Path: in.Path, ETag: "1"}, Dir: in.Dir, Done: done,
		}},
	}
	if err := to.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if n := len(fmt.Sprint(s.Content(t, "fhir"))); n < 8*long {
		t.Errorf("the tables have %d bytes", n)
	}
}
