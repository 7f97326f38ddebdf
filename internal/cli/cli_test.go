package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/query"
)

type outcome struct {
	code     int
	out, err string
}

func run(t *testing.T, c cli.Commands, env map[string]string, args ...string) outcome {
	t.Helper()
	var out, errs strings.Builder
	// Each reading of the clock advances it by two seconds.
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := func() time.Time { clock = clock.Add(2 * time.Second); return clock }
	code := cli.Run(t.Context(), args, func(n string) string {
		return env[n]
	}, cli.Streams{Out: &out, Err: &errs, Now: now}, c)
	return outcome{code, out.String(), errs.String()}
}

func TestWrongCallsExitWithTwoAndOneLineOfReason(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown command": {
			[]string{"frobnicate"},
			"fhirsynapse: unknown command \"frobnicate\"\nfhirsynapse: see fhirsynapse --help\n",
		},
		"misspelt command": {
			[]string{"exprots"},
			"fhirsynapse: unknown command \"exprots\": did you mean exports?\nfhirsynapse: see fhirsynapse --help\n",
		},
		"unknown flag": {
			[]string{"query", "--bd", "x"},
			"fhirsynapse: unknown flag: --bd\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"no statement": {
			[]string{"query", "--db", "x"},
			"fhirsynapse: the SQL statement is missing\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"blank statement": {
			[]string{"query", "--db", "x", " "},
			"fhirsynapse: the SQL statement is empty\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"statement unquoted": {
			[]string{"query", "--db", "x", "select", "1"},
			"fhirsynapse: \"1\" is one argument too many: quote the SQL statement\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"no database": {
			[]string{"query", "select 1"},
			"fhirsynapse: --db is missing: name the DuckDB file\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"two formats": {
			[]string{"query", "--db", "x", "--csv", "--json", "select 1"},
			"fhirsynapse: --csv and --json: choose one\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"header of a table": {
			[]string{"query", "--db", "x", "--no-header", "select 1"},
			"fhirsynapse: --header and --no-header are only for --csv\nfhirsynapse: see fhirsynapse query --help\n",
		},
		"both headers": {[]string{
			"query", "--db", "x", "--csv", "--header", "--no-header", "select 1",
		}, "fhirsynapse: --header and --no-header: choose one\nfhirsynapse: see fhirsynapse query --help\n"},
		"no warehouse": {
			[]string{"load", "."},
			"fhirsynapse: --to must name a warehouse, for example duckdb:fhir.duckdb, or be env:NAME or file:PATH that has its name\nfhirsynapse: see fhirsynapse load --help\n",
		},
		"a line limit": {
			[]string{"load", ".", "--to", "csv:x", "--line-limit", "big"},
			"fhirsynapse: --line-limit: \"big\" is not a size: write for example 64MB\nfhirsynapse: see fhirsynapse load --help\n",
		},
		"compressed CSV": {
			[]string{"load", ".", "--to", "csv:x", "--compression", "zstd"},
			"fhirsynapse: --compression is only for --to parquet:DIR\nfhirsynapse: see fhirsynapse load --help\n",
		},
		"no staging": {
			[]string{"load", ".", "--to", "fabric://host?database=x"},
			"fhirsynapse: --staging is missing: fabric reads from a storage account: name a container as https://ACCOUNT.blob.core.windows.net/CONTAINER\nfhirsynapse: see fhirsynapse load --help\n",
		},
		"staging for others": {
			[]string{"load", ".", "--to", "duckdb:x", "--staging", "https://x"},
			"fhirsynapse: --staging is only for --to synapse-dedicated and fabric: leave it out\nfhirsynapse: see fhirsynapse load --help\n",
		},
		"no folder": {
			[]string{"load", "--to", "duckdb:x"},
			"fhirsynapse: the folder is missing\nfhirsynapse: see fhirsynapse load --help\n",
		},
		"number that is none": {
			[]string{"exports", "--last", "many"},
			"fhirsynapse: invalid argument \"many\" for \"--last\" flag: strconv.ParseInt: parsing \"many\": invalid syntax\nfhirsynapse: see fhirsynapse exports --help\n",
		},
		"an exports command misspelt": {
			[]string{"exports", "strat", "nightly"},
			"fhirsynapse: unknown command \"strat\": did you mean start?\nfhirsynapse: see fhirsynapse exports --help\n",
		},
		"unknown exports command": {
			[]string{"exports", "nightly"},
			"fhirsynapse: unknown command \"nightly\"\nfhirsynapse: see fhirsynapse exports --help\n",
		},
		"start of no plan": {
			[]string{"exports", "start"},
			"fhirsynapse: the plan is missing\nfhirsynapse: see fhirsynapse exports start --help\n",
		},
		"cancel of nothing": {
			[]string{"exports", "cancel"},
			"fhirsynapse: the export or plan is missing\nfhirsynapse: see fhirsynapse exports cancel --help\n",
		},
		"pause of two plans": {
			[]string{"exports", "pause", "a", "b"},
			"fhirsynapse: \"b\" is one argument too many: name one at a time\nfhirsynapse: see fhirsynapse exports pause --help\n",
		},
		"arguments to none": {
			[]string{"version", "x"},
			"fhirsynapse: \"x\" is one argument too many: there are none\nfhirsynapse: see fhirsynapse version --help\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(outcome{code: 2, err: tt.want}, run(t, commands(), nil, tt.args...),
				cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFailuresExitWithOneAndNoUsage(t *testing.T) {
	t.Parallel()
	c := commands()
	c.StubQuery(func(context.Context, string, string, func(query.Result) error) error {
		return errors.Join(errors.New("open x: there is no such file"), errors.New("and it rains"))
	})
	want := outcome{
		code: 1, err: "fhirsynapse: open x: there is no such file\nfhirsynapse: and it rains\n",
	}
	if diff := cmp.Diff(want, run(t, c, nil, "query", "--db", "x", "select 1"),
		cmp.AllowUnexported(outcome{})); diff != "" {
		t.Error(diff)
	}
}

func TestQueryFormats(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		flags []string
		want  string
	}{
		"table": {nil, "┌────┐\n│  n │\n├────┤\n│ 12 │\n└────┘\n1 row\n"},
		"table when asked": {
			[]string{"--table"},
			"┌────┐\n│  n │\n├────┤\n│ 12 │\n└────┘\n1 row\n",
		},
		"csv of one value":  {[]string{"--csv"}, "12\n"},
		"csv with names":    {[]string{"--csv", "--header"}, "n\n12\n"},
		"csv without names": {[]string{"--csv", "--no-header"}, "12\n"},
		"json":              {[]string{"--json"}, "[\n{\"n\":12}\n]\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"query", "--db", "x", "select 12 as n"}, tt.flags...)
			if diff := cmp.Diff(outcome{out: tt.want}, run(t, commands(), nil, args...),
				cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheHostStartsItWithoutArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"serve"}} {
		c, served := commands(), 0
		c.Serve = func(context.Context) int { served++; return 200 }
		got := run(t, c, map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": "7071"}, args...)
		want := outcome{code: 200}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" || served != 1 {
			t.Errorf("%v: served %d times: %s", args, served, diff)
		}
	}
	got := run(t, commands(), nil)
	if got.code != 0 || !strings.Contains(got.out, "Usage:") {
		t.Errorf("without a host: %+v", got)
	}
}

func TestLoadReportsAndChecksItsSums(t *testing.T) {
	t.Parallel()
	c := commands()
	var asked batch.LoadRequest
	report := batch.LoadReport{
		Types: []pipeline.TypeReport{
			{
				Type: "Patient", Files: 2, Manifest: -1,
				Counts: pipeline.Counts{
					Lines: 10, Applied: 7, Superseded: 1, Quarantined: 1, Blank: 1, Deleted: 2,
				},
			},
		},
		Quarantine: "fhir.quarantine", Bytes: 100e6,
		Rows:        map[string]int64{"patient": 5, "patient_name": 4, "patient_link": 0},
		ValueCounts: pipeline.ValueCounts{NoTime: map[string]int64{"patient.born_utc": 3}},
	}
	c.Runs.(*runs).load = func(_ context.Context, r batch.LoadRequest) (batch.LoadReport, error) {
		asked = r
		r.Progress.Total(100)
		r.Progress.Add(50)
		return report, nil
	}
	got := run(t, c, nil, "load", "data", "--to", "duckdb:C:/x.duckdb", "--schema", "s")
	if asked.Dir != "data" || asked.Scheme != "duckdb" || asked.Rest != "C:/x.duckdb" ||
		asked.Schema != "s" {
		t.Errorf("asked for %+v", asked)
	}
	want := outcome{out: "" +
		"┌─────────┬───────┬───────┬─────────┬────────────┬──────────┬─────────────┬───────┬─────────┐\n" +
		"│ type    │ files │ lines │ applied │ superseded │ filtered │ quarantined │ blank │ deleted │\n" +
		"├─────────┼───────┼───────┼─────────┼────────────┼──────────┼─────────────┼───────┼─────────┤\n" +
		"│ Patient │     2 │    10 │       7 │          1 │        0 │           1 │     1 │       2 │\n" +
		"├─────────┼───────┼───────┼─────────┼────────────┼──────────┼─────────────┼───────┼─────────┤\n" +
		"│ all     │     2 │    10 │       7 │          1 │        0 │           1 │     1 │       2 │\n" +
		"└─────────┴───────┴───────┴─────────┴────────────┴──────────┴─────────────┴───────┴─────────┘\n" +
		"3 of 5 patient.born_utc are NULL: the date has no time of day (see patient.born)\n" +
		"bad lines and their reasons: fhir.quarantine\n" +
		"loaded 5 resources, 9 rows in 2 tables, 1 quarantined, 0 values did not fit, 2.0 seconds, 50.0 MB/s unpacked\n"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Error(diff)
	}
	report.Types[0].Lines = 11
	if got := run(t, c, nil, "load", "data", "--to", "duckdb:x"); got.code != 1 ||
		got.err != "fhirsynapse: Patient: 11 lines read, 10 accounted for\n" {
		t.Errorf("a wrong sum: %+v", got)
	}
}

func TestLoadNamesWhatIsLeftOutAndWhatNoViewReads(t *testing.T) {
	t.Parallel()
	c := commands()
	left := []batch.LeftOut{
		{File: "log.ndjson", Reason: "a log"},
		{File: "bundle.json", Reason: "a Bundle", Resources: true},
	}
	var asked batch.LoadRequest
	c.Runs.(*runs).load = func(_ context.Context, r batch.LoadRequest) (batch.LoadReport, error) {
		asked = r
		return batch.LoadReport{
			LeftOut: left, Types: []pipeline.TypeReport{{
				Type: "Specimen", Manifest: -1, Counts: pipeline.Counts{Lines: 120, Applied: 120},
				NoView: true, Notices: []string{"the tables need maintenance"},
			}},
		}, nil
	}
	got := run(t, c, nil, "load", "data", "--to", "duckdb:x", "--max-bad", "12.5")
	want := "fhirsynapse: left out: bundle.json: a Bundle\nfhirsynapse: left out: log.ndjson: a log\n" +
		"fhirsynapse: 1 of the files have resources and were left out: see above, and load them too\n"
	if got.code != 3 || got.err != want ||
		!strings.Contains(got.out, "\nSpecimen: 120 resources, no view: give one with --views\n") ||
		!strings.Contains(got.out, "\nthe tables need maintenance\n") {
		t.Errorf("%+v", got)
	}
	if asked.MaxBad != 0.125 {
		t.Errorf("max bad = %g", asked.MaxBad)
	}
	left = left[:1]
	if got := run(t, c, nil, "load", "data", "--to", "duckdb:x"); got.code != 0 ||
		asked.MaxBad != 0.05 {
		t.Errorf("%+v", got)
	}
	for range 30 {
		left = append(left, left[0])
	}
	if got := run(t, c, nil, "load", "data", "--to",
		"duckdb:x"); strings.Count(got.err, "\n") != 21 ||
		!strings.HasSuffix(got.err, "left out: 11 more files\n") {
		t.Errorf("%+v", got)
	}
	for _, wrong := range []string{"-1", "101", "NaN"} {
		if got := run(t, c, nil, "load", "data", "--to", "duckdb:x", "--max-bad",
			wrong); got.code != 2 {
			t.Errorf("%s: %+v", wrong, got)
		}
	}
}

func TestExportsAreListed(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := commands()
	list := []records.ExportSummary{
		{
			Export: records.Export{
				ID: "nightly-000002", Plan: "nightly", State: records.Exporting,
				Jobs: []pipeline.Request{{Since: at, Till: at.Add(time.Hour)}}, RequestedAt: at,
				TouchedAt: at,
			}, Progress: "half",
		},
		{
			Export: records.Export{
				ID: "nightly-000001", Plan: "nightly", State: records.Failed,
				Jobs: []pipeline.Request{{}}, RequestedAt: at,
				Values: map[string]records.PreparedValues{"Patient": {
					ValueCounts: pipeline.ValueCounts{
						Rounded: map[string]int64{"patient.height": 2000},
					}, Rows: map[string]int64{"patient": 3000},
				}},
				Failure: &records.Failure{Step: "poll", Cause: "the server said no"},
			}, Files: 3,
		},
	}
	var plan string
	var most int
	c.Journal.(*operator).exports = func(
		_ context.Context, p string, m int,
	) ([]records.ExportSummary, error) {
		plan, most = p, m
		return list, nil
	}
	got := run(t, c, nil, "exports", "--plan", "nightly", "--last", "2")
	if got.code != 0 || plan != "nightly" || most != 2 {
		t.Errorf("code %d, plan %q, most %d", got.code, plan, most)
	}
	for _, want := range []string{
		"│ nightly-000002 │ nightly │ exporting │ 2026-01-02T03:04:05Z to 2026-01-02T04:04:05Z │     0 │", "│ half ",
		"│ nightly-000001 │ nightly │ failed    │ full ", "│ poll: the server said no │",
		"\nnightly-000001: 2,000 of 3,000 patient.height are rounded: the value has more decimal places than the column\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in:\n%s", want, got.out)
		}
	}
	var back []records.ExportSummary
	if err := json.Unmarshal([]byte(run(t, c, nil, "exports", "--json").out), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, back); diff != "" {
		t.Error(diff)
	}
	list = nil
	if got := run(t, c, nil, "exports", "--json"); got.out != "[]\n" {
		t.Errorf("no exports = %q", got.out)
	}
}

func TestVersionIsPrinted(t *testing.T) {
	t.Parallel()
	if got := run(t, commands(), nil, "version"); got.out != "fhirsynapse v1\n" {
		t.Errorf("got %+v", got)
	}
}
