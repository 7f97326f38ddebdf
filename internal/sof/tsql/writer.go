package tsql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// writer lowers one view. Each of its parts lowers one kind of thing, and calls the others for the
// rest.
type writer struct {
	phrases
	plan        plan
	lists       lists
	values      values
	conditions  conditions
	comparisons comparisons
	items       items

	view   *sof.View
	engine Engine
	shape  Shape
	root   *node
	counts map[string]int // of aliases, by their first letter
	shared map[sharedKey]*node
	// picked are columns that pickAll has lowered.
	picked  map[sharedKey]*node
	applied map[computedKey]string
	// keys are the keys of expressions, numbers holds everything that has a number so far,
	// references holds the keys of references that are already lowered.
	keys       map[sof.Expr]int
	numbers    map[string]int
	references map[referenceOf]*node
	// firstCalls are the calls of first() in firstsOf.
	firstCalls map[int]sof.Expr
	firstsOf   sof.Expr

	faults  []error
	faulted map[string]bool
	// current is the whole expression that is lowered.
	current sof.Expr
	// top is the outermost block. While the conditions of the view are lowered, kept is the
	// condition that the document may belong to the view.
	top      *block
	kept     string
	failures int // number of expressions that make the statement fail for bad data
}

// The parts of a writer.
type (
	// plan lowers rows: what a view selects and iterates over, and the cells of a row.
	plan struct{ *writer }
	// lists lowers expressions that yield lists, and operations on a list as a whole.
	lists struct{ *writer }
	// values lowers expressions that yield at most one item.
	values struct{ *writer }
	// conditions lowers expressions to conditions.
	conditions struct{ *writer }
	// comparisons brings items into forms that compare: numbers, dates and texts.
	comparisons struct{ *writer }
	// items reads items and their members from the document.
	items struct{ *writer }
)

// phrases writes text expressions in the dialect of an engine.
type phrases struct{ facts Facts }

// sharedKey identifies expressions that are lowered once: the same expression over the same focus
// in the same block.
type sharedKey struct {
	at    *block
	focus *node
	key   int
	// %rowIndex and $index
	row, item string
}

func newWriter(v *sof.View, e Engine, s Shape) *writer {
	w := &writer{
		phrases: phrases{e.Facts()}, view: v, engine: e, shape: s,
		counts: map[string]int{}, shared: map[sharedKey]*node{}, picked: map[sharedKey]*node{},
		applied: map[computedKey]string{}, faulted: map[string]bool{},
		keys: map[sof.Expr]int{}, numbers: map[string]int{}, references: map[referenceOf]*node{},
	}
	w.plan, w.lists, w.values = plan{w}, lists{w}, values{w}
	w.conditions, w.comparisons, w.items = conditions{w}, comparisons{w}, items{w}
	return w
}

// scope is the place where an expression is lowered.
type scope struct {
	at *block // the block for lists that the expression goes through
	// home is the block of the focus. Results that need only the focus are computed there, and
	// serve all blocks inside.
	home      *block
	focus     *node
	rowIndex  string // %rowIndex
	itemIndex string // $index; empty if not known
	out       map[int]string
}

// on returns the scope of an item of a list in the block of s.
func (s scope) on(n *node) scope {
	s.focus, s.home = n, s.at
	return s
}

// inside returns the scope of a new block inside the block of s.
func (s scope) inside() scope {
	s.at = &block{parent: s.at}
	return s
}

// refuse records that the engine cannot express e.
func (w *writer) refuse(e sof.Expr, msg, hint string) {
	f := w.view.Fault(e, msg, hint)
	if f.Path == "" {
		// a fault without a place belongs to the current expression
		f = w.view.Fault(w.current, msg, hint)
	}
	f.Msg = fmt.Sprintf("%s cannot say this: %s", w.engine, f.Msg)
	if text := f.Error(); !w.faulted[text] {
		w.faulted[text] = true
		w.faults = append(w.faults, f)
	}
}

func (w *writer) alias(kind string) string {
	w.counts[kind]++
	return fmt.Sprintf("%s%d", kind, w.counts[kind])
}

func (w phrases) lit(text string) string { return literal(text, w.facts) }

// note returns the comment next to the source that serves e. Some servers and tools count a
// statement in bytes where they mean characters, so comments are ASCII.
func (w *writer) note(e sof.Expr) string {
	text := strings.Join(strings.Fields(w.view.Source(e)), " ")
	const most = 100
	r := []rune(text)
	for i := range r {
		if r[i] > unicode.MaxASCII {
			r[i] = '?'
		}
	}
	if len(r) > most {
		return string(r[:most]) + "..."
	}
	return string(r)
}

func (w *writer) body() (string, error) {
	c, kind := w.begin()
	top := c.at
	top.where = append(top.where, w.sameText(kind, w.lit(w.view.Resource), &w.view.Resource))
	w.kept = top.where[0]
	for _, e := range w.view.Where {
		w.current = e
		top.where = append(top.where, w.conditions.pred(e, c))
	}
	w.kept = ""
	w.plan.row(w.view.Rows, c)
	for i, col := range w.view.Columns {
		if c.out[i] == "" && len(w.faults) == 0 {
			return "", fmt.Errorf("view %s: the column %s has no value", w.view.Name, col.Name)
		}
		top.items = append(top.items, item{c.out[i], col.Name})
	}
	return w.print()
}

// begin makes the outermost block with the document, the keys and the id. kind is the expression
// for the resource type that the document has.
func (w *writer) begin() (c scope, kind string) {
	top := &block{from: []source{{alias: "d", table: w.shape.From}}}
	w.top = top
	t, _ := schema.R4().Type(w.view.Resource)
	doc := &object{w: w, at: top, text: "d.[doc]"}
	w.root = &node{alts: []alt{{typ: t, in: doc, text: "d.[doc]", sized: true, always: true}}}
	kind = doc.member([]string{"resourceType"}, false)
	for _, k := range w.shape.Keys {
		top.items = append(top.items, item{expr: "d." + Quote(k)})
	}
	if w.shape.ID {
		top.items = append(top.items,
			item{w.narrow(doc.member([]string{"id"}, false), idLength), "_id"})
	}
	return scope{at: top, home: top, focus: w.root, rowIndex: "0", out: map[int]string{}}, kind
}

// idLength is the most characters of an id that package flatten accepts.
const idLength = sof.KeyLength

// narrow returns ASCII text for a column that is compared by its characters.
func (w phrases) narrow(text string, length int) string {
	text = fmt.Sprintf("CAST(%s AS varchar(%d))", text, length)
	if !w.facts.CompareBytes {
		text += " COLLATE " + w.facts.Binary
	}
	return text
}

// print returns the text, or an error with everything that cannot be expressed.
func (w *writer) print() (string, error) {
	if len(w.faults) > 0 {
		return "", errors.Join(w.faults...)
	}
	p := &printer{facts: w.facts}
	p.block(w.top, 0)
	return p.String(), nil
}

// wanted returns the condition that the current row of a block is kept, from the conditions known
// so far. Servers may compute columns of rows that WHERE drops.
func (w *writer) wanted(b *block) string {
	if b == w.top && w.kept != "" {
		return w.kept
	}
	conditions := append([]string{}, b.where...)
	if b.parent != nil {
		conditions = append([]string{w.wanted(b.parent)}, conditions...)
	}
	if len(conditions) == 1 && b.parent != nil {
		return conditions[0]
	}
	return w.computed(scope{at: b}, "g",
		item{fmt.Sprintf("CASE WHEN %s THEN 1 ELSE 0 END", all(conditions)), "wanted"}) +
		".[wanted] = 1"
}

// row lowers a node of the row plan into the block of c. The rows of the node multiply the rows of
// the block, and its columns go to c.out.
func (w plan) row(r sof.Row, c scope) {
	w.pickAll(r, c)
	switch r := r.(type) {
	case *sof.Project:
		for _, cell := range r.Cells {
			c.out[cell.Column] = w.cell(cell, c)
		}
	case *sof.Product:
		w.want(r, c)
		for _, p := range r.Parts {
			w.row(p, c)
		}
	case *sof.Union:
		var q query
		for _, branch := range r.Branches {
			inner := c.inside()
			inner.out = map[int]string{}
			w.row(branch, inner)
			w.columns(inner.at, inner.out, slices.Sorted(maps.Keys(inner.out)))
			q = append(q, inner.at)
		}
		w.derived(q, c, false, "", nil)
	case *sof.Iterate:
		w.iterate(r, c)
	case *sof.Recurse:
		w.recurse(r, c)
	}
}

// want records lists that every row of a product needs, for the references in the product.
func (w plan) want(r *sof.Product, c scope) {
	isReference := func(e sof.Expr) bool { _, is := e.(*sof.ReferenceKey); return is }
	if !slices.ContainsFunc(cells(r), func(cell sof.Cell) bool {
		return mentions(cell.Value, isReference)
	}) {
		return
	}
	for _, p := range r.Parts {
		it, ok := p.(*sof.Iterate)
		if !ok || it.Outer || c.at != c.home || !w.lists.plainList(it.Over) {
			continue
		}
		list := it.Over.(*sof.Child)
		w.current = list
		if owner := w.values.one(list.In, c); len(owner.alts) == 1 && owner.alts[0].in != nil {
			c.at.wants = append(c.at.wants, w.items.present(w.items.forms(owner, list.Properties)))
		}
	}
}

// columns makes columns of the view the items of a block.
func (w plan) columns(b *block, out map[int]string, columns []int) {
	for _, i := range columns {
		b.items = append(b.items, item{out[i], w.view.Columns[i].Name})
	}
}

// derived applies a query whose items are columns of the view. The columns of index are 0 if the
// query has no row.
func (w plan) derived(q query, c scope, outer bool, note string, index []int) {
	alias := w.alias("u")
	c.at.from = append(c.at.from, source{alias: alias, outer: outer, note: note, query: q})
	for i, col := range w.view.Columns {
		if !slices.ContainsFunc(q[0].items, func(it item) bool { return it.name == col.Name }) {
			continue
		}
		c.out[i] = alias + "." + Quote(col.Name)
		if slices.Contains(index, i) {
			c.out[i] = fmt.Sprintf("ISNULL(%s, %s)", c.out[i], w.zero(col))
		}
	}
}

// zero returns the index 0 for a column.
func (w phrases) zero(col sof.Column) string {
	switch {
	case col.Collection:
		return w.lit("[0]")
	case col.Kind == sof.Text:
		return w.lit("0")
	}
	return "0"
}

func (w plan) iterate(r *sof.Iterate, c scope) {
	w.current = r.Over
	if !r.Outer {
		item, index := w.walk(r, c)
		c.at.wants = nil // from here on, only rows of the list
		c = c.on(item)
		c.rowIndex = index
		w.row(r.Body, c)
		return
	}
	inner := c.inside()
	inner.out = map[int]string{}
	b := inner.at
	item, index := w.walk(r, inner)
	inner = inner.on(item)
	inner.rowIndex = index
	w.row(r.Body, inner)
	w.columns(b, inner.out, r.Columns)
	if always(r.Body) && !slices.ContainsFunc(r.Index, func(i int) bool {
		return !hasIndex(r.Body, i)
	}) {
		w.derived(query{b}, c, true, w.note(r.Over), r.Index)
		return
	}
	// The body may have no rows although there are items, and a NULL of a branch is not a missing
	// index. So the row of nulls is written out.
	w.derived(query{b, w.nullRow(r, c)}, c, false, w.note(r.Over), nil)
}

// nullRow returns the row of nulls of an Iterate over nothing.
func (w plan) nullRow(r *sof.Iterate, c scope) *block {
	count := c.inside()
	w.lists.rows(r.Over, count)
	count.at.items = []item{{"COUNT(*)", "n"}}
	alias := w.alias("n")
	b := &block{
		from: []source{{alias: alias, query: query{count.at}}}, where: []string{alias + ".[n] = 0"},
	}
	for _, i := range r.Columns {
		value := "NULL"
		if slices.Contains(r.Index, i) {
			value = w.zero(w.view.Columns[i])
		}
		b.items = append(b.items,
			item{
				fmt.Sprintf("CAST(%s AS %s)", value, columnType(w.view.Columns[i], w.facts)),
				w.view.Columns[i].Name,
			})
	}
	return b
}

// always reports whether a row node yields at least one row for every item.
func always(r sof.Row) bool {
	switch r := r.(type) {
	case *sof.Project:
		return true
	case *sof.Product:
		return !slices.ContainsFunc(r.Parts, func(p sof.Row) bool { return !always(p) })
	case *sof.Union:
		return slices.ContainsFunc(r.Branches, always)
	case *sof.Iterate:
		return r.Outer && always(r.Body)
	}
	return false
}

// walk adds the items of r.Over to the block of c, and returns one item with its %rowIndex.
func (w plan) walk(r *sof.Iterate, c scope) (*node, string) {
	if !usesRowIndex(r.Body) {
		got := w.lists.rows(r.Over, c)
		return got.item, "0"
	}
	if !r.Over.Type().Many {
		return w.lists.rows(r.Over, c).item, "0"
	}
	if w.lists.plainList(r.Over) {
		// one list in its original order: its keys are the positions
		got := w.lists.rows(r.Over, c)
		return got.item, got.position()
	}
	inner := c.inside()
	got := w.lists.rows(r.Over, inner)
	alias := w.alias("e")
	item := w.items.carried(got.item, inner.at, alias, c.at, "")
	inner.at.items = append(inner.at.items, numbered(got.keys))
	c.at.from = append(c.at.from, source{
		alias: alias, note: w.note(r.Over), query: query{inner.at},
	})
	return item, alias + ".[i]"
}
