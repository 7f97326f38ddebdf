// Package localrows counts the rows of DuckDB's tables for the status page. The handler of the
// cloud does not link it.
package localrows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"fhirsynapse/internal/warehouse/duckdb"
)

// patience bounds the wait for a commit that has the database.
const patience = 2 * time.Second

// Count counts the rows of each table for readers in a schema of a DuckDB file. It returns false
// for other engines. A missing file has no tables.
func Count(
	ctx context.Context, scheme, address, schema string,
) (rows map[string]int64, counted bool, err error) {
	if scheme != duckdb.Scheme {
		return nil, false, nil
	}
	file, _, _ := strings.Cut(address, "?")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return map[string]int64{}, true, nil
	}
	tables, err := ask(ctx, file, "SELECT table_name, 0 FROM information_schema.tables"+
		" WHERE table_schema = "+quoted(schema, "'")+" AND NOT starts_with(table_name, '_')")
	if err != nil || len(tables) == 0 {
		return tables, err == nil, err
	}
	counts := make([]string, 0, len(tables))
	for table := range tables {
		counts = append(counts, fmt.Sprintf("SELECT %s, count(*) FROM %s.%s", quoted(table, "'"),
			quoted(schema, `"`), quoted(table, `"`)))
	}
	rows, err = ask(ctx, file, strings.Join(counts, " UNION ALL "))
	return rows, err == nil, err
}

func quoted(name, quote string) string {
	return quote + strings.ReplaceAll(name, quote, quote+quote) + quote
}

// ask returns the rows of a query for a name and a number.
func ask(ctx context.Context, file, query string) (out map[string]int64, err error) {
	rows, err := duckdb.Query(ctx, file, query, patience)
	if err != nil {
		return nil, fmt.Errorf("count the rows: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[string]int64{}
	for rows.Next() {
		var table string
		var n int64
		if err := rows.Scan(&table, &n); err != nil {
			return nil, fmt.Errorf("count the rows: %w", err)
		}
		out[table] = n
	}
	return out, rows.Err()
}
