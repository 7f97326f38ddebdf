package tsql

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// node holds at most one item, readable in the block that it was made in and in the blocks inside.
type node struct {
	// alts are the possible forms of the item. At most one of them is present.
	alts []alt
	// guards are conditions that the item needs to exist.
	guards []string
}

// alt holds one form of an item: a member of an object, or an expression.
type alt struct {
	typ *schema.Type // nil if not known
	// in and path lead to a member.
	in   *object
	path []string
	// text is the expression of anything else: the decoded text of a primitive, or JSON text. It
	// may be empty if number or pred hold the value.
	text string
	// number is a decimal or, if whole is set, an integer. Its operators may bind less tightly than
	// the operators around it.
	number string
	whole  bool
	// pred is a condition.
	pred    string
	literal *sof.Constant
	// sized is set if text already has the type for text of any length.
	sized bool
	// always is set if the item is always present.
	always bool
	// home is the one block that all columns in text belong to, if it is known.
	home *block
}

// object is a JSON object. One OPENJSON WITH reads its members, and is added to the block with the
// first of them.
type object struct {
	w    *writer
	at   *block
	text string
	note string
	// raw is the item of a list. text equals raw where check holds.
	raw, check string
	// outer is set if the text may be NULL in a row that counts.
	outer bool
	json  *openjson
	name  string // alias
	// lists holds objects and arrays if OPENJSON WITH does not return them.
	lists     *pivot
	listsName string
	// through is set if the members come through the columns of a derived table.
	through *through
}

// through passes members of an object out of the derived table that the object is in.
type through struct {
	inside *object
	alias  string
	names  map[string]string // names of the columns, by expression
}

func (t *through) member(path []string, json bool) string {
	expr := t.inside.member(path, json)
	name, ok := t.names[expr]
	if !ok {
		name = columnName(path)
		for n := 2; slices.ContainsFunc(t.inside.at.items, func(it item) bool {
			return strings.EqualFold(it.name, name)
		}); n++ {
			name = fmt.Sprintf("%s_%d", columnName(path), n)
		}
		t.names[expr] = name
		t.inside.at.items = append(t.inside.at.items, item{expr, name})
	}
	return t.alias + "." + Quote(name)
}

// member returns the column of a member, by its path.
func (o *object) member(path []string, json bool) string {
	if o.through != nil {
		return o.through.member(path, json)
	}
	if json && !o.w.facts.AsJSON {
		return o.nested(path)
	}
	if o.json == nil {
		o.json = &openjson{text: o.text, names: map[string]bool{}}
		o.name = o.w.alias("j")
		o.at.from = append(o.at.from, source{
			alias: o.name, outer: o.outer, json: o.json, note: o.note,
		})
	}
	return o.name + "." + Quote(o.json.member(path, json))
}

// nested returns a member that is an object or an array, if OPENJSON WITH does not return them. One
// walk over the object reads its own members; deeper ones are read from these members.
func (o *object) nested(path []string) string {
	if o.lists == nil {
		o.lists = &pivot{text: o.text, names: map[string]string{}}
		o.listsName = o.w.alias("j")
		o.at.from = append(o.at.from, source{alias: o.listsName, note: o.note, pivot: o.lists})
	}
	top := o.listsName + "." + Quote(o.lists.member(path[0]))
	if len(path) == 1 {
		return top
	}
	name := columnName(path)
	query := fmt.Sprintf("JSON_QUERY(%s, '%s')", top,
		strings.ReplaceAll(jsonPath(path[1:]), "'", "''"))
	return o.w.computed(scope{at: o.at}, "q", item{query, name}) + "." + Quote(name)
}

func complexType(t *schema.Type) bool { return t != nil && t.System == schema.None }

// value returns the text of the alternative, NULL if the alternative is absent.
func (a *alt) value() string {
	switch {
	case a.in == nil || len(a.path) == 0:
		return a.text
	case complexType(a.typ):
		return a.in.member(a.path, true)
	case a.typ == nil:
		return fmt.Sprintf("COALESCE(%s, %s)", a.in.member(a.path, false),
			a.in.member(a.path, true))
	}
	return a.in.member(a.path, false)
}

// text returns the expression of the item as text. It is NULL for a missing item.
func (w items) text(n *node) string {
	if len(n.alts) == 0 {
		return w.none()
	}
	var parts []string
	for i := range n.alts {
		a := &n.alts[i]
		t := a.value()
		switch {
		case t != "":
		case a.pred != "":
			t = fmt.Sprintf("CASE WHEN %s THEN %s WHEN NOT (%s) THEN %s END", a.pred, w.lit("true"),
				a.pred, w.lit("false"))
		case a.number != "" && !a.whole:
			w.refuse(nil, "the text of a computed decimal", "declare the column decimal")
			t = "NULL"
		case a.number != "":
			t = fmt.Sprintf("CAST(%s AS %s)", a.number, w.facts.Text)
		}
		parts = append(parts, t)
	}
	return n.guarded(coalesce(parts))
}

// none returns the text expression for no item.
func (w phrases) none() string { return fmt.Sprintf("CAST(NULL AS %s)", w.facts.Text) }

func coalesce(parts []string) string {
	switch len(parts) {
	case 0:
		return "NULL"
	case 1:
		return parts[0]
	}
	return "COALESCE(" + strings.Join(parts, ", ") + ")"
}

// guarded returns an expression that is NULL where a guard does not hold.
func (n *node) guarded(expr string) string {
	if len(n.guards) == 0 {
		return expr
	}
	return fmt.Sprintf("CASE WHEN %s THEN %s END", all(n.guards), expr)
}

func all(conditions []string) string {
	if len(conditions) == 1 {
		return conditions[0]
	}
	return "(" + strings.Join(conditions, " AND ") + ")"
}

// present returns the condition that there is an item. The condition is never unknown.
func (w items) present(n *node) string {
	var there []string
	for i := range n.alts {
		a := &n.alts[i]
		switch {
		case a.literal != nil || a.always:
			there = append(there, "1 = 1")
		case a.in == nil && a.text == "" && a.number != "":
			there = append(there, a.number+" IS NOT NULL")
		case a.in == nil && a.text == "":
			there = append(there,
				fmt.Sprintf("CASE WHEN %s THEN 1 WHEN NOT (%s) THEN 1 END IS NOT NULL", a.pred,
					a.pred))
		default:
			there = append(there, a.value()+" IS NOT NULL")
		}
	}
	var p string
	switch len(there) {
	case 0:
		return "1 = 0"
	case 1:
		p = there[0]
	default:
		p = "(" + strings.Join(there, " OR ") + ")"
	}
	for _, g := range n.guards {
		p = fmt.Sprintf("(%s AND CASE WHEN %s THEN 1 ELSE 0 END = 1)", p, g)
	}
	return p
}

// members steps from an item to its members.
func (w items) members(n *node, properties []sof.Property) *node {
	out := w.forms(n, properties)
	if len(n.alts) > 1 && len(properties) == 1 {
		return w.merged(out)
	}
	return out
}

// forms steps from an item to its members, with one alternative for each property and form of the
// item.
func (w items) forms(n *node, properties []sof.Property) *node {
	out := &node{guards: n.guards}
	for i := range n.alts {
		a := &n.alts[i]
		if a.typ != nil && a.typ.System != schema.None {
			continue
		}
		o, path := a.in, a.path
		if o == nil {
			continue
		}
		for _, p := range properties {
			out.alts = append(out.alts, alt{
				typ: p.Type, in: o, path: append(append([]string{}, path...), p.Name),
				sized: w.facts.AsJSON || !complexType(p.Type),
			})
		}
	}
	return out
}

// opened returns an item that holds JSON text, with members.
func (w items) opened(b *block, text, note string, typ *schema.Type) alt {
	return alt{
		typ: typ, in: &object{w: w.writer, at: b, text: text, note: note, outer: true}, text: text,
	}
}

// carried passes an item through the columns of a derived table. It adds the columns to b and
// returns the item as the outside reads it, under alias.
func (w items) carried(n *node, b *block, alias string, outside *block, note string) *node {
	out := &node{}
	for i := range n.alts {
		a := n.alts[i]
		name := "v"
		if i > 0 {
			name = fmt.Sprintf("v%d", i+1)
		}
		one := &node{alts: []alt{a}, guards: n.guards}
		ref := alias + "." + Quote(name)
		c := alt{typ: a.typ, text: ref, sized: a.sized, home: outside}
		switch {
		case a.text == "" && a.number != "" && a.in == nil:
			b.items = append(b.items, item{one.guarded(a.number), name})
			c.text, c.number, c.whole = "", ref, a.whole
		default:
			b.items = append(b.items, item{w.text(one), name})
		}
		switch {
		case complexType(a.typ):
			c.in = &object{w: w.writer, at: outside, text: ref, note: note, outer: true}
		case a.typ == nil && a.in != nil:
			c.in = &object{
				w: w.writer, at: outside,
				text: fmt.Sprintf("CASE WHEN LEFT(%s, 1) = %s AND ISJSON(%s) = 1 THEN %s END", ref,
					w.lit("{"), ref, ref), note: note, outer: true,
			}
		}
		out.alts = append(out.alts, c)
	}
	if len(out.alts) == 0 {
		b.items = append(b.items, item{w.none(), "v"})
	}
	return out
}

// local returns an expression over the columns of the block of inner only. An aggregate may have no
// other columns.
func (w items) local(expr string, n *node, inner scope) string {
	if len(n.alts) == 1 && len(n.guards) == 0 {
		if a := n.alts[0]; a.home == inner.at || a.in != nil && a.in.at == inner.at {
			return expr
		}
	}
	return w.computed(inner, "p", item{expr, "v"}) + ".[v]"
}
