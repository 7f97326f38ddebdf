package sqlserver_test

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sof/tsql/tsqltest"
	"fhirsynapse/internal/sqlserver"
	"fhirsynapse/views"
)

func TestURLsOfServersAreCheckedWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ dsn, want string }{
		"no database": {"sqlserver://sa:hunter2@host:1433", "names no database"},
		"no URL":      {"sqlserver://sa:hunter2@ho st:port", "is not sqlserver://"},
	} {
		_, err := sqlserver.Open(t.Context(), c.dsn)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	// nothing listens on port 1 of this machine
	if _, err := sqlserver.Open(ctx, "sqlserver://sa:hunter2@127.0.0.1:1?database=d&encrypt=disable"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// open signs in at the server of the environment, or skips.
func open(t *testing.T) *sqlserver.Server {
	t.Helper()
	dsn := os.Getenv(sqlserver.Setting)
	if dsn == "" {
		t.Skipf("%s is not set: there is no T-SQL server to try bodies on", sqlserver.Setting)
	}
	s, err := sqlserver.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLServerRunsTheOfficialCases(t *testing.T) {
	files, err := conformance.Load(os.DirFS("../sof/conformance/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	for _, e := range tsql.Engines() {
		t.Run(string(e), func(t *testing.T) {
			results := conformance.RunAll(files, conformance.OnServer(t.Context(), e, s))
			for _, f := range results {
				for _, r := range f.Results {
					if r.Outcome() == conformance.Failed {
						t.Errorf("%s/%s: %v", f.Name, r.Title, r.Err)
					}
				}
			}
			t.Logf("%d passed, %d refused", conformance.Count(results, conformance.Passed), conformance.Count(results, conformance.OutcomeRefused))
		})
	}
}

// limits are what servers that are only compatible are known not to do.
type limits struct {
	// cut: OPENJSON WITH gives no more than 4,000 characters. raw: it does not decode
	// escapes.
	cut, raw bool
}

func limitsOf(t *testing.T, s *sqlserver.Server) limits {
	t.Helper()
	const long = 5000
	doc, err := json.Marshal(map[string]any{"list": []string{strings.Repeat("x", long)}, "text": `"`})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.Rows(t.Context(), []json.RawMessage{doc}, func(from string) (string, error) {
		return "SELECT LEN(j.[list]) AS [length], j.[text] AS [text] FROM " + from +
			" AS d CROSS APPLY OPENJSON(d.[doc]) WITH ([list] nvarchar(max) '$.list' AS JSON, [text] nvarchar(max) '$.text') AS j", nil
	})
	if err != nil || len(rows) != 1 {
		t.Fatalf("ask the server for its limits: %d rows, %v", len(rows), err)
	}
	return limits{cut: string(rows[0][0]) != strconv.Itoa(long+len(`[""]`)), raw: string(rows[0][1]) != `"`}
}

// within leaves out the lines that such a server cannot get right.
func (l limits) within(lines [][]byte) [][]byte {
	var out [][]byte
	for _, line := range lines {
		if l.cut && len(line) > 4000 || l.raw && strings.Contains(string(line), `\`) {
			continue
		}
		out = append(out, line)
	}
	return out
}

func TestSQLServerGivesTheRowsOfTheNativeEngine(t *testing.T) {
	s := open(t)
	l := limitsOf(t, s)
	if l != (limits{}) {
		t.Logf("OPENJSON of this server has limits (cut to 4,000 characters: %t, escapes not decoded: %t): lines that meet them are left out", l.cut, l.raw)
	}
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	const most = 5
	rows := 0
	for _, v := range all {
		lines, err := tsqltest.Lines("../..", v.Resource, most)
		if err != nil {
			t.Fatal(err)
		}
		lines = l.within(lines)
		want, err := tsqltest.NativeRows(v, lines)
		if err != nil {
			t.Fatal(err)
		}
		var docs []json.RawMessage
		for _, l := range lines {
			docs = append(docs, l)
		}
		got, err := s.Rows(t.Context(), docs, func(from string) (string, error) {
			return tsql.Body(v, tsql.SQLServer, tsql.Shape{From: from})
		})
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		rows += len(got)
		if d := tsqltest.Diff(v.Columns, want, got); d != "" {
			t.Errorf("%s: the native engine (-) and the server (+) differ:\n%s", v.Name, d)
		}
	}
	t.Logf("%d views, %d rows", len(all), rows)
	if rows == 0 {
		t.Error("no rows: there was nothing to compare")
	}
}
