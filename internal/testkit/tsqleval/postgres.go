package tsqleval

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// PostgresFunctions creates the functions that the statements of Postgres call, in the first schema
// of the search path.
//
//go:embed postgres.sql
var PostgresFunctions string

// Postgres writes a SELECT in the language of PostgreSQL, over PostgresFunctions. An independent
// engine then computes the same plan; bits are int there.
func Postgres(statement string) (string, error) {
	q, err := syntax.ParseSelect(statement)
	if err != nil {
		return "", fmt.Errorf("parse the statement: %w", err)
	}
	var w postgres
	text := w.query(q)
	return text, w.err
}

// postgres writes the tree. err is the first part of it that PostgreSQL cannot express.
type postgres struct{ err error }

func (w *postgres) fail(what any) string {
	if w.err == nil {
		w.err = fmt.Errorf("no form in PostgreSQL: %T %+v", what, what)
	}
	return "NULL"
}

func pgName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func pgText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'::text" }

func (w *postgres) query(q syntax.Query) string {
	parts := make([]string, len(q))
	for i, s := range q {
		parts[i] = w.selection(s)
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

func (w *postgres) selection(s *syntax.Select) string {
	items := make([]string, len(s.Items))
	for i, o := range s.Items {
		items[i] = w.expr(o.Expr)
		if o.Name != "" {
			items[i] += " AS " + pgName(o.Name)
		}
	}
	out := "SELECT " + strings.Join(items, ", ")
	for i, f := range s.From {
		switch {
		case i == 0:
			out += "\nFROM " + w.source(f)
		case f.Join == syntax.OuterApply:
			out += "\nLEFT JOIN LATERAL " + w.source(f) + " ON true"
		default:
			out += "\nCROSS JOIN LATERAL " + w.source(f)
		}
	}
	if s.Where != nil {
		out += "\nWHERE " + w.cond(s.Where)
	}
	if s.Order != nil {
		out += "\nORDER BY " + w.orders(s.Order)
	}
	if s.Top >= 0 {
		out += fmt.Sprintf("\nLIMIT %d", s.Top)
	}
	return out
}

func (w *postgres) source(f syntax.Source) string {
	switch {
	case f.Query != nil:
		return "(" + w.query(f.Query) + ") AS " + pgName(f.Alias)
	case f.JSON == nil:
		return pgName(f.Table.Base) + " AS " + pgName(f.Alias)
	case f.JSON.Columns == nil:
		return "openjson(" + w.expr(f.JSON.Arg) + ") AS " + pgName(f.Alias) + " (key, value, type)"
	}
	// one pass over the text returns the members that the columns begin with
	columns := make([]string, len(f.JSON.Columns))
	var members []string
	for i, c := range f.JSON.Columns {
		of := "scalar"
		if c.JSON {
			of = "nested"
		}
		names, err := syntax.JSONPath(c.Path)
		if err != nil || len(names) == 0 || names[0] == syntax.FirstItem {
			return w.fail(c.Path)
		}
		if member := pgName(names[0]) + " json"; !slices.Contains(members, member) {
			members = append(members, member)
		}
		value := "r." + pgName(names[0])
		if len(names) > 1 {
			value += " #> " + pgPath(names[1:])
		}
		columns[i] = of + "(" + value + ") AS " + pgName(c.Name)
	}
	return "(SELECT " + strings.Join(columns, ", ") + " FROM opened(" + w.expr(f.JSON.Arg) +
		") AS o (j)" +
		" CROSS JOIN LATERAL json_to_record(o.j) AS r (" +
		strings.Join(members, ", ") + ")) AS " + pgName(f.Alias)
}

func (w *postgres) path(text string) string {
	names, err := syntax.JSONPath(text)
	if err != nil {
		return w.fail(err)
	}
	return pgPath(names)
}

func pgPath(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		if name == syntax.FirstItem {
			name = "0"
		}
		out[i] = pgText(name)
	}
	return "ARRAY[" + strings.Join(out, ", ") + "]::text[]"
}

// orders writes an ORDER BY list. NULL comes first in SQL Server, and last in descending order.
func (w *postgres) orders(all []syntax.Order) string {
	out := make([]string, len(all))
	for i, o := range all {
		out[i] = w.expr(o.Expr) + map[bool]string{
			false: " NULLS FIRST", true: " DESC NULLS LAST",
		}[o.Desc]
	}
	return strings.Join(out, ", ")
}

func (w *postgres) exprs(all []syntax.Expr) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = w.expr(e)
	}
	return out
}

func (w *postgres) expr(e syntax.Expr) string {
	switch e := e.(type) {
	case syntax.Column:
		return pgName(e.Alias) + "." + pgName(e.Name)
	case syntax.Text:
		return pgText(e.Value)
	case syntax.Number:
		return e.Text
	case syntax.Null:
		return "NULL"
	case syntax.Negative:
		return "(- " + w.expr(e.X) + ")"
	case syntax.Collated:
		return "(" + w.expr(e.X) + `) COLLATE "C"`
	case syntax.Subquery:
		return "(" + w.query(e.Query) + ")"
	case syntax.Binary:
		return "(" + w.expr(e.L) + " " + e.Op + " " + w.expr(e.R) + ")"
	case syntax.Cast:
		return w.cast(e)
	case syntax.Case:
		return w.choice(e)
	case syntax.Call:
		return w.call(e)
	}
	return w.fail(e)
}

func (w *postgres) choice(e syntax.Case) string {
	out := "CASE"
	if e.Input != nil {
		out += " " + w.expr(e.Input)
	}
	for _, c := range e.Whens {
		if e.Input != nil {
			out += " WHEN " + w.expr(c.Value)
		} else {
			out += " WHEN " + w.cond(c.Cond)
		}
		out += " THEN " + w.expr(c.Then)
	}
	if e.Else != nil {
		out += " ELSE " + w.expr(e.Else)
	}
	return out + " END"
}

func (w *postgres) cast(e syntax.Cast) string {
	x := "(" + w.expr(e.Expr) + ")"
	switch {
	case e.Convert && e.Style == "126":
		return "to_char(" + x + `, 'YYYY-MM-DD"T"HH24:MI:SS')`
	case e.Convert:
		return w.fail(e)
	case e.Try && e.Type.Base == "decimal":
		return fmt.Sprintf("try_decimal(%s::text, %d, %d)", x, e.Type.Precision, e.Type.Scale)
	case e.Try:
		return "try_" + e.Type.Base + "(" + x + "::text)"
	}
	switch e.Type.Base {
	case "varbinary":
		return "convert_to(" + x + "::text, 'UTF8')"
	case "nvarchar", "varchar":
		if e.Type.Max {
			return x + "::text"
		}
		return fmt.Sprintf("substr(%s::text, 1, %d)", x, e.Type.Size)
	case "decimal":
		return fmt.Sprintf("%s::numeric(%d, %d)", x, e.Type.Precision, e.Type.Scale)
	case "bit":
		return x + "::int"
	case "datetime2":
		return fmt.Sprintf("%s::timestamp(%d)", x, e.Type.Scale)
	}
	return x + "::" + e.Type.Base
}

// pgFunctions maps functions that have another name in PostgreSQL. The others are PostgreSQL's, or
// come from PostgresFunctions.
var pgFunctions = map[string]string{
	"ISNULL": "coalesce", "SUBSTRING": "substr",
	"LEFT": `pg_catalog."left"`, "RIGHT": `pg_catalog."right"`,
	"REPLICATE": "repeat", "CEILING": "ceil", "CHAR": "chr", "NCHAR": "chr",
}

func (w *postgres) call(e syntax.Call) string {
	args := w.exprs(e.Args)
	switch e.Name {
	case "JSON_QUERY":
		path, ok := e.Args[1].(syntax.Text)
		if !ok {
			return w.fail(e)
		}
		args[1] = w.path(path.Value)
	case "COUNT":
		if e.Star {
			args = []string{"*"}
		}
	}
	name, ok := pgFunctions[e.Name]
	if !ok {
		name = strings.ToLower(e.Name)
	}
	in := strings.Join(args, ", ")
	if e.Within != nil {
		in += " ORDER BY " + w.orders(e.Within)
	}
	out := name + "(" + in + ")"
	if e.Over {
		out += " OVER ("
		if e.Part != nil {
			out += "PARTITION BY " + strings.Join(w.exprs(e.Part), ", ") + " "
		}
		out += "ORDER BY " + w.orders(e.Order) + ")"
	}
	return out
}

func (w *postgres) cond(c syntax.Cond) string {
	not := map[bool]string{true: "NOT "}
	switch c := c.(type) {
	case syntax.Compare:
		return "(" + w.expr(c.L) + " " + c.Op + " " + w.expr(c.R) + ")"
	case syntax.Logic:
		return "(" + w.cond(c.L) + " " + c.Op + " " + w.cond(c.R) + ")"
	case syntax.Not:
		return "(NOT " + w.cond(c.X) + ")"
	case syntax.IsNull:
		return "(" + w.expr(c.X) + " IS " + not[c.Not] + "NULL)"
	case syntax.In:
		return "(" + w.expr(c.X) + " " + not[c.Not] + "IN (" +
			strings.Join(w.exprs(c.List), ", ") + "))"
	case syntax.Like:
		return "(" + w.expr(c.X) + " " + not[c.Not] + "LIKE " + w.expr(c.Pattern) + ")"
	case syntax.Between:
		return "(" + w.expr(c.X) + " BETWEEN " + w.expr(c.Low) + " AND " + w.expr(c.High) + ")"
	}
	return w.fail(c)
}
