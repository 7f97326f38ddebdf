package mssql_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// loadAt commits patients with these ids at a time, and returns the notices.
func (w *world) loadAt(t *testing.T, at time.Time, export string, ids ...string) (all []string) {
	t.Helper()
	var lines strings.Builder
	for _, id := range ids {
		lines.WriteString(strings.Replace(codedLine(id, "x"), "2024-01-01T08",
			at.Format("2006-01-02T15"), 1))
	}
	b := w.prepareFor(t, codedViews, "Patient", export, lines.String())
	b.Notify = func(notice string) { all = append(all, notice) }
	w.setTime(at.Add(time.Minute))
	c := w.openAt(t, w.lake, codedViews.Tables, func() time.Time { return at })
	if err := c.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return all
}

func ids(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("p", i))
	}
	return out
}

// Statistics are updated when more than a fifth of the resources have changed since, in one commit
// or in several.
func TestStatisticsAreUpdatedAfterLargeChanges(t *testing.T) {
	t.Parallel()
	w := newCoded(t, tsql.Dedicated)
	for i, step := range []struct{ resources, updates int }{
		{10, 0}, // they are made by this commit
		{1, 0}, {1, 0}, {1, 1}, {2, 1}, {1, 2}, {0, 2}, {10, 3},
	} {
		w.loadAt(t, start.Add(time.Duration(i)*time.Hour), fmt.Sprint("plan-", i),
			ids(step.resources)...)
		for schema, table := range map[string]string{"fhir": "patient", "fhir_load": "_ledger"} {
			got := w.db.Maintained(schema, table)
			want := slices.Repeat([]string{"UPDATE STATISTICS"}, step.updates)
			if !slices.Equal(got, want) {
				t.Errorf("after commit %d: %s: %q, want %q", i, table, got, want)
			}
		}
	}
	if again := w.db.Maintained("fhir", "patient"); slices.Contains(again, "ALTER TABLE REBUILD") {
		t.Errorf("a commit rebuilds: %q", again)
	}
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Fabric} {
		w := newCoded(t, engine)
		w.loadAt(t, start, "plan-1", ids(3)...)
		w.loadAt(t, start.Add(time.Hour), "plan-2", ids(3)...)
		if got := w.db.Maintained("fhir", "patient"); len(got) > 0 {
			t.Errorf("%s: %q", engine, got)
		}
	}
}

// A heap with more than half as many replaced resources as resources is worth a rebuild.
func TestStatisticsTellOfWaste(t *testing.T) {
	t.Parallel()
	w := newCoded(t, tsql.Dedicated)
	if got := w.loadAt(t, start, "plan-1", "a"); len(got) > 0 {
		t.Fatalf("notices %q", got)
	}
	heads := func(yield func([]any, error) bool) {
		for i := range 100_001 {
			if !yield([]any{fmt.Sprint("x", i), "1", false, int64(1)}, nil) {
				return
			}
		}
	}
	if _, err := w.db.Session("pool").Copy(t.Context(), "[fhir_load].[_head_Patient]",
		[]string{"_id", "_version", "_deleted", "_view_set"}, heads); err != nil {
		t.Fatal(err)
	}
	w.must(t, "UPDATE STATISTICS [fhir_load].[_head_Patient]")
	if got := w.loadAt(t, start.Add(time.Hour), "plan-2", "a"); len(got) > 0 {
		t.Fatalf("notices before there is waste: %q", got)
	}
	w.must(t, "UPDATE [fhir_load].[_ledger] SET [applied] = 500000 WHERE [export] = 'plan-1'")
	got := w.loadAt(t, start.Add(2*time.Hour), "plan-3", "a")
	const want = "the tables of Patient in schema fhir keep the space of 400000 replaced " +
		"resources: run fhirsynapse tables maintain --to " +
		"'synapse-dedicated://HOST?database=NAME' --schema fhir at a quiet hour"
	if !slices.Equal(got, []string{want}) {
		t.Errorf("notices %q, want %q", got, want)
	}
	w.must(t, "DROP STATISTICS [fhir].[patient].[by_code]")
	maintainer, ok := mssql.Engine(tsql.Dedicated).(warehouse.Maintainer)
	if !ok {
		t.Fatal("no maintainer")
	}
	m := warehouse.Maintenance{
		Schema: "fhir", Tables: []flatten.Table{coded, {
			Name: "patient_later", Resource: "Patient", Columns: coded.Columns,
		}}, Begin: func(string) {},
	}
	address := w.server.URL("someone", "secret", "pool")
	if err := maintainer.Maintain(context.WithoutCancel(t.Context()), address, m); err != nil {
		t.Fatal(err)
	}
	if got := w.made(); !slices.Equal(got, allOf(tsql.Dedicated)) {
		t.Errorf("statistics after the maintenance: %q", got)
	}
	if got := w.loadAt(t, start.Add(3*time.Hour), "plan-4", "a"); len(got) > 0 {
		t.Errorf("notices after the rebuild: %q", got)
	}
	if got := w.db.Maintained("fhir", "patient"); !slices.Contains(got, "ALTER TABLE REBUILD") {
		t.Errorf("maintained: %q", got)
	}
}
