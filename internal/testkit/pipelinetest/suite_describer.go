package pipelinetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// DescribedStore holds the tables of an engine that describes them. The ledger's clock stands at
// ChangedAt.
type DescribedStore interface {
	Store
	Describe(t *testing.T, p warehouse.PlanTables) (warehouse.Description, error)
	ChangedAt() time.Time
}

// TestDescriber is the definition of warehouse.Describer, for engines with tables. open returns
// empty tables each time.
func TestDescriber(t *testing.T, open func(t *testing.T) DescribedStore) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, w *described)
	}{
		{"nothing is there before the first commit", describesNothing},
		{"rows are those of readers", describesRows},
		{"the last commit that wrote rows counts", describesChanges},
		{"exports that loaded everything count", describesExports},
		{"differences from the views are told", describesDrift},
		{"another schema is not looked at", describesOneSchema},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			c.test(t, &described{newConclusions(t, s), s})
		})
	}
}

// described holds a store that is described after changes.
type described struct {
	*conclusions
	store DescribedStore
}

func (w *described) describe(t *testing.T) warehouse.Description {
	t.Helper()
	d, err := w.store.Describe(t, w.plan())
	must(t, err)
	if d.Uncounted != nil {
		t.Errorf("no rows: %v", d.Uncounted)
	}
	return d
}

func (w *described) plan() warehouse.PlanTables {
	return warehouse.PlanTables{Plan: "plan", Schema: schema, Tables: w.views["plan"]}
}

// stateOf returns the state of one table.
func stateOf(t *testing.T, d warehouse.Description, table string) warehouse.TableState {
	t.Helper()
	i := slices.IndexFunc(d.Tables, func(s warehouse.TableState) bool { return s.Table == table })
	if i < 0 {
		t.Fatalf("table %s is not described: %+v", table, d.Tables)
	}
	return d.Tables[i]
}

func (w *described) load(t *testing.T, export string, lines file) {
	t.Helper()
	w.commit(t, w.batch(export, w.prepare(t, "Patient", lines)))
}

func describesNothing(t *testing.T, w *described) {
	d := w.describe(t)
	if len(d.Tables) != len(w.views["plan"]) || d.Plan != "" || !d.CompleteAt.IsZero() {
		t.Errorf("%+v", d)
	}
	for _, s := range d.Tables {
		if s.Exists || s.Rows != 0 || !s.ChangedAt.IsZero() || len(s.Drift) != 0 {
			t.Errorf("%+v", s)
		}
	}
}

func describesRows(t *testing.T, w *described) {
	w.load(t, "plan-1", file{
		live("a", "08:00", "1", "A", "x", "y"), live("b", "08:00", "1", "B", "z"),
		live("c", "08:00", "1", "C"),
	})
	w.load(t, "plan-2", file{live("a", "09:00", "2", "A", "x"), gone("b", "09:00", "2")})
	d := w.describe(t)
	content := w.Content(t, schema)
	for _, table := range []string{"patient", "patient_name"} {
		s := stateOf(t, d, table)
		if !s.Exists || s.Type != "Patient" || s.Rows != int64(len(content[table])) ||
			len(s.Drift) != 0 {
			t.Errorf("%d rows of %s: %+v", len(content[table]), table, s)
		}
	}
	if s := stateOf(t, d, "observation"); s.Exists || len(s.Drift) != 0 {
		t.Errorf("a table of a type without commits: %+v", s)
	}
}

func describesChanges(t *testing.T, w *described) {
	w.load(t, "plan-1", file{live("a", "08:00", "1", "A")})
	late := w.batch("plan-2", w.prepare(t, "Patient", file{live("a", "07:00", "0", "old")}))
	late.ViewSet = 2
	w.commit(t, late) // supersedes nothing
	s := stateOf(t, w.describe(t), "patient")
	if !s.ChangedAt.Equal(w.store.ChangedAt()) || s.ChangedAt.Location() != time.UTC ||
		s.ViewSet != 1 {
		t.Errorf("%+v, want a change at %s", s, w.store.ChangedAt())
	}
	late = w.batch("plan-3", w.prepare(t, "Patient", file{live("a", "09:00", "2", "new")}))
	late.ViewSet = 2
	w.commit(t, late)
	if s := stateOf(t, w.describe(t), "patient_name"); s.ViewSet != 2 {
		t.Errorf("%+v, want view set 2", s)
	}
}

func describesExports(t *testing.T, w *described) {
	lines := map[string]file{"Patient": {patient("a", "07:00", "1")}}
	w.conclude(t, w.export(t, run{till: "08:00", full: true, files: lines}))
	part := w.export(t, run{till: "09:00", files: lines})
	part.Record.State = "incomplete"
	w.conclude(t, part)
	d := w.describe(t)
	if want := timeAt(t, "08:00"); d.Plan != "plan" || !d.CompleteAt.Equal(want) {
		t.Errorf("plan %q is complete as of %s, want %s", d.Plan, d.CompleteAt, want)
	}
}

func describesDrift(t *testing.T, w *described) {
	before := w.views["plan"]
	w.load(t, "plan-1", file{live("a", "08:00", "1", "A", "x")})
	for _, c := range []struct {
		name    string
		table   int
		columns []sof.Column
		want    []warehouse.TableDrift
	}{
		{"the same", 0, before[0].Columns, nil},
		{
			"a new column", 0, append(slices.Clone(before[0].Columns), sof.Column{Name: "given"}),
			[]warehouse.TableDrift{warehouse.ColumnMissing("given")},
		},
		{
			"a column less", 1, before[1].Columns[:1], []warehouse.TableDrift{{
				Kind: warehouse.DriftExtraColumn, Column: "row_index",
				Text: "column row_index is not in the view",
			}},
		},
		{
			"another type", 1,
			[]sof.Column{before[1].Columns[0], {Name: "row_index", Kind: sof.Boolean}},
			[]warehouse.TableDrift{{Kind: warehouse.DriftChangedType, Column: "row_index"}},
		},
	} {
		views := slices.Clone(before)
		views[c.table].Columns = c.columns
		w.views["plan"] = views
		got := stateOf(t, w.describe(t), views[c.table].Name).Drift
		for i := range got {
			if got[i].Kind == warehouse.DriftChangedType {
				got[i].Text = "" // names the engine's types
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	added := before[0]
	added.Name = "patient_added"
	w.views["plan"] = append(slices.Clone(before), added)
	s := stateOf(t, w.describe(t), "patient_added")
	if s.Exists || len(s.Drift) != 1 || s.Drift[0].Kind != warehouse.DriftMissingTable {
		t.Errorf("a new table of a type with commits: %+v", s)
	}
}

func describesOneSchema(t *testing.T, w *described) {
	w.load(t, "plan-1", file{live("a", "08:00", "1", "A")})
	b := w.batch("other-1", w.prepare(t, "Patient", file{
		live("a", "08:00", "1", "A"), live("b", "08:00", "1", "B"),
	}))
	b.Schema = "other"
	w.commit(t, b)
	if s := stateOf(t, w.describe(t), "patient"); s.Rows != 1 {
		t.Errorf("%+v, want 1 row", s)
	}
}
