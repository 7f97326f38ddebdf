// Package tsqltest_test runs the commands from the command line to an emulator of the
// engines that speak T-SQL.
package tsqltest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/app/connect"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse/open"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func now() time.Time { return start }

// noTicks never ticks, so no progress is written, even on a slow machine.
func noTicks(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// runner returns a runner for loads at the time start. Staging opens containers; nil means
// containers of Azure.
func runner(staging func(string) (batch.Staging, error)) batch.Runner {
	r := connect.Runner(open.Engines(), now)
	if staging != nil {
		r.Staging = staging
	}
	return r
}

// starter returns a runner with the system clock.
func starter(staging func(string) (batch.Staging, error)) batch.Runner {
	r := runner(staging)
	r.Now = time.Now
	return r
}

func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = cli.Run(t.Context(), args, func(string) string {
		return ""
	}, cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{Runs: runner(nil)})
	return code, o.String(), e.String()
}

func standIn(t *testing.T) (*tables.Database, *sqlserver.Server) {
	t.Helper()
	db := tables.New(tables.Options{RowVersions: true, Dialect: eval.Dialect{}})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, server
}

// The tests below change the working directory of the process, because bad lines go there.

func TestAServerThatIsAwayIsToldBeforeAFileIsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("in", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("in/Patient.ndjson",
		[]byte(`{"resourceType":"Patient","id":"1"}`+"\nbad\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := sqlserver.Listen(sqlserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	to := server.URL("someone", "secret", "pool")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	code, _, errs := run(t, "load", "in", "--to", to)
	if code != 1 || !strings.Contains(errs, "open the warehouse: ") ||
		strings.Contains(errs, "secret") || strings.Contains(errs, "lines") {
		t.Errorf("exit code %d:\n%s", code, errs)
	}
	if _, err := os.Stat("in.quarantine"); !os.IsNotExist(err) {
		t.Errorf("files were read: %v", err)
	}
}

func TestAFolderIsLoadedIntoSQLServer(t *testing.T) {
	data, err := filepath.Abs("../../../../shared/data/synthea-ndjson/set-b-12patients")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Skipf("there is no data set: %v", err)
	}
	t.Chdir(t.TempDir())
	db, server := standIn(t)
	to := server.URL("someone", "secret", "pool")
	// the second load changes nothing
	for _, want := range []string{`"applied":12,"superseded":0`, `"applied":0,"superseded":12`} {
		code, out, errs := run(t, "load", data, "--to", to, "--json")
		if code != 0 {
			t.Fatalf("code %d, %s", code, errs)
		}
		_, patients, _ := strings.Cut(out, `"type":"Patient"`)
		if patient, _, _ := strings.Cut(patients, "}"); !strings.Contains(patient, want) {
			t.Errorf("the report on patients is %s, want %s", patient, want)
		}
	}
	got := map[string][]string{}
	for name, table := range db.Content("dbo") {
		if !strings.HasPrefix(name, "_") && len(table.Rows) > 0 {
			got[name] = texts(table.Columns, table.Rows)
		}
	}
	if d := cmp.Diff(modelOf(t, data), got); d != "" {
		t.Errorf("tables (-model +loaded):\n%.3000s", d)
	}
}

// A refusal of a table that was changed by hand names a command; the test runs that command
// unchanged.
func TestATableChangedByHandIsRebuilt(t *testing.T) {
	t.Chdir(t.TempDir())
	data := t.TempDir()
	const patients = `{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"gender":"other"}` + "\n"
	if err := os.WriteFile(filepath.Join(data, "Patient.ndjson"), []byte(patients),
		0o600); err != nil {
		t.Fatal(err)
	}
	db, server := standIn(t)
	to := server.URL("someone", "secret", "pool")
	if code, _, errs := run(t, "load", data, "--to", to); code != 0 {
		t.Fatal(errs)
	}
	by := db.Session("pool")
	for _, text := range []string{
		"DROP TABLE [dbo].[patient]", "CREATE TABLE [dbo].[patient] ([gender] int NULL)",
	} {
		if _, err := by.Batch(t.Context(), text, nil); err != nil {
			t.Fatal(err)
		}
	}
	code, _, errs := run(t, "load", data, "--to", to)
	if code != 1 ||
		!strings.Contains(errs,
			"column patient.gender is int in schema dbo and should be nvarchar(256)") ||
		!strings.Contains(errs,
			"table dbo.patient has no column _id: it was changed by hand") ||
		strings.Count(errs,
			"fhirsynapse load DIR --to sqlserver://HOST?database=NAME --schema dbo --rebuild=Patient, where DIR has") != 1 {
		t.Fatalf("code %d, %s", code, errs)
	}
	if code, out, errs := run(t, "load", data, "--to", to, "--schema", "dbo",
		"--rebuild=Patient"); code != 0 || !strings.Contains(out, "loaded 1 resources") {
		t.Fatalf("code %d, %s%s", code, out, errs)
	}
	if rows := db.Content("dbo")["patient"].Rows; len(rows) != 1 ||
		len(db.Content("_rebuild_dbo")) > 0 {
		t.Errorf("rebuilt: %v", rows)
	}
	if code, _, errs := run(t, "load", data, "--to", to); code != 0 {
		t.Error(errs)
	}
}

// texts returns rows as text, without the export, which has a random name.
func texts(columns []sqlserver.Column, rows [][]any) []string {
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	c := refwarehouse.Content{"": nil}
	for _, row := range rows {
		var cells []*string
		for i, v := range row {
			cells = append(cells, tables.Text(v, columns[i].Type))
		}
		c.Add("", names, cells)
	}
	return withoutExports(c)[""]
}

var exportCell = regexp.MustCompile(`_export="[^"]*" `)

func withoutExports(c refwarehouse.Content) refwarehouse.Content {
	out := refwarehouse.Content{}
	for name, rows := range c {
		if strings.HasPrefix(name, "_") {
			continue
		}
		out[name] = nil
		for _, r := range rows {
			out[name] = append(out[name], exportCell.ReplaceAllString(r, ""))
		}
	}
	out.Sort()
	return out
}

// modelOf returns the tables that the reference warehouse makes from a folder.
func modelOf(t *testing.T, data string) map[string][]string {
	t.Helper()
	views, err := app.Views("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lake := batch.NewFolders(data, filepath.Join(dir, "staging"), filepath.Join(dir, "bad"))
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	model := refwarehouse.NewWarehouse(lake, views.Tables)
	l := batch.Loader{
		Lake: lake, Flattener: flattener, Warehouse: model, Now: now, Token: func() string {
			return "ab"
		},
	}
	if _, err := l.Load(t.Context(), "dbo"); err != nil {
		t.Fatal(err)
	}
	c, err := model.Content(t.Context(), "dbo")
	if err != nil {
		t.Fatal(err)
	}
	return withoutExports(c)
}

func TestWhatIsWrongWithALoadIsSaidOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("Patient.ndjson",
		[]byte("{\"resourceType\":\"Patient\",\"id\":\"a\"}\nno JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, server := standIn(t)
	for to, want := range map[string]string{
		"sqlserver://u:hunter2@127.0.0.1:1":                      "names no database: add ?database=NAME",
		"sqlserver://u:hunter2@127.0.0.1:1?database=x;":          "do not parse",
		"sqlserver:nothing":                                      "the connection string does not parse",
		"synapse-serverless://host?database=x":                   "loads nothing, its views read files of a storage account",
		"oracle:x":                                               "load goes to duckdb:FILE, sqlserver://HOST, ",
		"sqlserver://host?database=x&fedauth=activedirectorymsi": "must be spelt ActiveDirectoryMSI",
	} {
		code, out, errs := run(t, "load", ".", "--to", to)
		if code == 0 || !strings.Contains(errs, want) || strings.Contains(errs+out, "hunter2") ||
			strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: code %d, %q", to, code, errs)
		}
	}
	code, out, errs := run(t, "load", ".", "--to", server.URL("u", "hunter2", "pool"), "--max-bad",
		"50")
	if code != 0 || !strings.Contains(out, "loaded 1 resources") ||
		!strings.Contains(out, "1 quarantined") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
	bad, err := filepath.Glob("*.quarantine/*/*/*")
	if err != nil || len(bad) != 1 {
		t.Errorf("quarantined: %v, %v", bad, err)
	}
}

func TestTheCommitOfAViewIsPrinted(t *testing.T) {
	for engine, want := range map[string][]string{
		"sqlserver": {"[pk_patient] PRIMARY KEY", "sp_getapplock", "COMMIT TRANSACTION"},
		"synapse-dedicated": {
			"DISTRIBUTION = HASH([_id])", "COPY INTO",
			"UPDATE [fhir_load].[_lock_Patient]", "COMMIT TRANSACTION", "CREATE STATISTICS",
		},
		"synapse-serverless": {
			"OPENROWSET(",
			"CREATE OR ALTER VIEW [fhir].[patient] AS",
			"-- with snapshot=20: snapshot\nCREATE EXTERNAL TABLE",
		},
		"fabric": {
			"COPY INTO", "varchar(8000)", "UPDATE [fhir_load].[_lock_Patient]",
			"COMMIT TRANSACTION",
		},
	} {
		for part, parts := range map[string][]string{
			"all": want, "commit": {"BEGIN TRANSACTION", "COMMIT TRANSACTION"},
			"stage": {"CREATE TABLE"},
		} {
			var o, e strings.Builder
			code := cli.Run(t.Context(),
				[]string{"sql", "patient", "--engine", engine, "--statement", part},
				func(string) string { return "" },
				cli.Streams{Out: &o, Err: &e, Now: now, Ticks: noTicks}, cli.Commands{})
			if engine == "synapse-serverless" && part != "all" {
				if code == 0 || !strings.Contains(e.String(), "loads nothing") {
					t.Errorf("%s, %s: code %d, %s", engine, part, code, e.String())
				}
				continue
			}
			for _, p := range parts {
				if code != 0 || !strings.Contains(o.String(), p) {
					t.Errorf("%s, %s: code %d, no %q, %s", engine, part, code, p, e.String())
				}
			}
		}
	}
}

// With --transform tsql the database engine computes the rows, also from packed files and from
// files with several resource types.
func TestTheEngineMakesTheRowsOfAFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	data, views := t.TempDir(), bornView(t, "")
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(bornPatient("a", "1970-01-01", "01") +
		bornPatient("b", "1980-01-01", "01"))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, data, "packed", packed.String())
	put(t, data, "mixed.jsonl",
		`{"resourceType":"Linkage","id":"x"}`+"\n"+bornPatient("c", "1990-01-01", "02")+
			`{"resourceType":"Linkage","id":"y"}`+"\n")
	put(t, data, "with#mark.ndjson", bornPatient("d", "2000-01-01", "02"))
	var got []string
	for _, transform := range []string{"native", "tsql"} {
		db, server := standIn(t)
		code, out, errs := run(t, "load", data, "--to", server.URL("someone", "secret", "pool"),
			"--views", views, "--schema", "nightly", "--transform", transform)
		if code != 0 || !strings.Contains(out, "loaded 6 resources") {
			t.Fatalf("%s: code %d, %s%s", transform, code, out, errs)
		}
		got = append(got, rowsOf(db, "born"))
	}
	if got[0] != got[1] || strings.Count(got[0], "day=") != 4 {
		t.Errorf("native:\n%s\nby the engine:\n%s", got[0], got[1])
	}
	for _, to := range []string{"duckdb:x", "csv:x"} {
		if code, _, errs := run(t, "load", data, "--to", to, "--transform", "tsql"); code != 2 ||
			!strings.Contains(errs, "--transform must be native, or tsql with --to sqlserver") {
			t.Errorf("%s: code %d, %s", to, code, errs)
		}
	}
}
