package duckdb

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// store is a database file under test.
type store struct{ path string }

func newStore(t *testing.T) store {
	t.Helper()
	return store{filepath.Join(t.TempDir(), "sub", "fhir.duckdb")}
}

func (s store) options(t *testing.T, lake pipeline.Lake, views warehouse.Views) Options {
	t.Helper()
	return Options{
		Path: s.path, Lake: lake, Views: views, TempDir: filepath.Join(filepath.Dir(s.path), "tmp"),
		Now: nowOf(start),
	}
}

func (s store) Open(t *testing.T, lake pipeline.Lake, views warehouse.Views) pipeline.Warehouse {
	t.Helper()
	w, err := Open(s.options(t, lake, views))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Content implements pipelinetest.Store.
func (s store) Content(t *testing.T, schema string) refwarehouse.Content {
	t.Helper()
	c := refwarehouse.Content{}
	if _, err := os.Stat(s.path); err != nil {
		return c
	}
	w := &Warehouse{o: s.options(t, nil, nil), sessions: newSessions()}
	err := w.read(t.Context(), func(db *database) error {
		there, err := db.columns(t.Context(), schema)
		if err != nil {
			return err
		}
		tables, err := db.strings(t.Context(),
			"SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND lower(schema_name) = lower(?)", attached, schema)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if table == warehouse.LedgerTable || there == nil {
				continue
			}
			if err := s.table(t, db, schema, table, c); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Sort()
	return c
}

// Widen implements pipelinetest.Widener.
func (s store) Widen(t *testing.T, schema, column string) {
	t.Helper()
	w, err := Open(s.options(t, pipelinetest.NewMemoryLake(nowOf(start)),
		flattentest.Views{}.Tables))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.alone(t.Context(), func(db *database) error {
		there, err := db.columns(t.Context(), schema)
		for table := range there {
			if err == nil {
				_, err = db.ExecContext(t.Context(),
					"ALTER TABLE "+tableName(schema, table)+" ADD COLUMN "+name(column)+" VARCHAR")
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func (s store) table(
	t *testing.T, db *database, schema, table string, c refwarehouse.Content,
) error {
	t.Helper()
	// Timestamps are compared in the prepared form's format.
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+tableName(schema, table))
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	var names, exprs []string
	for _, ct := range types {
		if table == warehouse.FilesTable && ct.Name() == "committed_at" {
			continue // the clock's
		}
		names = append(names, ct.Name())
		expr := name(ct.Name()) + "::VARCHAR"
		if ct.DatabaseTypeName() == "TIMESTAMP" {
			expr = "strftime(" + name(ct.Name()) + ", '%Y-%m-%dT%H:%M:%S.%gZ')"
		}
		exprs = append(exprs, expr)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return s.cells(t, db, "SELECT "+joined(exprs)+" FROM "+tableName(schema, table), table, names,
		c)
}

func joined(s []string) string {
	out := s[0]
	for _, e := range s[1:] {
		out += ", " + e
	}
	return out
}

func (s store) cells(
	t *testing.T, db *database, query, table string, names []string, c refwarehouse.Content,
) error {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		cells, to := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			to[i] = &cells[i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		out := make([]*string, len(names))
		for i := range cells {
			if cells[i].Valid {
				out[i] = &cells[i].String
			}
		}
		c.Add(table, names, out)
	}
	return rows.Err()
}

func TestWarehouse(t *testing.T) {
	t.Parallel()
	pipelinetest.TestWarehouse(t, func(t *testing.T) pipelinetest.Store {
		t.Helper()
		return newStore(t)
	})
}

func nowOf(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestConcluder(t *testing.T) {
	t.Parallel()
	pipelinetest.TestConcluder(t, func(t *testing.T) pipelinetest.Store {
		return store{filepath.Join(t.TempDir(), "x.duckdb")}
	})
}
