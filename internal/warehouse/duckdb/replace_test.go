package duckdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

func TestARefusalNamesTheCommandThatRebuilds(t *testing.T) {
	t.Parallel()
	s, lake := newStore(t), localfs.New(t.TempDir())
	formerly := flattentest.Views{"plan": {{
		Name: "patient", Resource: "Patient",
		Columns: []sof.Column{{Name: "family", Kind: sof.Integer}},
	}, crashViews["plan"][1]}}
	if err := s.Open(t, lake, formerly.Tables).Commit(t.Context(),
		prepareCrash(t, lake, "plan-1", "")); err != nil {
		t.Fatal(err)
	}
	err := s.Open(t, lake, crashViews.Tables).Commit(t.Context(),
		prepareCrash(t, lake, "plan-2", crashLine("a", 8, "A")))
	want := "column patient.family is INTEGER in the database and VARCHAR in the view: give the view's column another name, or rebuild the tables of Patient with " +
		"fhirsynapse load DIR --to duckdb:FILE --schema fhir --rebuild=Patient, where DIR has the files of all exports since the last full one"
	if fault.Of(err) != fault.Permanent || !strings.HasSuffix(fmt.Sprint(err), want) {
		t.Errorf("refused: %v", err)
	}
}

func goneLine(id string, hour int) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2024-01-01T%02d:00:00Z","deleted":true}}`+"\n", id, hour)
}

// Tables are replaced atomically wherever the process ends, and no resource is lost.
func TestTablesAreReplaced(t *testing.T) {
	t.Parallel()
	s, lake := newStore(t), localfs.New(t.TempDir())
	w, err := Open(s.options(t, lake, crashViews.Tables))
	if err != nil {
		t.Fatal(err)
	}
	first := prepareCrash(t, lake, "plan-1",
		crashLine("a", 8, "A")+crashLine("b", 8, "B")+goneLine("c", 8))
	if err := w.Commit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	before := s.Content(t, "fhir")
	r := warehouse.Replacement{
		Plan: "plan", Type: "Patient", Schema: "fhir", From: warehouse.Beside("fhir"),
	}
	beside := func(export, lines string) pipeline.Batch {
		if err := w.Discard(t.Context(), r.From); err != nil {
			t.Fatal(err)
		}
		b := prepareCrash(t, lake, export, lines)
		b.Schema = r.From
		if err := w.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	for i, lacking := range []string{
		crashLine("a", 9, "A2"), crashLine("a", 9, "A2") + crashLine("b", 7, "B0"),
	} {
		beside(fmt.Sprintf("load-%d", i), lacking)
		if err := w.Replace(t.Context(), r); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err),
				"1 resources of Patient in schema fhir are not in what was loaded") {
			t.Errorf("replaced: %v", err)
		}
		if d := cmp.Diff(before, s.Content(t, "fhir")); d != "" {
			t.Errorf("refused, and yet (-before +after):\n%s", d)
		}
	}

	b := beside("load-9", crashLine("a", 9, "A2")+crashLine("b", 8, "B")+crashLine("d", 9, "D"))
	dir := t.TempDir()
	var steps []string
	w.o.before = func(step string) {
		steps = append(steps, step)
		s.copyTo(t, filepath.Join(dir, fmt.Sprintf("%d.duckdb", len(steps))))
	}
	if err := w.Replace(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	w.o.before = func(string) {}
	if len(steps) < 10 {
		t.Errorf("steps: %v", steps)
	}
	for i, step := range steps {
		if d := cmp.Diff(before,
			store{filepath.Join(dir, fmt.Sprintf("%d.duckdb", i+1))}.Content(t, "fhir")); d != "" {
			t.Errorf("killed ahead of %s (-before +after):\n%s", step, d)
		}
	}
	// The result is as if the folder came first and the old tables second: only the old tombstone
	// is new then.
	model := refwarehouse.NewWarehouse(lake, crashViews.Tables)
	b.Schema = "fhir"
	for _, b := range []pipeline.Batch{b, first} {
		if err := model.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	want, err := model.Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, s.Content(t, "fhir")); d != "" {
		t.Errorf("replaced (-model +got):\n%s", d)
	}
	for _, export := range []string{"plan-1", "load-9"} {
		if entries, err := w.Ledger(t.Context(), "fhir", export); err != nil || len(entries) != 1 {
			t.Errorf("ledger of %s: %+v, %v", export, entries, err)
		}
	}
	// Into a missing schema, and then into one that was changed manually.
	beside("load-10", crashLine("a", 9, "A2"))
	r.Schema = "other"
	if err := w.Replace(t.Context(), r); err != nil {
		t.Error(err)
	}
	if got := s.Content(t, "other"); len(got["patient"]) != 1 || len(got["_head_Patient"]) != 1 {
		t.Errorf("another schema: %v", got)
	}
	if err := w.alone(t.Context(), func(db *database) error {
		_, err := db.ExecContext(t.Context(),
			"ALTER TABLE "+tableName("other", "_head_Patient")+" DROP COLUMN version")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.Replace(t.Context(), r); fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err), "table other._head_Patient was changed by hand") {
		t.Errorf("a head that was changed: %v", err)
	}
	r.Schema = `x"y`
	if err := w.Replace(t.Context(), r); fault.Of(err) != fault.Permanent {
		t.Errorf("a name that is none: %v", err)
	}
}

// copyTo copies the files of a database as they are, as after a kill.
func (s store) copyTo(t *testing.T, path string) {
	t.Helper()
	for _, ending := range []string{"", ".wal"} {
		data, err := os.ReadFile(s.path + ending)
		if err != nil && ending != "" {
			continue // it does not exist
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+ending, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
