package sqlserver_test

import (
	"context"
	"encoding/json"
	"os"
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

func TestSQLServerGivesTheRowsOfTheNativeEngine(t *testing.T) {
	s := open(t)
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	const most = 5
	for _, v := range all {
		lines, err := tsqltest.Lines("../..", v.Resource, most)
		if err != nil {
			t.Fatal(err)
		}
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
		if d := tsqltest.Diff(v.Columns, want, got); d != "" {
			t.Errorf("%s: the native engine (-) and the server (+) differ:\n%s", v.Name, d)
		}
	}
}
