package enginebench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	mssqldb "github.com/microsoft/go-mssqldb"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/sqlserver"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/open"
	"fhirsynapse/internal/warehouse/tds"
)

// serverSides are measured where a SQL Server is named: the load, and beside it what
// a bulk copy over the same connection can do at all. Both use all processors.
var serverSides = []side{
	{"server-lines", "the lines as one column, by bulk copy", copyLines},
	{"server-load", "load, all bundled tables of the two types", loadServer},
}

// benchSchema is dropped before and after each run.
const benchSchema = "fhirsynapse_bench"

// onServer measures a load into the server of the environment, if there is one.
func (b *Bench) onServer(ctx context.Context, r runner, size int64) error {
	if b.Server == "" {
		b.say("no load into SQL Server: %s names none", sqlserver.Setting)
		return nil
	}
	seen := map[string][]figures{}
	cores := runtime.NumCPU()
	for run := range b.Runs {
		for i := range serverSides {
			s := serverSides[(i+run)%len(serverSides)]
			f, err := r.run(ctx, s.name, cores)
			if err != nil {
				return fmt.Errorf("measure %s: %w", s.title, err)
			}
			seen[key(s.name, cores)] = append(seen[key(s.name, cores)], f)
		}
	}
	b.say("into the server of %s, schema %s, with all processors", sqlserver.Setting, benchSchema)
	for _, s := range serverSides {
		b.row(s, size, seen[key(s.name, cores)])
	}
	return nil
}

func loadServer(ctx context.Context, j job) (rows int64, err error) {
	err = onBenchSchema(ctx, j, func(tds.Server, *mssql.Warehouse) error {
		report, err := batch.Runner{Engines: open.Engines(), Now: j.now}.Load(ctx, batch.LoadRequest{Dir: j.data, Scheme: string(tsql.SQLServer), Rest: j.serverRest(), Schema: benchSchema, MaxBad: 1, Progress: unwatched{}})
		for _, n := range report.Rows {
			rows += n
		}
		return err
	})
	return rows, err
}

// serverRest is the server as a connection string behind its scheme.
func (j job) serverRest() string {
	return strings.TrimPrefix(j.server, string(tsql.SQLServer)+":")
}

type unwatched struct{}

func (unwatched) Total(int64) {}
func (unwatched) Add(int64)   {}
func (unwatched) Bad(int64)   {}

// onBenchSchema runs do between two removals of the schema.
func onBenchSchema(ctx context.Context, j job, do func(tds.Server, *mssql.Warehouse) error) (err error) {
	server, err := tds.ParseServer(tsql.SQLServer, j.serverRest())
	if err != nil {
		return err
	}
	views, err := app.Views("")
	if err != nil {
		return err
	}
	w, err := mssql.Open(mssql.Options{Server: server, Lake: localfs.New(os.TempDir()), Views: views.Tables, Now: j.now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.Discard(ctx, benchSchema); err != nil {
		return err
	}
	return errors.Join(do(server, w), w.Discard(ctx, benchSchema))
}

// copyLines is the least that a load could send: every line, whole, in one column.
func copyLines(ctx context.Context, j job) (lines int64, err error) {
	err = onBenchSchema(ctx, j, func(s tds.Server, _ *mssql.Warehouse) (err error) {
		db, err := tds.SignIn(ctx, s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		for _, text := range []string{"CREATE SCHEMA [" + benchSchema + "]", "CREATE TABLE [" + benchSchema + "].[lines] ([doc] nvarchar(max) NULL)"} {
			if _, err := conn.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		for _, p := range parts {
			n, err := copyFile(ctx, conn, j.file(p.resource))
			if err != nil {
				return fmt.Errorf("copy %s: %w", p.resource, err)
			}
			lines += n
		}
		return nil
	})
	return lines, err
}

// chunk is the most bytes of one bulk copy.
const chunk = 16 << 20

func copyFile(ctx context.Context, conn *sql.Conn, path string) (lines int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := ndjson.NewReader(f, ndjson.Options{})
	return lines, conn.Raw(func(c any) error {
		driver, ok := c.(*mssqldb.Conn)
		if !ok {
			return fmt.Errorf("a connection of %T", c)
		}
		var b ndjson.Block
		for last := false; !last; {
			bulk := driver.CreateBulkContext(ctx, "["+benchSchema+"].[lines]", []string{"doc"})
			for size := 0; size < chunk; {
				var err error
				if b, err = r.Next(b.Data); errors.Is(err, io.EOF) {
					last = true
					break
				} else if err != nil {
					return err
				}
				size += len(b.Data)
				for l, err := range b.Lines() {
					if err != nil {
						return err
					}
					if err := bulk.AddRow([]any{string(l.JSON)}); err != nil {
						return err
					}
				}
			}
			n, err := bulk.Done()
			if err != nil {
				return err
			}
			lines += n
		}
		return nil
	})
}
