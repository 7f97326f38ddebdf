package config

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func sample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// localValues returns the settings of local.settings.sample.json.
func localValues(t *testing.T) map[string]string {
	t.Helper()
	var file struct{ Values map[string]string }
	if err := json.Unmarshal([]byte(sample(t, "local.settings.sample.json")), &file); err != nil {
		t.Fatal(err)
	}
	return file.Values
}

func TestLocalSettingsOfTheSampleAreThoseOfTheReference(t *testing.T) {
	t.Parallel()
	// The Functions host reads these, not the handler.
	host := []string{"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "ExportSchedule"}
	// make start keeps these next to the staged folder, which it recreates.
	beside := map[string]string{"ExportsFile": "../exports.yaml"}
	for name, value := range localValues(t) {
		i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
		switch {
		case slices.Contains(host, name):
		case i < 0:
			t.Errorf("%s is not in the reference", name)
		case beside[name] != "" && value == beside[name]:
		case settings[i].fallback != "" && value != settings[i].fallback:
			t.Errorf("%s is %q, the default is %q", name, value, settings[i].fallback)
		}
	}
}

func TestLocalSettingsOfTheSampleWork(t *testing.T) {
	t.Parallel()
	environ := []string{"FUNCTIONS_APP_ROOT_PATH=/app/dist-start"}
	for name, value := range localValues(t) {
		environ = append(environ, name+"="+value)
	}
	files := map[string]string{
		"/app/exports.yaml":         sample(t, "exports.sample.yaml"),
		"/app/dist-start/host.json": sample(t, "host.json"),
	}
	c, err := FromEnv(environ, func(path string) ([]byte, error) {
		text, ok := files[path]
		if !ok {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	}, "duckdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %q", c.Warnings)
	}
	if len(c.Exports.Plans) == 0 {
		t.Error("it has no plans: the sample names another file")
	}
}

func TestTheSampleOfExportsNamesEveryKey(t *testing.T) {
	t.Parallel()
	text := sample(t, "exports.sample.yaml")
	keys := slices.Concat(sourceKeys, planKeys, authKeys, cohortKeys)
	for _, kind := range authKinds() {
		keys = append(keys, string(kind))
	}
	// elements is known only to be refused with its reason.
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "elements" })
	for _, key := range keys {
		if !regexp.MustCompile(`(^|[^A-Za-z-])` + regexp.QuoteMeta(key) +
			`($|[^A-Za-z-])`).MatchString(text) {
			t.Errorf("exports.sample.yaml does not say that there is %s", key)
		}
	}
}

// An option works when its comment sign is removed.
func TestTheOptionsOfTheSampleOfExportsWork(t *testing.T) {
	t.Parallel()
	keys := append(slices.Concat(sourceKeys, planKeys, authKeys, cohortKeys), "ehr")
	// patients needs dialect bulk, which the plan's server does not have.
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "patients" })
	option := regexp.MustCompile(`^(\s*)# (\s*([A-Za-z]+):.*)$`)
	var b strings.Builder
	n := 0
	for line := range strings.Lines(sample(t, "exports.sample.yaml")) {
		if found := option.FindStringSubmatch(strings.TrimRight(line, "\n")); found != nil &&
			slices.Contains(keys, found[3]) {
			line = found[1] + found[2] + "\n"
			n++
		}
		b.WriteString(line)
	}
	if n < 20 {
		t.Errorf("only %d options are in comments: is the sample written in another way?", n)
	}
	e, err := ParseExports("exports.sample.yaml", []byte(b.String()), func(string) string {
		return "given"
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	s, ok := e.Sources["ehr"]
	if !ok || s.Dialect != DialectBulk || s.Downloads == 0 || s.Auth.Kind != "smart" {
		t.Errorf("the source ehr is %+v", s)
	}
}
