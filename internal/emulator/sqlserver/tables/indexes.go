package tables

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
)

// index is an index of a table, or statistics on its columns.
type index struct {
	name, kind string
	columns    []string
	updated    time.Time
}

// The kinds of index.
const (
	primary   = "key"
	clustered = "clustered"
	secondary = "index"
	byHand    = "statistics" // by CREATE STATISTICS
	byItself  = "automatic"  // by the optimizer
)

func (i index) isStatistics() bool { return i.kind == byHand || i.kind == byItself }

func (i index) uses(column string) bool {
	return slices.ContainsFunc(i.columns, func(c string) bool {
		return strings.EqualFold(c, column)
	})
}

// named returns the position of an index, or -1.
func (t *table) named(name string) int {
	return slices.IndexFunc(t.indexes, func(i index) bool {
		return strings.EqualFold(i.name, name)
	})
}

// keyIndex returns the index of a primary key. A key without a name gets one from the server.
func keyIndex(t *table, u *ast.UniqueConstraintDefinition) index {
	out := index{name: "PK__" + t.name, kind: primary}
	if u.ConstraintIdentifier != nil {
		out.name = u.ConstraintIdentifier.Value
	}
	for _, c := range u.Columns {
		out.columns = append(out.columns, nameOf(c.Column))
	}
	return out
}

// keep replaces the indexes of a table, until the transaction is rolled back.
func (s *definitions) keep(t *table, now []index) {
	before := t.indexes
	t.indexes = now
	s.undo = append(s.undo, undo{defined: func() { t.indexes = before }})
}

// mostKey is the size of the key of a nonclustered index in bytes.
const mostKey = 1700

func (s *definitions) createIndex(st *ast.CreateIndexStatement) error {
	t, err := s.of(st.OnName)
	if err != nil {
		return err
	}
	if st.Unique || len(st.IncludeColumns) > 0 || st.FilterPredicate != nil {
		return unknown(st)
	}
	made := index{name: st.Name.Value, kind: secondary}
	if st.Clustered != nil && *st.Clustered {
		made.kind = clustered
	}
	for _, c := range st.Columns {
		at, err := t.column(nameOf(c.Column))
		if err != nil {
			return err
		}
		if strings.HasSuffix(t.columns[at].Type, "(max)") {
			return fail(1919,
				"Column '%s' in table '%s' is of a type that is invalid for use as a key column in an index.",
				t.columns[at].Name, t.name)
		}
		made.columns = append(made.columns, t.columns[at].Name)
	}
	if t.named(made.name) >= 0 {
		return fail(1913, "The operation failed because an index or statistics with name '%s' already exists on table '%s'.", made.name, t.name)
	}
	if made.kind == clustered && slices.ContainsFunc(t.indexes, func(i index) bool {
		return i.kind == clustered || i.kind == primary
	}) {
		return fail(1902, "Cannot create more than one clustered index on table '%s'.", t.name)
	}
	for _, r := range t.rows {
		if err := t.fits(made, r.cells); err != nil {
			return err
		}
	}
	s.keep(t, append(slices.Clone(t.indexes), made))
	return nil
}

// indexed refuses a row that is too long for an index.
func (t *table) indexed(cells []any) error {
	for _, i := range t.indexes {
		if err := t.fits(i, cells); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a row whose texts are too long for the key of a nonclustered index.
func (t *table) fits(i index, cells []any) error {
	if i.kind != secondary {
		return nil
	}
	bytes := 0
	for _, name := range i.columns {
		at, err := t.column(name)
		if err != nil {
			return err
		}
		if text, ok := cells[at].(string); ok {
			word, _, _ := typeParts(t.columns[at].Type)
			n := lengthOf(text, word)
			if word == "nvarchar" {
				n *= 2
			}
			bytes += n
		}
	}
	if bytes > mostKey {
		return fail(1946, "Operation failed. The index entry of length %d bytes for the index '%s' exceeds the maximum length of %d bytes.", bytes, i.name, mostKey)
	}
	return nil
}

func (s *definitions) dropIndex(st *ast.DropIndexStatement) error {
	for _, c := range st.DropIndexClauses {
		if c.Index == nil || c.Object == nil {
			return unknown(c)
		}
		t, err := s.of(c.Object)
		at := -1
		if err == nil {
			at = t.named(c.Index.Value)
		}
		switch {
		case at < 0 || t.indexes[at].isStatistics():
			return fail(3701,
				"Cannot drop the index '%s', because it does not exist or you do not have permission.",
				c.Index.Value)
		case t.indexes[at].kind == primary:
			return fail(3723,
				"An explicit DROP INDEX is not allowed on index '%s'. It is being used for PRIMARY KEY constraint enforcement.", c.Index.Value)
		}
		s.keep(t, slices.Delete(slices.Clone(t.indexes), at, at+1))
	}
	return nil
}

// dropKey drops a primary key.
func (s *definitions) dropKey(t *table, name string) error {
	at := t.named(name)
	if at < 0 || t.indexes[at].kind != primary {
		return fail(3728, "'%s' is not a constraint.", name)
	}
	key, byKey := t.key, t.byKey
	t.key, t.byKey = nil, map[string][]*row{}
	s.undo = append(s.undo, undo{defined: func() { t.key, t.byKey = key, byKey }})
	s.keep(t, slices.Delete(slices.Clone(t.indexes), at, at+1))
	return nil
}

// used refuses to alter or drop a column on which an index or statistics depends, with two errors
// as the server does. An index of SQL Server admits a longer text of the same type; statistics of
// CREATE STATISTICS may too, and refuse it here, because nobody should rely on it. Statistics of
// the optimizer are dropped with the column's type there; what the dedicated pool does with them is
// not documented, so it refuses here.
func (s *definitions) used(t *table, verb, name string, to *column) error {
	kept := slices.Clone(t.indexes)
	for _, i := range t.indexes {
		switch {
		case !i.uses(name):
		case i.kind == byItself && !s.db.o.Autocommit:
			kept = slices.DeleteFunc(kept, func(k index) bool { return k.name == i.name })
		case to != nil && !s.db.o.Autocommit && (i.kind == secondary || i.kind == clustered) &&
			t.lengthens(name, *to):
		default:
			what := map[bool]string{true: "statistics", false: "index"}[i.isStatistics()]
			if i.kind == primary {
				what = "object"
			}
			return &sqlserver.Error{
				Number: 4922, Severity: 16,
				Message: "ALTER TABLE " + verb + " COLUMN " + name +
					" failed because one or more objects access this column.",
				First: &sqlserver.Error{
					Number: 5074, Severity: 16,
					Message: "The " + what + " '" + i.name + "' is dependent on column '" + name +
						"'.",
				},
			}
		}
	}
	if len(kept) < len(t.indexes) {
		s.keep(t, kept)
	}
	return nil
}

// lengthens reports whether a type has the same word, and no shorter texts.
func (t *table) lengthens(name string, to column) bool {
	at, err := t.column(name)
	if err != nil {
		return false
	}
	word, length, _ := typeParts(t.columns[at].Type)
	now, longer, _ := typeParts(to.Type)
	return word == now && strings.HasSuffix(word, "char") && longer >= length
}

// layout returns the views of the catalog that show indexes and statistics.
func (d *Database) layout(name string) (names []string, rows [][]any, ok bool) {
	switch name {
	case "sys.schemas":
		names = []string{"schema_id", "name"}
		for i, s := range d.schemaNames() {
			rows = append(rows, []any{int64(i + 1), s})
		}
		return names, rows, true
	case "sys.tables":
		names = []string{"object_id", "schema_id", "name"}
	case "sys.columns":
		names = []string{"object_id", "column_id", "name"}
	case "sys.partitions":
		names = []string{"object_id", "index_id", "rows"}
	case "sys.indexes":
		names = []string{
			"object_id", "index_id", "name", "type", "is_primary_key", "is_unique_constraint",
			"has_filter",
		}
	case "sys.index_columns":
		names = []string{
			"object_id", "index_id", "column_id", "key_ordinal", "data_clustering_ordinal",
		}
	case "sys.pdw_column_distribution_properties":
		names = []string{"object_id", "column_id", "distribution_ordinal"}
	case "sys.stats":
		names = []string{"object_id", "stats_id", "name", "auto_created", "user_created"}
	case "sys.stats_columns":
		names = []string{"object_id", "stats_id", "column_id", "stats_column_id"}
	default:
		return d.counts(name)
	}
	for _, t := range d.sorted() {
		rows = append(rows, d.layoutOf(name, t)...)
	}
	return names, rows, true
}

func (d *Database) schemaNames() (names []string) {
	for name := range d.schemas {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// layoutOf returns the rows of a table in a view of layout.
func (d *Database) layoutOf(view string, t *table) (rows [][]any) {
	switch view {
	case "sys.tables":
		at := slices.Index(d.schemaNames(), strings.ToLower(t.schema))
		return [][]any{{t.id, int64(at + 1), t.name}}
	case "sys.columns":
		for i, c := range t.columns {
			rows = append(rows, []any{t.id, int64(i + 1), c.Name})
		}
		return rows
	case "sys.partitions":
		return d.partitions(t)
	case "sys.pdw_column_distribution_properties":
		return t.numbered(t.spread)
	case "sys.indexes":
		if t.columnstore {
			rows = append(rows, []any{t.id, int64(0), "cci", int64(5), false, false, false})
		}
	case "sys.index_columns":
		for _, of := range t.numbered(t.clusterBy...) {
			rows = append(rows, []any{t.id, int64(0), of[1], int64(0), of[2]})
		}
	}
	for n, i := range t.indexes {
		if i.isStatistics() != strings.HasPrefix(view, "sys.stats") {
			continue
		}
		id := int64(n + 1)
		switch view {
		case "sys.indexes":
			typ := map[bool]int64{true: 1, false: 2}[i.kind != secondary]
			rows = append(rows, []any{t.id, id, i.name, typ, i.kind == primary, false, false})
		case "sys.stats":
			rows = append(rows, []any{t.id, id, i.name, i.kind == byItself, i.kind == byHand})
		default:
			for ordinal, name := range i.columns {
				at, err := t.column(name)
				if err == nil {
					row := []any{t.id, id, int64(at + 1), int64(ordinal + 1)}
					if view == "sys.index_columns" {
						row = append(row, int64(0))
					}
					rows = append(rows, row)
				}
			}
		}
	}
	return rows
}

// statsDate is the function STATS_DATE of an object and statistics.
func (s *queries) statsDate(args []string) any {
	for _, t := range s.db.tables {
		if strconv.FormatInt(t.id, 10) != args[0] {
			continue
		}
		n, err := strconv.Atoi(args[1])
		if err == nil && n >= 1 && n <= len(t.indexes) && !t.indexes[n-1].updated.IsZero() {
			return t.indexes[n-1].updated
		}
	}
	return nil
}
