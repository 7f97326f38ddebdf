package tsql

import (
	"fmt"
	"strings"
)

// block is one SELECT. Lowering expressions fills it, and it is printed once, after all of them.
type block struct {
	parent *block // the enclosing block
	items  []item
	top    int // TOP (n); 0 for all
	from   []source
	where  []string
	order  []string
	// wants are conditions that every row of the block needs, known before its sources are
	// computed.
	wants []string
}

// item is one column of a SELECT.
type item struct{ expr, name string }

// query is a block, or several blocks as one UNION ALL.
type query []*block

// source is one table source of a block. The first follows FROM; the others are APPLYs, which see
// all sources before them and the sources of the blocks around.
type source struct {
	alias string
	// outer keeps the row if the source is empty.
	outer bool
	note  string // the path that it serves
	// exactly one of these is set
	table string
	json  *openjson
	pivot *pivot
	query query
}

// pivot is one row with the objects and arrays among the members of an object.
type pivot struct {
	text    string
	members []string
	names   map[string]string // names of the columns, by member
}

// member returns the name of the column of a member. It adds the column if needed.
func (p *pivot) member(name string) string {
	if column, ok := p.names[name]; ok {
		return column
	}
	column := strings.TrimLeft(name, "_")
	for _, other := range p.names {
		if strings.EqualFold(other, column) {
			column = name
		}
	}
	p.members = append(p.members, name)
	p.names[name] = column
	return column
}

// openjson is OPENJSON over a text. Without columns it lists the items of an array.
type openjson struct {
	text    string
	columns []*jsonColumn
	names   map[string]bool // used names, in lower case
}

// jsonColumn is a column of OPENJSON WITH.
type jsonColumn struct {
	name, path string
	json       bool // AS JSON: objects and arrays, otherwise scalars
}

// member returns the name of the column for a path. It adds the column if needed.
func (o *openjson) member(path []string, json bool) string {
	text := jsonPath(path)
	for _, c := range o.columns {
		if c.path == text && c.json == json {
			return c.name
		}
	}
	c := &jsonColumn{name: o.free(path), path: text, json: json}
	o.columns = append(o.columns, c)
	return c.name
}

// longest is the most characters of a column name before its number. Some servers cut identifiers
// at 63.
const longest = 50

// columnName returns the name of a column for a path.
func columnName(path []string) string {
	name := strings.TrimLeft(strings.ReplaceAll(strings.Join(path, "_"), firstStep, "0"), "_")
	if len(name) > longest {
		name = name[len(name)-longest:]
	}
	return name
}

// free returns a name for a path that no other column has, not even in another case.
func (o *openjson) free(path []string) string {
	name := columnName(path)
	unique := name
	for n := 2; o.names[strings.ToLower(unique)]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	o.names[strings.ToLower(unique)] = true
	return unique
}

// jsonPath writes member names as a path. Names that are not plain words are quoted.
func jsonPath(path []string) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, name := range path {
		if name == firstStep {
			b.WriteString(name)
			continue
		}
		if plainWord(name) {
			b.WriteString("." + name)
			continue
		}
		b.WriteString(`."` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`)
	}
	return b.String()
}

func plainWord(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// printer lays out a query.
type printer struct {
	strings.Builder
	facts Facts
}

func (p *printer) line(depth int, format string, args ...any) {
	p.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

func (p *printer) query(q query, depth int) {
	for i, b := range q {
		if i > 0 {
			p.line(depth, "UNION ALL")
		}
		p.block(b, depth)
	}
}

func (p *printer) block(b *block, depth int) {
	head := "SELECT"
	if b.top > 0 {
		head = fmt.Sprintf("SELECT TOP (%d)", b.top)
	}
	if len(b.items) == 1 {
		p.line(depth, "%s %s", head, b.items[0].text())
	} else {
		p.line(depth, "%s", head)
		for i, it := range b.items {
			comma := ","
			if i == len(b.items)-1 {
				comma = ""
			}
			p.line(depth+1, "%s%s", it.text(), comma)
		}
	}
	from := b.from
	const one = "1"
	bare := len(from) == 0 && (len(b.where) > 0 || p.facts.FromAlways && b.items[0].expr != one)
	if bare || len(from) > 0 && from[0].outer {
		from = append([]source{{alias: "one", query: query{{items: []item{{one, "one"}}}}}},
			from...)
	}
	for i, s := range from {
		word := "FROM"
		if i > 0 {
			word = "CROSS APPLY"
			if s.outer {
				word = "OUTER APPLY"
			}
		}
		p.source(word, s, depth)
	}
	for i, w := range b.where {
		word := "WHERE"
		if i > 0 {
			word = "  AND"
		}
		p.line(depth, "%s %s", word, w)
	}
	if len(b.order) > 0 {
		p.line(depth, "ORDER BY %s", strings.Join(b.order, ", "))
	}
}

func (it item) text() string {
	if it.name == "" {
		return it.expr
	}
	return it.expr + " AS " + Quote(it.name)
}

func (p *printer) source(word string, s source, depth int) {
	note := ""
	if s.note != "" {
		note = " -- " + s.note
	}
	switch {
	case s.table != "":
		p.line(depth, "%s %s AS %s%s", word, s.table, s.alias, note)
	case s.pivot != nil:
		b := &block{from: []source{{alias: "o", json: &openjson{text: s.pivot.text}}}}
		for _, m := range s.pivot.members {
			b.items = append(b.items, item{
				fmt.Sprintf("MAX(CASE WHEN o.[key] = %s AND o.[type] IN (4, 5) THEN o.[value] END)",
					literal(m, p.facts)), s.pivot.names[m],
			})
		}
		p.source(word, source{alias: s.alias, note: s.note, query: query{b}}, depth)
	case s.json != nil && len(s.json.columns) == 0:
		p.line(depth, "%s OPENJSON(%s) AS %s%s", word, s.json.text, s.alias, note)
	case s.json != nil:
		p.line(depth, "%s OPENJSON(%s) WITH (%s", word, s.json.text, note)
		for i, c := range s.json.columns {
			comma, as := ",", ""
			if i == len(s.json.columns)-1 {
				comma = ""
			}
			if c.json {
				as = " AS JSON"
			}
			p.line(depth+1, "%s %s '%s'%s%s", Quote(c.name), p.facts.Text,
				strings.ReplaceAll(c.path, "'", "''"), as, comma)
		}
		p.line(depth, ") AS %s", s.alias)
	default:
		p.line(depth, "%s (%s", word, note)
		p.query(s.query, depth+1)
		p.line(depth, ") AS %s", s.alias)
	}
}
