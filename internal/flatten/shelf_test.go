package flatten

import (
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
)

// The memory of one file serves the next one until GiveUp.
func TestWhatIsKeptIsGivenUp(t *testing.T) {
	t.Parallel()
	view, err := sof.Compile("p.json",
		[]byte(`{"resourceType":"ViewDefinition","name":"p","status":"active","resource":"Patient","select":[{"column":[{"name":"id","path":"id"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFlattener(Options{
		Lake: localfs.New(t.TempDir()), Views: Native(func(string) ([]*sof.View, error) {
			return []*sof.View{view}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	flatten := func(path string) {
		in := pipeline.Flattening{
			Plan: "plan", Type: "Patient", Path: path, Dir: path,
			LastUpdated: time.Unix(0, 0).UTC(),
		}
		if _, err := f.Flatten(t.Context(), in,
			strings.NewReader(`{"resourceType":"Patient","id":"a"}`)); err != nil {
			t.Error(err)
		}
	}
	flatten("1")
	f.running.Add(1) // another file
	f.GiveUp()
	if len(f.evaluators.kept) == 0 || len(f.results.kept) == 0 || len(f.writers.kept) != 1 ||
		len(f.buffers.kept) == 0 {
		t.Errorf("between files %d evaluators, %d results, %d writers and %d buffers are kept",
			len(f.evaluators.kept), len(f.results.kept), len(f.writers.kept), len(f.buffers.kept))
	}
	flatten("2")
	if n := len(f.writers.kept); n != 1 {
		t.Errorf("%d sets of writers are kept after two files in turn", n)
	}
	f.running.Add(-1)
	f.GiveUp()
	if n := len(f.evaluators.kept) + len(f.results.kept) + len(f.writers.kept) +
		len(f.buffers.kept); n != 0 {
		t.Errorf("%d things are kept", n)
	}
}
