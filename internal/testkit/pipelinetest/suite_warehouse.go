package pipelinetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

// Store holds a warehouse's tables under test.
type Store interface {
	// Open makes a warehouse on the tables. Several warehouses share the tables, as several
	// processes do.
	Open(t *testing.T, lake pipeline.Lake, views warehouse.Views) pipeline.Warehouse
	// Content returns the tables of a schema as text.
	Content(t *testing.T, schema string) refwarehouse.Content
}

// TestWarehouse is the definition of pipeline.Warehouse. open returns empty tables each time. After
// every commit they are compared with the tables of package refwarehouse, which was written from
// the laws.
func TestWarehouse(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, c := range fixedCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			newTables(t, open(t)).play(t, c)
		})
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, w *tables)
	}{
		{"a committed batch again changes nothing", warehouseAgain},
		{"a file is committed once for each export", warehouseTwoExports},
		{"a batch without files, and one of empty files", warehouseEmpty},
		{"types are apart, and schemas are", warehouseApart},
		{"every kind of value comes through", warehouseKinds},
		{"a changed view set writes equal versions again", warehouseViewSet},
		{"the views of a newer version, and the former ones again", warehouseRolledBack},
		{"a batch that replaces leaves nothing of before", warehouseReplaces},
		{"a delete of an unknown resource may change nothing", warehouseKnownDeletes},
		{"a column that changes its type is refused", warehouseRetyped},
		{"a file whose counts do not add up is refused by name", warehouseCounts},
		{"a type that differs from one of FHIR's in case only is refused", warehouseTypeInCase},
		{"a batch that cannot be read changes nothing", warehouseUnreadable},
		{"an ended context changes nothing", warehouseCancelled},
		{"a committer that wakes up late changes nothing", warehouseStalled},
		{"committers at the same time end in one state", warehouseConcurrent},
		{"random rounds end as the model does", warehouseRandom},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newTables(t, open(t)))
		})
	}
}

// tables holds a store under test next to the model.
type tables struct {
	Store
	lake  *MemoryLake
	views flattentest.Views
	model *refwarehouse.Store
	files int
}

const schema = "fhir"

func newTables(t *testing.T, s Store) *tables {
	t.Helper()
	return &tables{
		Store: s, lake: NewMemoryLake(func() time.Time {
			return time.Unix(0, 0)
		}), model: refwarehouse.NewStore(),
		views: flattentest.Views{"plan": {
			{Name: "patient", Resource: "Patient", Columns: []sof.Column{{Name: "family"}}},
			{
				Name: "patient_name", Resource: "Patient",
				Columns: []sof.Column{{Name: "given"}, {Name: "row_index", Kind: sof.Integer}},
			},
			{Name: "observation", Resource: "Observation", Columns: []sof.Column{{Name: "code"}}},
		}},
	}
}

// prepare makes a prepared file of lines, as the pipeline's prepare does.
func (w *tables) prepare(t *testing.T, typ string, f file) pipeline.PreparedFile {
	t.Helper()
	var text bytes.Buffer
	for _, l := range f {
		line, err := json.Marshal(l)
		must(t, err)
		text.Write(append(line, '\n'))
	}
	return w.prepareText(t, typ, text.String())
}

func (w *tables) prepareText(t *testing.T, typ, text string) pipeline.PreparedFile {
	t.Helper()
	w.files++
	path := fmt.Sprintf("folder/%s-%d.ndjson", typ, w.files)
	flattener, err := flatten.NewFlattener(flatten.Options{
		Lake: w.lake, Views: w.views, Evaluators: 1,
	})
	must(t, err)
	in := pipeline.Flattening{Plan: "plan", Type: typ, Path: path, Dir: path + "@1"}
	done, err := flattener.Flatten(t.Context(), in, strings.NewReader(text))
	must(t, err)
	return pipeline.PreparedFile{
		File: pipeline.File{Path: path, ETag: "1"}, Dir: in.Dir, Done: done,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *tables) batch(export string, files ...pipeline.PreparedFile) pipeline.Batch {
	w.files++
	return pipeline.Batch{
		Schema: schema, Plan: "plan", Export: export, Type: "Patient", ViewSet: 1,
		Attempt: fmt.Sprintf("%08x", w.files), Files: files,
	}
}

// commit commits a batch to the tables and to the model, and compares them.
func (w *tables) commit(t *testing.T, b pipeline.Batch) {
	t.Helper()
	must(t, w.Open(t, w.lake, w.views.Tables).Commit(t.Context(), b))
	must(t, w.model.Warehouse(w.lake, w.views.Tables).Commit(t.Context(), b))
	w.compare(t, b.Schema, b.Export)
}

func (w *tables) compare(t *testing.T, schema string, exports ...string) {
	t.Helper()
	m := w.model.Warehouse(w.lake, w.views.Tables)
	want, err := m.Content(t.Context(), schema)
	must(t, err)
	if d := cmp.Diff(want, w.Content(t, schema)); d != "" {
		t.Errorf("tables of %s (-model +got):\n%s", schema, d)
	}
	for _, export := range exports {
		want, err := m.Ledger(t.Context(), schema, export)
		must(t, err)
		got, err := w.Open(t, w.lake, w.views.Tables).Ledger(t.Context(), schema, export)
		must(t, err)
		for _, entries := range [][]pipeline.LedgerEntry{want, got} {
			slices.SortFunc(entries, func(a, b pipeline.LedgerEntry) int {
				return strings.Compare(a.Path+"@"+a.ETag, b.Path+"@"+b.ETag)
			})
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ledger of %s (-model +got):\n%s", export, d)
		}
		for _, e := range got {
			if sum := e.Accounted(); sum != e.Lines {
				t.Errorf("file %s has %d lines, %d are accounted for", e.Path, e.Lines, sum)
			}
		}
	}
}

// refused commits a batch that must not change anything.
func (w *tables) refused(t *testing.T, open pipeline.Warehouse, b pipeline.Batch) error {
	t.Helper()
	err := open.Commit(t.Context(), b)
	if err == nil {
		t.Error("it was committed")
	}
	w.compare(t, b.Schema, b.Export)
	return err
}

func warehouseAgain(t *testing.T, w *tables) {
	first := w.batch("plan-1",
		w.prepare(t, "Patient",
			file{live("a", "08:00", "1", "A", "x"), live("b", "08:00", "1", "B")}))
	w.commit(t, first)
	w.commit(t, w.batch("plan-2", w.prepare(t, "Patient", file{gone("a", "09:00", "2")})))
	first.Attempt = "ffff"
	w.commit(t, first)
	// With one file more, only that file is new.
	first.Files = append(first.Files, w.prepare(t, "Patient", file{live("c", "08:00", "1", "C")}))
	w.commit(t, first)
	// A file that is named twice counts once.
	more := w.prepare(t, "Patient", file{live("d", "08:00", "1", "D")})
	w.commit(t, w.batch("plan-3", more, more))
	if d := cmp.Diff([]string{"b B ", "c C ", "d D "}, shape(w.Content(t, schema))); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
}

func warehouseTwoExports(t *testing.T, w *tables) {
	f := w.prepare(t, "Patient", file{live("a", "08:00", "1", "A", "x")})
	w.commit(t, w.batch("plan-1", f))
	w.commit(t, w.batch("plan-2", f))
	rewritten := f
	rewritten.ETag = "2"
	w.commit(t, w.batch("plan-2", rewritten))
	w.compare(t, schema, "plan-1", "plan-2", "plan-3")
}

func warehouseEmpty(t *testing.T, w *tables) {
	if got, err := w.Open(t, w.lake, w.views.Tables).Ledger(t.Context(), schema,
		"plan-1"); err != nil || len(got) != 0 {
		t.Errorf("ledger before the first commit: %v, %v", got, err)
	}
	w.commit(t, w.batch("plan-1"))
	w.commit(t, w.batch("plan-1", w.prepareText(t, "Patient", ""),
		w.prepareText(t, "Patient", "\n\n"), w.prepareText(t, "Patient", "{broken\n")))
	got, err := w.Open(t, w.lake, w.views.Tables).Ledger(t.Context(), schema, "plan-1")
	must(t, err)
	if len(got) != 3 {
		t.Errorf("%d files in the ledger, want 3", len(got))
	}
}

func warehouseApart(t *testing.T, w *tables) {
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{live("a", "08:00", "1", "A", "x")})))
	code := "8867-4"
	observation := flattentest.Line{
		ResourceType: "Observation", ID: "a",
		Meta: flattentest.Meta{LastUpdated: instant("07:00"), VersionID: "1"},
		Rows: map[string][][]*string{"observation": {{&code}}},
	}
	b := w.batch("plan-1", w.prepare(t, "Observation", file{observation}))
	b.Type = "Observation"
	w.commit(t, b)
	other := w.batch("plan-1", w.prepare(t, "Patient", file{gone("a", "09:00", "2")}))
	other.Schema = "Other"
	w.commit(t, other)
	w.compare(t, schema, "plan-1")
	if got := w.Content(t, schema); len(got["patient"]) != 1 || len(got["observation"]) != 1 {
		t.Errorf("tables: %v", got)
	}
	for _, odd := range []string{"", "a b", `a"b`, "a;b", "1a"} {
		other.Schema = odd
		if err := w.Open(t, w.lake, w.views.Tables).Commit(t.Context(),
			other); fault.Of(err) != fault.Permanent {
			t.Errorf("schema %q: %v", odd, err)
		}
	}
}

func warehouseKinds(t *testing.T, w *tables) {
	w.views = flattentest.Views{"plan": {{
		Name: "patient", Resource: "Patient", Columns: []sof.Column{
			{Name: "text"},
			{Name: "boolean", Kind: sof.Boolean},
			{Name: "int32", Kind: sof.Integer},
			{Name: "int64", Kind: sof.BigInt},
			{Name: "number", Kind: sof.Decimal},
			{Name: "money", Kind: sof.Decimal, Precision: 9, Scale: 2},
			{Name: "whole", Kind: sof.Decimal, Precision: 38},
			{Name: "day", Kind: sof.Date},
			{Name: "at", Kind: sof.Timestamp},
			{Name: "select"},
			{Name: "Mixed_Case"},
		},
	}}}
	rows := [][]string{
		{
			"", "true", "-2147483648", "9223372036854775807", "12.340", "1234567.89", "1e37",
			"1969-12-31", "2024-02-29T23:59:59.9999+01:00", "from", "M",
		},
		{
			"\u6771\u4eac \U0001F600 'quote' \"double\" \\ \x01 \x7f\t\n|", "false", "0",
			"-9223372036854775808", "-99999999999999999999.999999999999999999", "-0.005", "-1",
			"9999-12-31", "1900-01-01T00:00:00Z", "", "m",
		},
		{strings.Repeat("long ", 5000), "x", "x", "x", "x", "x", "x", "x", "x", "x", "x"},
	}
	var f file
	for i, cells := range rows {
		l := live(fmt.Sprint("p", i), "08:00", "1", "")
		var row []*string
		for _, c := range cells {
			row = append(row, &c)
		}
		l.Rows["patient"] = [][]*string{row, make([]*string, len(cells))}
		f = append(f, l)
	}
	ready := w.prepare(t, "Patient", f)
	w.commit(t, w.batch("plan-1", ready))
	if ready.Done.Nulled["patient.number"] != 1 || ready.Done.Rows["patient"] != 6 {
		t.Errorf("done: %+v", ready.Done)
	}
}

func warehouseViewSet(t *testing.T, w *tables) {
	lines := file{
		live("a", "08:00", "1", "A", "x"), live("b", "08:00", "1", "B", "y"),
		gone("c", "08:00", "1"),
	}
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", lines)))
	newer := w.batch("plan-2", w.prepare(t, "Patient", file{live("b", "09:00", "2", "B2", "z")}))
	w.commit(t, newer)

	// The view of names has one more column and one less; a table is new.
	w.views = flattentest.Views{"plan": {
		{
			Name: "patient", Resource: "Patient",
			Columns: []sof.Column{{Name: "family"}, {Name: "weight", Kind: sof.Decimal}},
		},
		{Name: "patient_name", Resource: "Patient", Columns: []sof.Column{{Name: "given"}}},
		{Name: "patient_link", Resource: "Patient", Columns: []sof.Column{{Name: "other"}}},
	}}
	family, weight, given, link := "A again", "70.50", "x again", "b"
	again := live("a", "08:00", "1", "")
	again.Rows = map[string][][]*string{
		"patient": {{&family, &weight}}, "patient_name": {{&given}}, "patient_link": {{&link}},
	}
	stale := live("b", "08:00", "1", "")
	rebuild := w.batch("plan-3",
		w.prepare(t, "Patient", file{again, stale, gone("c", "08:00", "1")}))
	rebuild.ViewSet = 2
	w.commit(t, rebuild)
	if d := cmp.Diff([]string{"a A again x again", "b B2 z"},
		shape(w.Content(t, schema))); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
	// The same batch again changes nothing, and an older view set does not write equal versions.
	rebuild.Export, rebuild.Attempt = "plan-4", "aa"
	w.commit(t, rebuild)
	rebuild.Export, rebuild.Attempt, rebuild.ViewSet = "plan-5", "ab", 1
	w.commit(t, rebuild)
}

func warehouseRetyped(t *testing.T, w *tables) {
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{live("a", "08:00", "1", "A", "x")})))
	before := w.Content(t, schema)
	w.views = flattentest.Views{"plan": {{
		Name: "patient", Resource: "Patient",
		Columns: []sof.Column{{Name: "family", Kind: sof.Integer}},
	}}}
	b := w.batch("plan-2", w.prepare(t, "Patient", file{gone("a", "09:00", "2")}))
	b.ViewSet = 2
	err := w.Open(t, w.lake, w.views.Tables).Commit(t.Context(), b)
	if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), "patient.family") {
		t.Errorf("error: %v", err)
	}
	if d := cmp.Diff(before, w.Content(t, schema)); d != "" {
		t.Errorf("tables (-before +after):\n%s", d)
	}
}

func warehouseCounts(t *testing.T, w *tables) {
	good := w.prepare(t, "Patient",
		file{live("a", "08:00", "1", "A", "x"), live("b", "08:00", "1", "B")})
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{live("a", "07:00", "0", "Z")})))
	for name, spoil := range map[string]func(d *pipeline.Done){
		"a line too many": func(d *pipeline.Done) { d.Lines++ },
		"a head too many": func(d *pipeline.Done) { d.Lines++; d.Heads++ },
		"a head too few":  func(d *pipeline.Done) { d.Blank++; d.Heads-- },
		"a row too many": func(d *pipeline.Done) {
			d.Rows = map[string]int64{"patient": 3, "patient_name": 1}
		},
		"a blank less than no": func(d *pipeline.Done) { d.Blank--; d.Filtered++ },
	} {
		bad := good
		spoil(&bad.Done)
		err := w.refused(t, w.Open(t, w.lake, w.views.Tables),
			w.batch("plan-1", w.prepare(t, "Patient", file{live("c", "08:00", "1", "C")}), bad))
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), bad.Path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.commit(t, w.batch("plan-1", good))
}

func warehouseTypeInCase(t *testing.T, w *tables) {
	w.commit(t, w.batch("plan-1", w.prepare(t, "Patient", file{live("a", "08:00", "1", "A")})))
	for _, typ := range []string{"patient", "PATIENT", "PatienT"} {
		b := w.batch("plan-2", w.prepare(t, "Patient", file{live("a", "09:00", "2", "B")}))
		b.Type = typ
		if err := w.refused(t, w.Open(t, w.lake, w.views.Tables),
			b); fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), typ) {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func warehouseConcurrent(t *testing.T, w *tables) {
	r := rand.New(rand.NewPCG(7, 7))
	var batches []pipeline.Batch
	for i := range 6 {
		b := w.batch("plan-1", w.prepare(t, "Patient", randomFile(r, 12)),
			w.prepare(t, "Patient", randomFile(r, 12)))
		batches = append(batches, b)
		b.Attempt = fmt.Sprintf("dd%d", i)
		batches = append(batches, b)
	}
	var g errgroup.Group
	for _, b := range batches {
		one := w.Open(t, w.lake, w.views.Tables)
		g.Go(func() error { return one.Commit(t.Context(), b) })
	}
	must(t, g.Wait())
	for _, b := range batches {
		must(t, w.model.Warehouse(w.lake, w.views.Tables).Commit(t.Context(), b))
	}
	// The file that a superseded line counts for depends on the order; the tables do not.
	w.compare(t, schema)
}

func warehouseRandom(t *testing.T, w *tables) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var known []pipeline.PreparedFile
	viewSet := 1
	for range 12 {
		var files []pipeline.PreparedFile
		for range r.IntN(4) {
			if len(known) > 0 && r.IntN(3) == 0 {
				files = append(files, known[r.IntN(len(known))])
				continue
			}
			f := w.prepare(t, "Patient", randomFile(r, 10))
			known, files = append(known, f), append(files, f)
		}
		b := w.batch(fmt.Sprint("plan-", r.IntN(3)), files...)
		if r.IntN(4) == 0 {
			viewSet++
		}
		b.ViewSet = max(1, viewSet-r.IntN(2))
		w.commit(t, b)
	}
}
