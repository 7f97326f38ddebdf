package tables

import (
	"context"
	"slices"
	"strings"

	"github.com/sqlc-dev/teesql/ast"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// define creates and drops schemas and tables.
func (s *definitions) define(ctx context.Context, st ast.Statement) error {
	db := s.db
	switch st := st.(type) {
	case *ast.CreateSchemaStatement:
		name := strings.ToLower(st.Name.Value)
		if db.schemas[name] {
			return fail(2714, "There is already an object named '%s' in the database.", name)
		}
		db.schemas[name] = true
		s.undo = append(s.undo, undo{defined: func() { delete(db.schemas, name) }})
	case *ast.DropSchemaStatement:
		name := strings.ToLower(st.Schema.BaseIdentifier.Value)
		delete(db.schemas, name)
		s.undo = append(s.undo, undo{defined: func() { db.schemas[name] = true }})
	case *ast.AlterSchemaStatement:
		return s.transfer(ctx, st)
	case *ast.CreateTableStatement:
		return s.createTable(st)
	case *ast.AlterTableAddTableElementStatement:
		return s.addColumns(st)
	case *ast.AlterTableDropTableElementStatement:
		return s.dropColumns(st)
	case *ast.AlterTableAlterColumnStatement:
		return s.alterColumn(st)
	case *ast.CreateIndexStatement:
		return s.createIndex(st)
	case *ast.DropIndexStatement:
		return s.dropIndex(st)
	case *ast.DropTableStatement:
		return s.dropTables(ctx, st)
	default:
		return unknown(st)
	}
	return nil
}

// transfer moves a table into another schema.
func (s *definitions) transfer(ctx context.Context, st *ast.AlterSchemaStatement) error {
	t, err := s.unused(ctx, st.ObjectName)
	if err != nil {
		return fail(15151,
			"Cannot find the object '%s', because it does not exist or you do not have permission.",
			st.ObjectName.BaseIdentifier.Value)
	}
	from, to := t.schema, st.Name.Value
	if !s.db.schemas[strings.ToLower(to)] {
		return fail(15151,
			"Cannot alter the schema '%s', because it does not exist or you do not have permission.", to)
	}
	if s.db.tables[key(to, t.name)] != nil {
		return fail(15530, "The object with name \"%s\" already exists.", t.name)
	}
	move := func(from, to string) {
		delete(s.db.tables, key(from, t.name))
		t.schema = to
		s.db.tables[key(to, t.name)] = t
	}
	move(from, to)
	s.undo = append(s.undo, undo{defined: func() { move(to, from) }})
	return nil
}

// unused returns a table after the transactions of others that have changed its rows have ended.
func (s *definitions) unused(ctx context.Context, o *ast.SchemaObjectName) (*table, error) {
	for {
		t, err := s.of(o)
		if err != nil {
			return nil, err
		}
		other := func(by *session) bool { return by != nil && by != s.as }
		used := slices.ContainsFunc(t.rows, func(r *row) bool {
			return other(r.madeBy) || other(r.takenBy)
		})
		if !used && !other(s.db.definer) && !s.db.takenByOthers(t, s.as) {
			return t, nil
		}
		if err := s.db.wait(ctx); err != nil {
			return nil, err
		}
	}
}

func (s *definitions) createTable(st *ast.CreateTableStatement) error {
	t, err := s.newTable(st.SchemaObjectName)
	if err != nil {
		return err
	}
	for _, d := range st.Definition.ColumnDefinitions {
		if err := t.add(d); err != nil {
			return err
		}
	}
	for _, c := range st.Definition.TableConstraints {
		u, ok := c.(*ast.UniqueConstraintDefinition)
		if !ok || !u.IsPrimaryKey {
			return unknown(c)
		}
		for _, c := range u.Columns {
			i, err := t.column(nameOf(c.Column))
			if err != nil {
				return err
			}
			t.key = append(t.key, i)
		}
		t.indexes = append(t.indexes, keyIndex(t, u))
	}
	if err := s.placed(t, st); err != nil {
		return err
	}
	s.place(t)
	return nil
}

// newTable returns a table without columns, whose name is free.
func (s *definitions) newTable(o *ast.SchemaObjectName) (*table, error) {
	t := &table{
		name: o.BaseIdentifier.Value, byKey: map[string][]*row{}, utf8: s.db.o.Conflicts,
	}
	switch {
	case o.SchemaIdentifier != nil:
		t.schema = o.SchemaIdentifier.Value
	case !strings.HasPrefix(t.name, "#"):
		return nil, unknown(o)
	}
	if t.schema != "" && !s.db.schemas[strings.ToLower(t.schema)] {
		return nil, fail(2760,
			"The specified schema name \"%s\" either does not exist or you do not have permission to use it.", t.schema)
	}
	if home, k := s.home(t.schema, t.name); home[k] != nil {
		return nil, fail(2714, "There is already an object named '%s' in the database.", t.name)
	}
	return t, nil
}

// place puts a table into its schema.
func (s *definitions) place(t *table) {
	s.db.made++
	t.id = s.db.made
	home, k := s.home(t.schema, t.name)
	home[k] = t
	s.undo = append(s.undo, undo{defined: func() { delete(home, k) }})
}

func (s *definitions) dropTables(ctx context.Context, st *ast.DropTableStatement) error {
	for _, o := range st.Objects {
		t, err := s.unused(ctx, o)
		switch {
		case err != nil && st.IsIfExists:
			continue
		case err != nil:
			return fail(3701,
				"Cannot drop the table '%s', because it does not exist or you do not have permission.", o.BaseIdentifier.Value)
		}
		home, k := s.home(t.schema, t.name)
		delete(home, k)
		s.undo = append(s.undo, undo{defined: func() { home[k] = t }})
	}
	return nil
}

func (t *table) add(d *ast.ColumnDefinition) error {
	if d.ComputedColumnExpression != nil || d.DefaultConstraint != nil || d.IdentityOptions != nil {
		return unknown(d)
	}
	kind, err := typeOf(d.DataType)
	if err != nil {
		return err
	}
	if _, err := t.column(d.ColumnIdentifier.Value); err == nil {
		return fail(2705,
			"Column names in each table must be unique. Column name '%s' is specified more than once.", d.ColumnIdentifier.Value)
	}
	c := column{Column: sqlserver.Column{Name: d.ColumnIdentifier.Value, Type: kind}}
	if d.Collation != nil {
		c.collation = d.Collation.Value
	}
	for _, constraint := range d.Constraints {
		n, ok := constraint.(*ast.NullableConstraintDefinition)
		if !ok {
			return unknown(constraint)
		}
		c.notNull = !n.Nullable
	}
	if d.Nullable != nil {
		c.notNull = !d.Nullable.Nullable
	}
	c.codePage = !t.utf8
	t.columns = append(t.columns, c)
	return nil
}

func (s *definitions) addColumns(st *ast.AlterTableAddTableElementStatement) error {
	t, err := s.of(st.SchemaObjectName)
	if err != nil {
		return err
	}
	before := slices.Clone(t.columns)
	for _, d := range st.Definition.ColumnDefinitions {
		if err := t.add(d); err != nil {
			t.columns = before
			return err
		}
	}
	for _, r := range t.rows {
		r.cells = append(r.cells, make([]any, len(t.columns)-len(before))...)
	}
	s.undo = append(s.undo, undo{defined: func() {
		t.columns = before
		for _, r := range t.rows {
			r.cells = r.cells[:len(before)]
		}
	}})
	return nil
}

// dropColumns removes columns. No column of a key can be removed.
func (s *definitions) dropColumns(st *ast.AlterTableDropTableElementStatement) error {
	t, err := s.of(st.SchemaObjectName)
	if err != nil {
		return err
	}
	for _, e := range st.AlterTableDropTableElements {
		switch {
		case e.TableElementType == "Constraint" && !e.IsIfExists:
			if err := s.dropKey(t, e.Name.Value); err != nil {
				return err
			}
			continue
		case e.TableElementType != "Column" || e.IsIfExists:
			return unknown(e)
		}
		if err := s.dropColumn(t, e.Name.Value); err != nil {
			return err
		}
	}
	return nil
}

func (s *definitions) dropColumn(t *table, name string) error {
	at, err := t.column(name)
	if err != nil {
		return fail(4924,
			"ALTER TABLE DROP COLUMN failed because column '%s' does not exist in table '%s'.",
			name, t.name)
	}
	if len(t.columns) == 1 {
		return fail(4922,
			"ALTER TABLE DROP COLUMN %s failed because one or more objects access this column.",
			name)
	}
	if err := s.used(t, "DROP", name, nil); err != nil {
		return err
	}
	columns, key, cells := t.columns, t.key, map[*row][]any{}
	t.columns, t.key = slices.Delete(slices.Clone(columns), at, at+1), slices.Clone(key)
	for i, k := range t.key {
		if k > at {
			t.key[i]--
		}
	}
	for _, r := range t.rows {
		cells[r] = r.cells
		r.cells = slices.Delete(slices.Clone(r.cells), at, at+1)
	}
	s.undo = append(s.undo, undo{defined: func() {
		t.columns, t.key = columns, key
		for r, was := range cells {
			r.cells = was
		}
	}})
	return nil
}

// alterColumn changes the type of a column. The values must fit. Fabric refuses the statement.
func (s *definitions) alterColumn(st *ast.AlterTableAlterColumnStatement) error {
	if s.db.o.Conflicts {
		return fail(24585,
			"The specified ALTER TABLE statement is not supported in this edition of SQL Server.")
	}
	t, err := s.of(st.SchemaObjectName)
	if err != nil {
		return err
	}
	at, err := t.column(st.ColumnIdentifier.Value)
	if err != nil {
		return fail(4924,
			"ALTER TABLE ALTER COLUMN failed because column '%s' does not exist in table '%s'.",
			st.ColumnIdentifier.Value, t.name)
	}
	before := t.columns[at]
	changed := before
	if changed.Type, err = typeOf(st.DataType); err != nil {
		return err
	}
	if err := s.holds(t, changed); err != nil {
		return err
	}
	changed.notNull = st.AlterTableAlterColumnOption == "NotNull"
	changed.collation = ""
	if st.Collation != nil {
		changed.collation = st.Collation.Value
	}
	if err := s.used(t, "ALTER", changed.Name, &changed); err != nil {
		return err
	}
	cells := make([]any, len(t.rows))
	for i, r := range t.rows {
		if cells[i], err = coerce(r.cells[at], changed); err != nil {
			return err
		}
	}
	t.columns[at] = changed
	values := map[*row]any{}
	for i, r := range t.rows {
		values[r], r.cells[at] = r.cells[at], cells[i]
	}
	s.undo = append(s.undo, undo{defined: func() {
		t.columns[at] = before
		for r, v := range values {
			r.cells[at] = v
		}
	}})
	return nil
}

// typeOf returns a type in the spelling of package sqlserver.
func typeOf(d ast.DataTypeReference) (string, error) {
	t, err := syntax.OfType(d)
	return t.Spelt(), err
}
