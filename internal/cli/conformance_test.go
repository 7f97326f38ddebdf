package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// caseFile has one case that passes when want is a and fails otherwise.
func caseFile(want string) string {
	return `{"title":"t","resources":[{"resourceType":"Patient","id":"a"}],"tests":[
{"title":"the id","view":{"resource":"Patient","status":"active","select":[{"column":[{"name":"id","path":"id","type":"id"}]}]},"expect":[{"id":"` + want + `"}]},
{"title":"no path","view":{"resource":"Patient","status":"active","select":[{"column":[{"name":"id","path":"id."}]}]},"expectError":true}]}`
}

func casesIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestConformancePrintsALineAFileAndReports(t *testing.T) {
	t.Parallel()
	dir := casesIn(t, map[string]string{
		"one.json": caseFile("a"), "two.json": caseFile("old"), "newer/two.json": caseFile("a"),
	})
	report := filepath.Join(t.TempDir(), "report.json")
	got := run(t, commands(), nil, "conformance", dir, "--report", report)
	want := outcome{out: "one.json 2/2\ntwo.json 2/2\n4 passed, 0 failed\n"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Error(diff)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]struct {
		Tests []struct {
			Name   string `json:"name"`
			Result struct {
				Passed bool `json:"passed"`
			} `json:"result"`
		} `json:"tests"`
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if len(back) != 2 || len(back["two.json"].Tests) != 2 ||
		back["two.json"].Tests[0].Name != "the id" || !back["two.json"].Tests[0].Result.Passed {
		t.Errorf("report: %s", data)
	}
}

func TestConformanceExitsWithOneWhenACaseFails(t *testing.T) {
	t.Parallel()
	got := run(t, commands(), nil, "conformance",
		casesIn(t, map[string]string{"one.json": caseFile("b")}))
	if got.code != 1 || got.err != "" || !strings.HasPrefix(got.out, "one.json 1/2\n  the id: ") ||
		!strings.HasSuffix(got.out, "\n1 passed, 1 failed\n") {
		t.Errorf("got %+v", got)
	}
}

func TestConformanceOfNothingIsAFailure(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"no case files": t.TempDir(), "no folder": filepath.Join(t.TempDir(), "none"),
	} {
		if got := run(t, commands(), nil, "conformance", dir); got.code != 1 ||
			!strings.Contains(got.err, "no case files") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	broken := casesIn(t, map[string]string{"one.json": "{"})
	if got := run(t, commands(), nil, "conformance", broken, "--report",
		filepath.Join(broken, "r")); got.code != 1 || !strings.Contains(got.err, "one.json") {
		t.Errorf("a broken file: %+v", got)
	}
}
