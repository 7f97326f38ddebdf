package tables

import (
	"cmp"
	"slices"
	"strings"
)

const databaseName = "pool"

// system returns the rows of a system view.
func (d *Database) system(schema, name string) (names []string, rows [][]any, ok bool) {
	if v, ok := d.o.System[strings.ToLower(schema+"."+name)]; ok {
		return v.Columns, v.Rows, true
	}
	switch strings.ToUpper(schema + "." + name) {
	case "INFORMATION_SCHEMA.TABLES":
		names = []string{"TABLE_SCHEMA", "TABLE_NAME"}
		for _, t := range d.sorted() {
			rows = append(rows, []any{t.schema, t.name})
		}
		return names, rows, true
	case "INFORMATION_SCHEMA.COLUMNS":
		names = []string{
			"TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "ORDINAL_POSITION", "DATA_TYPE",
			"CHARACTER_MAXIMUM_LENGTH",
			"NUMERIC_PRECISION", "NUMERIC_SCALE", "IS_NULLABLE",
		}
		for _, t := range d.sorted() {
			for i, c := range t.columns {
				rows = append(rows, describe(t, i, c))
			}
		}
		return names, rows, true
	case "SYS.DATABASES":
		return []string{"name", "is_read_committed_snapshot_on", "collation_name"},
			[][]any{{databaseName, d.o.RowVersions, d.collation()}}, true
	}
	return d.layout(strings.ToLower(schema + "." + name))
}

// collation returns the database's collation; the default is Fabric's collation.
func (d *Database) collation() string {
	return cmp.Or(d.o.Collation, "Latin1_General_100_BIN2_UTF8")
}

func (d *Database) sorted() []*table {
	var out []*table
	for _, t := range d.tables {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	return out
}

func describe(t *table, i int, c column) []any {
	word, first, second := typeParts(c.Type)
	nullable := "YES"
	if c.notNull {
		nullable = "NO"
	}
	var length, precision, scale any
	switch {
	case strings.HasSuffix(word, "char"):
		length = int64(first)
	case word == "decimal":
		precision, scale = int64(first), int64(second)
	case word == "int":
		precision, scale = int64(10), int64(0)
	case word == "bigint":
		precision, scale = int64(19), int64(0)
	}
	return []any{t.schema, t.name, c.Name, int64(i + 1), word, length, precision, scale, nullable}
}
