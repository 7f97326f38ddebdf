package enginebench

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	mssqldb "github.com/microsoft/go-mssqldb"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	emulator "fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sqlserver"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/open"
	"fhirsynapse/internal/warehouse/tds"
)

// benchSchema is dropped before and after each run.
const benchSchema = "fhirsynapse_bench"

// BenchmarkServer compares a load of all bundled tables of the two types into the SQL Server of the
// environment with a bulk copy of the same lines into one column.
func BenchmarkServer(b *testing.B) {
	dsn := os.Getenv(sqlserver.Setting)
	if dsn == "" {
		b.Skip(sqlserver.Setting + " names no server")
	}
	j, size := newJob(b, *megabytes)
	for _, s := range []struct {
		name string
		run  loading
	}{{"load", loadServer}, {"copy", copyLines}} {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := onBenchSchema(b.Context(), j, dsn, s.run); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)/1e6*float64(b.N)/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

func TestALoadIsMeasured(t *testing.T) {
	t.Parallel()
	db := tables.New(tables.Options{RowVersions: true})
	server, err := emulator.Listen(emulator.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	j, _ := newJob(t, 1)
	for _, run := range []loading{loadServer, copyLines} {
		if n, err := onBenchSchema(t.Context(), j, server.URL("someone", "secret", "pool"),
			run); err != nil || n == 0 {
			t.Errorf("%d rows, %v", n, err)
		}
	}
	if left := len(db.Content(benchSchema)); left > 0 {
		t.Errorf("%d tables left", left)
	}
}

// loading loads the files of a job into a server, named by the rest of its connection
// string, and returns the number of rows.
type loading func(ctx context.Context, j job, server string) (int64, error)

// onBenchSchema runs do, and removes the schema before and after it.
func onBenchSchema(ctx context.Context, j job, dsn string, do loading) (n int64, err error) {
	rest := strings.TrimPrefix(dsn, string(tsql.SQLServer)+":")
	server, err := tds.ParseServer(tsql.SQLServer, rest)
	if err != nil {
		return 0, err
	}
	views, err := app.Views("")
	if err != nil {
		return 0, err
	}
	w, err := mssql.Open(mssql.Options{
		Server: server, Lake: localfs.New(j.out), Views: views.Tables, Now: time.Now,
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Discard(ctx, benchSchema), w.Close()) }()
	if err := w.Discard(ctx, benchSchema); err != nil {
		return 0, err
	}
	return do(ctx, j, rest)
}

type unwatched struct{}

func (unwatched) Total(int64) {}
func (unwatched) Add(int64)   {}
func (unwatched) Bad(int64)   {}

func loadServer(ctx context.Context, j job, server string) (rows int64, err error) {
	report, err := batch.Runner{Engines: open.Engines(), Now: time.Now}.Load(ctx, batch.LoadRequest{
		Dir: j.data, Scheme: string(tsql.SQLServer), Rest: server, Schema: benchSchema, MaxBad: 1,
		Progress: unwatched{},
	})
	for _, n := range report.Rows {
		rows += n
	}
	return rows, err
}

// copyLines sends every line, whole, into one column. A load must send at least this.
func copyLines(ctx context.Context, j job, server string) (lines int64, err error) {
	s, err := tds.ParseServer(tsql.SQLServer, server)
	if err != nil {
		return 0, err
	}
	db, err := tds.SignIn(ctx, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, text := range []string{
		"CREATE SCHEMA [" + benchSchema + "]",
		"CREATE TABLE [" + benchSchema + "].[lines] ([doc] nvarchar(max) NULL)",
	} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return 0, err
		}
	}
	return lines, conn.Raw(func(c any) error {
		bulk := c.(*mssqldb.Conn).CreateBulkContext(ctx, "["+benchSchema+"].[lines]",
			[]string{"doc"})
		for _, p := range parts {
			f, err := os.Open(j.file(p.resource))
			if err != nil {
				return err
			}
			for l, err := range ndjson.Lines(f, 0) {
				if err := errors.Join(err, bulk.AddRow([]any{string(l.JSON)})); err != nil {
					return err
				}
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
		lines, err = bulk.Done()
		return err
	})
}
