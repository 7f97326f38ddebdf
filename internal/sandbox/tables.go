package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/warehouse/duckdb"
	"fhirsynapse/internal/warehouse/open/local"
)

// queryPatience is how long a query of the database waits for the handler.
const queryPatience = 10 * time.Second

// rowsPerTable counts the rows of the tables of each resource type; a missing table has none.
func rowsPerTable(ctx context.Context, file string) (map[string][]tableRows, error) {
	views, err := app.Views("")
	if err != nil {
		return nil, err
	}
	tables, err := views.Tables(planName)
	if err != nil {
		return nil, err
	}
	resource := map[string]string{}
	for _, t := range tables {
		resource[t.Name] = t.Resource
	}
	names, err := ask(ctx, file,
		"SELECT table_name, 0 FROM information_schema.tables WHERE table_schema = '"+schema+
			"' ORDER BY table_name")
	if err != nil {
		return nil, err
	}
	var queries []string
	for _, t := range names {
		if resource[t.table] != "" {
			queries = append(queries,
				fmt.Sprintf(`SELECT '%[1]s', count(*) FROM "%[2]s"."%[1]s"`, t.table, schema))
		}
	}
	rows := map[string]int64{}
	if len(queries) > 0 {
		counts, err := ask(ctx, file, strings.Join(queries, " UNION ALL "))
		if err != nil {
			return nil, err
		}
		for _, t := range counts {
			rows[t.table] = t.rows
		}
	}
	out := map[string][]tableRows{}
	for _, name := range slices.Sorted(maps.Keys(resource)) {
		out[resource[name]] = append(out[resource[name]], tableRows{table: name, rows: rows[name]})
	}
	return out, nil
}

type tableRows struct {
	table string
	rows  int64
}

// ask returns the rows of a query for names and numbers.
func ask(ctx context.Context, file, query string) (out []tableRows, err error) {
	rows, err := duckdb.Query(ctx, file, query, queryPatience)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t tableRows
		if err := rows.Scan(&t.table, &t.rows); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// SameAsFresh loads the server's present data into another database, in the folder work, and
// compares the tables of file with it.
func SameAsFresh(ctx context.Context, data *store.Store, file, work string) error {
	present := filepath.Join(work, "present")
	fresh := filepath.Join(work, "fresh.duckdb")
	if err := errors.Join(os.RemoveAll(present), os.RemoveAll(fresh)); err != nil {
		return err
	}
	if _, err := data.Dump(present); err != nil {
		return fmt.Errorf("dump the server's present data: %w", err)
	}
	runner := batch.Runner{Engines: local.Engines(), Now: time.Now}
	if _, err := runner.Load(ctx, batch.LoadRequest{
		Dir: present, Scheme: duckdb.Scheme, Rest: fresh, Schema: schema, MaxBad: 1,
		Progress: unseen{},
	}); err != nil {
		return fmt.Errorf("load the server's present data afresh: %w", err)
	}
	if err := os.RemoveAll(present); err != nil {
		return err
	}
	return SameTables(ctx, file, fresh, schema)
}

// SameTables compares the tables of views in a schema of the DuckDB files a and b, without the
// export that wrote each row. A missing table counts as empty. The tables about exports differ,
// because a load has none.
func SameTables(ctx context.Context, a, b, schema string) (err error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for name, file := range map[string]string{"a": a, "b": b} {
		file = strings.ReplaceAll(file, "'", "''")
		if _, err := db.ExecContext(ctx, "ATTACH '"+file+"' AS "+name+" (READ_ONLY)"); err != nil {
			return err
		}
	}
	rows, err := db.QueryContext(ctx, `SELECT table_name,
			string_agg('"' || column_name || '"', ', ' ORDER BY column_name) FILTER (database_name = 'a'),
			string_agg('"' || column_name || '"', ', ' ORDER BY column_name) FILTER (database_name = 'b')
		FROM duckdb_columns()
		WHERE database_name IN ('a', 'b') AND schema_name = ?
			AND NOT starts_with(table_name, '_') AND NOT starts_with(table_name, 'etl_')
			AND column_name <> '_export'
		GROUP BY ALL ORDER BY ALL`, schema)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var wrong []error
	for rows.Next() {
		var table string
		var ofA, ofB sql.NullString
		if err := rows.Scan(&table, &ofA, &ofB); err != nil {
			return err
		}
		wrong = append(wrong, sameTable(ctx, db, schema, table, ofA, ofB))
	}
	return errors.Join(append(wrong, rows.Err())...)
}

// sameTable compares one table. The columns are as listed, or NULL where the table is missing.
func sameTable(
	ctx context.Context, db *sql.DB, schema, table string, ofA, ofB sql.NullString,
) error {
	if ofA.Valid && ofB.Valid && ofA != ofB {
		return fmt.Errorf("table %s has the columns %s here and %s there", table, ofA.String,
			ofB.String)
	}
	query := func(database string, columns sql.NullString) string {
		if !columns.Valid {
			return "SELECT NULL WHERE false"
		}
		return fmt.Sprintf(`SELECT (%s) FROM %s."%s"."%s"`, columns.String, database, schema, table)
	}
	here, there := query("a", ofA), query("b", ofB)
	var onlyHere, onlyThere int64
	err := db.QueryRowContext(ctx, fmt.Sprintf(`SELECT
		(SELECT count(*) FROM (%[1]s EXCEPT ALL %[2]s)), (SELECT count(*) FROM (%[2]s EXCEPT ALL %[1]s))`,
		here, there)).Scan(&onlyHere, &onlyThere)
	if err == nil && onlyHere+onlyThere > 0 {
		err = fmt.Errorf("table %s: %d rows are only here, %d only there", table, onlyHere,
			onlyThere)
	}
	return err
}

// unseen ignores the progress of a load.
type unseen struct{}

func (unseen) Total(int64) {}
func (unseen) Add(int64)   {}
func (unseen) Bad(int64)   {}
