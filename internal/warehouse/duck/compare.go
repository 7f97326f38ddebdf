package duck

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fhirsynapse/internal/warehouse"
)

// Difference is the difference of one table between two databases. Rows are compared as multisets,
// without the export that wrote them.
type Difference struct {
	Table string
	// A and B count the rows in each database, OnlyA and OnlyB the rows that the other lacks.
	A, B, OnlyA, OnlyB int64
	// Columns lists columns that only one of them has. Their values are not compared.
	Columns []string
}

// Equal reports whether there is no difference.
func (d Difference) Equal() bool { return d.OnlyA == 0 && d.OnlyB == 0 && len(d.Columns) == 0 }

// Compare compares the view tables of a schema in the database files a and b, in order of their
// names. A missing table counts as empty.
func Compare(ctx context.Context, a, b, schema string) (_ []Difference, err error) {
	db, err := openDatabase(ctx, settings{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	var sides []side
	for i, path := range []string{a, b} {
		if path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("find database: %w", err)
		}
		release, err := lockPath(ctx, path, shared)
		if err != nil {
			return nil, err
		}
		defer release()
		s := side{db: db, name: [2]string{"a", "b"}[i], schema: schema}
		if err := db.attach(ctx, path, s.name, readOnly); err != nil {
			return nil, err
		}
		sides = append(sides, s)
	}
	return compare(ctx, sides[0], sides[1])
}

// side is one of the two databases.
type side struct {
	db           *database
	name, schema string
}

func (s side) table(table string) string {
	return s.name + "." + name(s.schema) + "." + name(table)
}

func (s side) tables(ctx context.Context) ([]string, error) {
	return s.db.strings(ctx, "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND lower(schema_name) = lower(?) AND NOT starts_with(table_name, '_')",
		s.name, s.schema)
}

// columns returns the quoted columns of a table to be compared.
func (s side) columns(ctx context.Context, table string) ([]string, error) {
	all, err := s.db.strings(ctx, "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND lower(schema_name) = lower(?) AND table_name = ? ORDER BY column_name",
		s.name, s.schema, table)
	return slices.DeleteFunc(all, func(c string) bool { return c == warehouse.ExportColumn }), err
}

func (s side) count(ctx context.Context, query string) (n int64, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM ("+query+")").Scan(&n); err != nil {
		return 0, classified(err)
	}
	return n, nil
}

func compare(ctx context.Context, a, b side) ([]Difference, error) {
	var names []string
	for _, s := range []side{a, b} {
		t, err := s.tables(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the tables: %w", err)
		}
		names = append(names, t...)
	}
	slices.Sort(names)
	var out []Difference
	for _, table := range slices.Compact(names) {
		d, err := compareTable(ctx, a, b, table)
		if err != nil {
			return nil, fmt.Errorf("compare table %s: %w", table, err)
		}
		out = append(out, d)
	}
	return out, nil
}

func compareTable(ctx context.Context, a, b side, table string) (d Difference, err error) {
	d.Table = table
	ofA, err := a.columns(ctx, table)
	if err != nil {
		return d, err
	}
	ofB, err := b.columns(ctx, table)
	if err != nil {
		return d, err
	}
	var both []string
	for _, c := range ofA {
		if slices.Contains(ofB, c) {
			both = append(both, name(c))
		}
	}
	if len(ofA) > 0 && len(ofB) > 0 {
		d.Columns = append(d.Columns, onlyIn(ofA, ofB)...)
		d.Columns = append(d.Columns, onlyIn(ofB, ofA)...)
	}
	from := func(s side, columns []string) string {
		if len(columns) == 0 {
			return ""
		}
		return "SELECT " + strings.Join(both, ", ") + " FROM " + s.table(table)
	}
	for _, n := range []struct {
		to    *int64
		query string
	}{
		{&d.A, all(a, table, ofA)},
		{&d.B, all(b, table, ofB)},
		{&d.OnlyA, except(from(a, ofA), from(b, ofB), all(a, table, ofA))},
		{&d.OnlyB, except(from(b, ofB), from(a, ofA), all(b, table, ofB))},
	} {
		if n.query == "" {
			continue
		}
		if *n.to, err = a.count(ctx, n.query); err != nil {
			return d, err
		}
	}
	return d, nil
}

// all returns a query for every row of a table, or "" if it does not exist.
func all(s side, table string, columns []string) string {
	if len(columns) == 0 {
		return ""
	}
	return "SELECT 1 FROM " + s.table(table)
}

// except returns a query for the rows of one side that the other lacks, or whole if a side is
// missing.
func except(one, other, whole string) string {
	if one == "" || other == "" {
		return whole
	}
	return one + " EXCEPT ALL " + other
}

func onlyIn(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(c string) bool { return slices.Contains(b, c) })
}
