package localrows

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // the driver
)

func TestCount(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.duckdb")
	rows, counted, err := Count(t.Context(), "duckdb", file, "main")
	if err != nil || !counted || len(rows) != 0 {
		t.Errorf("a missing file: %v, %v, %v", rows, counted, err)
	}
	db, err := sql.Open("duckdb", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE patient (id INT)", "CREATE TABLE _ledger (id INT)",
		"CREATE TABLE \"odd'\"\"name\" (id INT)", "INSERT INTO patient VALUES (1), (2)",
		"CREATE SCHEMA other", "CREATE TABLE other.patient (id INT)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rows, counted, err = Count(t.Context(), "duckdb", file+"?memory_limit=1GB", "main")
	if err != nil || !counted || len(rows) != 2 || rows["patient"] != 2 {
		t.Errorf("%v, %v, %v", rows, counted, err)
	}
	if rows, counted, err = Count(t.Context(), "duckdb", file, "none"); err != nil || !counted ||
		len(rows) != 0 {
		t.Errorf("a schema without tables: %v, %v, %v", rows, counted, err)
	}
	if _, counted, err = Count(t.Context(), "sqlserver", "//h", "main"); err != nil || counted {
		t.Errorf("another engine: %v, %v", counted, err)
	}
}
