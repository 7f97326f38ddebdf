package sqlserver_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	emulator "fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/conformance"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sqlserver"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/views"
)

func TestURLsOfServersAreCheckedWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"sqlserver://sa:hunter2@host:1433":                                      "names no database: add ?database=NAME",
		"sqlserver://sa:hunter2@ho st:port":                                     "want sqlserver://USER:PASSWORD@HOST:1433?database=NAME",
		"server=host;user id=sa;password=hunter2;database=d":                    "want sqlserver://USER:PASSWORD@HOST:1433?database=NAME",
		"fabric://host?database=d&fedauth=activedirectorymsi":                   "warehouse fabric: host/d: fedauth=activedirectorymsi must be spelt ActiveDirectoryMSI",
		"sqlserver://sa:hunter2@host?database=d&fedauth=ActiveDirectoryDefault": "has a password and fedauth: remove one",
		// nothing listens there
		"sqlserver://sa:hunter2@127.0.0.1:1?database=d&encrypt=disable": "sign in at 127.0.0.1:1/d: connect: ",
		"sqlserver://sa:hunter2@host?database=d&encrypt=perhaps":        "a parameter that is not right: check encrypt",
	} {
		_, err := sqlserver.Open(t.Context(), dsn)
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.20s...: %v", dsn, err)
		}
	}
}

// A server that cannot encrypt receives no password, unless encryption is disabled or its name is
// this machine's.
func TestTheConnectionIsEncryptedByDefault(t *testing.T) {
	t.Parallel()
	server, err := emulator.Listen(emulator.Options{Sessions: tables.New(tables.Options{}).Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	u, err := url.Parse(server.URL("sa", "hunter2", "d"))
	if err != nil {
		t.Fatal(err)
	}
	here := u.Host
	// This machine for net.Dial, another machine for us.
	elsewhere := "0.0.0.0:" + u.Port()
	for _, c := range []struct {
		host, query string
		ok          bool
	}{
		{elsewhere, "database=d", false},
		{elsewhere, "database=d&encrypt=true", false},
		{elsewhere, "database=d&encrypt=disable", true},
		{here, "database=d&encrypt=true", false},
		{here, "database=d", true},
	} {
		u.Host, u.RawQuery = c.host, c.query
		before := len(server.Requests())
		s, err := sqlserver.Open(t.Context(), u.String())
		if err == nil {
			err = s.Close()
		} else if text := err.Error(); !strings.Contains(text, "does not support encryption") ||
			strings.Contains(text, "hunter2") || fault.Remedy(err) == "" {
			t.Errorf("%s?%s: %v", c.host, c.query, err)
		}
		if asked := len(server.Requests()) > before; (err == nil) != c.ok || asked != c.ok {
			t.Errorf("%s?%s: %v, a login was sent: %t", c.host, c.query, err, asked)
		}
	}
}

// open signs in to the server in the environment, or skips.
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

// standIn signs in to an emulator over loopback.
func standIn(t *testing.T, d eval.Dialect) *sqlserver.Server {
	t.Helper()
	server, err := emulator.Listen(
		emulator.Options{Sessions: tables.New(tables.Options{Dialect: d}).Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s, err := sqlserver.Open(t.Context(), server.URL("sa", "secret", "d"))
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
	s := open(t)
	for _, e := range tsql.Engines() {
		t.Run(string(e), func(t *testing.T) { officialCases(t, e, s) })
	}
}

// The same on emulators, so that this test code is tested: one like SQL Server, and one that only
// speaks its language.
func TestTheStandInRunsTheOfficialCases(t *testing.T) {
	t.Parallel()
	for _, e := range tsql.Engines() {
		for name, onPostgreSQL := range map[string]bool{"": false, " on PostgreSQL": true} {
			t.Run(string(e)+name, func(t *testing.T) {
				t.Parallel()
				officialCases(t, e,
					standIn(t, eval.Dialect{Varchar: !e.Facts().National, Jsonb: onPostgreSQL}))
			})
		}
	}
}

func officialCases(t *testing.T, e tsql.Engine, s *sqlserver.Server) {
	t.Helper()
	files, err := conformance.Load(os.DirFS("../sof/conformance/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	results := conformance.RunAll(files, conformance.OnServer(t.Context(), e, s))
	for _, f := range results {
		for _, r := range f.Results {
			if r.Outcome() == conformance.Failed {
				t.Errorf("%s/%s: %v", f.Name, r.Title, r.Err)
			}
		}
	}
	passed := conformance.Count(results, conformance.Passed)
	t.Logf("%d passed, %d refused", passed, conformance.Count(results, conformance.OutcomeRefused))
	if passed == 0 {
		t.Error("no case passed")
	}
}

// limits are known deficiencies of merely compatible servers.
type limits struct {
	// cut: OPENJSON WITH returns at most 4,000 characters. raw: it does not decode escapes.
	cut, raw bool
}

func limitsOf(t *testing.T, s *sqlserver.Server) limits {
	t.Helper()
	const long = 5000
	doc, err := json.Marshal(map[string]any{
		"list": []string{strings.Repeat("x", long)}, "text": `"`,
	})
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
	return limits{
		cut: string(rows[0][0]) != strconv.Itoa(long+len(`[""]`)), raw: string(rows[0][1]) != `"`,
	}
}

// within removes the lines that such a server cannot handle.
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

func TestSQLServerGivesTheRowsOfTheNativeEngine(t *testing.T) { bundledViews(t, open(t)) }

func TestTheStandInGivesTheRowsOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]eval.Dialect{"": {}, "on PostgreSQL": {Jsonb: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bundledViews(t, standIn(t, d))
		})
	}
}

func bundledViews(t *testing.T, s *sqlserver.Server) {
	t.Helper()
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
		lines, err := tsqleval.Lines("../..", v.Resource, most)
		if err != nil {
			t.Fatal(err)
		}
		lines = l.within(lines)
		want, err := tsqleval.NativeRows(v, lines)
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
		if d := tsqleval.Diff(v.Columns, want, got); d != "" {
			t.Errorf("%s: the native engine (-) and the server (+) differ:\n%s", v.Name, d)
		}
	}
	t.Logf("%d views, %d rows", len(all), rows)
	if rows == 0 {
		t.Error("no rows: there was nothing to compare")
	}
}
