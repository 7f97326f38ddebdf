package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/cli"
)

func TestSQLPrintsTheBodyOfAView(t *testing.T) {
	t.Parallel()
	got := run(t, commands(), nil, "sql", "patient_name", "--engine", "fabric", "--from",
		"lake.Patient")
	if got.code != 0 || got.err != "" || !strings.HasPrefix(got.out, "SELECT\n  ") ||
		!strings.Contains(got.out, "FROM [lake].[Patient] AS d\n") {
		t.Errorf("got %+v", got)
	}
	file := filepath.Join(t.TempDir(), "v.json")
	view := `{"resourceType":"ViewDefinition","name":"v","resource":"Patient","select":[{"column":[{"name":"id","path":"id"}]}]}`
	if err := os.WriteFile(file, []byte(view), 0o600); err != nil {
		t.Fatal(err)
	}
	for engine, want := range map[string]string{
		"sqlserver":          "CREATE OR ALTER VIEW [dbo].[v] AS\nSELECT j1.[id] AS [id]\n",
		"synapse-dedicated":  "CREATE VIEW [dbo].[v] AS\nSELECT j1.[id] AS [id]\n",
		"synapse-serverless": "CREATE OR ALTER VIEW [dbo].[v] AS\nSELECT CAST(j1.[id] AS varchar(128)) COLLATE Latin1_General_100_BIN2_UTF8 AS [id]\n",
	} {
		if got := run(t, commands(), nil, "sql", file, "--engine", engine, "--statement",
			"view"); !strings.HasPrefix(got.out, want) {
			t.Errorf("%s: %+v", engine, got)
		}
	}
}

func TestSQLRefusesWithTheReason(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "v.json")
	view := `{"resourceType":"ViewDefinition","name":"v","resource":"Patient","select":[{"column":[{"name":"x","path":"gender.matches('a')"}]}]}`
	if err := os.WriteFile(file, []byte(view), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"not to be said": {
			[]string{"sql", file},
			1,
			"select[0].column[0].path:1:8: sqlserver cannot say this: the function matches()",
		},
		"no engine": {
			[]string{"sql", file, "--engine", "oracle"},
			2,
			`there is no T-SQL engine "oracle"`,
		},
		"no statement": {
			[]string{"sql", file, "--statement", "x"},
			2,
			`there is no statement "x"`,
		},
		"no view": {[]string{"sql"}, 2, "the view is missing"},
		"no such view": {
			[]string{"sql", "patients"},
			1,
			"there is no such file and no table of that name",
		},
		"no table": {
			[]string{"sql", "patient", "--from", "a..b"},
			1,
			"--from: \"a..b\" is no name of a table",
		},
		"nothing to stage": {[]string{
			"sql", "patient", "--engine", "synapse-serverless", "--statement", "stage",
		}, 1, "synapse-serverless loads nothing, so that there is no stage"},
		"engine misspelled": {
			[]string{"conformance", ".", "--engine", "x"},
			2,
			`there is no T-SQL engine "x"`,
		},
	} {
		if got := run(t, commands(), nil, c.args...); got.code != c.code || got.out != "" ||
			!strings.Contains(got.err, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// server answers every statement with one row.
type server struct{ closed bool }

func (s *server) Close() error {
	s.closed = true
	return nil
}

func (s *server) Rows(
	_ context.Context, _ []json.RawMessage, body func(string) (string, error),
) ([][][]byte, error) {
	if _, err := body("[docs]"); err != nil {
		return nil, err
	}
	return [][][]byte{{[]byte("a")}}, nil
}

// bodyCases has four cases for server: one passes, one fails, one is refused, and one has a fault
// in its view.
const bodyCases = `{"title":"t","resources":[],"tests":[
{"title":"passes","view":{"resource":"Patient","select":[{"column":[{"name":"id","path":"id","type":"id"}]}]},"expect":[{"id":"a"}]},
{"title":"fails","view":{"resource":"Patient","select":[{"column":[{"name":"id","path":"id","type":"id"}]}]},"expect":[{"id":"b"}]},
{"title":"cannot","view":{"resource":"Patient","select":[{"column":[{"name":"id","path":"id.matches('x')"}]}]},"expectError":true},
{"title":"faulty","view":{"resource":"Patient","select":[{"column":[{"name":"id","path":"id."}]}]},"expectError":true}]}`

func TestConformanceOfBodies(t *testing.T) {
	t.Parallel()
	dir := casesIn(t, map[string]string{"one.json": bodyCases})
	s := &server{}
	c := commands()
	c.StubSignIn(func(_ context.Context, dsn string) (cli.Server, error) {
		if dsn != "sqlserver://x" {
			return nil, errors.New("no such server")
		}
		return s, nil
	})
	got := run(t, c, nil, "conformance", dir, "--engine", "fabric", "--dsn", "sqlserver://x",
		"--list")
	if got.code != 1 || !s.closed ||
		!strings.HasPrefix(got.out, "one.json 2/4\n  passes: passed\n  fails: the rows differ\n") ||
		!strings.Contains(got.out,
			"  cannot: refused: view.json: select[0].column[0].path:1:4: fabric cannot say this: the function matches()") ||
		!strings.HasSuffix(got.out, "  faulty: passed\n2 passed, 1 failed, 1 refused\n") {
		t.Errorf("got %+v", got)
	}
	got = run(t, c, nil, "conformance", dir, "--engine", "fabric", "--list")
	if got.code != 0 || !strings.Contains(got.out, "  passes: expressible\n") ||
		!strings.Contains(got.out, "  faulty: no view\n") ||
		!strings.HasSuffix(got.out,
			"2 expressible, 1 no view, as expected, 1 refused, 0 failed; nothing was run: --dsn runs them\n") {
		t.Errorf("got %+v", got)
	}
	if got := run(t, c, nil, "conformance", dir, "--dsn", "sqlserver://y"); got.code != 1 ||
		!strings.Contains(got.err, "conformance on a server: no such server") {
		t.Errorf("got %+v", got)
	}
}
