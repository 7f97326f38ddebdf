package pipelinetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
)

// Widener is a Store that can add a column to all tables of a schema, also to those that no reader
// needs, as a newer version of the program may do.
type Widener interface {
	Widen(t *testing.T, schema, column string)
}

// warehouseRolledBack commits with the views of a version, of a newer one, and of the first again.
func warehouseRolledBack(t *testing.T, w *tables) {
	former := w.views
	newer := flattentest.Views{"plan": append([]flatten.Table{
		{
			Name: "patient", Resource: "Patient",
			Columns: []sof.Column{{Name: "family"}, {Name: "born", Kind: sof.Date}},
		},
		{Name: "patient_link", Resource: "Patient", Columns: []sof.Column{{Name: "other"}}},
	}, former["plan"][1:]...)}
	set := 0
	commit := func(
		views flattentest.Views, export string, lines ...flattentest.Line,
	) pipeline.Batch {
		w.views, set = views, set+1
		b := w.batch(export, w.prepare(t, "Patient", lines))
		b.ViewSet = set
		w.commit(t, b)
		return b
	}
	wide := func(id, at, version, family string) flattentest.Line {
		l := live(id, at, version, family, id+" of the newer views")
		born, other := "1970-01-01", "x"
		l.Rows["patient"] = [][]*string{{&family, &born}}
		l.Rows["patient_link"] = [][]*string{{&other}}
		return l
	}
	first := commit(former, "plan-1", live("a", "08:00", "1", "A", "x"),
		live("b", "08:00", "1", "B", "x"), live("c", "08:00", "1", "C", "x"))
	commit(newer, "plan-2", wide("b", "09:00", "2", "B2"), wide("c", "09:00", "2", "C2"),
		wide("d", "09:00", "1", "D"), wide("e", "09:00", "1", "E"))
	commit(former, "plan-3", live("c", "10:00", "3", "C3", "y"), gone("e", "10:00", "2"),
		live("f", "10:00", "1", "F", "y"))
	want := []string{
		"a A  x", "b B2 1970-01-01 b of the newer views", "c C3  y",
		"d D 1970-01-01 d of the newer views", "f F  y",
	}
	got := func() (out []string) {
		content := w.Content(t, schema)
		names := map[string]string{}
		for _, row := range content["patient_name"] {
			names[cell(row, "_id")] += cell(row, "given")
		}
		for _, row := range content["patient"] {
			id := cell(row, "_id")
			out = append(out, id+" "+cell(row, "family")+" "+cell(row, "born")+" "+names[id])
		}
		slices.Sort(out)
		return out
	}
	if d := cmp.Diff(want, got()); d != "" {
		t.Errorf("with the former views again (-want +got):\n%s", d)
	}
	// The table of a view that is gone stays as it is, also for what was deleted or changed.
	if links := w.Content(t, schema)["patient_link"]; len(links) != 4 {
		t.Errorf("the table of a view that is gone: %q", links)
	}
	// A committer with the first view set that wakes up late changes nothing.
	first.Attempt = "eeee"
	w.commit(t, first)
	commit(newer, "plan-4", wide("c", "11:00", "4", "C4"), gone("e", "10:00", "2"))
	want[2] = "c C4 1970-01-01 c of the newer views"
	if d := cmp.Diff(want, got()); d != "" {
		t.Errorf("with the newer views again (-want +got):\n%s", d)
	}
}

// concludesWidened runs exports into tables to which a newer version has added a column.
func concludesWidened(t *testing.T, w *conclusions) {
	wide, can := w.Store.(Widener)
	if !can {
		return
	}
	a, b, c := patient("a", "07:00", "1"), patient("b", "07:00", "1"), patient("c", "07:00", "1")
	export := func(till string, full bool, members []string, lines ...flattentest.Line) run {
		return run{
			till: till, full: full, most: 1, members: members,
			files: map[string]file{"Patient": lines},
		}
	}
	w.runs(t,
		export("08:00", true, []string{"a", "b", "c", "d"}, a, b, c, patient("d", "07:00", "1")),
		export("09:00", true, []string{"a", "b", "c"}, a, b))
	wide.Widen(t, schema, "newer")
	w.runs(t,
		export("10:00", false, []string{"a", "b", "e"}, gone("b", "09:30", "2"),
			patient("e", "09:30", "1")),
		export("11:00", true, []string{"a", "e"}, a, patient("e", "10:30", "2")))
	w.want(t, "patient", "a e")
}
