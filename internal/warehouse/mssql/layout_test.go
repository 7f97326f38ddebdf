package mssql_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse/mssql"
)

// coded is a view with all columns that have indexes.
var coded = flatten.Table{
	Name: "patient", Resource: "Patient", Keyed: true,
	Columns: []sof.Column{
		{Name: "patient_id", Class: sof.Key},
		{Name: "encounter_id", Class: sof.Key},
		{Name: "code", Class: sof.Code},
		{Name: "seen_utc", Kind: sof.Timestamp},
		{Name: "note"},
	},
}

var codedViews = flattentest.Views{"plan": {coded}}

func codedLine(id, code string) string {
	return classed(id, "p1", "e1", code, "2024-01-01T00:00:00Z", "n")
}

func newCoded(t *testing.T, engine tsql.Engine) *world {
	t.Helper()
	return &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
}

// load commits lines as one export.
func (w *world) load(
	t *testing.T, views flattentest.Views, export, lines string, o ...func(*mssql.Options),
) error {
	t.Helper()
	return w.openAt(t, w.lake, views.Tables, now, o...).Commit(t.Context(),
		w.prepareFor(t, views, "Patient", export, lines))
}

func (w *world) must(t *testing.T, text string) {
	t.Helper()
	if _, err := w.db.Session("pool").Batch(t.Context(), text, nil); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// made returns the names of indexes or statistics on the table of coded.
func (w *world) made() []string {
	if w.engine == tsql.SQLServer {
		return w.db.Indexes("fhir", "patient")
	}
	return w.db.Statistics("fhir", "patient")
}

func allOf(engine tsql.Engine) []string {
	if engine == tsql.SQLServer {
		return []string{"ix_code", "ix_encounter_id", "ix_patient_id", "pk_patient"}
	}
	return []string{"by_code", "by_encounter_id", "by_id", "by_patient_id", "by_seen_utc"}
}

// Indexes and statistics are made after the rows of a first load, and again when they are missing,
// with one query of the catalog for each commit.
func TestStatisticsAndIndexesAfterACommit(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		w := newCoded(t, engine)
		all := allOf(engine)
		for i, drop := range []string{
			"", "DROP INDEX [ix_code] ON [fhir].[patient]",
			"DROP INDEX [ix_patient_id] ON [fhir].[patient]",
		} {
			if engine == tsql.Dedicated {
				drop = strings.Replace(strings.Replace(drop, "INDEX [ix_",
					"STATISTICS [fhir].[patient].[by_", 1), " ON [fhir].[patient]", "", 1)
			}
			if drop != "" {
				w.must(t, drop)
			}
			w.server.Forget()
			if err := w.load(t, codedViews, fmt.Sprint("plan-", i),
				codedLine("a", "x")); err != nil {
				t.Fatal(err)
			}
			if got := w.made(); !slices.Equal(got, all) {
				t.Errorf("%s: after commit %d: %q, want %q", engine, i, got, all)
			}
			committed, layouts, made := false, 0, 0
			for _, r := range w.server.Requests() {
				committed = committed || strings.HasPrefix(r.Text, "COMMIT")
				if strings.Contains(r.Text, "[sys].[stats]") {
					layouts++
				}
				if strings.HasPrefix(r.Text, "CREATE NONCLUSTERED") ||
					strings.HasPrefix(r.Text, "CREATE STATISTICS") {
					made++
					if !committed && i == 0 {
						t.Errorf("%s: before the commit: %s", engine, r.Text)
					}
				}
			}
			if layouts != 1 || made == 0 || i > 0 && made != 1 {
				t.Errorf("%s: commit %d: %d queries, %d made", engine, i, layouts, made)
			}
		}
	}
}

// Where a person makes the indexes, none is made, and none is dropped but for a wider column.
func TestIndexesAreLeftToAPerson(t *testing.T) {
	t.Parallel()
	for engine, want := range map[tsql.Engine][]string{
		tsql.SQLServer: {"pk_patient"}, tsql.Dedicated: nil,
	} {
		w := newCoded(t, engine)
		for i := range 2 {
			if err := w.load(t, codedViews, fmt.Sprint("plan-", i), codedLine("a", "x"),
				func(o *mssql.Options) { o.NoIndexes = true }); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.made(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", engine, got, want)
		}
	}
}

// Tables of an earlier version have only their clustered index.
func TestIndexesOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	w := newCoded(t, tsql.SQLServer)
	if err := w.load(t, codedViews, "plan-1", codedLine("a", "x")); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"ALTER TABLE [fhir].[patient] DROP CONSTRAINT [pk_patient]",
		"CREATE CLUSTERED INDEX [cx_patient] ON [fhir].[patient] ([_id])",
		"DROP INDEX [ix_code] ON [fhir].[patient]",
		"DROP INDEX [ix_encounter_id] ON [fhir].[patient]",
		"DROP INDEX [ix_patient_id] ON [fhir].[patient]",
		"CREATE INDEX [theirs] ON [fhir].[patient] ([patient_id], [seen_utc])",
	} {
		w.must(t, text)
	}
	if err := w.load(t, codedViews, "plan-2", codedLine("a", "x")); err != nil {
		t.Fatal(err)
	}
	want := []string{"cx_patient", "ix_code", "ix_encounter_id", "theirs"}
	if got := w.made(); !slices.Equal(got, want) {
		t.Errorf("indexes %q, want %q", got, want)
	}
}

// A code that is too long for an index costs the index, and no commit.
func TestWidenCostsAnIndex(t *testing.T) {
	t.Parallel()
	w := newCoded(t, tsql.SQLServer)
	var log bytes.Buffer
	logged := func(o *mssql.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }
	for i, code := range []string{"x", strings.Repeat("c", 900), "y"} {
		if err := w.load(t, codedViews, fmt.Sprint("plan-", i), codedLine("a", code),
			logged); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"ix_encounter_id", "ix_patient_id", "pk_patient"}
	if got := w.made(); !slices.Equal(got, want) {
		t.Errorf("indexes %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), "DROP INDEX [ix_code] ON [fhir].[patient]") {
		t.Errorf("the log does not name the index: %s", log.String())
	}
}

// A statement that is cut in the middle of a widening leaves something that a later commit mends.
func TestWidenMakesIndexesAgainAfterAFault(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		for _, at := range []string{
			"DROP INDEX [ix_", "DROP STATISTICS", "ALTER TABLE", "CREATE ",
		} {
			f := &faults{}
			w := &world{
				store: newStore(t, engine, f.of), faults: f, lake: pipelinetest.NewMemoryLake(now),
			}
			short := codedViews["plan"][0]
			short.Columns = slices.Clone(short.Columns)
			short.Columns[2].Length = 20
			views := flattentest.Views{"plan": {short}}
			if err := w.load(t, views, "plan-1", codedLine("a", "x")); err != nil {
				t.Fatal(err)
			}
			seen := false
			f.mu.Lock()
			f.fault = sqlserver.Fault{CutAfter: true}
			f.each = func(r sqlserver.Request) {
				if !seen && strings.HasPrefix(r.Text, at) {
					seen = true
					f.mu.Lock()
					f.left = 1 // the next request
					f.mu.Unlock()
				}
			}
			f.mu.Unlock()
			for i, id := range []string{"b", "c"} {
				if err := w.load(t, views, fmt.Sprint("plan-2", i),
					codedLine(id, strings.Repeat("c", 100))); err != nil {
					t.Fatalf("%s, %s: %v", engine, at, err)
				}
			}
			if got, want := w.made(), allOf(engine); !slices.Equal(got, want) {
				t.Errorf("%s, %s: %q, want %q", engine, at, got, want)
			}
			if n := len(w.db.Content("fhir")["patient"].Rows); n != 3 {
				t.Errorf("%s, %s: %d rows", engine, at, n)
			}
		}
	}
}

// What others have made on a column is left alone, and the error says what to type.
func TestWidenNamesWhatOthersMade(t *testing.T) {
	t.Parallel()
	for engine, text := range map[tsql.Engine]string{
		tsql.SQLServer: "CREATE STATISTICS [theirs] ON [fhir].[patient] ([note])",
		tsql.Dedicated: "CREATE INDEX [theirs] ON [fhir].[patient] ([note])",
	} {
		w := newCoded(t, engine)
		views := flattentest.Views{"plan": {coded}}
		views["plan"][0].Columns = slices.Clone(coded.Columns)
		views["plan"][0].Columns[4].Length = 20
		if err := w.load(t, views, "plan-1", codedLine("a", "x")); err != nil {
			t.Fatal(err)
		}
		w.must(t, text)
		long := classed("b", "p", "e", "c", "2024-01-01T00:00:00Z", strings.Repeat("n", 30))
		err := w.load(t, views, "plan-2", long)
		drop := map[tsql.Engine]string{
			tsql.SQLServer: "DROP STATISTICS [fhir].[patient].[theirs]",
			tsql.Dedicated: "DROP INDEX [theirs] ON [fhir].[patient]",
		}[engine]
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), drop) {
			t.Errorf("%s: %v", engine, err)
		}
		w.must(t, drop)
		if err := w.load(t, views, "plan-2", long); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
	}
}

// A view that has more rows than before needs another key.
func TestTypesOfKeysThatNoLongerHold(t *testing.T) {
	t.Parallel()
	w := newCoded(t, tsql.SQLServer)
	if err := w.load(t, codedViews, "plan-1", codedLine("a", "x")); err != nil {
		t.Fatal(err)
	}
	more := coded
	more.Keyed = false
	views := flattentest.Views{"plan": {more}}
	row := `["p1","e1","x","2024-01-01T00:00:00Z","n"]`
	lines := strings.Replace(codedLine("b", "x"), "[["+row[1:], "["+row+","+row, 1)
	if err := w.load(t, views, "plan-2", lines); err != nil {
		t.Fatal(err)
	}
	want := []string{"cx_patient", "ix_code", "ix_encounter_id", "ix_patient_id"}
	if got := w.made(); !slices.Equal(got, want) {
		t.Errorf("indexes %q, want %q", got, want)
	}
	if n := len(w.db.Content("fhir")["patient"].Rows); n != 3 {
		t.Errorf("%d rows", n)
	}
}

// A rebuild in place drops a column with its statistics of ours.
func TestStatisticsDoNotHinderARebuild(t *testing.T) {
	t.Parallel()
	w := newCoded(t, tsql.Dedicated)
	if err := w.load(t, codedViews, "plan-1", codedLine("a", "1")); err != nil {
		t.Fatal(err)
	}
	w.must(t, "CREATE STATISTICS [_WA_Sys_1] ON [fhir].[patient] ([code])")
	changed := coded
	changed.Columns = slices.Clone(coded.Columns)
	changed.Columns[2] = sof.Column{Name: "code", Kind: sof.Integer}
	views := flattentest.Views{"plan": {changed}}
	c := w.openAt(t, w.lake, views.Tables, now)
	b := w.prepareFor(t, views, "Patient", "plan-2", codedLine("a", "1"))
	b.ViewSet = 2
	if left, err := rebuild(t, c, b); err != nil || left != 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	want := []string{"by_encounter_id", "by_id", "by_patient_id", "by_seen_utc"}
	if d := cmp.Diff(want, w.made()); d != "" {
		t.Errorf("statistics (-want +got):\n%s", d)
	}
	w.must(t, "CREATE STATISTICS [theirs] ON [fhir].[patient] ([code])")
	err := c.Repair(t.Context(), repairOf(b))
	if err != nil {
		t.Errorf("a rebuild without a column to drop: %v", err)
	}
	b = w.prepareFor(t, codedViews, "Patient", "plan-3", codedLine("a", "1"))
	err = w.openAt(t, w.lake, codedViews.Tables, now).Repair(t.Context(), repairOf(b))
	if fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err), "DROP STATISTICS [fhir].[patient].[theirs]") {
		t.Errorf("what others made: %v", err)
	}
}
