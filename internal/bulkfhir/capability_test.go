package bulkfhir_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// stating returns options for a server that answers metadata with a text.
func stating(t *testing.T, status int, body string) bulkfhir.Options {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/fhir/metadata" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.Header().Set("Date", begin.Format(http.TimeFormat))
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: server.URL + "/fhir",
		Now: func() time.Time { return begin },
	}
}

func TestDescribeReadsTheCapabilityStatement(t *testing.T) {
	t.Parallel()
	const head = `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1",`
	r4 := func(levels ...string) bulkfhir.Capability {
		return bulkfhir.Capability{
			Found: true, FHIR: "4.0.1", Supported: true, Levels: levels, Date: begin,
		}
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   bulkfhir.Capability
	}{
		"levels by their definitions": {
			200,
			head + `"rest":[{"mode":"server","operation":[{"name":"export","definition":"http://x/OperationDefinition/group-export"},
			{"definition":"http://x/OperationDefinition/export|4.0","name":"export"},{"name":"convert-data","definition":"http://x/y"}]}]}`,
			r4("group", "system"),
		},
		"levels by the types": {
			200,
			head + `"rest":[{"resource":[{"operation":[{"name":"$export","definition":"x"}],"type":"Group"},
			{"type":"Patient","operation":[{"name":"export"}]},{"type":"Binary","operation":[{"name":"export"}]},{"type":"Group"}]}]}`,
			r4("group", "patient"),
		},
		"names with a level": {
			200, head + `"rest":[{"operation":[{"name":"patient-export"},{"name":"export"}]}]}`,
			r4("patient", "system"),
		},
		"no operations": {200, head + `"rest":[{"resource":[{"type":"Patient"}]}]}`, r4()},
		"members of other kinds": {
			200, head + `"software":3,"rest":[7,{"operation":{"name":"export"}},{"resource":[null]}]}`,
			r4(),
		},
		"another version": {
			200, `{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0","software":{"name":"S","version":"2"}}`,
			bulkfhir.Capability{Found: true, FHIR: "5.0.0", Software: "S 2", Date: begin},
		},
		"no statement": {404, "", bulkfhir.Capability{Supported: true, Date: begin}},
		"another resource": {
			200, `{"resourceType":"Bundle"}`, bulkfhir.Capability{Supported: true, Date: begin},
		},
		"a web page": {200, `<html>`, bulkfhir.Capability{Supported: true, Date: begin}},
		"cut off":    {200, head + `"rest":[{"operation":[{"name":"export"},{"na`, r4("system")},
	} {
		got, err := bulkfhir.Describe(t.Context(), stating(t, c.status, c.body))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	for _, status := range []int{401, 403, 500} {
		if got, err := bulkfhir.Describe(t.Context(),
			stating(t, status, `{"text":"Patient Zz"}`)); err == nil ||
			strings.Contains(err.Error(), "Zz") {
			t.Errorf("HTTP %d: %+v, %v", status, got, err)
		}
	}
	if _, err := bulkfhir.Describe(t.Context(), bulkfhir.Options{}); fault.Of(err) !=
		fault.Permanent {
		t.Errorf("no server: %v", err)
	}
}

func TestDryRunLeavesNoJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked []string
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.server.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	o := bulkfhir.Options{
		BaseURL: front.URL, Container: "lake", Now: func() time.Time { return start },
	}
	if known, err := bulkfhir.MayExport(t.Context(), o, "no-such-job"); !known || err != nil {
		t.Errorf("may export: %v, %v", known, err)
	}
	t.Cleanup(w.server.HoldJobs())
	if err := bulkfhir.DryRun(t.Context(), o, pipeline.Request{
		Level: pipeline.LevelSystem, Types: []string{"Patient"}, Since: start.Add(-time.Minute),
	}); err != nil {
		t.Error(err)
	}
	last := asked[len(asked)-1]
	if !strings.HasPrefix(last, "DELETE /_operations/export/") {
		t.Errorf("the job was not cancelled: %v", asked)
	}
	o.Dialect, o.Container = bulkfhir.DialectBulk, ""
	if known, err := bulkfhir.MayExport(t.Context(), o, "no-such-job"); known || err != nil {
		t.Errorf("may export, of a server by the guide: %v, %v", known, err)
	}
}
