package cli_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/config"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
)

func startArgs(more ...string) []string {
	return append([]string{
		"start", "--once", "--source", "https://bulk.example.org/fhir", "--to", "duckdb:x",
	}, more...)
}

// started runs the command and returns its request.
func started(t *testing.T, env map[string]string, args ...string) (outcome, *batch.StartRequest) {
	t.Helper()
	var asked *batch.StartRequest
	c := commands()
	c.Runs.(*runs).start = func(
		_ context.Context, r batch.StartRequest,
	) (batch.StartReport, error) {
		asked = &r
		return batch.StartReport{
			ExportResult: batch.ExportResult{Export: "once-1-000001", State: records.Loaded},
		}, nil
	}
	return run(t, c, env, args...), asked
}

func TestStartAsksForWhatWasTyped(t *testing.T) {
	t.Parallel()
	got, r := started(t, nil,
		startArgs("--level", "group", "--group", "g1", "--types", "Patient,Observation",
			"--type-filter", "Observation?code=1,2",
			"--type-filter", "Patient?active=true", "--patient", "a", "--since",
			"2026-01-31T01:00:00+01:00", "--until", "2026-02-01T00:00:00Z",
			"--method", "POST", "--lenient", "--file-token", "never", "--status-host",
			"jobs.example.org", "--downloads", "3", "--max-bad", "1", "--allow-errors", "--schema",
			"s", "--timeout", "1h")...)
	if got.code != 0 || r == nil {
		t.Fatalf("%+v", got)
	}
	r.Watch = nil
	want := batch.StartRequest{
		Source: "https://bulk.example.org/fhir", Dialect: "bulk", Container: "fhir-landing",
		Auth: config.Auth{Kind: config.AuthNone}, Level: "group", Group: "g1",
		Types:       []string{"Patient", "Observation"},
		TypeFilters: []string{"Observation?code=1,2", "Patient?active=true"},
		Patients:    []string{"a"},
		Since:       time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		Until:       time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC),
		Method:      "POST", Lenient: true, FileToken: "never",
		StatusHosts: []string{"jobs.example.org"}, Downloads: 3, Scheme: "duckdb", Rest: "x",
		Schema: "s", MaxBad: 0.01, AllowErrors: true, Timeout: time.Hour,
		References: sof.References{Base: "https://bulk.example.org/fhir"},
	}
	if diff := cmp.Diff(want, *r, cmp.AllowUnexported(config.Secret{})); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestSecretsComeByReference(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TOKEN": "from-env", "BLANK": " "}
	for _, tt := range []struct{ reference, value, says string }{
		{"env:TOKEN", "from-env", ""},
		{"file:" + file, "from-file", ""},
		{"env:OTHER", "", "env:OTHER is empty or not there"},
		{"env:BLANK", "", "env:BLANK is empty or not there"},
		{"file:" + file + ".none", "", "no such file"},
		{"hunter2", "", "must be env:NAME or file:PATH"},
		{"pass:hunter2", "", "must be env:NAME or file:PATH"},
	} {
		got, r := started(t, env, startArgs("--auth", "bearer", "--token", tt.reference)...)
		switch {
		case tt.says == "" && (r == nil || r.Auth.Secret.Reveal() != tt.value):
			t.Errorf("%s: %+v", tt.reference, got)
		case tt.says != "" && (got.code != 2 || r != nil || !strings.Contains(got.err, tt.says)):
			t.Errorf("%s: %+v, want one that says %q", tt.reference, got, tt.says)
		}
		if strings.Contains(got.out+got.err, "hunter2") {
			t.Errorf("%s: the secret is repeated", tt.reference)
		}
	}
}

func TestWrongCallsOfStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{
			[]string{"start"},
			[]string{"--once is missing", "--source is missing", "--to must name a warehouse"},
		},
		{startArgs("--source", "bulk.example.org"), []string{"--source must look like"}},
		{startArgs("--source", "http://bulk.example.org"), []string{"--source must be https"}},
		{startArgs("--level", "all"), []string{`--level "all" is unknown`}},
		{startArgs("--level", "group"), []string{"--group is missing"}},
		{startArgs("--group", "g"), []string{"--group is only for --level group"}},
		{
			startArgs("--patient", "a"),
			[]string{"--patient is only for --level patient or group"},
		},
		{
			startArgs("--since", "yesterday", "--until", "2026-01-01"),
			[]string{"--since", "--until"},
		},
		{
			startArgs("--method", "PUT", "--file-token", "maybe"),
			[]string{"--method", "--file-token"},
		},
		{
			startArgs("--max-bad", "101", "--downloads", "0", "--timeout", "0s"),
			[]string{"--max-bad", "--downloads", "--timeout"},
		},
		{
			startArgs("--auth", "kerberos"),
			[]string{
				"use none, managed-identity, workload-identity, client-credential, smart, client-secret, bearer",
			},
		},
		{
			startArgs("--auth", "smart"),
			[]string{"--client-id is missing: --auth smart needs it", "--key is missing"},
		},
		{
			startArgs("--auth", "client-secret", "--key-id", "k"),
			[]string{
				"--client-id is missing", "--secret is missing",
				"--key-id has no meaning with --auth client-secret",
			},
		},
		{
			startArgs("--auth", "client-credential", "--audience", "a", "--scope", "b"),
			[]string{"--tenant-id is missing", "--audience and --scope"},
		},
		{startArgs("--secret", "env:X"), []string{"--secret has no meaning with --auth none"}},
		{startArgs("--dialect", "hl7"), []string{`--dialect "hl7" is unknown: use bulk or azure`}},
		{
			startArgs("--storage", "env:X"),
			[]string{"--storage is only for --dialect azure"},
		},
		{startArgs("--dialect", "azure"), []string{"--storage is missing"}},
		{
			startArgs("--dialect", "azure", "--storage", "AccountKey=x"),
			[]string{"--storage must be env:NAME or file:PATH"},
		},
		{
			startArgs("--dialect", "azure", "--storage", "https://a.blob.core.windows.net",
				"--container", "", "--method", "POST", "--file-token", "never", "--level",
				"patient", "--patient", "p"),
			[]string{
				"--container is missing", "--method is only for --dialect bulk",
				"--file-token is only for", "--patient is only for",
			},
		},
		{startArgs("extra"), []string{"one argument too many"}},
	} {
		got, r := started(t, nil, tt.args...)
		if got.code != 2 || r != nil {
			t.Errorf("%v: %+v", tt.args, got)
		}
		for _, says := range tt.says {
			if !strings.Contains(got.err, says) {
				t.Errorf("%v: %q lacks %q", tt.args, got.err, says)
			}
		}
	}
}

func TestHelpOfStartNamesEverything(t *testing.T) {
	t.Parallel()
	got, _ := started(t, nil, "start", "--once", "--help")
	for _, want := range []string{
		"none", "bearer", "client-secret", "smart", "managed-identity", "workload-identity",
		"client-credential", "--tenant-id", "--audience", "--token ", "--dialect", "--storage",
		"--container", "env:NAME", "file:PATH",
		"_type", "_typeFilter", "_since", "_until", "_elements", "--patient", "--group", "--key-id",
		"--token-url", "--scope", "RS384", "ES384", "exit code",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("the help does not say %q", want)
		}
	}
	for line := range strings.Lines(got.out) {
		if len([]rune(line)) > 140 {
			t.Errorf("a line of the help is too long for a terminal: %s", line)
		}
	}
}

func TestStartPrintsTheReconciliationAndHoldsItsSums(t *testing.T) {
	t.Parallel()
	report := func(superseded int64) batch.StartReport {
		return batch.StartReport{
			ExportResult: batch.ExportResult{
				Export: "once-ab-000001", State: records.Loaded,
				Issues: map[string]int64{"error/exception": 2},
				Types: []pipeline.TypeReport{
					{
						Type: "Observation", Files: 2, Manifest: 9,
						Counts: pipeline.Counts{
							Lines: 10, Applied: 6, Superseded: superseded, Quarantined: 1, Blank: 1,
						},
					},
					{
						Type: "Patient", Files: 1, Manifest: -1,
						Counts: pipeline.Counts{Lines: 3, Applied: 3, Deleted: 1},
					},
				},
				Values: records.PreparedValues{
					ValueCounts: pipeline.ValueCounts{
						Foreign: map[string]int64{"observation.patient_id": 4},
					},
				},
			},
			Quarantine: "x.quarantine/once-ab-000001",
		}
	}
	const table = `┌─────────────┬───────┬──────────┬──────┬─────────┬────────────┬──────────┬─────────────┬───────┬─────────┐
│ type        │ files │ manifest │ read │ applied │ superseded │ filtered │ quarantined │ blank │ deleted │
├─────────────┼───────┼──────────┼──────┼─────────┼────────────┼──────────┼─────────────┼───────┼─────────┤
│ Observation │     2 │        9 │   10 │       6 │          2 │        0 │           1 │     1 │       0 │
│ Patient     │     1 │        - │    3 │       3 │          0 │        0 │           0 │     0 │       1 │
├─────────────┼───────┼──────────┼──────┼─────────┼────────────┼──────────┼─────────────┼───────┼─────────┤
│ all         │     3 │        - │   13 │       9 │          2 │        0 │           1 │     1 │       1 │
└─────────────┴───────┴──────────┴──────┴─────────┴────────────┴──────────┴─────────────┴───────┴─────────┘
the server reported: 2 × error/exception
4 observation.patient_id are NULL: the reference is a URL of another server
bad lines and their reasons: x.quarantine/once-ab-000001
export once-ab-000001 is loaded: 8 resources, 1 deletes, 1 quarantined, 2.0 seconds; every line is accounted for
`
	for _, tt := range []struct {
		name       string
		superseded int64
		err        error
		code       int
		out, says  string
	}{
		{"the sums hold", 2, nil, 0, table, ""},
		{
			"a line is missing", 1, nil, 1, "the sums do not hold",
			"Observation: 10 lines read, 9 accounted for",
		},
		{
			"the server lacked something", 2, nil, 3, "export once-ab-000001 is incomplete",
			"fhirsynapse: the export is incomplete: the server could not export everything: ",
		},
		{"it failed after all", 2, errors.New("it rains"), 1, "", "it rains"},
	} {
		c := commands()
		c.Runs.(*runs).start = func(
			context.Context, batch.StartRequest,
		) (batch.StartReport, error) {
			r := report(tt.superseded)
			if tt.code == 3 {
				r.State, r.Notice = records.Incomplete, "said twice"
				r.Shortfall = &records.Shortfall{
					Issues: []pipeline.Issue{{Severity: "error", Code: "exception", Count: 2}},
					Types:  []string{"Condition"},
				}
			}
			return r, tt.err
		}
		got := run(t, c, nil, startArgs()...)
		if got.code != tt.code || !strings.Contains(got.out, tt.out) ||
			strings.Contains(got.out, "said twice") || !strings.Contains(got.err, tt.says) {
			t.Errorf("%s: code %d, %s\n%s", tt.name, got.code, cmp.Diff(tt.out, got.out), got.err)
		}
	}
}

func TestStartAsJSON(t *testing.T) {
	t.Parallel()
	got, _ := started(t, nil, startArgs("--json")...)
	if !regexp.MustCompile(
		`^\{"export":"once-1-000001","state":"loaded","types":null,"seconds":2\}\n$`).MatchString(
		got.out) {
		t.Errorf("%s", got.out)
	}
}

func TestAnEmptyExportSaysSo(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"\nthe export is empty: the server has no resources, " +
			"or none that this sign-in may see\n": nil,
		"\nthe export is empty: the server has nothing for --level group, --group g, --types Patient,Device, --type-filter Patient?active=true, --since 2026-01-31T00:00:00Z\n": {
			"--level", "group", "--group", "g", "--types", "Patient,Device", "--type-filter",
			"Patient?active=true", "--since", "2026-01-31T00:00:00Z",
		},
	} {
		if got, _ := started(t, nil, startArgs(args...)...); got.code != 0 ||
			!strings.Contains(got.out, want) {
			t.Errorf("%q lacks %q", got.out, want)
		}
	}
}

// serverText is an example of a server's text about a patient.
const serverText = "Patient Zzsecret has no consent"

func TestFailuresOfStartInTheWordsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	cause := fault.WithServerText(
		errors.New("the FHIR server answered HTTP 401: the server requires a sign-in: write auth for this source"), serverText)
	failing := &batch.Trouble{Doing: "kick-off", Err: cause, Tries: 3}
	for name, tt := range map[string]struct {
		report batch.StartReport
		err    error
		args   []string
		want   string
	}{
		"refused": {
			err:  &batch.FailedError{Trouble: *failing, Whose: "our permission"},
			want: "what the server wrote is shown at a terminal only, or with --show-server-text: it may hold health data\nfhirsynapse: the export has failed: kick-off (tried 3 times): the FHIR server answered HTTP 401: the server requires a sign-in: give --auth, see fhirsynapse start --help (our permission)\n",
		},
		"refused, and the text is wanted": {
			err: &batch.FailedError{Trouble: *failing}, args: []string{"--show-server-text"},
			want: "the server wrote:\n  " + serverText +
				"\nfhirsynapse: the export has failed: kick-off",
		},
		"late": {
			report: batch.StartReport{ExportResult: batch.ExportResult{Job: "https://h/1"}},
			err: &batch.StopError{
				Patience: time.Minute,
				Last:     &batch.Trouble{Doing: "file 1", Err: errors.New("HTTP 404"), Tries: 1},
			},
			want: "the job was cancelled at the server\nfhirsynapse: the export has not ended within --timeout 1m0s; the last failure was file 1: HTTP 404\n",
		},
		"broken off": {
			report: batch.StartReport{ExportResult: batch.ExportResult{
				Job: "https://h/1", Unreleased: errors.New("HTTP 500"),
			}}, err: &batch.StopError{},
			want: "the job was not cancelled at the server: HTTP 500\nfhirsynapse: cancel it by hand: curl -X DELETE 'https://h/1'\nfhirsynapse: the export was broken off\n",
		},
		"broken off at the kick-off": {
			err:  &batch.StopError{Asking: true},
			want: "the server had not answered the kick-off yet: an export that nobody follows may be running there\nfhirsynapse: the export was broken off\n",
		},
		"bad lines": {
			report: batch.StartReport{QuarantineFolder: "x.quarantine"},
			err: &batch.FailedError{Trouble: batch.Trouble{
				Doing: "commit of Patient",
				Err: errors.New(
					"3 of 3 lines are bad, more than the plan's 5 %: see the quarantine container under e/Patient"), Tries: 1,
			}},
			want: "commit of Patient: 3 of 3 lines are bad, more than --max-bad 5 %: they lie with their reasons in x.quarantine/e/Patient\n",
		},
	} {
		c := commands()
		c.Runs.(*runs).start = func(
			context.Context, batch.StartRequest,
		) (batch.StartReport, error) {
			return tt.report, tt.err
		}
		got := run(t, c, nil, startArgs(tt.args...)...)
		if got.code != 1 || !strings.Contains(got.err, tt.want) ||
			strings.Contains(got.err, serverText) != (len(tt.args) > 0) {
			t.Errorf("%s: code %d, %q", name, got.code, got.err)
		}
	}
}
