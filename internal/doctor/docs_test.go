package doctor

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/doctor.md has a row for every check.
func TestTheDocumentationListsEveryCheck(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	i := newInstallation()
	i.KickOff, i.Local, i.App = true, true, &App{State: "Running"}
	i.Lake.Address, i.Bus.Address = "127.0.0.1:1", "127.0.0.1:2"
	i.plans.Servers = []Server{
		{Name: "main", URL: "http://127.0.0.1:3", WritesToLake: true, FHIR: i.fhir},
	}
	i.Plans = func(context.Context) (Plans, error) { return i.plans, nil }
	i.Roles = permitted()
	i.Machine = &Machine{
		Dir: "/src", DuckDB: func(context.Context) (string, error) { return "", nil },
		Dial:   func(context.Context, string) error { return nil },
		Exists: func(string) bool { return true },
		Tool:   func(context.Context, string, ...string) (string, error) { return "1", nil },
	}
	general := strings.NewReplacer("-main", "-SOURCE", "-nightly", "-PLAN", "queue-steps",
		"queue-QUEUE", "lake-landing", "lake-USE", "lake-staging", "lake-USE")
	n := 0
	for name := range i.examine(t) {
		n++
		general := general.Replace(name)
		row := regexp.MustCompile("(?m)^\\| [^|]*`" + general + "`[^|]*\\|[^|]+\\|[^|]+\\|$")
		if !row.Match(text) {
			t.Errorf("docs/doctor.md has no row for %s: what it looks at, and what to do if it fails",
				general)
		}
	}
	if n < 33 {
		t.Errorf("only %d checks", n)
	}
}
