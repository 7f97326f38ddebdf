package tsql_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/randview"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/views"
)

// postgresURL is the variable with the URL of a PostgreSQL server. The tests create schemas of
// their own there and drop them again.
const postgresURL = "FHIRSYNAPSE_POSTGRES_URL"

// postgres runs bodies on a server after a translation into its language. The engine knows nothing
// of T-SQL, but all of SQL.
type postgres struct {
	url, schema string
	engine      tsql.Engine
}

func newPostgres(t testing.TB) postgres {
	t.Helper()
	p := postgres{url: os.Getenv(postgresURL), schema: fmt.Sprintf("fhirsynapse_%x", rand.Uint64())}
	if p.url == "" {
		t.Skipf("%s is not set: there is no PostgreSQL server to work bodies out", postgresURL)
	}
	if _, err := p.psql(t.Context(),
		"CREATE SCHEMA "+p.schema+";\nSET search_path = "+p.schema+";\n"+
			tsqleval.PostgresFunctions); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := p.psql(context.WithoutCancel(t.Context()),
			"DROP SCHEMA "+p.schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return p
}

// psql runs a script, and returns its output.
func (p postgres) psql(ctx context.Context, script string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
		"--set=ON_ERROR_STOP=1", p.url)
	cmd.Stdin = strings.NewReader("SET client_min_messages = error;\n" + script)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("psql: %w: %.2000s", err, failed.Stderr)
	}
	return out, err
}

// run returns the rows of a body over documents.
func (p postgres) run(ctx context.Context, body string, docs [][]byte) ([][][]byte, error) {
	columns, _, err := tsqleval.Run(body, standIn(p.engine).dialect(),
		tsqleval.Documents("docs", [][]byte{}))
	if err != nil {
		return nil, err
	}
	query, err := tsqleval.Postgres(body)
	if err != nil {
		return nil, err
	}
	var script strings.Builder
	fmt.Fprintf(&script,
		"SET search_path = %s;\nSET timezone = 'UTC';\nSET jit = off;\nSET statement_timeout = '2min';\nCREATE TEMP TABLE docs (doc text);\n", p.schema)
	for _, d := range docs {
		fmt.Fprintf(&script, "INSERT INTO docs VALUES ($document$%s$document$);\n", d)
	}
	fmt.Fprintf(&script, "SELECT row_to_json(rows) FROM (\n%s\n) AS rows;\n", query)
	out, err := p.psql(ctx, script.String())
	if err != nil {
		return nil, err
	}
	var rows [][][]byte
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		d.UseNumber()
		row, err := readRow(d, columns)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// readRow reads an object that has the columns as members, in order.
func readRow(d *json.Decoder, columns []sqlserver.Column) (row [][]byte, err error) {
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for _, c := range columns {
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		kind, _, _ := strings.Cut(c.Type, "(")
		switch text := fmt.Sprint(v); {
		case v == nil:
			row = append(row, nil)
		case kind == "bit":
			row = append(row, fmt.Append(nil, text == "1"))
		case kind == "datetime2":
			second, fraction, _ := strings.Cut(text, ".")
			row = append(row, []byte(second+"."+(fraction + "000")[:3]))
		default:
			row = append(row, []byte(text))
		}
	}
	_, err = d.Token()
	return row, err
}

// Rows implements conformance.Server.
func (p postgres) Rows(
	ctx context.Context, docs []json.RawMessage, body func(string) (string, error),
) ([][][]byte, error) {
	text, err := body("[docs]")
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for _, d := range docs {
		lines = append(lines, d)
	}
	rows, err := p.run(ctx, text, lines)
	if err != nil && !tsql.IsVerdict(err.Error()) {
		return nil, &conformance.NotRun{Err: err}
	}
	return rows, err
}

// The evaluator of the emulator has the same authors as the bodies, so an independent engine
// checks their meaning too.
func TestPostgreSQLWorksOutTheSame(t *testing.T) {
	p := newPostgres(t)
	for _, e := range tsql.Engines() {
		p.engine = e
		t.Run("official cases "+string(e), p.officialCases)
	}
	// The bodies for the pools are the bodies for SQL Server, up to the names of types.
	for _, e := range []tsql.Engine{tsql.SQLServer, tsql.Fabric} {
		p.engine = e
		t.Run("bundled views "+string(e), p.bundledViews)
		t.Run("numbers "+string(e), p.numbers)
		t.Run("picks "+string(e), p.picks)
	}
	t.Run("generated views", p.generatedViews)
}

func (p postgres) officialCases(t *testing.T) {
	t.Parallel()
	files, err := conformance.Load(os.DirFS("../conformance/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	results := conformance.RunAll(files, conformance.OnServer(t.Context(), p.engine, p))
	for _, f := range results {
		for _, r := range f.Results {
			if r.Outcome() != conformance.Passed {
				t.Errorf("%s/%s: %v", f.Name, r.Title, r.Err)
			}
		}
	}
	if n := conformance.Count(results, conformance.Passed); n < minimum[p.engine] {
		t.Errorf("%d cases pass, want %d", n, minimum[p.engine])
	}
}

func (p postgres) bundledViews(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		body, err := tsql.Body(v, p.engine, tsql.Shape{From: "[docs]"})
		if err != nil {
			t.Fatal(err)
		}
		examples, err := tsqleval.Examples("../../..", v.Resource)
		if err != nil {
			t.Fatal(err)
		}
		p.agree(t, v, body, append(lines(t, v.Resource), examples...))
	}
}

func (p postgres) picks(t *testing.T) {
	t.Parallel()
	v, err := sof.Compile("v.json", []byte(pickedView))
	if err != nil {
		t.Fatal(err)
	}
	body, err := tsql.Body(v, p.engine, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatal(err)
	}
	p.agree(t, v, body, pickedLines())
}

func (p postgres) agree(t *testing.T, v *sof.View, body string, lines [][]byte) {
	t.Helper()
	want, err := tsqleval.NativeRows(v, lines)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	got, err := p.run(t.Context(), body, lines)
	if err != nil {
		t.Errorf("%s: %v", v.Name, err)
		return
	}
	if d := tsqleval.Diff(v.Columns, want, got); d != "" {
		t.Errorf("%s: the native engine (-) and PostgreSQL (+) differ:\n%.4000s", v.Name, d)
	}
}

func (p postgres) generatedViews(t *testing.T) {
	t.Parallel()
	const count = 60
	first := rand.Uint64() >> 1
	t.Logf("seeds from %d", first)
	compared := 0
	for seed := first; seed < first+count; seed++ {
		g := randview.New(seed, false)
		g.Clocks = true
		typ, _ := schema.R4().Type(randview.PickOne(g, "Patient", "QuestionnaireResponse"))
		v, err := sof.Compile("v.json", g.View(typ))
		if err != nil {
			continue // some generated views make no sense
		}
		p.engine = randview.PickOne(g, tsql.Engines()...)
		body, err := tsql.Body(v, p.engine, tsql.Shape{From: "[docs]"})
		if err != nil {
			continue // the engine cannot express it
		}
		var lines [][]byte
		for range 8 {
			line := g.Resource(typ)
			_, bad := tsqleval.NativeRows(v, [][]byte{line})
			// An engine may compute a value early that a condition before it makes needless.
			_, _, early := tsqleval.Run(body, standIn(p.engine).dialect(),
				tsqleval.Documents("docs", [][]byte{line}))
			if bad == nil && early == nil {
				lines = append(lines, line)
			}
		}
		v.Name = fmt.Sprintf("seed %d on %s", seed, p.engine)
		p.agree(t, v, body, lines)
		compared += len(lines)
	}
	if compared < 2*count {
		t.Errorf("only %d lines are compared", compared)
	}
}
