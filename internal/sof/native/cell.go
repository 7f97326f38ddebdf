package native

import (
	"fmt"
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// cell is one column of a row. Most columns are plain paths, which are followed without creating
// items.
type cell struct {
	column int
	value  op
	short  picker // value
	// legs is value as paths with a first() between them; nil for anything else.
	legs      []leg
	reference *referenceKeyOp // value, if it is one
	refers    bool            // value reads the key of a reference
	// shared is the number of leading steps in common with the previous cell.
	shared     int
	memo       int // number of the value among those shared by views, or -1
	collection bool
	plural     string // error text for more than one item
}

// leg is a path that starts at one node.
type leg struct {
	steps []hop
	limit int // 1: the first is wanted, 2: the only one
}

// maxLegs exceeds the legs of practical paths. Longer ones are evaluated with items.
const maxLegs = 8

func (b *builder) cell(c sof.Cell, ofRoot bool) cell {
	col := b.columns[c.Column]
	keys := b.keys
	value := b.op(c.Value)
	out := cell{
		column: c.Column, value: value, short: short(value), collection: col.Collection, memo: -1,
		plural: fmt.Sprintf(
			"view %s, column %s: more than one item; take the first() or declare a collection",
			b.view, col.Name),
	}
	out.reference, _ = value.(*referenceKeyOp)
	if out.refers = b.keys > keys; out.refers && !slices.Contains(b.references, c.Column) {
		b.references = append(b.references, c.Column)
	}
	if legs := legsOf(value); !col.Collection && len(legs) <= maxLegs {
		out.legs = legs
	}
	if ofRoot {
		out.memo = b.common.find(c.Value, col.Collection)
	}
	return out
}

// share counts the first path steps that c shares with the last of cells, which is filled just
// before it, so that they are walked once.
func (c *cell) share(cells []cell) {
	before := &cells[len(cells)-1]
	if before.memo >= 0 {
		return // its trail may be of another line
	}
	for c.shared < min(len(c.legs), len(before.legs)) &&
		c.legs[c.shared].same(before.legs[c.shared]) {
		c.shared++
	}
}

func (l leg) same(other leg) bool {
	return l.limit == other.limit && slices.EqualFunc(l.steps, other.steps, func(a, b hop) bool {
		return a.same(&b) && a.filters == nil && b.filters == nil
	})
}

// legsOf returns value as legs, or nil.
func legsOf(value op) []leg {
	switch o := value.(type) {
	case *path:
		if o.in == nil {
			return []leg{{o.steps, 2}}
		}
		if o.first != nil {
			if before := legsOf(o.first); before != nil {
				return append(before, leg{o.steps, 2})
			}
		}
	case *collectionOp:
		if o.name == sof.FuncFirst {
			if legs := legsOf(o.in); legs != nil {
				legs[len(legs)-1].limit = 1
				return legs
			}
		}
	}
	return nil
}

// start returns the first hop of the value if the cell is empty without it; otherwise nil.
func (c *cell) start() *hop {
	if c.collection {
		return nil // which is [] for no items
	}
	return startOf(c.value)
}

func startOf(value op) *hop {
	switch o := value.(type) {
	case *path:
		if o.in != nil {
			return startOf(o.in)
		}
		return &o.steps[0]
	case *collectionOp:
		switch o.name {
		case sof.FuncFirst, sof.FuncLast, sof.FuncTail, sof.FuncSingle, sof.FuncDistinct:
			return startOf(o.in)
		default:
		}
	case *filterOp:
		return startOf(o.in)
	case *ofTypeOp:
		return startOf(o.in)
	case *referenceKeyOp:
		return startOf(o.in)
	}
	return nil
}

// present reports whether the node has one of the properties of a hop.
func (v *Evaluator) present(at int32, h *hop) bool {
	if at < 0 {
		return false
	}
	d := &v.tape.Nodes[at]
	if d.Kind != jsontape.KindObject || d.Shape < 0 {
		return false
	}
	for i := range h.properties {
		if h.find(v, d, &h.properties[i]) >= 0 {
			return true
		}
	}
	return false
}

// fill computes the cell. A value that several views share is computed once per line.
func (c *cell) fill(v *Evaluator, this *item) error {
	if c.memo < 0 {
		return c.computeNoting(v, this)
	}
	m := &v.memos[c.memo]
	if m.line == v.lines {
		v.cells[c.column] = m.cell
		if c.refers {
			v.missed[c.column] = m.missed
		}
		return nil
	}
	err := c.computeNoting(v, this)
	*m = memo{cell: v.cells[c.column], line: v.lines}
	if c.refers {
		m.missed = v.missed[c.column]
	}
	return err
}

// computeNoting computes the cell, and records a reference without a key.
func (c *cell) computeNoting(v *Evaluator, this *item) error {
	if !c.refers {
		return c.compute(v, this)
	}
	v.unkeyed = Keyed
	err := c.compute(v, this)
	if v.missed[c.column] = Keyed; c.collection || v.cells[c.column] == nil {
		v.missed[c.column] = v.unkeyed
	}
	return err
}

func (c *cell) compute(v *Evaluator, this *item) error {
	v.column = c.column
	if c.legs != nil {
		return c.followLegs(v, this.node)
	}
	if c.collection {
		base := len(v.stack)
		if err := c.value.eval(v, this); err != nil {
			return err
		}
		v.cells[c.column] = v.list(v.stack[base:])
		v.stack = v.stack[:base]
		return nil
	}
	if c.reference != nil {
		if id, single := c.reference.single(v, this.node); single {
			v.cells[c.column] = id
			return nil
		}
	}
	it, n, err := c.short.pick(v, this, 2)
	switch {
	case err != nil:
		return err
	case n > 1:
		return &dataError{c.plural}
	case n == 0:
		v.cells[c.column] = nil
	default:
		v.cells[c.column] = v.text(&it)
	}
	return nil
}

// followLegs fills the cell from the end of the legs. The nodes between them stay in v.trail for
// the next cell, with -1 after the last existing one.
func (c *cell) followLegs(v *Evaluator, at int32) error {
	i := c.shared
	if i > 0 {
		at = v.trail[i-1]
	}
	for ; i < len(c.legs) && at >= 0; i++ {
		f := finding{limit: c.legs[i].limit, node: -1}
		f.follow(v, at, c.legs[i].steps)
		if f.n > 1 {
			return &dataError{c.plural}
		}
		at = f.node
		v.trail[i] = at
	}
	for ; i < len(c.legs); i++ {
		v.trail[i] = -1
	}
	if at < 0 {
		v.cells[c.column] = nil
		return nil
	}
	if d := &v.tape.Nodes[at]; d.Kind == jsontape.KindString && !d.Escaped {
		v.cells[c.column] = v.tape.Line[d.Start:d.End:d.End]
		return nil
	}
	it := v.itemAt(at, nil)
	v.cells[c.column] = v.text(&it)
	return nil
}

// text returns an item as the canonical text of a cell, never nil.
func (v *values) text(it *item) []byte {
	switch it.kind {
	case jsontape.KindString:
		if s := v.str(it); s != nil {
			return s
		}
		return []byte{}
	case jsontape.KindObject, jsontape.KindArray:
		v.room(len(it.text))
		from := len(v.arena)
		v.arena = appendCompact(v.arena, it.text)
		return v.arena[from:len(v.arena):len(v.arena)]
	case jsontape.KindNone, jsontape.KindNumber, jsontape.KindTrue, jsontape.KindFalse:
	}
	return it.text
}

// list returns a collection as a JSON array.
func (v *values) list(items []item) []byte {
	// decoding grows the arena too, so it comes first
	size := 2
	for i := range items {
		n := len(items[i].text)
		if items[i].kind == jsontape.KindString {
			if n = quotedSize(v.str(&items[i])); n > v.budget.limits.Text {
				v.chargeText(n)
			}
		}
		size += n + 1
	}
	v.step(len(items))
	v.room(size)
	from := len(v.arena)
	v.arena = append(v.arena, '[')
	for i := range items {
		if i > 0 {
			v.arena = append(v.arena, ',')
		}
		switch items[i].kind {
		case jsontape.KindString:
			v.arena = appendQuoted(v.arena, items[i].text)
		case jsontape.KindObject, jsontape.KindArray:
			v.arena = appendCompact(v.arena, items[i].text)
		case jsontape.KindNone, jsontape.KindNumber, jsontape.KindTrue, jsontape.KindFalse:
			v.arena = append(v.arena, items[i].text...)
		}
	}
	v.arena = append(v.arena, ']')
	return v.arena[from:len(v.arena):len(v.arena)]
}
