package tables

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sqlc-dev/teesql/ast"
)

// placement is how a table is stored.
type placement struct {
	columnstore bool
	spread      string   // the column of HASH; empty for round robin and for other engines
	clusterBy   []string // of Fabric
}

// clusterBy matches the clause that the parser does not know.
var clusterBy = regexp.MustCompile(`\s*WITH \(CLUSTER BY \(([^()]*)\)\)\s*$`)

// withoutClusters returns a text without its CLUSTER BY clause, and the columns of the clause.
func withoutClusters(text string) (left string, columns []string) {
	if !strings.Contains(text, "CLUSTER BY") { // at once, for texts are long
		return text, nil
	}
	m := clusterBy.FindStringSubmatchIndex(text)
	if m == nil {
		return text, nil
	}
	for name := range strings.SplitSeq(text[m[2]:m[3]], ",") {
		columns = append(columns, strings.Trim(strings.TrimSpace(name), "[]"))
	}
	return text[:m[0]], columns
}

// placed reads how a new table is stored. It refuses what the engine refuses.
func (s *definitions) placed(t *table, st *ast.CreateTableStatement) error {
	for _, i := range st.Definition.Indexes {
		if i.IndexType == nil || i.IndexType.IndexTypeKind != "ClusteredColumnStore" ||
			s.db.o.Autocommit {
			return unknown(i)
		}
		t.columnstore = true
	}
	for _, o := range st.Options {
		if err := t.option(o); err != nil {
			return err
		}
	}
	if len(st.Options) > 0 && s.db.o.Conflicts {
		return fail(24584, "The table options are not supported in this edition of SQL Server.")
	}
	for _, c := range t.columns {
		if err := s.holds(t, c); err != nil {
			return err
		}
	}
	if t.clusterBy = s.clustering; len(t.clusterBy) > 0 {
		return s.clustered(t)
	}
	return nil
}

// holds refuses a type that a columnstore of the dedicated pool does not have.
func (s *definitions) holds(t *table, c column) error {
	if t.columnstore && s.db.o.Autocommit && strings.HasSuffix(c.Type, "(max)") {
		return fail(35343, "The statement failed. Column '%s' has a data type that cannot "+
			"participate in a columnstore index.", c.Name)
	}
	return nil
}

// option reads an option of the dedicated pool.
func (t *table) option(o ast.TableOption) error {
	switch o := o.(type) {
	case *ast.TableIndexOption:
		if kind, ok := o.Value.(*ast.TableClusteredIndexType); ok {
			if !kind.ColumnStore {
				return unknown(o)
			}
			t.columnstore = true
		}
	case *ast.TableDistributionOption:
		hash, ok := o.Value.(*ast.TableHashDistributionPolicy)
		if !ok {
			return nil
		}
		at, err := t.column(hash.DistributionColumn.Value)
		if err != nil {
			return err
		}
		if strings.HasSuffix(t.columns[at].Type, "(max)") {
			return fail(35336, "Column '%s' has a type by which rows cannot be distributed.",
				t.columns[at].Name)
		}
		t.spread = t.columns[at].Name
	}
	return nil
}

// clustered checks CLUSTER BY.
func (s *definitions) clustered(t *table) error {
	if !s.db.o.Conflicts || len(t.clusterBy) > 4 {
		return fail(102, "Incorrect syntax near 'CLUSTER'.")
	}
	for i, name := range t.clusterBy {
		at, err := t.column(name)
		if err != nil {
			return err
		}
		typ := t.columns[at].Type
		if strings.HasSuffix(typ, "(max)") || typ == "bit" ||
			slices.Contains(t.clusterBy[:i], name) {
			return fail(24585, "Column '%s' of type %s cannot be used in CLUSTER BY.", name, typ)
		}
	}
	return nil
}

// Placed returns how a table is stored: whether by columns, the column of its distribution, and the
// columns of CLUSTER BY.
func (d *Database) Placed(schema, name string) (columnstore bool, spread string, cluster []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(schema, name)
	if err != nil {
		return false, "", nil
	}
	return t.columnstore, t.spread, slices.Clone(t.clusterBy)
}

// numbered returns the ids of columns, with their places in the list.
func (t *table) numbered(columns ...string) (rows [][]any) {
	for n, name := range columns {
		if at, err := t.column(name); err == nil {
			rows = append(rows, []any{t.id, int64(at + 1), int64(n + 1)})
		}
	}
	return rows
}
