package mssql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

func goneLine(id string, hour int) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2024-01-01T%02d:00:00Z","deleted":true}}`+"\n", id, hour)
}

var replaced = warehouse.Replacement{
	Plan: "plan", Type: "Patient", Schema: "fhir", From: warehouse.Beside("fhir"),
}

// beside commits lines into the schema that will replace another.
func (w *world) beside(t *testing.T, c *mssql.Warehouse, export, lines string) pipeline.Batch {
	t.Helper()
	if err := c.Discard(t.Context(), replaced.From); err != nil {
		t.Fatal(err)
	}
	b := w.prepare(t, export, lines)
	b.Schema = replaced.From
	if err := c.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

// Tables are replaced atomically whatever happens to the connection, and the rebuild succeeds by
// itself.
func TestAFaultAnywhereInAReplacementIsOvercome(t *testing.T) {
	t.Parallel()
	for kind, what := range kindsOfFault {
		if what.Error != nil && what.Error.Number == 24556 {
			continue // not for this engine
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n += stride {
				if n > 100 {
					t.Fatal("the replacement has no end")
				}
				w := newWorld(t, tsql.SQLServer)
				c := w.openAt(t, w.lake, faultViews.Tables, now)
				old := w.prepare(t, "plan-9", goneLine("t", 9))
				if err := c.Commit(t.Context(), old); err != nil {
					t.Fatal(err)
				}
				b := w.beside(t, c, "load-1",
					line("a", 9, "A2")+line("b", 8, "B")+line("d", 9, "D"))
				model := refwarehouse.NewWarehouse(w.lake, faultViews.Tables)
				b.Schema = "fhir"
				for _, b := range []pipeline.Batch{b, old} {
					if err := model.Commit(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
				after, err := model.Content(t.Context(), "fhir")
				if err != nil {
					t.Fatal(err)
				}
				w.set(n, false, what)
				err = c.Replace(t.Context(), replaced)
				hit := w.set(0, false, sqlserver.Fault{})
				if err != nil {
					t.Errorf("fault %d, at %s: %v", n, hit, err)
				}
				if d := cmp.Diff(after, w.Content(t, "fhir")); d != "" {
					t.Errorf("fault %d, at %s: tables (-model +got):\n%s", n, hit, d)
				}
				w.settled(t, n, hit)
				for _, export := range []string{"plan-1", "plan-9", "load-1"} {
					if entries, err := c.Ledger(t.Context(), "fhir", export); err != nil ||
						len(entries) != 1 {
						t.Errorf("fault %d, at %s: ledger of %s: %+v, %v", n, hit, export, entries,
							err)
					}
				}
				if err := c.Discard(t.Context(), replaced.From); err != nil ||
					len(w.Content(t, replaced.From)) > 0 {
					t.Errorf("fault %d, at %s: discard: %v", n, hit, err)
				}
				if hit == "" {
					if n < 10 {
						t.Errorf("a replacement of %d requests", n)
					}
					break
				}
			}
		})
	}
}

// If a server dies at any request, the tables are all old or all new.
func TestADeadServerLeavesTheOldTablesOrTheNew(t *testing.T) {
	t.Parallel()
	for kind, what := range map[string]sqlserver.Fault{
		"before": {CutBefore: true}, "after": {CutAfter: true},
	} {
		t.Run("cut "+kind, func(t *testing.T) {
			t.Parallel()
			var before, after refwarehouse.Content
			for n := 0; ; n++ {
				if n > 100 {
					t.Fatal("the replacement has no end")
				}
				w := newWorld(t, tsql.SQLServer)
				c := w.openAt(t, w.lake, faultViews.Tables, now)
				w.beside(t, c, "load-1", line("a", 9, "A2")+line("b", 8, "B"))
				if n == 0 {
					before = w.Content(t, "fhir")
				}
				w.set(n, true, what)
				err := c.Replace(t.Context(), replaced)
				hit := w.set(0, false, sqlserver.Fault{})
				w.settled(t, n, hit)
				got := w.Content(t, "fhir")
				switch {
				case n == 0:
					after = got
				case err == nil && !cmp.Equal(after, got),
					!cmp.Equal(before, got) && !cmp.Equal(after, got):
					t.Errorf("dead from %d, %s: error %v, and the tables are half way:\n%s", n, hit,
						err, cmp.Diff(after, got))
				}
				if n > 0 && hit == "" {
					break
				}
			}
		})
	}
}

// A commit that starts at any statement of a replacement is never lost: either it comes first and
// the replacement is refused, or it comes after.
func TestACommitBesideAReplacementIsNotLost(t *testing.T) {
	t.Parallel()
	refused, done := 0, 0
	for n := 1; ; n++ {
		if n > 100 {
			t.Fatal("the replacement has no end")
		}
		w := newWorld(t, tsql.SQLServer)
		c := w.openAt(t, w.lake, faultViews.Tables, now)
		w.beside(t, c, "load-1", line("a", 8, "A1")+line("b", 8, "B1"))
		other := w.openAt(t, w.lake, faultViews.Tables, now)
		// The replacement continues when the other has finished or waits.
		ended, through, waits := make(chan error, 1), make(chan struct{}), make(chan struct{}, 100)
		w.then = func() {
			w.each = func(r sqlserver.Request) {
				if strings.Contains(r.Text, "sp_getapplock") ||
					strings.Contains(r.Text, "INFORMATION_SCHEMA") && n > 5 {
					waits <- struct{}{}
				}
			}
			go func() {
				ended <- other.Commit(t.Context(), w.second)
				close(through)
			}()
			select {
			case <-through:
			case <-waits:
			}
		}
		w.set(n, false, sqlserver.Fault{})
		err := c.Replace(t.Context(), replaced)
		if hit := w.set(0, false, sqlserver.Fault{}); hit == "" {
			break
		}
		if err := <-ended; err != nil {
			t.Errorf("at request %d: the other: %v", n, err)
		}
		switch {
		case err == nil:
			done++
		case strings.Contains(err.Error(), "are not in what was loaded"):
			refused++
		default:
			t.Errorf("at request %d: %v", n, err)
		}
		rows := fmt.Sprint(w.Content(t, "fhir")["patient"])
		want := []string{`family="A2"`, `family="B"`, `family="C"`}
		if err == nil {
			want[1] = `family="B1"` // as loaded
		}
		for _, part := range want {
			if strings.Count(rows, part) != 1 {
				t.Errorf("at request %d, error %v: no %s in %s", n, err, part, rows)
			}
		}
	}
	t.Logf("%d replaced, %d refused", done, refused)
}

func TestAReplacementLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tsql.SQLServer)
	c := w.openAt(t, w.lake, faultViews.Tables, now)
	for i, lacking := range []string{line("a", 9, "A2"), line("a", 7, "A2") + line("b", 8, "B")} {
		w.beside(t, c, fmt.Sprintf("load-%d", i), lacking)
		if err := c.Replace(t.Context(), replaced); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err),
				"1 resources of Patient in schema fhir are not in what was loaded") {
			t.Errorf("replaced: %v", err)
		}
		if d := cmp.Diff(w.before, w.Content(t, "fhir")); d != "" {
			t.Errorf("refused, and yet (-before +after):\n%s", d)
		}
	}
	by := w.db.Session("pool")
	for _, text := range []string{
		"DROP TABLE [fhir_load].[_head_Patient]",
		"CREATE TABLE [fhir_load].[_head_Patient] ([_id] varchar(64) NOT NULL)",
	} {
		if _, err := by.Batch(t.Context(), text, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Replace(t.Context(), replaced); fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err), "table fhir_load._head_Patient was changed by hand") {
		t.Errorf("a head that was changed: %v", err)
	}
	if _, err := by.Batch(t.Context(), "DROP TABLE [fhir_load].[_head_Patient]", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(t.Context(), replaced); err != nil {
		t.Errorf("a head that is gone: %v", err)
	}
	if err := c.Discard(t.Context(), replaced.From); err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(t.Context(), replaced); fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err), "has no tables of Patient") {
		t.Errorf("replaced by nothing: %v", err)
	}
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		w := newWorld(t, engine)
		if err := w.openAt(t, w.lake, faultViews.Tables, now).Replace(t.Context(),
			replaced); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err), "cannot create tables in a transaction") {
			t.Errorf("%s: %v", engine, err)
		}
	}
}

// The same on a real server, because the emulator's acceptance of statements proves nothing.
func TestSQLServerReplacesTables(t *testing.T) {
	t.Parallel()
	dsn := realServer(t)
	needs(t, dsn, transfersTables)
	r := newReal(t, dsn)
	w := &world{lake: pipelinetest.NewMemoryLake(now)}
	c, ok := r.Open(t, w.lake, faultViews.Tables).(renamed).Warehouse.(*mssql.Warehouse)
	if !ok {
		t.Fatal("another warehouse")
	}
	into := warehouse.Replacement{
		Plan: "plan", Type: "Patient", Schema: r.prefix + "fhir", From: r.prefix + "Other",
	}
	commit := func(schema, export, lines string) {
		t.Helper()
		b := w.prepare(t, export, lines)
		b.Schema = schema
		if err := c.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	commit(into.Schema, "plan-1", line("a", 8, "A")+line("b", 8, "B")+goneLine("t", 9))
	commit(into.From, "load-1", line("a", 9, "A2"))
	if err := c.Replace(t.Context(), into); fault.Of(err) != fault.Permanent {
		t.Errorf("replaced: %v", err)
	}
	commit(into.From, "load-2", line("b", 8, "B2"))
	if err := c.Replace(t.Context(), into); err != nil {
		t.Fatal(err)
	}
	got := r.Content(t, "fhir")
	if len(got["patient"]) != 2 || len(got["_head_Patient"]) != 3 ||
		!strings.Contains(fmt.Sprint(got["patient"]), "B2") {
		t.Errorf("replaced: %v", got)
	}
	for _, export := range []string{"plan-1", "load-1", "load-2"} {
		if entries, err := c.Ledger(t.Context(), into.Schema, export); err != nil ||
			len(entries) != 1 {
			t.Errorf("ledger of %s: %+v, %v", export, entries, err)
		}
	}
	if err := c.Discard(t.Context(), into.From); err != nil || len(r.tables(t, "Other")) > 0 {
		t.Errorf("discard: %v", err)
	}
	commit(into.Schema, "plan-2", line("t", 8, "T")+line("d", 8, "D")) // t stays deleted
	if got := r.Content(t, "fhir"); len(got["patient"]) != 3 {
		t.Errorf("committed behind it: %v", got)
	}
}
