package mssql_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

var faultViews = flattentest.Views{"plan": {
	{
		Name: "patient", Resource: "Patient", Columns: []sof.Column{{Name: "family"}}, Keyed: true,
	},
	{Name: "patient_name", Resource: "Patient", Columns: []sof.Column{{Name: "given"}}},
}}

// faults breaks the nth request from now on, or all from the nth.
type faults struct {
	mu    sync.Mutex
	left  int // requests before the first broken one
	every bool
	fault sqlserver.Fault
	hit   string
	// then is called for a broken request, each for every request.
	then func()
	each func(sqlserver.Request)
}

func (f *faults) of(r sqlserver.Request) sqlserver.Fault {
	what, then, each := f.next(r)
	if each != nil {
		each(r)
	}
	if then != nil {
		then()
	}
	return what
}

func (f *faults) next(
	r sqlserver.Request,
) (what sqlserver.Fault, then func(), each func(sqlserver.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return what, nil, f.each
	}
	if f.left > 1 {
		f.left--
		return what, nil, f.each
	}
	if f.hit == "" {
		f.hit = r.Kind + " " + r.Text
	}
	if !f.every {
		f.left = 0
	}
	return f.fault, f.then, f.each
}

// set breaks the nth request; 0 breaks none. It returns the request that was broken before.
func (f *faults) set(nth int, every bool, what sqlserver.Fault) (hit string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hit = f.hit
	f.left, f.every, f.fault, f.hit = nth, every, what, ""
	return hit
}

// world is a store with one committed batch, and a second batch that changes every table.
type world struct {
	*store
	*faults
	lake          *pipelinetest.MemoryLake
	second        pipeline.Batch
	before, after refwarehouse.Content
}

func newWorld(t *testing.T, engine tsql.Engine) *world {
	t.Helper()
	f := &faults{}
	w := &world{store: newStore(t, engine, f.of), faults: f, lake: pipelinetest.NewMemoryLake(now)}
	first := w.prepare(t, "plan-1", line("a", 8, "A")+line("b", 8, "B"))
	w.second = w.prepare(t, "plan-2",
		line("a", 9, "A2")+line("a", 7, "A0")+line("b", 7, "B0")+line("c", 9, "C"))
	model := refwarehouse.NewWarehouse(w.lake, faultViews.Tables)
	for _, step := range []struct {
		batch pipeline.Batch
		to    *refwarehouse.Content
	}{{first, &w.before}, {w.second, &w.after}} {
		if err := model.Commit(t.Context(), step.batch); err != nil {
			t.Fatal(err)
		}
		c, err := model.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		*step.to = c
	}
	if err := w.Open(t, w.lake, faultViews.Tables).Commit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.server.Forget()
	return w
}

func line(id string, hour int, family string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2024-01-01T%02d:00:00Z"},"rows":{"patient":[[%q]],"patient_name":[["x"],["y"]]}}`+"\n", id, hour, family)
}

func (w *world) prepare(t *testing.T, export, lines string) pipeline.Batch {
	t.Helper()
	return w.prepareFor(t, faultViews, "Patient", export, lines)
}

func (w *world) prepareFor(
	t *testing.T, views flattentest.Views, resourceType, export, lines string,
) pipeline.Batch {
	t.Helper()
	f, err := flatten.NewFlattener(flatten.Options{Lake: w.lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	in := pipeline.Flattening{
		Plan: "plan", Type: resourceType, Path: export + ".ndjson", Dir: export,
	}
	done, err := f.Flatten(t.Context(), in, strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{
		Schema: "fhir", Plan: "plan", Export: export, Type: resourceType, ViewSet: 1, Attempt: "a1",
		Files: []pipeline.PreparedFile{
			{File: pipeline.File{Path: in.Path, ETag: "1"}, Dir: in.Dir, Done: done},
		},
	}
}

// stages returns the remaining tables of attempts.
func (w *world) stages() []string {
	var out []string
	for name := range w.db.Content("fhir_load") {
		if strings.HasPrefix(name, "_stage_") {
			out = append(out, name)
		}
	}
	return out
}

// blindCommits counts the COMMITs that follow another one without a read of the ledger.
func blindCommits(requests []sqlserver.Request) int {
	blind, committed := 0, false
	for _, r := range requests {
		switch {
		case strings.HasPrefix(r.Text, "SELECT") && strings.Contains(r.Text, "[_ledger]") &&
			strings.Contains(r.Text, "[etag]"):
			committed = false
		case r.Text == "COMMIT TRANSACTION" && committed:
			blind++
		case r.Text == "COMMIT TRANSACTION":
			committed = true
		}
	}
	return blind
}

var kindsOfFault = map[string]sqlserver.Fault{
	"cut before it": {CutBefore: true},
	"cut after it":  {CutAfter: true},
	"failing over": {Error: &sqlserver.Error{
		Number: 40197, Message: "The service has encountered an error.", Severity: 17,
	}},
	"a conflict of other": {Error: &sqlserver.Error{
		Number: 24556, Message: "Snapshot isolation transaction aborted.", Severity: 16,
	}},
}

// After one fault at any request the commit succeeds by itself, exactly once.
func TestOneFaultAnywhereIsOvercome(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		for kind, what := range kindsOfFault {
			// The engines share most statements. These two engines show the differences.
			if engine != tsql.SQLServer &&
				(testing.Short() || !what.CutAfter && what.Error == nil) {
				continue
			}
			t.Run(string(engine)+" "+kind, func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n += strideOf(engine) {
					if n > 100 {
						t.Fatal("the commit has no end")
					}
					w := newWorld(t, engine)
					w.set(n, false, what)
					c := w.openAt(t, w.lake, faultViews.Tables, now)
					err := c.Commit(t.Context(), w.second)
					hit := w.set(0, false, sqlserver.Fault{})
					if err != nil {
						t.Fatalf("fault %d, at %s: %v", n, hit, err)
					}
					w.intact(t, c, n, hit)
					if hit == "" {
						if n < 20 {
							t.Errorf("a commit of %d requests", n)
						}
						break
					}
				}
			})
		}
	}
}

// strideOf returns the distance between broken requests. The engines share most statements, so
// every third is enough for the others.
func strideOf(engine tsql.Engine) int {
	if engine == tsql.SQLServer {
		return stride
	}
	return 3 * stride
}

// settled checks that no transaction is open.
func (w *world) settled(t *testing.T, n int, hit string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.server.Settle(ctx); err != nil {
		t.Errorf("fault %d, at %s: %v", n, hit, err)
	}
}

// intact compares the world with the result of a finished commit.
func (w *world) intact(t *testing.T, c *mssql.Warehouse, n int, hit string) {
	t.Helper()
	if d := cmp.Diff(w.after, w.Content(t, "fhir")); d != "" {
		t.Errorf("fault %d, at %s: tables (-model +got):\n%s", n, hit, d)
	}
	if blind := blindCommits(w.server.Requests()); blind > 0 {
		t.Errorf("fault %d, at %s: %d commits without a look at the ledger", n, hit, blind)
	}
	w.settled(t, n, hit)
	entries, err := c.Ledger(t.Context(), "fhir", w.second.Export)
	if err != nil || len(entries) != 1 || entries[0].Applied+entries[0].Superseded != 4 {
		t.Errorf("fault %d, at %s: ledger %+v, %v", n, hit, entries, err)
	}
	// A later commit drops a table whose DROP lost its connection.
	if left := w.stages(); len(left) > 0 && !strings.Contains(hit, "DROP TABLE") {
		t.Errorf("fault %d, at %s: left behind %v", n, hit, left)
	}
}

// If a server dies at any request and comes back, the commit is complete or absent, then complete.
func TestADeadServerLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		if engine != tsql.SQLServer && testing.Short() {
			continue
		}
		for kind, what := range map[string]sqlserver.Fault{
			"before": {CutBefore: true}, "after": {CutAfter: true},
		} {
			t.Run(string(engine)+" cut "+kind, func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n += strideOf(engine) {
					if n > 100 {
						t.Fatal("the commit has no end")
					}
					if !deadServer(t, newWorld(t, engine), n, what) {
						break
					}
				}
			})
		}
	}
}

// A commit is cancelled at any request.
func TestACancelledCommitLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		if engine != tsql.SQLServer && testing.Short() {
			continue
		}
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n += strideOf(engine) {
				if n > 100 {
					t.Fatal("the commit has no end")
				}
				w := newWorld(t, engine)
				ctx, cancel := context.WithCancel(t.Context())
				w.then = cancel
				w.set(n, false, sqlserver.Fault{Stall: true})
				c := w.openAt(t, w.lake, faultViews.Tables, now)
				err := c.Commit(ctx, w.second)
				hit := w.set(0, false, sqlserver.Fault{})
				if hit == "" {
					break
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("stopped at %d, %s: %v", n, hit, err)
				}
				if got := w.Content(t, "fhir"); !cmp.Equal(w.before, got) &&
					!cmp.Equal(w.after, got) {
					t.Errorf("stopped at %d, %s: the tables are half way:\n%s", n, hit,
						cmp.Diff(w.after, got))
				}
				w.second.Attempt = "a2"
				if err := c.Commit(t.Context(), w.second); err != nil {
					t.Errorf("stopped at %d, %s, and begun again: %v", n, hit, err)
				}
				w.intact(t, c, n, hit)
			}
		})
	}
}

func deadServer(t *testing.T, w *world, n int, what sqlserver.Fault) (died bool) {
	t.Helper()
	w.set(n, true, what)
	c := w.openAt(t, w.lake, faultViews.Tables, now)
	err := c.Commit(t.Context(), w.second)
	hit := w.set(0, false, sqlserver.Fault{})
	if err != nil && fault.Of(err) != fault.Transient {
		t.Errorf("dead from %d, %s: class %s, %v", n, hit, fault.Of(err), err)
	}
	got := w.Content(t, "fhir")
	before, after := cmp.Equal(w.before, got), cmp.Equal(w.after, got)
	if !before && !after || err == nil && !after {
		t.Errorf("dead from %d, %s: error %v, and the tables are half way:\n%s", n, hit, err,
			cmp.Diff(w.after, got))
	}
	w.second.Attempt = "a2"
	if err := c.Commit(t.Context(), w.second); err != nil {
		t.Errorf("dead from %d, %s, and alive again: %v", n, hit, err)
	}
	if d := cmp.Diff(w.after, w.Content(t, "fhir")); d != "" {
		t.Errorf("dead from %d, %s, and alive again: tables (-model +got):\n%s", n, hit, d)
	}
	if blind := blindCommits(w.server.Requests()); blind > 0 {
		t.Errorf("dead from %d, %s: %d commits without a look at the ledger", n, hit, blind)
	}
	w.settled(t, n, hit)
	w.janitor(t, n)
	return hit != ""
}

// janitor commits a day later and checks that no stage remains.
func (w *world) janitor(t *testing.T, n int) {
	t.Helper()
	later := func() time.Time { return start.Add(26 * time.Hour) }
	c := w.openAt(t, w.lake, faultViews.Tables, later)
	if err := c.Commit(t.Context(), w.prepare(t, "plan-3", line("a", 6, "A-1"))); err != nil {
		t.Errorf("dead from %d: a day later: %v", n, err)
	}
	if left := w.stages(); len(left) > 0 {
		t.Errorf("dead from %d: a day later %v is left", n, left)
	}
}
