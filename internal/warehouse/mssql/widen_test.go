package mssql_test

import (
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
)

// classViews has a column of each class of text.
var classViews = flattentest.Views{"plan": {{
	Name: "patient", Resource: "Patient", Columns: []sof.Column{
		{Name: "code", Class: sof.Code},
		{Name: "text", Class: sof.ShortText},
		{Name: "note"},
		{Name: "seen", Class: sof.Moment},
		{Name: "ref", Class: sof.Key},
	},
}}}

// classed returns a patient with one row of classViews.
func classed(id string, cells ...string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,`+
		`"meta":{"lastUpdated":"2024-01-01T08:00:00Z"},"rows":{"patient":[[%s]]}}`+"\n", id,
		`"`+strings.Join(cells, `","`)+`"`)
}

func shortTexts(id string) string { return classed(id, "final", "short", "short", "2024", "p1") }

// longTexts is longer than any column of a new table.
func longTexts(id string) string {
	return classed(id, strings.Repeat("c", 300), strings.Repeat("\u6771", 1500),
		strings.Repeat("n\U0001F600", 2000), "fr\u00fch am Morgen", strings.Repeat("k", 128))
}

// columnTypes returns the types of the columns of classViews.
func (w *world) columnTypes() string {
	var out []string
	for _, c := range w.db.Content("fhir")["patient"].Columns[:len(classViews["plan"][0].Columns)] {
		out = append(out, c.Type)
	}
	return strings.Join(out, " ")
}

// widenings returns the requests that alter columns, and those after a transaction began.
func widenings(requests []sqlserver.Request) (all, late int) {
	open := false
	for _, r := range requests {
		switch {
		case strings.HasPrefix(r.Text, "BEGIN TRANSACTION"):
			open = true
		case strings.HasPrefix(r.Text, "COMMIT TRANSACTION"):
			open = false
		case strings.Contains(r.Text, " ALTER COLUMN "):
			all++
			if open {
				late++
			}
		}
	}
	return all, late
}

// modelOf returns the tables after commits of the batches, from the laws alone.
func (w *world) modelOf(t *testing.T, batches ...pipeline.Batch) refwarehouse.Content {
	t.Helper()
	model := refwarehouse.NewWarehouse(w.lake, classViews.Tables)
	for _, b := range batches {
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

func TestWidenBeforeACommit(t *testing.T) {
	t.Parallel()
	const (
		first = "nvarchar(256) nvarchar(1024) nvarchar(4000) varchar(64) varchar(128)"
		wider = "nvarchar(1024) nvarchar(4000) nvarchar(max) nvarchar(64) varchar(128)"
	)
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		c := w.openAt(t, w.lake, classViews.Tables, now)
		var batches []pipeline.Batch
		for i, step := range []struct {
			lines, types string
			altered      int
		}{
			{shortTexts("a"), first, 0},
			{longTexts("b") + longTexts("a"), wider, 4},
			{shortTexts("c"), wider, 0},
		} {
			b := w.prepareFor(t, classViews, "Patient", fmt.Sprint("plan-", i), step.lines)
			batches = append(batches, b)
			w.server.Forget()
			if err := c.Commit(t.Context(), b); err != nil {
				t.Fatalf("%s: commit %d: %v", engine, i, err)
			}
			if got := w.columnTypes(); got != step.types {
				t.Errorf("%s: after commit %d the types are %s, want %s",
					engine, i, got, step.types)
			}
			if all, late := widenings(w.server.Requests()); all != step.altered || late > 0 {
				t.Errorf("%s: commit %d altered %d columns, %d of them in a transaction",
					engine, i, all, late)
			}
		}
		if d := cmp.Diff(w.modelOf(t, batches...), w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-want +got):\n%s", engine, d)
		}
	}
}

// A commit that ends in the middle of the widening is repeated.
func TestWidenAgainAfterAFault(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		for after := range 4 {
			f := &faults{}
			lake := pipelinetest.NewMemoryLake(now)
			w := &world{store: newStore(t, engine, f.of), faults: f, lake: lake}
			c := w.openAt(t, w.lake, classViews.Tables, now)
			one := w.prepareFor(t, classViews, "Patient", "plan-0", shortTexts("a"))
			if err := c.Commit(t.Context(), one); err != nil {
				t.Fatal(err)
			}
			seen := 0
			f.mu.Lock()
			f.fault = sqlserver.Fault{CutAfter: true}
			f.each = func(r sqlserver.Request) {
				if strings.Contains(r.Text, " ALTER COLUMN ") {
					if seen == after {
						f.mu.Lock()
						f.left = 1 // the next request
						f.mu.Unlock()
					}
					seen++
				}
			}
			f.mu.Unlock()
			two := w.prepareFor(t, classViews, "Patient", "plan-1", longTexts("b"))
			if err := c.Commit(t.Context(), two); err != nil {
				t.Fatalf("%s, after %d: %v", engine, after, err)
			}
			if d := cmp.Diff(w.modelOf(t, one, two), w.Content(t, "fhir")); d != "" {
				t.Errorf("%s, after %d: tables (-want +got):\n%s", engine, after, d)
			}
		}
	}
}

// Fabric cannot widen a column. A rebuild makes it wide enough.
func TestWidenIsARebuildInFabric(t *testing.T) {
	t.Parallel()
	w := &world{store: newStore(t, tsql.Fabric, nil), lake: pipelinetest.NewMemoryLake(now)}
	c := w.openAt(t, w.lake, classViews.Tables, now)
	one := w.prepareFor(t, classViews, "Patient", "plan-0", shortTexts("a"))
	if err := c.Commit(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	const types = "varchar(1024) varchar(8000) varchar(max) varchar(64) varchar(128)"
	if got := w.columnTypes(); got != types {
		t.Errorf("the types are %s", got)
	}
	code := classed("a", strings.Repeat("c", 1025), "t", "n", "fr\u00fch", "k")
	two := w.prepareFor(t, classViews, "Patient", "plan-1", code)
	two.ViewSet = 2
	err := c.Commit(t.Context(), two)
	for _, part := range []string{
		"column patient.code of schema fhir is too narrow", "24585",
		"--rebuild=Patient", "--staging",
	} {
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
	r := repairOf(two)
	r.Files = two.Files
	if err := c.Repair(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w.modelOf(t, one, two), w.Content(t, "fhir")); d != "" {
		t.Errorf("tables (-want +got):\n%s", d)
	}
}

// The lengths of texts that an older version has prepared are unknown.
func TestWidenForAFileOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		b := w.prepareFor(t, classViews, "Patient", "plan-0", longTexts("a"))
		b.Files[0].Done.Longest = nil
		if err := w.openAt(t, w.lake, classViews.Tables, now).Commit(t.Context(), b); err != nil {
			t.Fatalf("%s: %v", engine, err)
		}
		if got := w.columnTypes(); strings.Count(got, "(max)") != 5 {
			t.Errorf("%s: the types are %s", engine, got)
		}
		if d := cmp.Diff(w.modelOf(t, b), w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-want +got):\n%s", engine, d)
		}
	}
}

// Tables of older versions have a text where new ones have an instant.
func TestTypesOfOlderTablesAreRebuiltInPlace(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesInPlace() {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		c := w.openAt(t, w.lake, classViews.Tables, now)
		one := w.prepareFor(t, classViews, "Patient", "plan-0", shortTexts("a"))
		if err := c.Commit(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"ALTER TABLE [fhir].[patient] DROP COLUMN [_last_updated]",
			"ALTER TABLE [fhir].[patient] ADD [_last_updated] varchar(24) NULL",
		} {
			if _, err := w.db.Session("pool").Batch(t.Context(), text, nil); err != nil {
				t.Fatal(err)
			}
		}
		two := w.prepareFor(t, classViews, "Patient", "plan-1", shortTexts("a"))
		two.ViewSet = 2
		err := c.Commit(t.Context(), two)
		if fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err), "--rebuild=Patient") {
			t.Errorf("%s: %v", engine, err)
		}
		if left, err := rebuild(t, c, two); err != nil || left != 0 {
			t.Fatalf("%s: %d left, %v", engine, left, err)
		}
		if d := cmp.Diff(w.modelOf(t, one, two), w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-want +got):\n%s", engine, d)
		}
	}
}
