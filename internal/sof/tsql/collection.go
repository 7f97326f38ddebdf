package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// rows holds a collection: the rows of a block, one row per item, ordered by keys.
type rows struct {
	item *node
	keys []string
}

// position returns the key of a list in its original order: the index of the item.
func (r rows) position() string {
	if len(r.keys) == 0 {
		// the list cannot exist, and has no items
		return "0"
	}
	return r.keys[0]
}

// repeats reports whether FHIR lets an element repeat. known is false for elements that R4 does not
// have.
func repeats(e *sof.Child) (many, known bool) {
	for _, owner := range e.In.Type().Any {
		if el, ok := owner.Element(e.Name); ok {
			many, known = many || el.Many, true
		}
	}
	return many, known
}

// plainList reports whether e is one list of objects in its original order, with all of its items
// in one member. The keys of OPENJSON are then the positions.
func (w lists) plainList(e sof.Expr) bool {
	c, ok := e.(*sof.Child)
	if !ok || c.In.Type().Many {
		return false
	}
	many, _ := repeats(c)
	return many && len(c.Properties) == 1 && complexType(c.Properties[0].Type)
}

// rows lowers e into the block of c. The rows of the block become the items of e.
func (w lists) rows(e sof.Expr, c scope) rows {
	if !e.Type().Many {
		n := w.values.one(e, c)
		if !w.surely(n) {
			c.at.where = append(c.at.where, w.items.present(n))
		}
		return rows{item: n}
	}
	switch e := e.(type) {
	case *sof.Child:
		return w.childRows(e, true, c)
	case *sof.Filter:
		got, inner := w.indexed(e.In, e.Pred, c)
		w.items.sift(got.item, e.Pred)
		c.at.where = append(c.at.where, w.conditions.pred(e.Pred, inner))
		return got
	case *sof.Select:
		got, inner := w.indexed(e.In, e.Body, c)
		body := w.rows(e.Body, inner)
		return rows{body.item, append(got.keys, body.keys...)}
	case *sof.OfType:
		got := w.owners(e.In, c)
		n := w.values.ofType(got.item, e, c)
		c.at.where = append(c.at.where, w.items.present(n))
		n.guards = nil
		return rows{n, got.keys}
	case *sof.ReferenceKey:
		got := w.owners(e.In, c)
		n := w.values.referenceKey(got.item, e, c)
		c.at.where = append(c.at.where, w.items.present(n))
		return rows{n, got.keys}
	case *sof.ResourceKey:
		got := w.owners(e.In, c)
		n := w.items.members(got.item, []sof.Property{{Name: "id", Type: systemType("String")}})
		c.at.where = append(c.at.where, w.items.present(n))
		return rows{n, got.keys}
	case *sof.Binary:
		if e.Op == "|" {
			// one distinct over all operands equals a distinct at every step
			sides := chain(e)
			return w.firstOfEach(e, c, func(inner scope) rows { return w.union(e, sides, inner) })
		}
	case *sof.Call:
		return w.callRows(e, c)
	case *sof.Repeat, *sof.Aggregate, *sof.Total, *sof.Sort:
		w.values.refuseNative(e)
		return rows{item: &node{}}
	}
	w.refuse(e, "it yields a list", "")
	return rows{item: &node{}}
}

// indexed adds the items of in to the block of c, and returns the scope of one item. The scope has
// $index if the expression said uses it.
func (w lists) indexed(in, said sof.Expr, c scope) (rows, scope) {
	if !mentions(said, isItemIndex) || w.plainList(in) {
		got := w.rows(in, c)
		inner := c.on(got.item)
		inner.itemIndex = ""
		if w.plainList(in) {
			inner.itemIndex = got.position()
		}
		return got, inner
	}
	if !in.Type().Many {
		got := w.rows(in, c)
		inner := c.on(got.item)
		inner.itemIndex = "0"
		return got, inner
	}
	item, number := w.numberedItems(in, in, c)
	inner := c.on(item)
	inner.itemIndex = number
	return rows{item, []string{number}}, inner
}

func isItemIndex(e sof.Expr) bool {
	_, is := e.(*sof.ItemIndex)
	return is
}

// surely reports whether every row has the item, because the block has no other rows.
func (w lists) surely(n *node) bool {
	for _, a := range n.alts {
		if a.always || a.literal != nil {
			return len(n.guards) == 0
		}
	}
	return false
}

// owners adds the items of e to the block of c, for access to their members. Rows without an
// item may remain, because they have no members.
func (w lists) owners(e sof.Expr, c scope) rows {
	if !e.Type().Many {
		return rows{item: w.values.one(e, c)}
	}
	if child, ok := e.(*sof.Child); ok {
		return w.childRows(child, false, c)
	}
	return w.rows(e, c)
}

// childRows adds the children to the block of c. If asked is set, rows without a child are left
// out.
func (w lists) childRows(e *sof.Child, asked bool, c scope) rows {
	if e.Valueless {
		w.refuse(e, "hasValue() of the items of a list, which may have extensions alone",
			"only the native engine has it")
	}
	got := w.owners(e.In, c)
	many, known := repeats(e)
	if known && !many {
		n := w.items.members(got.item, e.Properties)
		if asked {
			c.at.where = append(c.at.where, w.items.present(n))
		}
		return rows{n, got.keys}
	}
	whole, typ := w.listIn(got.item, e)
	if whole == "" {
		c.at.where = append(c.at.where, "1 = 0")
		return rows{&node{}, got.keys}
	}
	alias := w.alias("e")
	note := ""
	if c.at == c.home {
		note = w.note(e)
	}
	c.at.from = append(c.at.from, source{alias: alias, json: &openjson{text: whole}, note: note})
	c.at.where = append(c.at.where, alias+".[type] <> 0")
	return rows{
		&node{alts: []alt{w.element(alias, typ, c.at)}},
		append(got.keys, fmt.Sprintf("CAST(%s.[key] AS int)", alias)),
	}
}

func (w lists) callRows(e *sof.Call, c scope) rows {
	switch e.Func {
	case sof.FuncTail, sof.FuncSkip, sof.FuncTake:
		n := 1
		if e.Func != sof.FuncTail {
			var ok bool
			if n, ok = position(e.Args[0]); !ok {
				w.refuse(e, fmt.Sprintf("%s() needs a literal number", e.Func), "")
			}
		}
		item, number := w.numberedItems(e, e.In, c)
		sign := ">="
		if e.Func == sof.FuncTake {
			sign = "<"
		}
		c.at.where = append(c.at.where, fmt.Sprintf("%s %s %d", number, sign, n))
		return rows{item, []string{number}}
	case sof.FuncDistinct:
		return w.firstOfEach(e, c, func(inner scope) rows { return w.rows(e.In, inner) })
	case sof.FuncIntersect:
		return w.firstOfEach(e, c, func(inner scope) rows { return w.among(e, true, inner) })
	case sof.FuncExclude:
		return w.among(e, false, c)
	case sof.FuncCombine:
		return w.union(e, []sof.Expr{e.In, e.Args[0]}, c)
	case sof.FuncIif:
		return w.iifRows(e, c)
	default:
		w.refuse(e, fmt.Sprintf("the function %s()", e.Func), "")
	}
	return rows{item: &node{}}
}

// among adds the items of e.In that the argument has, or if has is false, the items that it does
// not have.
func (w lists) among(e *sof.Call, has bool, c scope) rows {
	got := w.rows(e.In, c)
	found := w.conditions.found(e, e.Args[0], got.item, c)
	if !has {
		found = fmt.Sprintf("NOT (%s)", found)
	}
	c.at.where = append(c.at.where, found)
	return got
}

// found returns the condition that a list has an item. The condition is never unknown.
func (w conditions) found(e, list sof.Expr, it *node, c scope) string {
	return w.quantified(list, func(inner scope) string {
		return w.comparisons.compare(e, inner.focus, it, "=", inner)
	}, false, c)
}

// position returns the value of an integer literal.
func position(e sof.Expr) (int, bool) {
	l, ok := e.(*sof.Literal)
	if !ok || l.Value == nil || len(l.Value.Text) > 9 {
		return 0, false
	}
	var n int
	_, err := fmt.Sscanf(l.Value.Text, "%d", &n)
	return n, err == nil
}

// numberedItems adds the items of in to the block of c, as a derived table that counts them from 0.
func (w lists) numberedItems(e, in sof.Expr, c scope) (*node, string) {
	inner := c.inside()
	got := w.rows(in, inner)
	alias := w.alias("e")
	carried := w.items.carried(got.item, inner.at, alias, c.at, "")
	inner.at.items = append(inner.at.items, numbered(got.keys))
	c.at.from = append(c.at.from, source{alias: alias, note: w.note(e), query: query{inner.at}})
	return carried, alias + ".[i]"
}

// orderKeys returns the ORDER BY list. A collection without keys has at most one item.
func orderKeys(keys []string) []string {
	if len(keys) == 0 {
		return []string{"(SELECT 1)"}
	}
	return keys
}

// union adds the items of all sides, one side after the other.
func (w lists) union(e sof.Expr, sides []sof.Expr, c scope) rows {
	alias := w.alias("e")
	var q query
	var found *node
	for i, side := range sides {
		inner := c.inside()
		got := w.rows(side, inner)
		n := w.items.carried(got.item, inner.at, alias, c.at, "")
		if found == nil {
			found = n
		} else if !sameForm(found, n) {
			w.refuse(e, "lists of different types are put together", "")
		}
		inner.at.items = append(inner.at.items, numbered(got.keys), item{fmt.Sprint(i), "side"})
		q = append(q, inner.at)
	}
	c.at.from = append(c.at.from, source{alias: alias, note: w.note(e), query: q})
	return rows{found, []string{alias + ".[side]", alias + ".[i]"}}
}

// iifRows adds the items of one of two lists.
func (w lists) iifRows(e *sof.Call, c scope) rows {
	inner := c
	if _, this := e.In.(*sof.This); !this {
		inner.focus = w.values.single(e.In, "iif()", c)
	}
	at := inner
	at.at = c.home
	p := w.conditions.pred(e.Args[0], at)
	conditions := []string{p, fmt.Sprintf("CASE WHEN %s THEN 0 ELSE 1 END = 1", p)}
	alias := w.alias("e")
	var q query
	var found *node
	for i, branch := range e.Args[1:] {
		b := inner.inside()
		got := w.rows(branch, b)
		if len(got.item.alts) == 0 {
			continue
		}
		n := w.items.carried(got.item, b.at, alias, c.at, "")
		if found == nil {
			found = n
		} else if !sameForm(found, n) {
			w.refuse(e, "iif() with values of different types", "")
		}
		b.at.items = append(b.at.items, numbered(got.keys))
		b.at.where = append(b.at.where, conditions[i])
		q = append(q, b.at)
	}
	if found == nil {
		c.at.where = append(c.at.where, "1 = 0")
		return rows{item: &node{}}
	}
	c.at.from = append(c.at.from, source{alias: alias, note: w.note(e), query: q})
	return rows{found, []string{alias + ".[i]"}}
}

func sameForm(a, b *node) bool {
	if len(a.alts) != 1 || len(b.alts) != 1 {
		return false
	}
	x, y := a.alts[0], b.alts[0]
	return system(&x) == system(&y) && (x.number == "") == (y.number == "")
}

func system(a *alt) schema.System {
	if a.typ == nil {
		return schema.None
	}
	return a.typ.System
}

// identity returns the expressions that are the same for two items exactly if the items are equal.
func (w comparisons) identity(e sof.Expr, n *node, c scope) string {
	f := familyOf(n)
	switch f {
	case texts, truths:
		return w.exact(w.items.text(n))
	case numbers:
		return w.number(n, c).number
	case dates, times:
		// two dates of unknown order are not equal
		m := w.moment(n, f == times, c)
		if m.zoned == "" {
			return m.text
		}
		return m.text + ", " + m.zoned
	case mixed:
	}
	if len(n.alts) > 0 {
		w.refuse(e, "equal objects", "compare an element of them")
	}
	return "(SELECT 1)"
}

// onlyItem applies the single item of a list together with the number of items. With more than one
// item the statement fails where the item is used.
func (w lists) onlyItem(e sof.Expr, what string, c scope) *node {
	n, count := w.counted(e, c)
	for i := range n.alts {
		a := &n.alts[i]
		guard := func(expr, typ string) string {
			return fmt.Sprintf("CASE WHEN %s > 1 AND %s THEN %s ELSE %s END", count,
				w.wanted(c.home),
				w.fail(fmt.Sprintf("view %s, %s: "+moreThanOne+": ", w.view.Name, what), count,
					typ), expr)
		}
		switch {
		case a.number != "":
			a.number = guard(a.number, "int")
		default:
			a.text = guard(a.text, w.facts.Text)
			if a.in != nil {
				a.in.text = a.text
			}
		}
	}
	return n
}

// counted applies an aggregate of the items of e: one of the items, and the number of items.
func (w lists) counted(e sof.Expr, c scope) (*node, string) {
	inner := c.inside()
	got := w.rows(e, inner)
	alias := w.alias("x")
	found := w.items.carried(got.item, inner.at, alias, c.at, "")
	for i := range inner.at.items {
		inner.at.items[i].expr = "MIN(" + w.items.local(inner.at.items[i].expr, got.item, inner) +
			")"
	}
	inner.at.items = append(inner.at.items, item{"COUNT(*)", "n"})
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(e), query: query{inner.at},
	})
	return found, alias + ".[n]"
}

// howMany applies the number of items of e.
func (w lists) howMany(e sof.Expr, c scope) string {
	inner := c.inside()
	w.rows(e, inner)
	inner.at.items = []item{{"COUNT(*)", "n"}}
	alias := w.alias("x")
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(e), query: query{inner.at},
	})
	return alias + ".[n]"
}

// fail returns an expression of type typ that makes the statement fail with a message. It is a cast
// that no engine can compute before it has read the data.
func (w *writer) fail(message, data, typ string) string {
	w.failures++
	return fmt.Sprintf("CAST(CAST(CONCAT(%s, %s) AS int) AS %s)", w.lit(message), data, typ)
}
