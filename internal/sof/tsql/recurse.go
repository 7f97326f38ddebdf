package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// deepest is the number of levels that a repeat goes down. Only SQL Server has recursive queries,
// and no engine has them inside an APPLY, so the levels are written out. A deeper document makes
// the statement fail: rows are never left out.
const deepest = 10

// The position of an item in the walk is a text of digits. For every level it has the number of the
// path and six digits of the position in each list on the path.

// recurse lowers a repeat: one derived table with every item that the paths reach, parents before
// children.
func (w plan) recurse(r *sof.Recurse, c scope) {
	w.current = r.Paths[0]
	walk := w.descend(r, c.focus, w.lit(""), 1, c)
	alias := w.alias("r")
	q := w.alias("q")
	b := &block{
		items: []item{{q + ".[v]", "v"}, numbered([]string{q + ".[ord]"})},
		from:  []source{{alias: q, query: walk}},
	}
	c.at.from = append(c.at.from, source{alias: alias, note: w.note(r.Paths[0]), query: query{b}})
	typ := reached(r)
	c = c.on(&node{alts: []alt{w.items.opened(c.at, alias+".[v]", "", typ)}})
	c.rowIndex = alias + ".[i]"
	w.row(r.Body, c)
}

// descend returns the query of the items below focus with their positions: v and ord.
func (w plan) descend(r *sof.Recurse, focus *node, above string, level int, c scope) query {
	var children query
	for i, path := range r.Paths {
		inner := c.inside()
		inner.focus = focus
		got := w.lists.rows(path, inner)
		place := fmt.Sprintf("%s + %s", above, w.lit(fmt.Sprint(i)))
		for _, k := range got.keys {
			place += fmt.Sprintf(" + RIGHT(%s + CAST(%s AS %s), 6)", w.lit("00000"), k,
				w.shortText())
		}
		inner.at.items = []item{{w.items.text(got.item), "v"}, {place, "ord"}}
		children = append(children, inner.at)
	}
	alias := w.alias("c")
	v, ord := alias+".[v]", alias+".[ord]"
	if level > deepest {
		message := fmt.Sprintf("view %s: "+tooDeep+" than %d levels, at ", w.view.Name, deepest)
		return query{{
			items: []item{
				{fmt.Sprintf("CASE WHEN %s THEN %s END", w.wanted(w.top),
					w.fail(message, ord, w.facts.Text)), "v"}, {ord, "ord"},
			},
			from: []source{{alias: alias, query: children}},
		}}
	}
	b := &block{parent: c.at, from: []source{{alias: alias, query: children}}}
	inner := c
	inner.at = b
	child := &node{alts: []alt{w.items.opened(b, v, "", reached(r))}}
	below := w.descend(r, child, ord, level+1, inner.on(child))
	d := w.alias("d")
	self := &block{items: []item{{v, "v"}, {ord, "ord"}}}
	b.from = append(b.from, source{alias: d, query: append(query{self}, below...)})
	b.items = []item{{d + ".[v]", "v"}, {d + ".[ord]", "ord"}}
	return query{b}
}

// reached returns the type of the items of a repeat, nil if R4 does not know it.
func reached(r *sof.Recurse) *schema.Type {
	for _, p := range r.Paths {
		if any := p.Type().Any; len(any) > 0 {
			return any[0]
		}
	}
	return nil
}
