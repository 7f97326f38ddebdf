package mssql_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/tds"
	"fhirsynapse/views"
)

// dsnVariable names a SQL Server to test against, as
// sqlserver://USER:PASSWORD@HOST:PORT?database=NAME. Each test uses schemas of its own and drops
// them.
const dsnVariable = "FHIRSYNAPSE_SQLSERVER_DSN"

func realServer(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv(dsnVariable)
	if dsn == "" {
		t.Skipf("no SQL Server to run against: set %s", dsnVariable)
	}
	return dsn
}

// real maps the schemas of the suite to schemas of a real server.
type real struct {
	dsn, prefix string
	db          *sql.DB
	pool        *tds.Pool
}

// The tests share sessions, because the first statements of a session can take almost a second on
// servers that resemble SQL Server.
var shared = struct {
	sync.Mutex
	pools   map[string]*tds.Pool
	readers map[string]*sql.DB
}{pools: map[string]*tds.Pool{}, readers: map[string]*sql.DB{}}

func sharedReader(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if db := shared.readers[dsn]; db != nil {
		return db
	}
	db, err := sql.Open("sqlserver", dsn)
	if err != nil {
		t.Fatal("the connection string does not parse") // the driver's error may repeat it
	}
	shared.readers[dsn] = db
	return db
}

func sharedPool(t *testing.T, dsn string) *tds.Pool {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if p := shared.pools[dsn]; p != nil {
		return p
	}
	server, err := tds.ParseServer(tsql.SQLServer, dsn)
	if err != nil {
		t.Fatal(err)
	}
	const sessions = 8
	p, err := tds.Connect(server, tds.Options{Statements: sessions, Wait: noWait})
	if err != nil {
		t.Fatal(err)
	}
	shared.pools[dsn] = p
	return p
}

func newReal(t *testing.T, dsn string) *real {
	t.Helper()
	var b [4]byte
	_, _ = rand.Read(b[:])
	r := &real{
		dsn: dsn, prefix: "t" + hex.EncodeToString(b[:]) + "_", db: sharedReader(t, dsn),
		pool: sharedPool(t, dsn),
	}
	t.Cleanup(func() {
		for _, schema := range []string{"fhir", "fhir_load", "Other", "Other_load"} {
			r.drop(t, schema)
		}
	})
	return r
}

func (r *real) strings(t *testing.T, query string) [][2]string {
	t.Helper()
	rows, err := r.db.QueryContext(context.WithoutCancel(t.Context()), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out [][2]string
	for rows.Next() {
		var pair [2]string
		if err := rows.Scan(&pair[0], &pair[1]); err != nil {
			t.Fatal(err)
		}
		out = append(out, pair)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *real) tables(t *testing.T, schema string) [][2]string {
	t.Helper()
	return r.strings(t,
		"SELECT t.[TABLE_SCHEMA], t.[TABLE_NAME] FROM [INFORMATION_SCHEMA].[TABLES] AS t WHERE t.[TABLE_SCHEMA] = N'"+r.prefix+schema+"'")
}

func (r *real) drop(t *testing.T, schema string) {
	t.Helper()
	found := r.tables(t, schema)
	for _, table := range found {
		if _, err := r.db.ExecContext(context.WithoutCancel(t.Context()),
			"DROP TABLE ["+table[0]+"].["+table[1]+"]"); err != nil {
			t.Error(err)
		}
	}
	if len(found) > 0 {
		if _, err := r.db.ExecContext(context.WithoutCancel(t.Context()),
			"DROP SCHEMA ["+r.prefix+schema+"]"); err != nil {
			t.Log(err)
		}
	}
}

// Open implements pipelinetest.Store.
func (r *real) Open(t *testing.T, lake pipeline.Lake, views warehouse.Views) pipeline.Warehouse {
	t.Helper()
	w, err := mssql.Open(mssql.Options{
		Server: r.pool.Server(), Pool: r.pool, Lake: lake, Views: views, Now: now,
		TempDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return renamed{w, r.prefix}
}

func (r *real) through(
	t *testing.T, dsn string, lake pipeline.Lake, views warehouse.Views,
) pipeline.Warehouse {
	t.Helper()
	server, err := tds.ParseServer(tsql.SQLServer, dsn)
	if err != nil {
		t.Fatal(err)
	}
	w, err := mssql.Open(mssql.Options{
		Server: server, Lake: lake, Views: views, Now: now, Wait: noWait, TempDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return renamed{w, r.prefix}
}

// renamed maps schema names; invalid names stay unchanged.
type renamed struct {
	pipeline.Warehouse
	prefix string
}

var usableSchema = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (r renamed) of(schema string) string {
	if usableSchema.MatchString(schema) {
		return r.prefix + schema
	}
	return schema
}

func (r renamed) Commit(ctx context.Context, b pipeline.Batch) error {
	b.Schema = r.of(b.Schema)
	return r.Warehouse.Commit(ctx, b)
}

func (r renamed) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	return r.Warehouse.Ledger(ctx, r.of(schema), export)
}

// Content implements pipelinetest.Store.
func (r *real) Content(t *testing.T, schema string) refwarehouse.Content {
	t.Helper()
	c := refwarehouse.Content{}
	for _, table := range append(r.tables(t, schema),
		r.tables(t, warehouse.LoadSchema(schema))...) {
		if isHead := strings.HasPrefix(table[1], warehouse.HeadTable("")); isHead ||
			!strings.HasPrefix(table[1], "_") {
			r.content(t, table, isHead, c)
		}
	}
	c.Sort()
	return c
}

func (r *real) content(t *testing.T, table [2]string, isHead bool, c refwarehouse.Content) {
	t.Helper()
	columns := r.strings(t,
		"SELECT c.[COLUMN_NAME], c.[DATA_TYPE] FROM [INFORMATION_SCHEMA].[COLUMNS] AS c WHERE c.[TABLE_SCHEMA] = N'"+table[0]+"' AND c.[TABLE_NAME] = N'"+table[1]+"' ORDER BY c.[ORDINAL_POSITION]")
	var names, selected []string
	for _, column := range columns {
		selected = append(selected, "t.["+column[0]+"]")
		if isHead {
			column[0] = strings.TrimPrefix(column[0], "_") // the model's name
		}
		names = append(names, column[0])
	}
	rows, err := r.db.QueryContext(t.Context(),
		"SELECT "+strings.Join(selected, ", ")+" FROM ["+table[0]+"].["+table[1]+"] AS t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		cells, to := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			to[i] = &cells[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		texts := make([]*string, len(cells))
		for i, v := range cells {
			if raw, ok := v.([]byte); ok {
				v = string(raw) // the driver returns decimals so
			}
			texts[i] = tables.Text(v, strings.ToLower(columns[i][1]))
		}
		c.Add(table[1], names, texts)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// standIn starts an emulator that accepts all statements of these tests, so that the tests
// themselves are tested.
func standIn(t *testing.T, d eval.Dialect) string {
	t.Helper()
	db := tables.New(tables.Options{RowVersions: true, Dialect: d})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server.URL("someone", "secret", "pool")
}

func TestSQLServerIsAWarehouse(t *testing.T) {
	t.Parallel()
	dsn := realServer(t)
	pipelinetest.TestWarehouse(t, func(t *testing.T) pipelinetest.Store {
		if strings.HasSuffix(t.Name(), "every_kind_of_value_comes_through") {
			needs(t, dsn, copiesDecimals)
		}
		return newReal(t, dsn)
	})
}

func TestTheStandInIsAWarehouse(t *testing.T) {
	t.Parallel()
	dsn := standIn(t, eval.Dialect{})
	pipelinetest.TestWarehouse(t, func(t *testing.T) pipelinetest.Store { return newReal(t, dsn) })
}

// Each message of a commit to a real server is cut off once before it arrives and once before its
// answer.
func TestSQLServerSurvivesCutConnections(t *testing.T) {
	t.Parallel()
	killed(t, realServer(t))
}

func TestTheStandInSurvivesCutConnections(t *testing.T) {
	t.Parallel()
	killed(t, standIn(t, eval.Dialect{}))
}

func killed(t *testing.T, dsn string) {
	t.Helper()
	r, p := newReal(t, dsn), newProxy(t, dsn)
	lake := pipelinetest.NewMemoryLake(now)
	w := &world{lake: lake}
	model := refwarehouse.NewWarehouse(lake, faultViews.Tables)
	direct, through := r.Open(t, lake, faultViews.Tables),
		r.through(t, p.dsn, lake, faultViews.Tables)
	both := func(b pipeline.Batch, to pipeline.Warehouse, where string) {
		t.Helper()
		if err := to.Commit(t.Context(), b); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if err := model.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		want, err := model.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, r.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-model +got):\n%s", where, d)
		}
	}
	first := w.prepare(t, "plan-0", line("a", 1, "A")+line("b", 1, "B"))
	first.Attempt = "f0"
	both(first, direct, "the first commit")
	for n := 1; ; n++ {
		if n > 200 {
			t.Fatal("the commit has no end")
		}
		after := n%2 == 0
		export := fmt.Sprint("plan-", n)
		b := w.prepare(t, export,
			versioned("a", n, "A")+versioned("a", n-1, "old")+versioned(fmt.Sprint("c", n), n, "C"))
		b.Attempt = fmt.Sprintf("f%d", n)
		p.cutAt((n+1)/2, after)
		both(b, through, fmt.Sprintf("cut at message %d, after it: %v", (n+1)/2, after))
		if !p.cutAt(0, false) && after {
			return // past the last message
		}
	}
}

func versioned(id string, n int, family string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"lastUpdated":"2024-02-01T00:00:00Z","versionId":"%d"},"rows":{"patient":[["%s%d"]],"patient_name":[["x"]]}}`+"\n", id, n, family, n)
}

// Both transforms return the rows of the native engine, for the bundled views and the types of the
// test data.
func TestSQLServerMakesTheRowsOfBundledViews(t *testing.T) {
	t.Parallel()
	dsn := realServer(t)
	needs(t, dsn, keepsScale, copiesDecimals)
	rowsOfBundledViews(t, dsn)
}

func TestTheStandInMakesTheRowsOfBundledViews(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]eval.Dialect{"": {}, "on PostgreSQL": {Jsonb: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rowsOfBundledViews(t, standIn(t, d))
		})
	}
}

func rowsOfBundledViews(t *testing.T, dsn string) {
	t.Helper()
	bundled, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	native := flatten.Native(func(string) ([]*sof.View, error) { return bundled, nil })
	types := map[string]bool{}
	for _, v := range bundled {
		types[v.Resource] = true
	}
	const mostLines = 40 // per file, so that a slow server does not take minutes for a type
	for resource := range types {
		lines, err := tsqleval.Lines("../../..", resource, mostLines)
		if err != nil {
			t.Fatal(err)
		}
		for name, documents := range map[string]flatten.Native{"native": nil, "tsql": native} {
			t.Run(resource+" "+name, func(t *testing.T) {
				t.Parallel()
				r, text := newReal(t, dsn), string(bytes.Join(lines, []byte("\n")))
				if documents != nil && r.limited(t) {
					t.Log("OPENJSON of this server cuts texts, or does not decode escapes: lines that meet this are left out")
					text = within(text)
				}
				sameRows(t, r, native, documents, resource, text)
			})
		}
	}
}
