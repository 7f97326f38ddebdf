package mssql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/tds"
)

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]string{
		"//u:hunter2@db.example:1433?database=x":                            "",
		"sqlserver://u:hunter2@db.example?database=x":                       "",
		"//u:hunter2@127.0.0.1?Database=x&Encrypt=disable":                  "",
		"//db.example?database=x":                                           "",
		"//db.example?database=x&fedauth=ActiveDirectoryMSI":                "",
		"//id@db.example?database=x&fedauth=ActiveDirectoryManagedIdentity": "",
		"//u:hunter2@db.example":                                            "add ?database=NAME",
		"//u:hunter2@db.example?database=":                                  "add ?database=NAME",
		"//u:hunter2@db.example?database=x&fedauth=ActiveDirectoryDefault":  "a password and fedauth",
		"//db.example?database=x&fedauth=activedirectorymsi":                "must be spelt ActiveDirectoryMSI",
		"//db.example?database=x&fedauth=ActiveDirectoryMagic":              "use one of ActiveDirectoryDefault",
		"//u:hunter2@db.example?database=x&encrypt=maybe":                   "a parameter that is not right",
		"hunter2":                    "does not parse",
		"//u:hunter2@%zz?database=x": "does not parse",
	} {
		s, err := tds.ParseServer(tsql.SQLServer, rest)
		text := fmt.Sprintf("%v %+v %#v %v", s, s, s, err)
		if (err == nil) != (want == "") || !strings.Contains(text, want) ||
			strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", rest, text)
		}
		if err != nil && fault.Of(err) != fault.Permanent {
			t.Errorf("%s: class %s", rest, fault.Of(err))
		}
	}
}

// A server on another machine requires TLS.
func TestConnectionsAreEncrypted(t *testing.T) {
	t.Parallel()
	s := newStore(t, tsql.SQLServer, nil)
	for encrypt, ok := range map[string]bool{"true": false, "disable": true} {
		server, err := tds.ParseServer(tsql.SQLServer,
			strings.Replace(s.server.URL("u", "p", "pool"), "encrypt=disable", "encrypt="+encrypt,
				1))
		if err != nil {
			t.Fatal(err)
		}
		w, err := mssql.Open(mssql.Options{
			Server: server, Lake: pipelinetest.NewMemoryLake(now), Views: faultViews.Tables,
			Now: now, Wait: noWait,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Ledger(t.Context(), "fhir", "x"); (err == nil) != ok {
			t.Errorf("encrypt=%s: %v", encrypt, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatANumberMeans(t *testing.T) {
	t.Parallel()
	for number, want := range map[int32]struct {
		class  fault.Class
		after  time.Duration
		tries  int
		remedy string
	}{
		40613:  {fault.Transient, 0, 4, ""},
		1205:   {fault.Transient, 0, 4, ""},
		99999:  {fault.Transient, 0, 4, ""},
		42108:  {fault.Transient, 5 * time.Minute, 1, "the pool is paused"},
		42109:  {fault.Transient, time.Minute, 1, "warming up"},
		4060:   {fault.Transient, time.Minute, 1, "check the name of the database"},
		18456:  {fault.Permanent, 0, 1, "check user and password"},
		229:    {fault.Permanent, 0, 1, "grant the login"},
		262:    {fault.Permanent, 0, 1, "fhirsynapse sql setup --check"},
		208:    {fault.Permanent, 0, 1, "dropped by hand"},
		3729:   {fault.Permanent, 0, 1, "refers to the table"},
		103010: {fault.Permanent, 0, 1, "names this engine"},
		8632:   {fault.Permanent, 0, 1, "divide the view"},
	} {
		f := &faults{}
		s := newStore(t, tsql.SQLServer, f.of)
		lake := pipelinetest.NewMemoryLake(now)
		w := s.openAt(t, lake, faultViews.Tables, now)
		f.set(2, true, sqlserver.Fault{Error: &sqlserver.Error{
			Number: number, Message: "said by the server",
		}})
		_, err := w.Ledger(t.Context(), "fhir", "x")
		text := fmt.Sprint(err)
		if fault.Of(err) != want.class || fault.After(err) != want.after ||
			!strings.Contains(text, want.remedy) || !strings.Contains(text, fmt.Sprint(number)) {
			t.Errorf("%d: class %s, after %s: %s", number, fault.Of(err), fault.After(err), text)
		}
		tries := 0
		for _, r := range s.server.Requests() {
			if r.Kind == "batch" {
				tries++
			}
		}
		// A server that answers each login with an error receives no batches.
		if logins := len(s.server.Requests()) - tries; tries+logins-1 < want.tries ||
			tries > want.tries {
			t.Errorf("%d: %d statements over %d logins, want %d tries", number, tries, logins,
				want.tries)
		}
	}
}

func TestTheDedicatedPoolNeedsRowVersions(t *testing.T) {
	t.Parallel()
	for engine, refused := range map[tsql.Engine]bool{tsql.Dedicated: true, tsql.SQLServer: false} {
		s := newStore(t, engine, nil)
		s.db = tables.New(tables.Options{Open: s.fetch})
		server, err := sqlserver.Listen(sqlserver.Options{Sessions: s.db.Session})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{store: s, lake: pipelinetest.NewMemoryLake(now)}
		s.server = server
		err = w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(),
			w.prepare(t, "plan-1", line("a", 8, "A")))
		if (err != nil) != refused ||
			refused && (fault.Of(err) != fault.Permanent ||
				!strings.Contains(err.Error(), "SET READ_COMMITTED_SNAPSHOT ON")) {
			t.Errorf("%s: %v", engine, err)
		}
		if refused && len(s.db.Content("fhir")) > 0 {
			t.Errorf("%s: tables were made", engine)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFabricWarehouseThatMergesIDsIsRefused(t *testing.T) {
	t.Parallel()
	for collation, refused := range map[string]bool{
		"Latin1_General_100_CI_AS_KS_WS_SC_UTF8": true, "": false,
	} {
		s := newStore(t, tsql.Fabric, nil)
		s.db = tables.New(tables.Options{Conflicts: true, Open: s.fetch, Collation: collation})
		server, err := sqlserver.Listen(sqlserver.Options{Sessions: s.db.Session})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{store: s, lake: pipelinetest.NewMemoryLake(now)}
		s.server = server
		err = w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(),
			w.prepare(t, "plan-1", line("a", 8, "A")))
		if (err != nil) != refused ||
			refused && (fault.Of(err) != fault.Permanent ||
				!strings.Contains(err.Error(), "BIN2_UTF8")) {
			t.Errorf("%q: %v", collation, err)
		}
		if refused && len(s.db.Content("fhir")) > 0 {
			t.Errorf("%q: tables were made", collation)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A row that is too large for the engine's Parquet reader arrives complete as JSON.
func TestLongRows(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`é"\`+"\u6771\t", 100_000)
	for _, engine := range enginesUnderTest() {
		w := newWorld(t, engine)
		b := w.prepare(t, "plan-3", line("a", 10, "short")+line("l", 10, long))
		if err := w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(), b); err != nil {
			t.Fatalf("%s: %v", engine, err)
		}
		found := false
		for _, row := range w.Content(t, "fhir")["patient"] {
			found = found || strings.Contains(row, fmt.Sprintf("family=%q", long))
		}
		if !found {
			t.Errorf("%s: the long row is not there", engine)
		}
		large := false
		for _, r := range w.server.Requests() {
			large = large || strings.Contains(r.Text, "CROSS APPLY OPENJSON(")
		}
		if large != (engine == tsql.Dedicated) {
			t.Errorf("%s: loaded as JSON: %v", engine, large)
		}
	}
}

// Rows of a table without a view in this process may belong to another process's views.
func TestPreparedByAProcessWithOtherViews(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tsql.SQLServer)
	fewer := flattentest.Views{"plan": faultViews["plan"][:1]}
	err := w.openAt(t, w.lake, fewer.Tables, now).Commit(t.Context(), w.second)
	if fault.Of(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "patient_name") {
		t.Errorf("error: %v", err)
	}
}

// Statements run one after the other over the permitted number of connections.
func TestTheLimitOfStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tsql.SQLServer)
	server, err := tds.ParseServer(tsql.SQLServer, w.server.URL("u", "p", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := mssql.Open(mssql.Options{
		Server: server, Lake: w.lake, Views: faultViews.Tables, Now: now, Wait: noWait,
		Statements: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server.Forget()
	failed := make(chan error)
	for i := range 8 {
		go func() {
			_, err := c.Ledger(t.Context(), "fhir", fmt.Sprint(i))
			failed <- err
		}()
	}
	for range 8 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	logins := 0
	for _, r := range w.server.Requests() {
		if r.Kind == "login" {
			logins++
		}
	}
	if logins != 1 {
		t.Errorf("%d connections, want 1", logins)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnEndedContextIsWhatIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, tsql.SQLServer)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.openAt(t, w.lake, faultViews.Tables, now).Ledger(ctx, "fhir",
		"x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	var _ pipeline.Warehouse = (*mssql.Warehouse)(nil)
}

// A deleted lock row is inserted again.
func TestALostLockRow(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		w := newWorld(t, engine)
		db, err := sql.Open("sqlserver", w.server.URL("u", "p", "pool"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(),
			"DELETE FROM [fhir_load].[_lock_Patient] WHERE [k] = 1"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(),
			w.second); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		if d := cmp.Diff(w.after, w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-model +got):\n%s", engine, d)
		}
	}
}

// A server without information on row versions is accepted.
func TestAServerThatIsOnlyLikeSQLServer(t *testing.T) {
	t.Parallel()
	s := newStore(t, tsql.SQLServer, func(r sqlserver.Request) sqlserver.Fault {
		if strings.Contains(r.Text, "[sys].[databases]") {
			return sqlserver.Fault{Error: &sqlserver.Error{
				Number: 207, Message: "Invalid column name.",
			}}
		}
		return sqlserver.Fault{}
	})
	w := &world{store: s, lake: pipelinetest.NewMemoryLake(now)}
	if err := w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(),
		w.prepare(t, "plan-1", line("a", 8, "A"))); err != nil {
		t.Error(err)
	}
}

// A missing grant for any statement fails with one error that names the step and the remedy, and
// leaves nothing half done. With the grant the next try succeeds.
func TestAMissingGrantLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			for n := 2; ; n += strideOf(engine) { // after the login
				if n > 100 {
					t.Fatal("the commit has no end")
				}
				w := newWorld(t, engine)
				w.set(n, true, sqlserver.Fault{Error: &sqlserver.Error{
					Number: 229, Message: "The permission was denied on the object 'x'.",
				}})
				c := w.openAt(t, w.lake, faultViews.Tables, now)
				err := c.Commit(t.Context(), w.second)
				hit := w.set(0, false, sqlserver.Fault{})
				got := w.Content(t, "fhir")
				if err == nil {
					// The steps after a COMMIT may fail.
					if d := cmp.Diff(w.after, got); d != "" {
						t.Errorf("refused from %d, %s: tables (-model +got):\n%s", n, hit, d)
					}
					if hit == "" {
						break
					}
					continue
				}
				text := err.Error()
				if fault.Of(err) != fault.Permanent ||
					strings.Count(text, "grant the login") != 1 ||
					!strings.Contains(text, "on the object 'x'") ||
					!strings.HasPrefix(text, "commit Patient of plan-2: ") {
					t.Errorf("refused from %d, %s: %v", n, hit, err)
				}
				if d := cmp.Diff(w.before, got); d != "" {
					t.Errorf("refused from %d, %s, and yet (-before +after):\n%s", n, hit, d)
				}
				w.settled(t, n, hit)
				w.second.Attempt = "a2"
				if err := c.Commit(t.Context(), w.second); err != nil {
					t.Errorf("refused from %d, %s, and granted: %v", n, hit, err)
				}
				if d := cmp.Diff(w.after, w.Content(t, "fhir")); d != "" {
					t.Errorf("refused from %d, %s, and granted: tables (-model +got):\n%s", n, hit,
						d)
				}
			}
		})
	}
}
