package pipelinetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/warehouse"
)

// TestConcluder is the definition of pipeline.Concluder, for warehouses that are one. open returns
// empty tables each time. After every conclusion they are compared with the tables of package
// refwarehouse.
func TestConcluder(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, w *conclusions)
	}{
		{"an export is recorded with its files", concludesRecords},
		{"an export without files is recorded", concludesNothing},
		{"deletes that the server has told are listed once", concludesTold},
		{"a resource that two exports lack is removed, and may come back", concludesMissing},
		{"a mark ends if the resource is there, or has changed", concludesSeen},
		{"what is not whole judges nothing", concludesNotWhole},
		{"too many missing resources are kept", concludesTooMany},
		{"a resource later than the export is not missing", concludesLater},
		{"an export that is recorded changes nothing any more", concludesLate},
		{"who leaves a cohort takes the resources along", concludesLeavers},
		{"another cohort takes the place of one", concludesOtherCohort},
		{"a column that a newer version has added does no harm", concludesWidened},
		{"random rounds end as the model does", concludesRandom},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, newConclusions(t, open(t)))
		})
	}
}

// conclusions holds the tables of a plan whose exports end.
type conclusions struct {
	*tables
	exports int
}

func newConclusions(t *testing.T, s Store) *conclusions {
	t.Helper()
	w := &conclusions{tables: newTables(t, s)}
	patient := sof.Column{Name: warehouse.PatientColumn, Class: sof.Key}
	for _, typ := range []string{"Patient", "Observation"} {
		w.views["plan"] = append(w.views["plan"], tableOf(typ, patient))
	}
	w.views["plan"] = append(w.views["plan"], tableOf("Practitioner"))
	return w
}

// tableOf returns the compartment's table of a type, or the table of a type outside of it.
func tableOf(typ string, columns ...sof.Column) flatten.Table {
	if len(columns) == 0 {
		return flatten.Table{
			Name: strings.ToLower(typ), Resource: typ, Columns: []sof.Column{{Name: "name"}},
		}
	}
	return flatten.Table{Name: warehouse.CompartmentTable(typ), Resource: typ, Columns: columns}
}

// of makes a live resource that belongs to patients.
func of(typ, id, at, version string, patients ...string) flattentest.Line {
	l := live(id, at, version, id)
	l.ResourceType = typ
	l.Rows[strings.ToLower(typ)] = [][]*string{{&id}}
	for _, p := range patients {
		table := warehouse.CompartmentTable(typ)
		l.Rows[table] = append(l.Rows[table], []*string{&p})
	}
	if typ != "Patient" {
		delete(l.Rows, "patient")
	}
	return l
}

// patient makes a Patient, who is in the own compartment.
func patient(id, at, version string) flattentest.Line { return of("Patient", id, at, version, id) }

func timeAt(t *testing.T, at string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, instant(at))
	must(t, err)
	return instant
}

// run is an export with one file for each type.
type run struct {
	till    string // as in instant
	files   map[string]file
	members []string
	full    bool
	unwhole bool
	most    float64
	cohort  string
}

// export commits the files of a run and returns its conclusion.
func (w *conclusions) export(t *testing.T, r run) pipeline.Conclusion {
	t.Helper()
	w.exports++
	id := fmt.Sprint("plan-", w.exports)
	till := timeAt(t, r.till)
	c := pipeline.Conclusion{
		Schema: schema, Plan: "plan", Attempt: fmt.Sprintf("%06x", w.exports),
		MostMissing: r.most,
		Record: pipeline.ExportRecord{
			Export: id, Plan: "plan", State: "loaded", Full: r.full, Till: till,
			RequestedAt: till.Add(time.Minute), FinishedAt: till.Add(time.Hour),
		},
	}
	if r.members != nil {
		c.Members, c.Record.Cohort = pipeline.Members{}, r.cohort
		if r.cohort == "" {
			c.Record.Cohort = "smokers"
		}
		for _, m := range r.members {
			c.Members[m] = struct{}{}
		}
	}
	var types []string
	for typ := range r.files {
		types = append(types, typ)
	}
	slices.Sort(types)
	for _, typ := range types {
		of := pipeline.ConclusionType{Type: typ, Full: r.full, Whole: !r.unwhole, Till: till}
		if lines := r.files[typ]; lines != nil {
			f := w.prepare(t, typ, lines)
			b := w.batch(id, f)
			b.Type = typ
			w.commit(t, b)
			of.Files = []pipeline.PreparedFile{f}
		}
		c.Types = append(c.Types, of)
	}
	return c
}

// conclude ends an export in the tables and in the model, and compares them.
func (w *conclusions) conclude(t *testing.T, c pipeline.Conclusion) pipeline.Concluded {
	t.Helper()
	concluder, ok := w.Open(t, w.lake, w.views.Tables).(pipeline.Concluder)
	if !ok {
		t.Fatal("the warehouse concludes no exports")
	}
	got, err := concluder.Conclude(t.Context(), c)
	must(t, err)
	want, err := w.model.Warehouse(w.lake, w.views.Tables).Conclude(t.Context(), c)
	must(t, err)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("counts (-model +got):\n%s", d)
	}
	w.compare(t, c.Schema)
	return got
}

func (w *conclusions) runs(t *testing.T, runs ...run) (last pipeline.Concluded) {
	t.Helper()
	for _, r := range runs {
		last = w.conclude(t, w.export(t, r))
	}
	return last
}

// ids lists the ids in a table of the rows of resources.
func (w *conclusions) ids(t *testing.T, table string) string {
	t.Helper()
	var ids []string
	for _, row := range w.Content(t, schema)[table] {
		for _, cell := range strings.Fields(row) {
			if id, ok := strings.CutPrefix(cell, warehouse.IDColumn+"="); ok {
				ids = append(ids, strings.Trim(id, `"`))
			}
		}
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " ")
}

func (w *conclusions) want(t *testing.T, table, ids string) {
	t.Helper()
	if got := w.ids(t, table); got != ids {
		t.Errorf("table %s has %q, want %q", table, got, ids)
	}
}

func concludesRecords(t *testing.T, w *conclusions) {
	c := w.export(t, run{till: "08:00", full: true, files: map[string]file{
		"Patient":     {patient("a", "07:00", "1"), patient("a", "06:00", "0")},
		"Observation": {of("Observation", "o", "07:00", "1", "a")},
	}})
	c.Record.Since, c.Record.State = timeAt(t, "01:00"), "incomplete"
	w.conclude(t, c)
	if n := len(w.Content(t, schema)[warehouse.ExportsTable]); n != 1 {
		t.Errorf("%d exports are recorded", n)
	}
	if n := len(w.Content(t, schema)[warehouse.FilesTable]); n != 2 {
		t.Errorf("%d files are recorded", n)
	}
	c.Attempt = "ffff"
	w.conclude(t, c)
}

func concludesNothing(t *testing.T, w *conclusions) {
	w.runs(t, run{till: "08:00"}, run{till: "09:00", full: true, files: map[string]file{
		"Patient": nil,
	}})
}

func concludesTold(t *testing.T, w *conclusions) {
	w.runs(t,
		run{till: "08:00", files: map[string]file{"Patient": {
			patient("a", "07:00", "1"), gone("b", "07:30", "2"),
		}}},
		run{till: "09:00", files: map[string]file{"Patient": {gone("a", "08:30", "2")}}},
		run{till: "10:00", files: map[string]file{"Patient": {gone("a", "08:30", "2")}}})
	if n := len(w.Content(t, schema)[warehouse.DeletedTable]); n != 2 {
		t.Errorf("%d deletes are listed, want 2", n)
	}
}

func concludesMissing(t *testing.T, w *conclusions) {
	a, b := patient("a", "07:00", "1"), patient("b", "07:00", "1")
	all, one := map[string]file{"Patient": {a, b}}, map[string]file{"Patient": {a}}
	marked := w.runs(t, run{till: "08:00", full: true, files: all, most: 1},
		run{till: "09:00", full: true, files: one, most: 1})
	if marked.Marked["Patient"] != 1 || marked.Missing.Sum() != 0 {
		t.Errorf("the export that lacks it: %+v", marked)
	}
	w.want(t, "patient", "a b")
	w.runs(t, run{till: "10:00", files: map[string]file{"Patient": nil}, most: 1})
	w.want(t, "patient", "a")
	w.runs(t, run{till: "11:00", full: true, files: all, most: 1})
	w.want(t, "patient", "a b")
}

func concludesSeen(t *testing.T, w *conclusions) {
	a, b := patient("a", "07:00", "1"), patient("b", "07:00", "1")
	c, d := patient("c", "07:00", "1"), patient("d", "07:00", "1")
	w.runs(t,
		run{till: "08:00", full: true, files: map[string]file{"Patient": {a, b, c, d}}},
		run{till: "09:00", full: true, files: map[string]file{"Patient": {d}}},
		run{till: "10:00", most: 1, files: map[string]file{"Patient": {
			a, patient("b", "09:30", "2"), gone("c", "09:30", "2"),
		}}},
		run{till: "11:00", most: 1, files: map[string]file{"Patient": nil}})
	w.want(t, "patient", "a b d")
}

func concludesNotWhole(t *testing.T, w *conclusions) {
	a, b := patient("a", "07:00", "1"), patient("b", "07:00", "1")
	w.runs(t,
		run{till: "08:00", full: true, files: map[string]file{"Patient": {a, b}}},
		run{till: "09:00", full: true, files: map[string]file{"Patient": {a}}},
		run{till: "10:00", unwhole: true, most: 1, files: map[string]file{"Patient": nil}})
	w.want(t, "patient", "a b")
	// An export of other types judges nothing either.
	w.runs(t, run{till: "11:00", most: 1, files: map[string]file{"Observation": nil}})
	w.want(t, "patient", "a b")
	w.runs(t, run{till: "12:00", most: 1, files: map[string]file{"Patient": nil}})
	w.want(t, "patient", "a")
}

func concludesTooMany(t *testing.T, w *conclusions) {
	all := file{}
	for _, id := range []string{"a", "b", "c", "d"} {
		all = append(all, patient(id, "07:00", "1"))
	}
	kept := w.runs(t,
		run{till: "08:00", full: true, files: map[string]file{"Patient": all}},
		run{till: "09:00", full: true, files: map[string]file{"Patient": all[:2]}},
		run{till: "10:00", most: 0.25, files: map[string]file{"Patient": nil}})
	if kept.Kept["Patient"] != 2 {
		t.Errorf("%d are kept, want 2", kept.Kept["Patient"])
	}
	w.want(t, "patient", "a b c d")
	w.runs(t, run{till: "11:00", most: 0.5, files: map[string]file{"Patient": nil}})
	w.want(t, "patient", "a b")
}

func concludesLater(t *testing.T, w *conclusions) {
	w.runs(t,
		run{till: "08:00", files: map[string]file{"Patient": {
			patient("on", "09:00", "1"), patient("after", "09:01", "1"),
		}}},
		run{till: "09:00", full: true, files: map[string]file{"Patient": nil}},
		run{till: "10:00", most: 1, files: map[string]file{"Patient": nil}})
	w.want(t, "patient", "after")
}

func concludesLate(t *testing.T, w *conclusions) {
	a, b := patient("a", "07:00", "1"), patient("b", "07:00", "1")
	w.runs(t, run{till: "08:00", full: true, files: map[string]file{"Patient": {a, b}}})
	late := w.export(t, run{
		till: "09:00", full: true, files: map[string]file{"Patient": {a}}, members: []string{"a"},
	})
	w.conclude(t, late)
	w.runs(t, run{till: "10:00", full: true, files: map[string]file{"Patient": {a, b}}},
		run{till: "11:00", files: map[string]file{"Patient": nil}, members: []string{"a", "b"}})
	before := w.Content(t, schema)
	late.Attempt = "aaaa"
	w.conclude(t, late)
	if d := cmp.Diff(before, w.Content(t, schema)); d != "" {
		t.Errorf("a concluder that wakes up late (-before +after):\n%s", d)
	}
}

func concludesLeavers(t *testing.T, w *conclusions) {
	first := map[string]file{
		"Patient": {patient("a", "07:00", "1"), patient("b", "07:00", "1")},
		"Observation": {
			of("Observation", "of-a", "07:00", "1", "a"),
			of("Observation", "of-b", "07:00", "1", "b", "b"),
			of("Observation", "of-both", "07:00", "1", "b", "a"),
			of("Observation", "of-nobody", "07:00", "1"),
		},
		"Practitioner": {of("Practitioner", "p", "07:00", "1")},
	}
	without := map[string]file{
		"Patient":     {patient("a", "07:00", "1")},
		"Observation": nil,
	}
	joined := w.runs(t, run{till: "08:00", full: true, files: first, members: []string{"a", "b"}})
	if joined.Joined != 2 {
		t.Errorf("%d have joined, want 2", joined.Joined)
	}
	left := w.runs(t, run{till: "09:00", full: true, files: without, members: []string{"a"}})
	if left.Gone != 1 || left.Left["Patient"] != 1 || left.Left["Observation"] != 1 {
		t.Errorf("one has left: %+v", left)
	}
	w.want(t, "patient", "a")
	w.want(t, "observation", "of-a of-both of-nobody")
	w.want(t, "practitioner", "p")
	w.runs(t, run{till: "10:00", full: true, files: first, members: []string{"a", "b"}})
	w.want(t, "observation", "of-a of-b of-both of-nobody")
	if n := len(w.Content(t, schema)[warehouse.CohortMembersTable]); n != 3 {
		t.Errorf("%d memberships, want 3", n)
	}
}

func concludesOtherCohort(t *testing.T, w *conclusions) {
	w.runs(t,
		run{
			till: "08:00", members: []string{"a", "b"},
			files: map[string]file{"Patient": {patient("a", "07:00", "1")}},
		},
		run{
			till: "09:00", members: []string{"b", "c"}, cohort: "others",
			files: map[string]file{"Patient": {patient("b", "07:00", "1")}},
		})
	w.want(t, "patient", "b")
}

// concludesRandom plays exports of a small world: resources change, vanish and come back, patients
// join and leave.
func concludesRandom(t *testing.T, w *conclusions) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var late []pipeline.Conclusion
	for n := range 12 {
		till := fmt.Sprintf("%02d:00", 8+n)
		now := run{
			till: till, full: r.IntN(3) > 0, unwhole: r.IntN(4) == 0, most: r.Float64(),
			files: map[string]file{},
		}
		for _, typ := range []string{"Patient", "Observation"} {
			if r.IntN(5) == 0 {
				continue
			}
			now.files[typ] = nil
			for i := range 6 {
				id := fmt.Sprint("r", i)
				// The content of a version never changes.
				version := r.IntN(1 + n/3)
				at := fmt.Sprintf("%02d:30", 6+version)
				switch {
				case r.IntN(3) == 0:
				case (version+i)%4 == 3:
					l := gone(id, at, fmt.Sprint(version))
					l.ResourceType = typ
					now.files[typ] = append(now.files[typ], l)
				default:
					owner := fmt.Sprint("r", (i+version*i)%4)
					if typ == "Patient" {
						owner = id
					}
					now.files[typ] = append(now.files[typ],
						of(typ, id, at, fmt.Sprint(version), owner))
				}
			}
		}
		if r.IntN(3) > 0 {
			now.members = []string{}
			for i := range 6 {
				if r.IntN(3) > 0 {
					now.members = append(now.members, fmt.Sprint("r", i))
				}
			}
		}
		c := w.export(t, now)
		w.conclude(t, c)
		if late = append(late, c); r.IntN(3) == 0 {
			old := late[r.IntN(len(late))]
			old.Attempt = fmt.Sprintf("cc%02x", n)
			w.conclude(t, old)
		}
	}
}
