package mssql_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse/mssql"

	"github.com/google/go-cmp/cmp"
)

// olderSession lets this version commit like an older one, which has all tables in one schema.
type olderSession struct{ sqlserver.Session }

func older(text string) string {
	text = strings.NewReplacer("[fhir_load]", "[fhir]", "'fhir_load'", "'fhir'").Replace(text)
	if !strings.Contains(text, "[_ledger]") {
		return text
	}
	// Its ledger counts no clipped texts.
	return strings.NewReplacer(
		",\n  [clipped] bigint NULL", "", ", [clipped])", ")", ", f.[clipped]\n", "\n",
		"ALTER TABLE [fhir].[_ledger] ADD [clipped] bigint NULL", "SELECT 1 AS [n]",
	).Replace(text)
}

func (s olderSession) Batch(
	ctx context.Context,
	text string,
	parameters []any,
) (sqlserver.Result, error) {
	r, err := s.Session.Batch(ctx, older(text), parameters)
	if strings.Contains(text, "INFORMATION_SCHEMA") {
		for _, row := range r.Rows {
			if table, is := row[min(1, len(row)-1)].(string); is &&
				(strings.HasPrefix(table, "_") || len(row) == 1) {
				row[0] = "fhir_load"
			}
		}
	}
	return r, err
}

func (s olderSession) Columns(ctx context.Context, table string) ([]sqlserver.Column, error) {
	return s.Session.Columns(ctx, older(table))
}

func (s olderSession) Copy(
	ctx context.Context,
	table string,
	columns []string,
	rows iter.Seq2[[]any, error],
) (int64, error) {
	return s.Session.Copy(ctx, older(table), columns, rows)
}

// upgraded is a world with tables of an older version: one batch is committed. The older version is
// still there.
type upgraded struct {
	*world
	old       *faults
	oldStore  *store
	third     pipeline.Batch // has nothing but older versions, and one resource more
	olderOne  *mssql.Warehouse
	newer     *mssql.Warehouse
	atTheEnd  refwarehouse.Content
	exports   []string
	forBatch2 pipeline.Batch
}

func newUpgraded(t *testing.T, engine tsql.Engine) *upgraded {
	t.Helper()
	f, old := &faults{}, &faults{}
	u := &upgraded{
		old: old,
		world: &world{
			store:  newStore(t, engine, f.of),
			faults: f,
			lake:   pipelinetest.NewMemoryLake(now),
		},
	}
	server, err := sqlserver.Listen(sqlserver.Options{
		Sessions: func(name string) sqlserver.Session { return olderSession{u.db.Session(name)} },
		Faults:   old.of,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	u.oldStore = &store{engine: engine, db: u.db, server: server, lake: u.lake}
	u.store.lake = u.lake
	first := u.prepare(t, "plan-1", line("a", 8, "A")+line("b", 8, "B")+goneLine("t", 9))
	u.forBatch2 = u.prepare(t, "plan-2", line("a", 9, "A2")+line("c", 9, "C"))
	u.third = u.prepare(t, "plan-3", line("t", 8, "T")+line("a", 7, "A0")+line("d", 8, "D"))
	u.third.Attempt = "0d"
	model := refwarehouse.NewWarehouse(u.lake, faultViews.Tables)
	for _, b := range []pipeline.Batch{first, u.forBatch2, u.third} {
		if err := model.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		u.exports = append(u.exports, b.Export)
	}
	if u.atTheEnd, err = model.Content(t.Context(), "fhir"); err != nil {
		t.Fatal(err)
	}
	u.olderOne = u.oldStore.openAt(t, u.lake, faultViews.Tables, now)
	u.newer = u.openAt(t, u.lake, faultViews.Tables, now)
	if err := u.olderOne.Commit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if len(u.db.Content("fhir_load")) > 0 || len(u.db.Content("fhir")["_head_Patient"].Rows) != 3 {
		t.Fatal("these are no tables of an older version")
	}
	u.server.Forget()
	return u
}

// end commits everything with the newer version, and compares the tables with the model's.
func (u *upgraded) end(t *testing.T, where string) {
	t.Helper()
	for _, b := range []pipeline.Batch{u.forBatch2, u.third} {
		b.Attempt = "e" + b.Attempt
		if err := u.newer.Commit(t.Context(), b); err != nil {
			t.Errorf("%s: at the end: %v", where, err)
		}
	}
	if d := cmp.Diff(u.atTheEnd, u.Content(t, "fhir")); d != "" {
		t.Errorf("%s: tables (-model +got):\n%s", where, d)
	}
	for _, export := range u.exports {
		if entries, err := u.newer.Ledger(t.Context(), "fhir", export); err != nil ||
			len(entries) != 1 {
			t.Errorf("%s: ledger of %s: %+v, %v", where, export, entries, err)
		}
	}
	for name, table := range u.db.Content("fhir") {
		if guard := name == "_ledger" &&
			len(table.Rows) == 0; strings.HasPrefix(name, "_") && !guard &&
			!strings.HasPrefix(name, "_stage_") {
			t.Errorf("%s: table %s is where people read", where, name)
		}
	}
	if err := u.olderOne.Commit(t.Context(), u.prepare(t, "plan-4", line("t", 8, "T"))); fault.Of(
		err,
	) != fault.Permanent {
		t.Errorf("%s: an older version commits: %v", where, err)
	}
}

// The newer version is killed at any request of its first commit, and an older one comes between it
// and the next try.
func TestTablesOfAnOlderVersionAreMovedWhateverHappens(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		if engine == tsql.Fabric && testing.Short() {
			continue // as the dedicated pool
		}
		for kind, what := range map[string]sqlserver.Fault{
			"before": {CutBefore: true}, "after": {CutAfter: true},
		} {
			t.Run(string(engine)+" cut "+kind, func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n += stride {
					if n > 100 {
						t.Fatal("the commit has no end")
					}
					u := newUpgraded(t, engine)
					u.set(n, true, what)
					err := u.newer.Commit(t.Context(), u.forBatch2)
					hit := u.set(0, false, sqlserver.Fault{})
					where := fmt.Sprintf("dead from %d, %s", n, hit)
					if err != nil && fault.Of(err) != fault.Transient {
						t.Errorf("%s: %v", where, err)
					}
					// The ledger is found wherever it is.
					if entries, err := u.newer.Ledger(t.Context(), "fhir", "plan-1"); err != nil ||
						len(entries) != 1 {
						t.Errorf("%s: ledger: %+v, %v", where, entries, err)
					}
					_ = u.olderOne.Commit(t.Context(), u.third) // it may be refused
					u.end(t, where)
					if n > 20 || hit == "" {
						break // past the moves
					}
				}
			})
		}
	}
}

// A commit of one version runs while one of the other stands at any request.
func TestTwoVersionsAtOnce(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		if engine == tsql.Fabric && testing.Short() {
			continue // as the dedicated pool
		}
		for _, newerStands := range []bool{true, false} {
			t.Run(fmt.Sprint(engine, " newer stands: ", newerStands), func(t *testing.T) {
				t.Parallel()
				bothDone, refused := 0, 0
				for n := 1; ; n += stride {
					if n > 100 {
						t.Fatal("the commit has no end")
					}
					u := newUpgraded(t, engine)
					stands, runs, stops, watched := u.newer, u.olderOne, u.faults, u.old
					first, second := u.forBatch2, u.third
					if !newerStands {
						stands, runs, stops, watched = runs, stands, watched, stops
						first, second = second, first
					}
					ended, through, waits := make(chan error, 1), make(chan struct{}), make(
						chan struct{},
						1000,
					)
					watched.each = func(r sqlserver.Request) {
						for _, part := range []string{
							"sp_getapplock", "INFORMATION_SCHEMA", "ALTER SCHEMA", "DROP TABLE",
							"DELETE FROM", "UPDATE ",
						} {
							if strings.Contains(r.Text, part) {
								waits <- struct{}{}
							}
						}
					}
					stops.then = func() {
						go func() {
							ended <- runs.Commit(t.Context(), second)
							close(through)
						}()
						for {
							wait, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
							select {
							case <-through:
								stop()
								return
							case <-waits: // it may, so look again
								stop()
							case <-wait.Done():
								stop()
								return // it does
							}
						}
					}
					stops.set(n, false, sqlserver.Fault{})
					err := stands.Commit(t.Context(), first)
					hit := stops.set(0, false, sqlserver.Fault{})
					if hit == "" {
						break
					}
					other := <-ended
					where := fmt.Sprintf("at request %d, %s", n, hit)
					if !newerStands {
						err, other = other, err
					}
					if err != nil {
						t.Errorf("%s: the newer: %v", where, err)
					}
					if other == nil {
						bothDone++
					} else {
						refused++
					}
					u.end(t, where)
				}
				t.Logf(
					"both committed %d times, the older one was refused %d times",
					bothDone,
					refused,
				)
			})
		}
	}
}

// A head that an older version has filled in addition to the moved one is refused.
func TestTwoHeadsAreRefused(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		u := newUpgraded(t, engine)
		if err := u.newer.Commit(t.Context(), u.forBatch2); err != nil {
			t.Fatal(err)
		}
		if _, err := u.db.Session("pool").
			Batch(t.Context(), "DROP TABLE [fhir].[_ledger]", nil); err != nil {
			t.Fatal(err)
		}
		if err := u.olderOne.Commit(t.Context(), u.third); err != nil {
			t.Fatal(err)
		}
		err := u.newer.Commit(t.Context(), u.prepare(t, "plan-4", line("e", 9, "E")))
		if fault.Of(err) != fault.Permanent ||
			!strings.Contains(
				fmt.Sprint(err),
				"drop table fhir._head_Patient, or rebuild the tables of Patient",
			) {
			t.Errorf("%s: %v", engine, err)
		}
	}
}

// Without the right to move them, the error has the statements.
func TestTheMovesAreToldToWhoMayNotMove(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		u := newUpgraded(t, engine)
		u.server = refusing(t, u.db, "ALTER SCHEMA")
		err := u.openAt(t, u.lake, faultViews.Tables, now).Commit(t.Context(), u.forBatch2)
		for _, part := range []string{
			"run: CREATE SCHEMA [fhir_load], if it is missing; ALTER SCHEMA [fhir_load] TRANSFER [fhir].[_ledger]; CREATE TABLE [fhir].[_ledger] (",
			"ALTER SCHEMA [fhir_load] TRANSFER [fhir].[_head_Patient]",
		} {
			if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("%s: no %q in %v", engine, part, err)
			}
		}
		u.end(t, string(engine))
	}
}

// refusing starts a server that refuses statements with a beginning.
func refusing(t *testing.T, db *tables.Database, begins string) *sqlserver.Server {
	t.Helper()
	server, err := sqlserver.Listen(
		sqlserver.Options{Sessions: db.Session, Faults: func(r sqlserver.Request) sqlserver.Fault {
			if strings.HasPrefix(r.Text, begins) {
				return sqlserver.Fault{
					Error: &sqlserver.Error{
						Number:  15151,
						Message: "Cannot find the object, because it does not exist or you do not have permission.",
					},
				}
			}
			return sqlserver.Fault{}
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}
