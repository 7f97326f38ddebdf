package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/warehouse/setup"
)

// Every command that answers has a form for scripts and a row in docs/commands.md.
func TestEveryAnswerHasAFormForScripts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	without := map[string]string{
		"fhirsynapse serve":       "it answers the Functions host",
		"fhirsynapse conformance": "--report writes the results as JSON",
		"fhirsynapse views new":   "a ViewDefinition is JSON",
	}
	n := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		path := c.CommandPath()
		_, listed := without[path]
		if c.RunE == nil || c.Name() == "completion" || path == "fhirsynapse" ||
			c.HasSubCommands() && c.Flags().Lookup("json") == nil {
			return
		}
		n++
		if json := c.Flags().Lookup("json") != nil; json == listed {
			t.Errorf("%s has --json: %v", path, json)
		}
		name := strings.TrimPrefix(path, "fhirsynapse ")
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/commands.md has no row for %s", name)
		}
	}
	visit(cli.Tree())
	if n < 20 {
		t.Errorf("only %d commands", n)
	}
}

func answered(t *testing.T, c cli.Commands, code int, args ...string) map[string]any {
	t.Helper()
	got := run(t, c, nil, append(args, "--json")...)
	var out map[string]any
	if err := json.Unmarshal([]byte(got.out), &out); err != nil || got.code != code {
		t.Errorf("%v: code %d, want %d: %v\n%s%s", args, got.code, code, err, got.out, got.err)
	}
	return out
}

func TestAnswersForScripts(t *testing.T) {
	t.Parallel()
	failed := summary(records.Failed, &records.Failure{Step: "poll", Cause: "HTTP 403"})
	c := commands()
	c.Journal = &operator{
		exports: func(context.Context, string, int) ([]records.ExportSummary, error) {
			return []records.ExportSummary{failed}, nil
		},
		start: func(context.Context, string, records.Window) (records.ExportSummary, error) {
			return summary(records.Exporting, nil), nil
		},
		ask: func(context.Context, string, records.Window) (string, error) {
			return "nightly-000004", nil
		},
		cancel: func(context.Context, string) (string, []pipeline.JobEnd, error) {
			return "nightly-000003", []pipeline.JobEnd{
				{Job: "nightly-000003.1", Fate: pipeline.JobLeft, Err: errors.New("away")},
			}, nil
		},
	}
	c.StubCheckSetup(func(context.Context, setup.Setup, string) (setup.Result, error) {
		return setup.Result{Missing: []string{"user [app]"}, Of: 9, Server: "host/fhir"}, nil
	})
	for _, tt := range []struct {
		args string
		code int
		key  string
		want any
	}{
		{"exports start nightly", 0, "state", "exporting"},
		{"exports start nightly --at-tick", 0, "id", "nightly-000004"},
		{"exports show nightly", 0, "state", "failed"},
		{"exports watch nightly", 1, "state", "failed"},
		{"exports cancel nightly", 0, "export", "nightly-000003"},
		{"exports pause nightly", 0, "paused", true},
		{"exports resume nightly", 0, "paused", false},
		{"version", 0, "version", "fhirsynapse v1"},
		{"sql patient --statement body", 0, "view", "patient"},
		{
			"sql setup --check --to sqlserver://host?database=fhir --principal app", 3, "server",
			"host/fhir",
		},
	} {
		if got := answered(t, c, tt.code, strings.Fields(tt.args)...); got[tt.key] != tt.want {
			t.Errorf("%s: %s is %v, want %v", tt.args, tt.key, got[tt.key], tt.want)
		}
	}
	if got := run(t, c, nil, "exports", "list", "--json"); got.code != 0 ||
		!strings.HasPrefix(got.out, "[") {
		t.Errorf("exports list: %+v", got)
	}
	if got := run(t, c, nil, "sql", "setup", "--engine", "sqlserver", "--principal", "x",
		"--json"); got.code != 2 {
		t.Errorf("a script as JSON: %+v", got)
	}
}

func TestExportsShow(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := summary(records.Failed, &records.Failure{
		Step: "commit", Cause: "no right\x1b on the schema", Whose: "our permission",
		Remedy: "grant it", Text: "nightly-000003/x/server-1.txt",
	})
	e.Schema, e.RequestedAt, e.Files = "fhir", at, 7
	e.PlanPausedAt = at
	e.Jobs = []records.Request{{
		Level: "group", Group: "g1", Types: []string{"Patient"}, Since: at, Till: at.Add(time.Hour),
	}}
	e.Committed = map[string]string{"Patient": "x", "Encounter": "y"}
	e.Retry = &records.Retry{Step: "commit", Cause: "busy", Tries: 2, Since: at}
	c := commands()
	var asked []string
	c.Journal = &operator{exports: func(
		_ context.Context, plan string, _ int,
	) ([]records.ExportSummary, error) {
		asked = append(asked, plan)
		if plan == "nightly-000003" {
			return nil, records.ErrNoPlan
		}
		return []records.ExportSummary{e}, nil
	}}
	for _, name := range []string{"nightly", "nightly-000003"} {
		got := run(t, c, nil, "exports", "show", name)
		for _, want := range []string{
			"nightly-000003", "no right  on the schema", "our permission", "grant it", "busy",
			"2 tries since 2026-01-02T03:04:05Z", "group g1", "Encounter, Patient",
			"fhirsynapse quarantine show nightly-000003 --texts",
			"2026-01-02T03:04:05Z to 2026-01-02T04:04:05Z", "fhirsynapse exports resume nightly",
		} {
			if got.code != 0 || !strings.Contains(got.out, want) {
				t.Errorf("%s: code %d, no %q in\n%s%s", name, got.code, want, got.out, got.err)
			}
		}
	}
	c.Journal = &operator{exports: func(
		context.Context, string, int,
	) ([]records.ExportSummary, error) {
		return nil, fault.Permanentf("read the journal: HTTP 403")
	}}
	if got := run(t, c, nil, "exports", "show"); got.code != 1 ||
		got.err != "fhirsynapse: read the journal: HTTP 403\n" {
		t.Errorf("%+v", got)
	}
}
