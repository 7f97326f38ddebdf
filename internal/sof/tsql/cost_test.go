package tsql_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/views"
)

// costViews are the views with a measured cost, of resource types with lines of real data.
var costViews = strings.Fields(
	`condition condition_category condition_coding document_reference document_reference_content encounter
	encounter_diagnosis encounter_location encounter_participant encounter_type immunization immunization_performer medication_request
	medication_request_dosage patient patient_address patient_identifier patient_name practitioner_role procedure`)

// costLines is the number of lines that a body reads.
const costLines = 1000

// bodiesBefore reads the bodies of the bundled views that commit b32fd22 wrote.
func bodiesBefore(t testing.TB) map[string]string {
	t.Helper()
	packed, err := os.ReadFile("testdata/before/bodies.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]string
	if err := json.NewDecoder(z).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

var cpuTime = regexp.MustCompile(`!\s+([0-9.]+) s user, ([0-9.]+) s system`)

// cpu returns the CPU seconds that the server spends on each body, including planning.
func (p postgres) cpu(ctx context.Context, bodies []string, lines [][]byte) ([]float64, error) {
	var script strings.Builder
	fmt.Fprintf(&script,
		"SET search_path = %s;\nSET timezone = 'UTC';\nSET jit = off;\nSET max_parallel_workers_per_gather = 0;\nCREATE TEMP TABLE docs (doc text);\n", p.schema)
	for i := range costLines {
		fmt.Fprintf(&script, "INSERT INTO docs VALUES ($document$%s$document$);\n",
			lines[i%len(lines)])
	}
	script.WriteString("ANALYZE docs;\n")
	for i, b := range append(bodies, bodies...) {
		query, err := tsqleval.Postgres(b)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&script,
			"SET client_min_messages = log;\nSET log_statement_stats = on;\nCREATE TEMP TABLE result_%d AS\n%s;\nSET log_statement_stats = off;\n", i, query)
	}
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
		p.url)
	cmd.Stdin = strings.NewReader(script.String())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("psql: %w: %.2000s", err, stderr.String())
	}
	var out []float64
	for _, m := range cpuTime.FindAllStringSubmatch(stderr.String(), -1) {
		user, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, err
		}
		system, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		out = append(out, user+system)
	}
	return out, nil
}

// BenchmarkBodiesOnPostgreSQL compares the CPU time of the bodies with the bodies from before their
// cost was optimized, on one server in one run:
//
//	FHIRSYNAPSE_POSTGRES_URL=... \
//	  go test ./internal/sof/tsql -run '^$' -bench OnPostgreSQL -benchtime 1x
func BenchmarkBodiesOnPostgreSQL(t *testing.B) {
	p := newPostgres(t)
	p.engine = tsql.SQLServer
	before := bodiesBefore(t)
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	t.ResetTimer()
	var ratios []float64
	var sumBefore, sumAfter float64
	for _, name := range costViews {
		i := slices.IndexFunc(all, func(v *sof.View) bool { return v.Name == name })
		if i < 0 {
			t.Fatalf("no bundled view %s", name)
		}
		v := all[i]
		lines, err := tsqleval.Lines("../../..", v.Resource, costLines)
		if err != nil {
			t.Fatal(err)
		}
		body, err := tsql.Body(v, p.engine, tsql.Shape{From: "[docs]"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.cpu(t.Context(), []string{before[name], body}, lines)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		const each = 2 // statements are logged for a body and for the end of the logging
		b, a := got[2*each], got[3*each]
		if len(got) != 4*each {
			t.Fatal(got)
		}
		sumBefore, sumAfter = sumBefore+b, sumAfter+a
		ratios = append(ratios, b/a)
		t.Logf("%-28s before %6.3f s, after %6.3f s, ratio %5.2f", name, b, a, b/a)
	}
	slices.Sort(ratios)
	t.Logf("median ratio %.2f, least %.2f, all together %.2f s before, %.2f s after",
		ratios[len(ratios)/2], ratios[0], sumBefore, sumAfter)
}

// The work of a body per row is counted in its text, so the test needs no server.
func TestBodiesCallLessThanBefore(t *testing.T) {
	t.Parallel()
	before := bodiesBefore(t)
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	var was, is, ran [2]int
	for _, v := range all {
		body, err := tsql.Body(v, tsql.SQLServer, tsql.Shape{From: "[docs]"})
		if err != nil {
			t.Fatal(err)
		}
		if before[v.Name] == "" {
			continue // the view was added later
		}
		oldParses, oldCalls, err := tsqleval.Cost(before[v.Name])
		if err != nil {
			t.Fatal(err)
		}
		parses, calls, err := tsqleval.Cost(body)
		if err != nil {
			t.Fatal(err)
		}
		if parses > oldParses {
			t.Errorf("%s goes through JSON %d times a row, it did %d times", v.Name, parses,
				oldParses)
		}
		docs := tsqleval.Documents("docs", lines(t, v.Resource))
		for i, text := range []string{before[v.Name], body} {
			d := standIn(tsql.SQLServer).dialect()
			d.Parses = &ran[i]
			if _, _, err := tsqleval.Run(text, d, docs); err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
		}
		was[0], was[1], is[0], is[1] = was[0]+oldParses, was[1]+oldCalls, is[0]+parses, is[1]+calls
	}
	t.Logf("all views: through JSON %d times a row, before %d; %d calls of functions, before %d",
		is[0], was[0], is[1], was[1])
	t.Logf("on the lines of the tests: %d times through JSON, before %d", ran[1], ran[0])
	if 2*ran[1] > ran[0] {
		t.Errorf("%d times through JSON, before %d", ran[1], ran[0])
	}
	if 5*is[1] > 2*was[1] {
		t.Errorf("%d calls of functions a row, before %d", is[1], was[1])
	}
}
