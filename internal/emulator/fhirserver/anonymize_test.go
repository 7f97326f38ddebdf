package fhirserver_test

import (
	"net/http"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/fhirserver"
)

const config = "_anonymizationConfig"

func anonymizing(o *fhirserver.Options) {
	o.Anonymization = map[string]string{"limited.json": "0x1"}
}

func TestADeidentifiedExportHasNoNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, anonymizing,
		`{"resourceType":"Patient","id":"a","birthDate":"1980-02-03","name":[{"family":"F"}],"gender":"female"}`,
		`{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/a"}}`)
	status := w.kickOff("/$export", config, "limited.json", config+"Etag", `"0x1"`)
	w.wait(status)
	all := ""
	for _, path := range w.blobs.List() {
		data, _ := w.blobs.Content("lake", strings.TrimPrefix(path, "lake/"))
		all += string(data)
	}
	for _, want := range []string{
		`"id":"a"`, `"birthDate":"1980"`, `"gender":"female"`, `"REDACTED"`, `"Patient/a"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	if strings.Contains(all, `"family"`) {
		t.Errorf("a name in %s", all)
	}
}

// The server looks for the configuration in the job, after it has accepted the kick-off.
func TestADeidentifiedExportNeedsItsConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, anonymizing, `{"resourceType":"Patient","id":"a"}`)
	for _, query := range [][]string{
		{config, "other.json"},
		{config, "limited.json", config + "Etag", "0x2"},
	} {
		status := w.kickOff("/$export", query...)
		w.wait(status)
		if r := w.do(http.MethodGet, status); r.status != http.StatusBadRequest ||
			!strings.Contains(r.body, "export operation failed for reason: ") {
			t.Errorf("%v: %d %s", query, r.status, r.body)
		}
	}
}

func TestRefusedKickOffsOfDeidentifiedExports(t *testing.T) {
	t.Parallel()
	able := newWorld(t, anonymizing)
	for query, want := range map[string]string{
		"_anonymizationConfigEtag=1&_container=lake": "needs _anonymizationConfig",
		"_anonymizationConfig=limited.json":          "and _container",
		"_container=lake&_anonymizationConfig=a&_anonymizationConfigEtag=1&_anonymizationConfigCollectionReference=x": "excludes",
		"_container=lake&_anonymizationConfig=a&_anonymizationConfigCollectionReference=x":                            "not configured",
	} {
		if r := able.get("/$export?" + query); r.status != http.StatusBadRequest ||
			!strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	unable := newWorld(t, nil)
	if r := unable.get("/$export?_container=lake&_anonymizationConfig=a"); r.status !=
		http.StatusBadRequest || !strings.Contains(r.body, "not enabled") {
		t.Errorf("%d %s", r.status, r.body)
	}
}
