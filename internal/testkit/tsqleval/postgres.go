package tsqleval

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// PostgresFunctions creates the functions that the statements of Postgres call, in the first schema
// of the search path.
//
//go:embed postgres.sql
var PostgresFunctions string

// Postgres writes a SELECT in the language of PostgreSQL, over PostgresFunctions. An independent
// engine then computes the same plan; bits are int there.
func Postgres(statement string) (string, error) {
	q, err := parse(statement)
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

func (w *postgres) query(q query) string {
	parts := make([]string, len(q))
	for i, s := range q {
		parts[i] = w.selection(s)
	}
	return strings.Join(parts, "\nUNION ALL\n")
}

func (w *postgres) selection(s *selection) string {
	items := make([]string, len(s.items))
	for i, o := range s.items {
		items[i] = w.expr(o.expr)
		if o.name != "" {
			items[i] += " AS " + pgName(o.name)
		}
	}
	out := "SELECT " + strings.Join(items, ", ")
	for i, f := range s.from {
		switch {
		case i == 0:
			out += "\nFROM " + w.source(f)
		case f.outer:
			out += "\nLEFT JOIN LATERAL " + w.source(f) + " ON true"
		default:
			out += "\nCROSS JOIN LATERAL " + w.source(f)
		}
	}
	if s.where != nil {
		out += "\nWHERE " + w.cond(s.where)
	}
	if s.order != nil {
		out += "\nORDER BY " + w.orders(s.order)
	}
	if s.top >= 0 {
		out += fmt.Sprintf("\nLIMIT %d", s.top)
	}
	return out
}

func (w *postgres) source(f tableSource) string {
	switch {
	case f.query != nil:
		return "(" + w.query(f.query) + ") AS " + pgName(f.alias)
	case f.json == nil:
		return pgName(f.table) + " AS " + pgName(f.alias)
	case f.json.columns == nil:
		return "openjson(" + w.expr(f.json.arg) + ") AS " + pgName(f.alias) + " (key, value, type)"
	}
	// one pass over the text returns the members that the columns begin with
	columns := make([]string, len(f.json.columns))
	var members []string
	for i, c := range f.json.columns {
		of := "scalar"
		if c.json {
			of = "nested"
		}
		names, err := readPath(c.path)
		if err != nil || len(names) == 0 || names[0] == firstStep {
			return w.fail(c.path)
		}
		if member := pgName(names[0]) + " json"; !slices.Contains(members, member) {
			members = append(members, member)
		}
		value := "r." + pgName(names[0])
		if len(names) > 1 {
			value += " #> " + pgPath(names[1:])
		}
		columns[i] = of + "(" + value + ") AS " + pgName(c.name)
	}
	return "(SELECT " + strings.Join(columns, ", ") + " FROM opened(" + w.expr(f.json.arg) + ") AS o (j) CROSS JOIN LATERAL json_to_record(o.j) AS r (" +
		strings.Join(members, ", ") + ")) AS " + pgName(f.alias)
}

func (w *postgres) path(text string) string {
	names, err := readPath(text)
	if err != nil {
		return w.fail(err)
	}
	return pgPath(names)
}

func pgPath(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		if name == firstStep {
			name = "0"
		}
		out[i] = pgText(name)
	}
	return "ARRAY[" + strings.Join(out, ", ") + "]::text[]"
}

// orders writes an ORDER BY list. NULL comes first in SQL Server, and last in descending order.
func (w *postgres) orders(all []orderItem) string {
	out := make([]string, len(all))
	for i, o := range all {
		out[i] = w.expr(o.expr) + map[bool]string{false: " NULLS FIRST", true: " DESC NULLS LAST"}[o.desc]
	}
	return strings.Join(out, ", ")
}

func (w *postgres) exprs(all []expr) []string {
	out := make([]string, len(all))
	for i, e := range all {
		out[i] = w.expr(e)
	}
	return out
}

func (w *postgres) expr(e expr) string {
	switch e := e.(type) {
	case columnRef:
		return pgName(e.alias) + "." + pgName(e.name)
	case literal:
		return pgText(e.text)
	case numeral:
		return e.text
	case nullExpr:
		return "NULL"
	case negative:
		return "(- " + w.expr(e.x) + ")"
	case collated:
		return "(" + w.expr(e.x) + `) COLLATE "C"`
	case subquery:
		return "(" + w.query(e.q) + ")"
	case binary:
		return "(" + w.expr(e.l) + " " + e.op + " " + w.expr(e.r) + ")"
	case castExpr:
		return w.cast(e)
	case caseExpr:
		return w.choice(e)
	case call:
		return w.call(e)
	}
	return w.fail(e)
}

func (w *postgres) choice(e caseExpr) string {
	out := "CASE"
	if e.input != nil {
		out += " " + w.expr(e.input)
	}
	for _, c := range e.whens {
		if e.input != nil {
			out += " WHEN " + w.expr(c.val)
		} else {
			out += " WHEN " + w.cond(c.cond)
		}
		out += " THEN " + w.expr(c.then)
	}
	if e.els != nil {
		out += " ELSE " + w.expr(e.els)
	}
	return out + " END"
}

func (w *postgres) cast(e castExpr) string {
	x := "(" + w.expr(e.expr) + ")"
	switch {
	case e.convert && e.style == "126":
		return "to_char(" + x + `, 'YYYY-MM-DD"T"HH24:MI:SS')`
	case e.convert:
		return w.fail(e)
	case e.try && e.typ.base == "decimal":
		return fmt.Sprintf("try_decimal(%s::text, %d, %d)", x, e.typ.precision, e.typ.scale)
	case e.try:
		return "try_" + e.typ.base + "(" + x + "::text)"
	}
	switch e.typ.base {
	case "varbinary":
		return "convert_to(" + x + "::text, 'UTF8')"
	case "nvarchar", "varchar":
		if e.typ.max {
			return x + "::text"
		}
		return fmt.Sprintf("substr(%s::text, 1, %d)", x, e.typ.size)
	case "decimal":
		return fmt.Sprintf("%s::numeric(%d, %d)", x, e.typ.precision, e.typ.scale)
	case "bit":
		return x + "::int"
	case "datetime2":
		return fmt.Sprintf("%s::timestamp(%d)", x, e.typ.scale)
	}
	return x + "::" + e.typ.base
}

// pgFunctions maps functions that have another name in PostgreSQL. The others are PostgreSQL's, or
// come from PostgresFunctions.
var pgFunctions = map[string]string{
	"ISNULL": "coalesce", "LEFT": `pg_catalog."left"`, "RIGHT": `pg_catalog."right"`, "SUBSTRING": "substr",
	"REPLICATE": "repeat", "CEILING": "ceil", "CHAR": "chr", "NCHAR": "chr",
}

func (w *postgres) call(e call) string {
	args := w.exprs(e.args)
	switch e.name {
	case "JSON_QUERY":
		path, ok := e.args[1].(literal)
		if !ok {
			return w.fail(e)
		}
		args[1] = w.path(path.text)
	case "COUNT":
		if e.star {
			args = []string{"*"}
		}
	}
	name, ok := pgFunctions[e.name]
	if !ok {
		name = strings.ToLower(e.name)
	}
	in := strings.Join(args, ", ")
	if e.within != nil {
		in += " ORDER BY " + w.orders(e.within)
	}
	out := name + "(" + in + ")"
	if e.over {
		out += " OVER ("
		if e.part != nil {
			out += "PARTITION BY " + strings.Join(w.exprs(e.part), ", ") + " "
		}
		out += "ORDER BY " + w.orders(e.order) + ")"
	}
	return out
}

func (w *postgres) cond(c cond) string {
	not := map[bool]string{true: "NOT "}
	switch c := c.(type) {
	case comparison:
		return "(" + w.expr(c.l) + " " + c.op + " " + w.expr(c.r) + ")"
	case logic:
		return "(" + w.cond(c.l) + " " + c.op + " " + w.cond(c.r) + ")"
	case notCond:
		return "(NOT " + w.cond(c.x) + ")"
	case isNull:
		return "(" + w.expr(c.x) + " IS " + not[c.not] + "NULL)"
	case inList:
		return "(" + w.expr(c.x) + " " + not[c.not] + "IN (" + strings.Join(w.exprs(c.list), ", ") + "))"
	case like:
		return "(" + w.expr(c.x) + " " + not[c.not] + "LIKE " + w.expr(c.pattern) + ")"
	case between:
		return "(" + w.expr(c.x) + " BETWEEN " + w.expr(c.low) + " AND " + w.expr(c.high) + ")"
	}
	return w.fail(c)
}
