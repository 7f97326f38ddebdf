package batch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
)

// replacer records its calls, and fails once.
type replacer struct {
	calls []string
	fail  string
}

func (r *replacer) call(what string) error {
	r.calls = append(r.calls, what)
	if what == r.fail {
		return fault.Permanentf("the disk is full")
	}
	return nil
}

func (r *replacer) Replace(_ context.Context, x warehouse.Replacement) error {
	return r.call(fmt.Sprintf("replace %s.%s from %s, plan %s", x.Schema, x.Type, x.From, x.Plan))
}

func (r *replacer) Discard(_ context.Context, schema string) error {
	return r.call("discard " + schema)
}

func TestRebuildLoadsBesideAndReplaces(t *testing.T) {
	t.Parallel()
	const first, observations, patients = "discard _rebuild_main",
		"replace main.Observation from _rebuild_main, plan load",
		"replace main.Patient from _rebuild_main, plan load"
	files := map[string]string{
		"a.Patient.ndjson": patient, "b.Patient.ndjson": patient, "Observation.ndjson": observation,
	}
	for name, c := range map[string]struct {
		types []string
		fail  string
		want  []string
		err   string
	}{
		"all": {nil, "", []string{first, observations, patients, first}, ""},
		"one": {[]string{"Patient"}, "", []string{first, patients, first}, ""},
		"one that is not here": {
			[]string{"Patient", "Device"},
			"",
			[]string{first},
			"no file of the folder has resources of Device",
		},
		"a failure": {
			nil, observations,
			[]string{first, observations},
			"rebuild Observation: the disk is full",
		},
		"a failure at first": {
			nil, first,
			[]string{first},
			"drop schema _rebuild_main, which another rebuild has left: the disk is full",
		},
	} {
		w, r := newFolderWorld(t, files), &replacer{fail: c.fail}
		report, err := w.Rebuild(t.Context(), "main", c.types, r)
		if (err == nil) != (c.err == "") || !strings.Contains(fmt.Sprint(err), c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, r.calls); d != "" {
			t.Errorf("%s: calls (-want +got):\n%s", name, d)
		}
		if err == nil && len(report.Types) != len(c.want)-2 {
			t.Errorf("%s: report %+v", name, report)
		}
		if len(w.shelf.content["main.Patient"]) > 0 {
			t.Errorf("%s: it was loaded where readers are", name)
		}
		nothingStaged(t, w)
	}
}

// repairer records its calls with the number of lines at that time, fails once, and reports
// resources that are left.
type repairer struct {
	shelf *shelf
	calls []string
	fail  string
	left  map[string]int64
}

func (r *repairer) Repair(_ context.Context, x warehouse.Repair) error {
	what := fmt.Sprintf("repair %s.%s for %d, plan %s", x.Schema, x.Type, x.Lines, x.Plan)
	r.calls = append(r.calls,
		fmt.Sprintf("%s, with %d there", what, len(r.shelf.content[x.Schema+"."+x.Type])))
	if what == r.fail {
		return x.Short(x.Lines + 1)
	}
	return nil
}

func (r *repairer) Unwritten(_ context.Context, x warehouse.Repair) (int64, error) {
	r.calls = append(r.calls,
		fmt.Sprintf("look at %s.%s, with %d there", x.Schema, x.Type,
			len(r.shelf.content[x.Schema+"."+x.Type])))
	return r.left[x.Type], nil
}

func TestRebuildInPlaceRepairsLoadsAndLooks(t *testing.T) {
	t.Parallel()
	const observations, patients = "repair main.Observation for 1, plan load",
		"repair main.Patient for 2, plan load"
	const before, seen, seenPatients = ", with 0 there", "look at main.Observation, with 1 there",
		"look at main.Patient, with 2 there"
	files := map[string]string{
		"a.Patient.ndjson": patient, "b.Patient.ndjson": patient, "Observation.ndjson": observation,
	}
	for name, c := range map[string]struct {
		types []string
		fail  string
		left  map[string]int64
		want  []string
		err   []string
	}{
		"all": {want: []string{observations + before, patients + before, seen, seenPatients}},
		"one": {types: []string{"Patient"}, want: []string{patients + before, seenPatients}},
		"not here": {
			types: []string{"Device"},
			err:   []string{"no file of the folder has resources of Device"},
		},
		"a failure": {
			fail: observations, want: []string{observations + before},
			err: []string{
				"load Observation: repair its tables: schema main has 2 resources of Observation",
			},
		},
		"resources are left": {
			left: map[string]int64{"Observation": 3, "Patient": 4},
			want: []string{observations + before, patients + before, seen, seenPatients},
			err: []string{
				"rebuild Observation: 3 resources of Observation in schema main were not loaded", "rebuild Patient: 4 resources", "put the files of all exports",
			},
		},
	} {
		w := newFolderWorld(t, files)
		r := &repairer{shelf: w.shelf, fail: c.fail, left: c.left}
		_, err := w.RebuildInPlace(t.Context(), "main", c.types, r)
		if (err == nil) != (c.err == nil) || err != nil && fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range c.err {
			if !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("%s: no %q in %v", name, part, err)
			}
		}
		if d := cmp.Diff(c.want, r.calls); d != "" {
			t.Errorf("%s: calls (-want +got):\n%s", name, d)
		}
		nothingStaged(t, w)
	}
}
