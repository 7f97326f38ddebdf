package load_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse"
)

// replacer writes down what it is asked for, and fails once.
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
	const first, observations, patients = "discard _rebuild_main", "replace main.Observation from _rebuild_main, plan load", "replace main.Patient from _rebuild_main, plan load"
	files := map[string]string{"a.Patient.ndjson": patient, "b.Patient.ndjson": patient, "Observation.ndjson": observation}
	for name, c := range map[string]struct {
		types []string
		fail  string
		want  []string
		err   string
	}{
		"all":                  {nil, "", []string{first, observations, patients, first}, ""},
		"one":                  {[]string{"Patient"}, "", []string{first, patients, first}, ""},
		"one that is not here": {[]string{"Patient", "Device"}, "", []string{first}, "no file of the folder has resources of Device"},
		"a failure":            {nil, observations, []string{first, observations}, "rebuild Observation: the disk is full"},
		"a failure at first":   {nil, first, []string{first}, "drop schema _rebuild_main, which another rebuild has left: the disk is full"},
	} {
		w, r := newWorld(t, files), &replacer{fail: c.fail}
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
