package sandbox_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"fhirsynapse/internal/sandbox"
)

func TestSameTablesNamesTheTablesThatDiffer(t *testing.T) {
	t.Parallel()
	database := func(statements string) string {
		path := filepath.Join(t.TempDir(), "x.duckdb")
		db, err := sql.Open("duckdb", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA s; "+statements); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := database(`CREATE TABLE s.same (x INT, y INT, _export VARCHAR); INSERT INTO s.same VALUES (1, 2, 'a'), (1, 2, 'a'), (NULL, 3, 'a');
		CREATE TABLE s.twice AS SELECT unnest([1, 1]) AS x; CREATE TABLE s.wide AS SELECT 1 AS x, 2 AS y;
		CREATE TABLE s.gone AS SELECT 1 AS x; CREATE TABLE s.empty (x INT); CREATE TABLE s._ledger AS SELECT 1 AS x`)
	b := database(`CREATE TABLE s.same (_export VARCHAR, y INT, x INT); INSERT INTO s.same VALUES ('b', 3, NULL), ('b', 2, 1), ('c', 2, 1);
		CREATE TABLE s.twice AS SELECT unnest([1, 2]) AS x; CREATE TABLE s.wide AS SELECT 1 AS x`)
	err := sandbox.SameTables(t.Context(), a, b, "s")
	if err == nil {
		t.Fatal("no difference")
	}
	const want = `table gone: 1 rows are only here, 0 only there
table twice: 1 rows are only here, 1 only there
table wide has the columns "x", "y" here and "x" there`
	if got := err.Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
