package tsql

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// firstStep selects the first item of a list in a path.
const firstStep = "[0]"

// firstByPath reads the first item of a list by its path, which needs no OPENJSON of its own. A
// list that does not begin with an item as FHIR has it, such as a list with a null in front, is
// walked. The node is nil if the list is not a plain member of an object.
func (w lists) firstByPath(e, in sof.Expr, c scope) *node {
	child, ok := in.(*sof.Child)
	if !ok || child.In.Type().Many || child.Valueless || len(child.Properties) != 1 {
		return nil
	}
	if many, known := repeats(child); !many || !known {
		return nil
	}
	typ := child.Properties[0].Type
	opening := openingOf(typ)
	if opening == "" {
		return nil
	}
	parent := w.values.one(child.In, c)
	if len(parent.alts) == 0 || len(parent.guards) > 0 || parent.alts[0].in == nil {
		return nil
	}
	lists := w.items.forms(parent, child.Properties)
	if len(lists.alts) != len(parent.alts) {
		return nil
	}
	a := lists.alts[0]
	var texts []string
	for i := range lists.alts {
		texts = append(texts, lists.alts[i].in.member(lists.alts[i].path, true))
	}
	inner := c.inside()
	inner.at.top = 1
	item, alias := w.alias("e"), w.alias("f")
	begins := fmt.Sprintf("LEFT(%s, 2)", texts[0])
	inner.at.from = []source{{
		alias: item, json: &openjson{
			text: fmt.Sprintf(
				"CASE WHEN %s = %s THEN NULL WHEN LEFT(%s, 1) = %s THEN %s ELSE %s + %s + %s END",
				begins, w.lit(opening), coalesce(texts), w.lit("["), coalesce(texts), w.lit("["),
				coalesce(texts), w.lit("]")),
		},
	}}
	// An engine checks this condition first, and does no work for the lists that the path reads.
	walks := fmt.Sprintf("%s <> %s", begins, w.lit(opening))
	if len(texts) > 1 {
		walks = fmt.Sprintf("(%s OR %s IS NOT NULL AND %s IS NULL)", walks, coalesce(texts[1:]),
			texts[0])
	}
	inner.at.where = []string{walks, item + ".[type] <> 0"}
	inner.at.order = []string{fmt.Sprintf("CAST(%s.[key] AS int)", item)}
	found := w.element(item, typ, inner.at)
	walked := w.items.carried(&node{alts: []alt{found}}, inner.at, alias, c.at, "")
	if found.in != nil {
		found.in.outer = true
		walked.alts[0].in.through = &through{found.in, alias, map[string]string{}}
	}
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(e), query: query{inner.at},
	})
	first := alt{
		typ: typ, in: a.in, path: append(append([]string{}, a.path...), firstStep),
		sized: w.facts.AsJSON || !complexType(typ),
	}
	return w.items.merged(&node{alts: append([]alt{first}, walked.alts...)})
}

// openingOf returns the first characters of the JSON text of a list of items of a type, or an empty
// text if they vary.
func openingOf(typ *schema.Type) string {
	switch {
	case typ == nil || typ.Kind == schema.Resource:
		return ""
	case complexType(typ):
		return "[{"
	}
	switch typ.System {
	case schema.String, schema.Date, schema.DateTime, schema.Time:
		return `["`
	case schema.None, schema.Boolean, schema.Integer, schema.Decimal:
	}
	return ""
}

// merged combines the forms of a primitive item into one, if they have the same type.
func (w items) merged(n *node) *node {
	if len(n.alts) < 2 {
		return n
	}
	out := alt{typ: n.alts[0].typ, sized: true}
	var texts []string
	for i := range n.alts {
		a := &n.alts[i]
		if a.typ == nil || a.typ != out.typ || complexType(a.typ) || a.number != "" ||
			a.pred != "" || a.literal != nil {
			return n
		}
		out.sized = out.sized && a.sized
		texts = append(texts, a.value())
	}
	out.text = coalesce(texts)
	return &node{alts: []alt{out}, guards: n.guards}
}

// firstOfEach keeps the first of equal items.
func (w lists) firstOfEach(e sof.Expr, c scope, items func(scope) rows) rows {
	inner := c.inside()
	got := items(inner)
	same := w.comparisons.identity(e, got.item, inner)
	alias := w.alias("e")
	kept := w.items.carried(got.item, inner.at, alias, c.at, "")
	inner.at.items = append(inner.at.items, numbered(got.keys), item{
		fmt.Sprintf("ROW_NUMBER() OVER (PARTITION BY %s ORDER BY %s)", same,
			strings.Join(orderKeys(got.keys), ", ")), "same",
	})
	c.at.from = append(c.at.from, source{alias: alias, note: w.note(e), query: query{inner.at}})
	c.at.where = append(c.at.where, alias+".[same] = 1")
	return rows{kept, []string{alias + ".[i]"}}
}

// firstItem applies the first, or the last, of the items of in.
func (w lists) firstItem(e, in sof.Expr, last bool, c scope) *node {
	if !last {
		if n := w.firstByPath(e, in, c); n != nil {
			return n
		}
	}
	return w.firstOf(e, last, c, func(inner scope) rows { return w.rows(in, inner) })
}

func (w lists) firstOf(e sof.Expr, last bool, c scope, items func(scope) rows) *node {
	inner := c.inside()
	inner.at.top = 1
	got := items(inner)
	alias := w.alias("f")
	item := w.items.carried(got.item, inner.at, alias, c.at, "")
	for _, k := range got.keys {
		if last {
			k += " DESC"
		}
		inner.at.order = append(inner.at.order, k)
	}
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(e), query: query{inner.at},
	})
	return item
}

// exists returns the condition that a list has an item. The condition is never unknown.
func (w conditions) exists(list sof.Expr, c scope) string {
	if first, ok := w.firsts(w.current)[w.key(list)]; ok {
		// the first item is needed anyway
		return w.items.present(w.values.one(first, c))
	}
	inner := c.inside()
	inner.at.top = 1
	w.lists.rows(list, inner)
	inner.at.items = []item{{"1", "one"}}
	alias := w.alias("x")
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(list), query: query{inner.at},
	})
	return alias + ".[one] IS NOT NULL"
}
