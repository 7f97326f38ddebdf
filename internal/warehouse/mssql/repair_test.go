package mssql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// repairViews are the later faultViews: one column has another type, and one is new.
var repairViews = flattentest.Views{"plan": {
	{
		Name: "patient", Resource: "Patient",
		Columns: []sof.Column{{Name: "family", Kind: sof.Integer}},
	},
	{
		Name: "patient_name", Resource: "Patient",
		Columns: []sof.Column{{Name: "given"}, {Name: "use"}},
	},
}}

// redone returns a version of a patient as repairViews flatten it.
func redone(id string, hour int, family string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2024-01-01T%02d:00:00Z"},"rows":{"patient":[[%q]],"patient_name":[["x","y"],["z",null]]}}`+"\n", id, hour, family)
}

// oldWorld is a store with a, b and a tombstone t in tables of faultViews.
func oldWorld(t *testing.T, engine tsql.Engine) *world {
	t.Helper()
	f := &faults{}
	w := &world{store: newStore(t, engine, f.of), faults: f, lake: pipelinetest.NewMemoryLake(now)}
	old := w.prepare(t, "plan-1", line("a", 8, "A")+line("b", 8, "B")+goneLine("t", 9))
	old.ViewSet = 7 // from a plan with earlier view sets
	if err := w.Open(t, w.lake, faultViews.Tables).Commit(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	return w
}

func repairOf(b pipeline.Batch) warehouse.Repair {
	return warehouse.Repair{
		Plan: b.Plan, Type: b.Type, Schema: b.Schema, Lines: b.Files[0].Done.Heads,
	}
}

// rebuild does the same as the command for one type.
func rebuild(t *testing.T, c *mssql.Warehouse, b pipeline.Batch) (left int64, err error) {
	t.Helper()
	if err := c.Repair(t.Context(), repairOf(b)); err != nil {
		return 0, err
	}
	if err := c.Commit(t.Context(), b); err != nil {
		return 0, err
	}
	return c.Unwritten(t.Context(), repairOf(b))
}

// fresh returns the tables after a load into an empty schema, with the tombstone added to the
// heads.
func (w *world) fresh(t *testing.T, b pipeline.Batch) refwarehouse.Content {
	t.Helper()
	old := w.prepareFor(t, repairViews, "Patient", "tombstones", goneLine("t", 9))
	old.ViewSet = 7
	model := refwarehouse.NewWarehouse(w.lake, repairViews.Tables)
	for _, b := range []pipeline.Batch{b, old} {
		if err := model.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	c, err := model.Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enginesInPlace() []tsql.Engine { return []tsql.Engine{tsql.Dedicated, tsql.Fabric} }

const whole = "load-1"

func wholeFolder() string { return redone("a", 8, "1") + redone("b", 9, "2") + redone("b", 8, "3") }

func TestARefusedViewIsRebuiltInPlace(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesInPlace() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			w := oldWorld(t, engine)
			c := w.openAt(t, w.lake, repairViews.Tables, now)
			if !c.InPlace() {
				t.Error("not in place")
			}
			b := w.prepareFor(t, repairViews, "Patient", whole, wholeFolder())
			err := c.Commit(t.Context(), b)
			if fault.Of(err) != fault.Permanent ||
				!strings.Contains(fmt.Sprint(err), "column patient.family is") ||
				!strings.Contains(fmt.Sprint(err), "--schema fhir --rebuild=Patient") {
				t.Fatalf("committed: %v", err)
			}
			// A column is dropped manually in between.
			if _, err := w.db.Session("pool").Batch(t.Context(),
				"ALTER TABLE [fhir].[patient_name] DROP COLUMN [given]", nil); err != nil {
				t.Fatal(err)
			}
			want := w.fresh(t, b)
			for _, again := range []string{whole, "load-2"} { // repeating it changes nothing
				b.Export, b.Attempt = again, "b"+again[len(again)-1:]
				left, err := rebuild(t, c, b)
				if err != nil || left != 0 {
					t.Fatalf("%s: %d left, %v", again, left, err)
				}
				if d := cmp.Diff(want, onlyOf(again, w.Content(t, "fhir"))); d != "" {
					t.Errorf("%s: tables (-fresh +got):\n%s", again, d)
				}
			}
			// The tombstone is kept, and older versions still lose.
			if err := c.Commit(t.Context(),
				w.prepareFor(t, repairViews, "Patient", "plan-2",
					redone("t", 8, "9")+redone("b", 8, "9"))); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, onlyOf("load-2", w.Content(t, "fhir"))); d != "" {
				t.Errorf("older versions: tables (-fresh +got):\n%s", d)
			}
		})
	}
}

// onlyOf returns the content with the rows of an export attributed to the first load.
func onlyOf(export string, c refwarehouse.Content) refwarehouse.Content {
	out := refwarehouse.Content{}
	for name, rows := range c {
		out[name] = nil
		for _, r := range rows {
			out[name] = append(out[name],
				strings.ReplaceAll(r, fmt.Sprintf("_export=%q", export),
					fmt.Sprintf("_export=%q", whole)))
		}
	}
	return out
}

// After one fault at any request the rebuild succeeds by itself. If the server dies there, the
// second run succeeds.
func TestAFaultAnywhereInARepairIsOvercome(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesInPlace() {
		for kind, what := range kindsOfFault {
			for _, dead := range []bool{false, true} {
				if testing.Short() && !what.CutAfter || dead && what.Error != nil {
					continue
				}
				t.Run(fmt.Sprintf("%s %s, dead %v", engine, kind, dead), func(t *testing.T) {
					t.Parallel()
					for n := 1; faultInARepair(t, engine, what, n, dead); n += stride {
						if n > 20 {
							t.Fatal("the repair has no end")
						}
					}
				})
			}
		}
	}
}

func faultInARepair(
	t *testing.T, engine tsql.Engine, what sqlserver.Fault, n int, dead bool,
) (more bool) {
	t.Helper()
	w := oldWorld(t, engine)
	c := w.openAt(t, w.lake, repairViews.Tables, now)
	b := w.prepareFor(t, repairViews, "Patient", whole, wholeFolder())
	w.set(n, dead, what)
	err := c.Repair(t.Context(), repairOf(b))
	hit := w.set(0, false, sqlserver.Fault{})
	if err != nil && (!dead || fault.Of(err) != fault.Transient) {
		t.Errorf("fault %d, at %s: %v", n, hit, err)
	}
	if rows := w.Content(t, "fhir")["patient"]; len(rows) != 2 {
		t.Errorf("fault %d, at %s: readers lost rows: %v", n, hit, rows)
	}
	w.settled(t, n, hit)
	if dead {
		// After a kill another process continues without its memory.
		c = w.openAt(t, w.lake, repairViews.Tables, now)
		if err := c.Repair(t.Context(), repairOf(b)); err != nil {
			t.Errorf("fault %d, at %s, and again: %v", n, hit, err)
		}
	}
	if waiting, err := c.Unwritten(t.Context(), repairOf(b)); err != nil || waiting != 2 {
		t.Errorf("fault %d, at %s: %d wait, %v", n, hit, waiting, err)
	}
	if err := c.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if left, err := c.Unwritten(t.Context(), repairOf(b)); err != nil || left != 0 {
		t.Errorf("fault %d, at %s: %d left, %v", n, hit, left, err)
	}
	if d := cmp.Diff(w.fresh(t, b), w.Content(t, "fhir")); d != "" {
		t.Errorf("fault %d, at %s: tables (-fresh +got):\n%s", n, hit, d)
	}
	if hit == "" && n < 9 {
		t.Errorf("a repair of %d requests", n)
	}
	return hit != ""
}

func TestAFolderThatLacksAResource(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesInPlace() {
		w := oldWorld(t, engine)
		c := w.openAt(t, w.lake, repairViews.Tables, now)
		before := w.Content(t, "fhir")
		// With fewer lines than resources nothing changes.
		if _, err := rebuild(t, c,
			w.prepareFor(t, repairViews, "Patient", "load-0",
				redone("a", 8, "1"))); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err),
				"has 2 resources of Patient, and the folder has 1 lines") {
			t.Errorf("%s: %v", engine, err)
		}
		if d := cmp.Diff(before, w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: refused, and yet (-before +after):\n%s", engine, d)
		}
		// There are enough lines, but one resource is older or missing.
		for i, folder := range []string{
			redone("a", 8, "1") + redone("b", 7, "2"),
			redone("a", 8, "1") + redone("a", 7, "0") + redone("c", 8, "3"),
		} {
			left, err := rebuild(t, c,
				w.prepareFor(t, repairViews, "Patient", fmt.Sprintf("load-%d", 2+i), folder))
			if err != nil || left != 1 {
				t.Errorf("%s: %d left, %v", engine, left, err)
			}
			if rows := strings.Join(w.Content(t, "fhir")["patient"],
				"\n"); !strings.Contains(rows, `_id="b"`) || strings.Count(rows, "family=") != 1+i {
				t.Errorf("%s: rows\n%s", engine, rows)
			}
		}
		// A newer version or the missing line completes it: the row of b is written again whatever
		// the view set.
		if err := c.Commit(t.Context(),
			w.prepareFor(t, repairViews, "Patient", "load-9", redone("b", 8, "2"))); err != nil {
			t.Fatal(err)
		}
		if left, err := c.Unwritten(t.Context(), warehouse.Repair{
			Plan: "plan", Type: "Patient", Schema: "fhir",
		}); err != nil || left != 0 {
			t.Errorf("%s: %d left, %v", engine, left, err)
		}
	}
}

// Resources that another committer writes after the repair do not count as missing.
func TestACommitAfterARepairCountsAsWritten(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesInPlace() {
		w := oldWorld(t, engine)
		c := w.openAt(t, w.lake, repairViews.Tables, now)
		b := w.prepareFor(t, repairViews, "Patient", whole, wholeFolder())
		if err := c.Repair(t.Context(), repairOf(b)); err != nil {
			t.Fatal(err)
		}
		other := w.prepareFor(t, repairViews, "Patient", "plan-2",
			redone("a", 10, "10")+redone("n", 10, "11"))
		other.ViewSet = 8
		for _, b := range []pipeline.Batch{other, b} {
			if err := c.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if left, err := c.Unwritten(t.Context(), repairOf(b)); err != nil || left != 0 {
			t.Errorf("%s: %d left, %v", engine, left, err)
		}
		if rows := strings.Join(w.Content(t, "fhir")["patient"],
			"\n"); strings.Count(rows, "family=") != 3 || !strings.Contains(rows, `family="10"`) {
			t.Errorf("%s: rows\n%s", engine, rows)
		}
	}
}

// A refused statement is reported with the objects to drop.
func TestAColumnThatIsInUse(t *testing.T) {
	t.Parallel()
	for n := 1; n < 20; n++ {
		w := oldWorld(t, tsql.Dedicated)
		c := w.openAt(t, w.lake, repairViews.Tables, now)
		w.set(n, false,
			sqlserver.Fault{Error: &sqlserver.Error{
				Number: 4922, Message: "DROP COLUMN failed because one or more objects access this column.", Severity: 16,
			}})
		err := c.Repair(t.Context(),
			repairOf(w.prepareFor(t, repairViews, "Patient", whole, wholeFolder())))
		if !strings.Contains(w.set(0, false, sqlserver.Fault{}), "DROP COLUMN") {
			continue
		}
		if fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err), "drop the statistics") ||
			!strings.Contains(fmt.Sprint(err), "or table fhir.patient if") {
			t.Errorf("error: %v", err)
		}
		return
	}
	t.Error("no column was dropped")
}

func TestNamesOfARepairAreChecked(t *testing.T) {
	t.Parallel()
	w := oldWorld(t, tsql.Fabric)
	c := w.openAt(t, w.lake, repairViews.Tables, now)
	bad := warehouse.Repair{Plan: "plan", Type: "Patient", Schema: "f]"}
	_, err := c.Unwritten(t.Context(), bad)
	for _, err := range []error{c.Repair(t.Context(), bad), err} {
		if fault.Of(err) != fault.Permanent {
			t.Errorf("error: %v", err)
		}
	}
	gone := errors.New("x")
	if err := bad.ByHand(gone, "t"); !errors.Is(err, gone) {
		t.Errorf("error: %v", err)
	}
}
