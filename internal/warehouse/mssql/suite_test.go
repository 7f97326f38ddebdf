package mssql_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/tds"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func now() time.Time { return start }

// noWait skips the wait between tries.
func noWait(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// store is an in-memory database behind a server.
type store struct {
	engine tsql.Engine
	db     *tables.Database
	server *sqlserver.Server
	mu     sync.Mutex
	lake   pipeline.Lake
	time   time.Time // of the server, if it tells
}

func (s *store) serverTime() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.time
}

func (s *store) setTime(to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.time = to
}

const stagingURL = "https://account.dfs.core.windows.net/staging"

// fetch reads from the storage account, like the engine.
func (s *store) fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	path, ok := strings.CutPrefix(url, stagingURL+"/")
	if !ok {
		return nil, fmt.Errorf("no file of ours: %s", url)
	}
	s.mu.Lock()
	lake := s.lake
	s.mu.Unlock()
	return lake.Open(ctx, pipeline.Staging, path, "")
}

func newStore(
	t *testing.T, engine tsql.Engine, faults func(sqlserver.Request) sqlserver.Fault,
) *store {
	t.Helper()
	s := &store{engine: engine}
	db := tables.New(tables.Options{
		RowVersions: true, Conflicts: engine == tsql.Fabric, Open: s.fetch,
		Now: s.serverTime, Autocommit: engine != tsql.SQLServer,
		Dialect: eval.Dialect{Varchar: engine == tsql.Fabric, TypedJSON: true},
	})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s.db, s.server = db, server
	return s
}

func (s *store) Open(t *testing.T, lake pipeline.Lake, views warehouse.Views) pipeline.Warehouse {
	t.Helper()
	return s.openAt(t, lake, views, now)
}

func (s *store) openAt(
	t *testing.T, lake pipeline.Lake, views warehouse.Views, now func() time.Time,
	change ...func(*mssql.Options),
) *mssql.Warehouse {
	t.Helper()
	// The engine reads the account directly, without the test's wrapper.
	s.mu.Lock()
	if _, whole := lake.(*pipelinetest.MemoryLake); whole || s.lake == nil {
		s.lake = lake
	}
	s.mu.Unlock()
	server, err := tds.ParseServer(s.engine, s.server.URL("someone", "secret", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	o := mssql.Options{
		Server: server, Lake: lake, Views: views, StagingURL: stagingURL, Now: now, Wait: noWait,
		TempDir: t.TempDir(),
	}
	for _, c := range change {
		c(&o)
	}
	w, err := mssql.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Content implements pipelinetest.Store.
func (s *store) Content(_ *testing.T, schema string) refwarehouse.Content {
	c := refwarehouse.Content{}
	content := s.db.Content(schema)
	maps.Copy(content, s.db.Content(warehouse.LoadSchema(schema)))
	for name, table := range content {
		isHead := strings.HasPrefix(name, warehouse.HeadTable(""))
		if strings.HasPrefix(name, "_") && !isHead && name != warehouse.MissingTable {
			continue
		}
		var names []string
		for _, column := range table.Columns {
			name := column.Name
			if isHead {
				name = strings.TrimPrefix(name, "_") // the model's name
			}
			names = append(names, name)
		}
		for _, row := range table.Rows {
			var cells []*string
			for i, v := range row {
				if table.Columns[i].Name == "committed_at" {
					v = nil // the model has no clock
				}
				cells = append(cells, tables.Text(v, table.Columns[i].Type))
			}
			c.Add(name, names, cells)
		}
	}
	c.Sort()
	return c
}

// Widen implements pipelinetest.Widener.
func (s *store) Widen(t *testing.T, schema, column string) {
	t.Helper()
	db, err := sql.Open("sqlserver", s.server.URL("u", "p", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the statements count
	for _, schema := range []string{schema, warehouse.LoadSchema(schema)} {
		for table := range s.db.Content(schema) {
			add := fmt.Sprintf("ALTER TABLE [%s].[%s] ADD [%s] varchar(10) NULL", schema, table,
				column)
			if _, err := db.ExecContext(t.Context(), add); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func enginesUnderTest() []tsql.Engine {
	return []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric}
}

// The emulator does not prove that a product accepts the statements. It proves their effect.
func TestWarehouse(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			pipelinetest.TestWarehouse(t, func(t *testing.T) pipelinetest.Store {
				return newStore(t, engine, nil)
			})
		})
	}
}
