package mssql_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

func TestConcluder(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			pipelinetest.TestConcluder(t, func(t *testing.T) pipelinetest.Store {
				return newStore(t, engine, nil)
			})
		})
	}
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		t.Run(string(engine)+" with lines", func(t *testing.T) {
			t.Parallel()
			pipelinetest.TestConcluder(t, func(t *testing.T) pipelinetest.Store {
				return linesStore{newStore(t, engine, nil)}
			})
		})
	}
}

// cohortViews are the views of a plan with a cohort.
var cohortViews = flattentest.Views{"plan": append(slices.Clone(faultViews["plan"]), flatten.Table{
	Name: warehouse.CompartmentTable("Patient"), Resource: "Patient",
	Columns: []sof.Column{{Name: warehouse.PatientColumn, Class: sof.Key}},
})}

// secret begins the ids of the patients, which no error and no log may have.
const secret = "secret-"

func member(id string, hour int) string {
	id = secret + id
	text := line(id, hour, "F"+id)
	return strings.Replace(text, `"patient_name":[`,
		fmt.Sprintf(`"compartment_patient":[[%q]],"patient_name":[`, id), 1)
}

// ending is a world whose third export is about to end. It removes b, who has left the cohort, and
// c, which two exports lack; it marks d, lists the delete of a, and has e for the first time.
type ending struct {
	*world
	model *refwarehouse.Store
	end   pipeline.Conclusion
	log   bytes.Buffer
}

func newEnding(t *testing.T, engine tsql.Engine) *ending {
	t.Helper()
	f := &faults{}
	e := &ending{
		world: &world{
			store: newStore(t, engine, f.of), faults: f, lake: pipelinetest.NewMemoryLake(now),
		},
		model: refwarehouse.NewStore(),
	}
	all := member("a", 6) + member("b", 6) + member("c", 6) + member("d", 6) +
		goneLine(secret+"t", 6)
	e.conclude(t, e.committed(t, "plan-1", all, "a", "b", "c", "d"))
	e.conclude(t, e.committed(t, "plan-2", member("a", 6)+member("b", 6)+member("d", 6),
		"a", "b", "c", "d"))
	e.end = e.committed(t, "plan-3", goneLine(secret+"a", 7)+member("e", 7), "a", "c", "d", "e")
	e.before, e.after = e.Content(t, "fhir"), nil
	_, err := e.model.Warehouse(e.lake, cohortViews.Tables).Conclude(t.Context(), e.end)
	if err != nil {
		t.Fatal(err)
	}
	if e.after, err = e.model.Warehouse(e.lake, cohortViews.Tables).Content(t.Context(),
		"fhir"); err != nil {
		t.Fatal(err)
	}
	e.server.Forget()
	return e
}

// committed commits a full export with these members in the tables and in the model.
func (e *ending) committed(
	t *testing.T, export, lines string, members ...string,
) pipeline.Conclusion {
	t.Helper()
	b := e.prepareFor(t, cohortViews, "Patient", export, lines)
	for _, w := range []pipeline.Warehouse{
		e.openAt(t, e.lake, cohortViews.Tables, now),
		e.model.Warehouse(e.lake, cohortViews.Tables),
	} {
		if err := w.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	_, number, _ := strings.Cut(export, "-")
	at := time.Date(2024, 1, 1, 8+int(number[0]-'0'), 0, 0, 0, time.UTC)
	c := pipeline.Conclusion{
		Schema: "fhir", Plan: "plan", Attempt: "e" + number, Members: pipeline.Members{},
		MostMissing: 1,
		Record: pipeline.ExportRecord{
			Export: export, Plan: "plan", State: "loaded", Full: true, Till: at, Cohort: "smokers",
			RequestedAt: at, FinishedAt: at.Add(time.Hour),
		},
		Types: []pipeline.ConclusionType{{
			Type: "Patient", Files: b.Files, Full: true, Whole: true, Till: at,
		}},
	}
	for _, m := range members {
		c.Members[secret+m] = struct{}{}
	}
	return c
}

// conclude ends an export in the tables and in the model.
func (e *ending) conclude(t *testing.T, c pipeline.Conclusion) {
	t.Helper()
	for _, w := range []pipeline.Concluder{
		e.openAt(t, e.lake, cohortViews.Tables, now),
		e.model.Warehouse(e.lake, cohortViews.Tables),
	} {
		if _, err := w.Conclude(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// concluder opens the warehouse of the end.
func (e *ending) concluder(t *testing.T, change ...func(*mssql.Options)) *mssql.Warehouse {
	t.Helper()
	return e.openAt(t, e.lake, cohortViews.Tables, now, append(change,
		func(o *mssql.Options) {
			o.Remover, o.Log = e.lake, slog.New(slog.NewTextHandler(&e.log, nil))
		})...)
}

// ended compares the tables with the model's.
func (e *ending) ended(t *testing.T, n int, hit string) {
	t.Helper()
	if d := cmp.Diff(e.after, e.Content(t, "fhir")); d != "" {
		t.Errorf("fault %d, at %s: tables (-model +got):\n%s", n, hit, d)
	}
	e.settled(t, n, hit)
	if left := e.stages(); len(left) > 0 && !strings.Contains(hit, "DROP TABLE") {
		t.Errorf("fault %d, at %s: left behind %v", n, hit, left)
	}
	for f, err := range e.lake.List(t.Context(), pipeline.Staging, "plan-3/members") {
		t.Errorf("fault %d, at %s: %s is left, %v", n, hit, f.Path, err)
	}
	if strings.Contains(e.log.String(), secret) {
		t.Errorf("fault %d, at %s: a patient is in the log: %s", n, hit, e.log.String())
	}
}

func TestOneFaultAnywhereInTheEndOfAnExportIsOvercome(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		for kind, what := range kindsOfFault {
			if engine != tsql.SQLServer && (testing.Short() || what.CutBefore) {
				continue
			}
			// Each world takes a while, so that only one kind of fault is everywhere.
			distance := 6 * strideOf(engine)
			if engine == tsql.SQLServer && what.CutAfter {
				distance = stride
			}
			t.Run(string(engine)+" "+kind, func(t *testing.T) {
				t.Parallel()
				for n := 1 + distance/2; ; n += distance {
					if n > 150 {
						t.Fatal("the end has no end")
					}
					e := newEnding(t, engine)
					e.set(n, false, what)
					_, err := e.concluder(t).Conclude(t.Context(), e.end)
					hit := e.set(0, false, sqlserver.Fault{})
					if err != nil {
						t.Fatalf("fault %d, at %s: %v", n, hit, err)
					}
					e.ended(t, n, hit)
					if hit == "" {
						if n < 30 {
							t.Errorf("an end of %d requests", n)
						}
						break
					}
				}
			})
		}
	}
}

// A server that dies at any request leaves tables that the next try ends as if nothing had been.
func TestADeadServerAnywhereInTheEndOfAnExport(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		for kind, what := range map[string]sqlserver.Fault{
			"before": {CutBefore: true}, "after": {CutAfter: true},
		} {
			if engine != tsql.SQLServer && (testing.Short() || what.CutBefore) {
				continue
			}
			t.Run(string(engine)+" cut "+kind, func(t *testing.T) {
				t.Parallel()
				for n := 3; ; n += 6 * strideOf(engine) {
					e := newEnding(t, engine)
					e.set(n, true, what)
					_, err := e.concluder(t).Conclude(t.Context(), e.end)
					hit := e.set(0, false, sqlserver.Fault{})
					if hit == "" {
						break
					}
					if err != nil && (fault.Of(err) != fault.Transient ||
						strings.Contains(err.Error(), secret)) {
						t.Errorf("dead from %d, %s: class %s, %v", n, hit, fault.Of(err), err)
					}
					e.end.Attempt = "f3"
					if _, err := e.concluder(t).Conclude(t.Context(), e.end); err != nil {
						t.Fatalf("dead from %d, %s, and alive again: %v", n, hit, err)
					}
					e.ended(t, n, hit+", DROP TABLE later")
				}
			})
		}
	}
}

func TestACancelledEndOfAnExportLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			for n := 2; ; n += 7 * strideOf(engine) {
				e := newEnding(t, engine)
				ctx, cancel := context.WithCancel(t.Context())
				e.then = cancel
				e.set(n, false, sqlserver.Fault{Stall: true})
				_, err := e.concluder(t).Conclude(ctx, e.end)
				cancel()
				hit := e.set(0, false, sqlserver.Fault{})
				if hit == "" {
					break
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("stopped at %d, %s: %v", n, hit, err)
				}
				e.end.Attempt = "f3"
				if _, err := e.concluder(t).Conclude(t.Context(), e.end); err != nil {
					t.Fatalf("stopped at %d, %s, and begun again: %v", n, hit, err)
				}
				e.ended(t, n, hit+", DROP TABLE later")
			}
		})
	}
}

// Two processes end one export. On Fabric both run to their COMMIT, which refuses the second.
func TestTwoEndOneExport(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			e := newEnding(t, engine)
			meetAtLock(e.faults)
			var sums [2]pipeline.Concluded
			failed := make(chan error, len(sums))
			for i, attempt := range []string{"f1", "f2"} {
				c, end := e.concluder(t), e.end
				c2 := e.openAt(t, e.lake, cohortViews.Tables, now)
				if i > 0 {
					c = c2 // whose log is its own
				}
				end.Attempt = attempt
				go func() {
					var err error
					sums[i], err = c.Conclude(t.Context(), end)
					failed <- err
				}()
			}
			for range sums {
				if err := <-failed; err != nil {
					t.Error(err)
				}
			}
			for f, err := range e.lake.List(t.Context(), pipeline.Staging, "plan-3/members") {
				if err := errors.Join(err, e.lake.Remove(t.Context(), pipeline.Staging,
					f.Path)); err != nil {
					t.Error(err)
				}
			}
			e.ended(t, 0, "")
			got := []int64{
				sums[0].Joined + sums[1].Joined, sums[0].Gone + sums[1].Gone,
				sums[0].Left.Sum() + sums[1].Left.Sum(),
				sums[0].Missing.Sum() + sums[1].Missing.Sum(),
				sums[0].Marked.Sum() + sums[1].Marked.Sum(),
			}
			if !slices.Equal(got, []int64{1, 1, 1, 1, 1}) {
				t.Errorf("both together count %d", got)
			}
		})
	}
}

// A kept resource counts once, however many tries there are.
func TestATryCountsOnlyWhatItChanges(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		for _, number := range []int32{40197, 24556} {
			e := newEnding(t, engine)
			e.end.MostMissing = 0
			if _, err := e.concluder(t).Conclude(t.Context(), e.end); err != nil {
				t.Fatal(err)
			}
			n := 1 + slices.IndexFunc(e.server.Requests(), func(r sqlserver.Request) bool {
				return strings.HasPrefix(r.Text, "INSERT INTO [fhir].[etl_exports]")
			})
			e = newEnding(t, engine)
			e.end.MostMissing = 0
			e.set(n, false, sqlserver.Fault{Error: &sqlserver.Error{
				Number: number, Message: "away", Severity: 16,
			}})
			done, err := e.concluder(t).Conclude(t.Context(), e.end)
			if hit := e.set(0, false, sqlserver.Fault{}); !strings.Contains(hit, "etl_exports") {
				t.Fatalf("%s: the fault was at %s", engine, hit)
			}
			if err != nil || done.Kept.Sum() != 1 || done.Left.Sum() != 1 ||
				done.Marked.Sum() != 1 || done.Joined != 1 || done.Gone != 1 {
				t.Errorf("%s: %+v, %v", engine, done, err)
			}
		}
	}
}

// Two processes make the tables about exports at the same time.
func TestTwoEndTheFirstExport(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		e := &ending{world: w, model: refwarehouse.NewStore()}
		end := e.committed(t, "plan-1", member("a", 6)+member("b", 6)+goneLine("t", 6), "a")
		failed := make(chan error, 4)
		for i := range cap(failed) {
			c, end := e.openAt(t, e.lake, cohortViews.Tables, now), end
			end.Attempt = fmt.Sprint("f", i)
			go func() {
				_, err := c.Conclude(t.Context(), end)
				failed <- err
			}()
		}
		for range cap(failed) {
			if err := <-failed; err != nil {
				t.Errorf("%s: %v", engine, err)
			}
		}
		model := e.model.Warehouse(e.lake, cohortViews.Tables)
		if _, err := model.Conclude(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		want, err := model.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, e.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-model +got):\n%s", engine, d)
		}
	}
}
