package duckdb

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

// Types of an export are committed concurrently, each by two independent callers. The ledger is
// never behind the committed data.
func TestCommitsSideBySide(t *testing.T) {
	t.Parallel()
	types := []string{"Condition", "Device", "Observation", "Patient", "Procedure"}
	views := flattentest.Views{}
	for _, typ := range types {
		table := strings.ToLower(typ)
		views["plan"] = append(views["plan"],
			flatten.Table{Name: table, Resource: typ, Columns: []sof.Column{{Name: "x"}}},
			flatten.Table{Name: table + "_more", Resource: typ, Columns: []sof.Column{{Name: "y"}}})
	}
	dir := t.TempDir()
	lake := localfs.New(filepath.Join(dir, "lake"))
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	s := store{filepath.Join(dir, "x.duckdb")}
	w := s.Open(t, lake, views.Tables)
	model := refwarehouse.NewStore()
	for round := range 2 {
		export := fmt.Sprintf("plan-%06d", round)
		var commits sync.WaitGroup
		for i, typ := range types {
			b := pipeline.Batch{
				Schema: "fhir", Plan: "plan", Export: export, Type: typ, ViewSet: 1, Attempt: "cc",
			}
			// The first type has more rows than a row group.
			in := pipeline.Flattening{
				Plan: "plan", Type: typ, Path: export + "/" + typ, Dir: export + "/" + typ,
			}
			done, err := f.Flatten(t.Context(), in,
				strings.NewReader(typeLines(typ, round, 100+rowGroup*max(0, 1-i))))
			if err != nil {
				t.Fatal(err)
			}
			b.Files = []pipeline.PreparedFile{{
				File: pipeline.File{Path: in.Path, ETag: "1"}, Dir: in.Dir, Done: done,
			}}
			if err := model.Warehouse(lake, views.Tables).Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for _, attempt := range []string{"aa", "bb"} {
				commits.Go(func() {
					b := b
					b.Attempt = attempt
					if err := w.Commit(t.Context(), b); err != nil {
						t.Error(err)
					}
					there, err := w.Ledger(t.Context(), "fhir", export)
					if err != nil || len(warehouse.Uncommitted(b.Files, there)) > 0 {
						t.Errorf("%s is committed, the ledger has %d files without it, %v", typ,
							len(there), err)
					}
				})
			}
		}
		commits.Wait()
		there, err := w.Ledger(t.Context(), "fhir", export)
		if err != nil || len(there) != len(types) {
			t.Errorf("round %d: the ledger has %d files of %d, %v", round, len(there), len(types),
				err)
		}
		want, err := model.Warehouse(lake, views.Tables).Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, s.Content(t, "fhir")); d != "" {
			t.Errorf("round %d (-want +got):\n%s", round, d)
		}
	}
}

// typeLines returns n resources. Every third has a later version than in the round before.
func typeLines(typ string, round, n int) string {
	var b strings.Builder
	for i := range n {
		hour := 8
		if i%3 == 0 {
			hour += round
		}
		_, _ = fmt.Fprintf(&b,
			`{"resourceType":%q,"id":"i%d","meta":{"lastUpdated":"2024-01-01T%02d:00:00Z"},"rows":{%q:[["x%d"]],%q:[["y%d"],["z"]]}}`+"\n",
			typ, i, hour, strings.ToLower(typ), round, strings.ToLower(typ)+"_more", round)
	}
	return b.String()
}
