package tsql

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// Several columns may need the first item of one list, each under a condition of its own:
// extension(url) does. One pass over the list finds all of them. Each is the least of the texts
// that begin with the position of their item, in digits.

// placeDigits is the number of digits in the position of an item.
const placeDigits = 10

// pick is a column with the first item of a list, or of nested lists.
type pick struct {
	cell  sof.Cell
	first *sof.Call
	// base is the outermost list.
	base  *sof.Child
	lists []pickedList // from the outermost to the innermost
}

// pickedList is one list of a pick.
type pickedList struct {
	name string
	// needed are strings in the JSON of every item that is picked.
	needed []string
}

// pickOf reads a column as a pick.
func (w plan) pickOf(cell sof.Cell) (pick, bool) {
	first, ok := cell.Value.(*sof.Call)
	if !ok || first.Func != sof.FuncFirst || !first.In.Type().Many {
		return pick{}, false
	}
	if col := w.view.Columns[cell.Column]; col.Collection || col.Kind == sof.Boolean {
		return pick{}, false
	}
	types := first.In.Type().Any
	if len(types) == 0 || slices.ContainsFunc(types, func(t *schema.Type) bool {
		return t.System == schema.None || t.System != types[0].System
	}) {
		return pick{}, false
	}
	p := pick{cell: cell, first: first}
	return p, p.walk(first.In) && p.base != nil
}

// walk collects the lists of an expression. It reports whether a pass over all items can take every
// step to the items.
func (p *pick) walk(e sof.Expr) bool {
	switch e := e.(type) {
	case *sof.This:
		return true
	case *sof.Child:
		many, known := repeats(e)
		if e.Valueless || !known || !p.walk(e.In) {
			return false
		}
		if !many {
			return true
		}
		if typ := e.Properties[0].Type; len(e.Properties) > 1 || !complexType(typ) ||
			typ.Kind == schema.Resource {
			return false
		}
		if p.base == nil {
			p.base = e
		}
		p.lists = append(p.lists, pickedList{name: e.Name})
		return true
	case *sof.Filter:
		if !p.walk(e.In) || len(p.lists) == 0 || !isPlain(e.Pred) {
			return false
		}
		last := &p.lists[len(p.lists)-1]
		last.needed = append(last.needed, needed(e.Pred)...)
		return true
	case *sof.OfType:
		return !e.Single && e.Want.Kind != schema.Resource && p.walk(e.In)
	case *sof.ReferenceKey:
		return p.walk(e.In)
	}
	return false
}

// isPlain reports whether a condition only compares members of the focus with constants.
func isPlain(e sof.Expr) bool {
	switch e := e.(type) {
	case *sof.Binary:
		return slices.Contains([]string{"and", "or", "="}, e.Op) && isPlain(e.L) && isPlain(e.R)
	case *sof.Child:
		return !e.Type().Many && !e.Valueless && isPlain(e.In)
	case *sof.This, *sof.Literal:
		return true
	}
	return false
}

// cells returns the columns of a row node that all share one focus.
func cells(r sof.Row) []sof.Cell {
	switch r := r.(type) {
	case *sof.Project:
		return r.Cells
	case *sof.Product:
		var out []sof.Cell
		for _, p := range r.Parts {
			out = append(out, cells(p)...)
		}
		return out
	}
	return nil
}

// pickAll lowers the picks of a row node that read the same lists.
func (w plan) pickAll(r sof.Row, c scope) {
	c.at = c.home
	var groups [][]pick
	for _, cell := range cells(r) {
		p, ok := w.pickOf(cell)
		if _, known := w.picked[w.shareOf(cell.Value, c)]; !ok || known {
			continue
		}
		i := slices.IndexFunc(groups, func(g []pick) bool { return w.goTogether(g, p) })
		if i < 0 {
			groups = append(groups, []pick{p})
		} else {
			groups[i] = append(groups[i], p)
		}
	}
	for _, g := range groups {
		if len(g) > 1 {
			w.pickGroup(g, c)
		}
	}
}

// goTogether reports whether a pick reads the lists of a group, down to the depth that both have.
func (w plan) goTogether(group []pick, p pick) bool {
	return !slices.ContainsFunc(group, func(other pick) bool {
		if w.key(other.base) != w.key(p.base) {
			return true
		}
		for i := range min(len(other.lists), len(p.lists)) {
			if other.lists[i].name != p.lists[i].name {
				return true
			}
		}
		return false
	})
}

// pass is one pass over nested lists.
type pass struct {
	w      *writer
	group  []pick
	c      scope // the scope around the pass
	inner  scope
	levels []*passLevel
}

// passLevel is one of the lists.
type passLevel struct {
	item  *node
	place string
	json  *openjson
	// whole is the list. reached are the conditions for an item to have a list that counts; if it
	// is empty, every item has one.
	whole   string
	reached []string
	always  bool
}

// pickGroup lowers picks that share one pass.
func (w plan) pickGroup(group []pick, c scope) {
	p := &pass{w: w.writer, group: group, c: c, inner: c.inside()}
	alias := w.alias("f")
	nodes := make([]*node, len(group))
	for i, one := range group {
		w.current = one.cell.Value
		var conditions []string
		n := p.lower(one.first.In, &conditions)
		if len(n.alts) == 0 {
			continue
		}
		text := ""
		for _, l := range p.levels[:len(one.lists)] {
			text += l.place + " + "
		}
		text += w.items.text(n)
		if len(conditions) > 0 {
			text = fmt.Sprintf("CASE WHEN %s THEN %s END", strings.Join(conditions, " AND "), text)
		}
		p.inner.at.items = append(p.inner.at.items,
			item{fmt.Sprintf("MIN(%s)", text), w.view.Columns[one.cell.Column].Name})
		nodes[i] = n
	}
	for _, l := range p.levels[1:] {
		if !l.always && l.json != nil {
			l.json.text = fmt.Sprintf("CASE WHEN %s THEN %s END", strings.Join(l.reached, " OR "),
				l.whole)
		}
	}
	if len(p.inner.at.items) == 0 {
		return // no pick can have an item
	}
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(group[0].cell.Value), query: query{p.inner.at},
	})
	for i, n := range nodes {
		if n != nil {
			w.picked[w.shareOf(group[i].cell.Value, c)] = w.pickedItem(group[i], n, alias, c)
		}
	}
}

// pickedItem returns the item of a pick, without its position.
func (w plan) pickedItem(one pick, n *node, alias string, c scope) *node {
	col := w.view.Columns[one.cell.Column]
	text := fmt.Sprintf("SUBSTRING(%s.%s, %d, %d)", alias, Quote(col.Name),
		placeDigits*len(one.lists)+1, math.MaxInt32)
	if col.Kind != sof.Text {
		// the text is used several times
		text = w.worked(c, "p", item{text, "v"}) + ".[v]"
	}
	return &node{alts: []alt{{typ: n.alts[0].typ, text: text, sized: true}}}
}

// lower lowers an expression of a pick, over the items of the pass.
func (p *pass) lower(e sof.Expr, conditions *[]string) *node {
	w := p.w
	switch e := e.(type) {
	case *sof.This:
		return p.c.focus
	case *sof.Child:
		if many, _ := repeats(e); many {
			return p.level(e, conditions)
		}
		return w.items.members(p.lower(e.In, conditions), e.Properties)
	case *sof.Filter:
		n := p.lower(e.In, conditions)
		*conditions = append(*conditions, w.conditions.pred(e.Pred, p.inner.on(n)))
		return n
	case *sof.OfType:
		return w.values.ofType(p.lower(e.In, conditions), e, p.inner)
	case *sof.ReferenceKey:
		n := p.lower(e.In, conditions)
		return w.values.referenceKey(n, e, p.inner)
	}
	return &node{}
}

// level returns an item of a list.
func (p *pass) level(e *sof.Child, conditions *[]string) *node {
	around := &pick{}
	around.walk(e.In)
	depth := len(around.lists)
	in := p.w.values.one
	if depth > 0 {
		in = func(e sof.Expr, _ scope) *node { return p.lower(e, conditions) }
	}
	owner := in(e.In, p.c)
	if len(p.levels) == depth {
		p.levels = append(p.levels, p.open(e, owner, depth))
	}
	l := p.levels[depth]
	if condition := strings.Join(*conditions, " AND "); condition == "" {
		l.always = true
	} else if !slices.Contains(l.reached, condition) {
		l.reached = append(l.reached, condition)
	}
	return l.item
}

// open adds the items of a list to the block of the pass. Rows without an item stay, except for the
// outermost list.
func (p *pass) open(e *sof.Child, owner *node, depth int) *passLevel {
	w := p.w
	whole, typ := w.lists.listIn(owner, e)
	if whole == "" {
		return &passLevel{item: &node{}}
	}
	alias := w.alias("e")
	it := w.lists.element(alias, typ, p.inner.at)
	it.in.outer = depth > 0
	w.items.siftAny(it.in, p.needed(depth))
	l := &passLevel{
		item: &node{alts: []alt{it}}, whole: whole, json: &openjson{text: whole},
		place: fmt.Sprintf("RIGHT(%s + CAST(%s.[key] AS %s), %d)",
			w.lit(strings.Repeat("0", placeDigits)), alias, w.shortText(), placeDigits),
	}
	p.inner.at.from = append(p.inner.at.from, source{alias: alias, outer: depth > 0, json: l.json})
	return l
}

// needed returns, for each pick, the strings that the JSON of a picked item contains. It returns
// none if any item may be picked.
func (p *pass) needed(depth int) [][]string {
	var out [][]string
	for _, one := range p.group {
		if depth >= len(one.lists) {
			continue
		}
		if len(one.lists[depth].needed) == 0 {
			return nil
		}
		out = append(out, one.lists[depth].needed)
	}
	return out
}
