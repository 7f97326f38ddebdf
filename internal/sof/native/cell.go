package native

import (
	"fmt"

	"fhirsynapse/internal/sof"
)

// cell is one column of a row. Wide tables are mostly empty, so a cell knows a
// cheap test for that, and the plain paths that most columns are have a way
// without items.
type cell struct {
	column int
	value  op
	short  picker // value
	// legs are value as paths with a first() between them; nil for anything else.
	legs []leg
	// guard are the members of the focus without any of which value is empty;
	// nil where there is no such condition.
	guard      []int
	collection bool
	plural     string // what to say of more than one item
}

// leg is a path that starts at one node.
type leg struct {
	steps []hop
	limit int // 1: the first is wanted, 2: the only one
}

func (b *builder) cell(c sof.Cell) cell {
	col := b.columns[c.Column]
	value := b.op(c.Value)
	out := cell{
		column: c.Column, value: value, short: short(value), collection: col.Collection,
		plural: fmt.Sprintf("view %s, column %s: more than one item; take the first() or declare a collection", b.view, col.Name),
	}
	if !col.Collection {
		out.legs, out.guard = legsOf(value), guardOf(value)
	}
	return out
}

// legsOf gives value as legs, or nil.
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

// guardOf gives the members that value starts from, where it is empty without
// them.
func guardOf(value op) []int {
	switch o := value.(type) {
	case *path:
		if o.in != nil {
			return guardOf(o.in)
		}
		var out []int
		for _, p := range o.steps[0].properties {
			out = append(out, p.number)
		}
		return out
	case *collectionOp:
		switch o.name {
		case sof.FuncFirst, sof.FuncLast, sof.FuncTail, sof.FuncSingle, sof.FuncDistinct:
			return guardOf(o.in)
		default:
		}
	case *filterOp:
		return guardOf(o.in)
	case *ofTypeOp:
		return guardOf(o.in)
	case *referenceKeyOp:
		return guardOf(o.in)
	}
	return nil
}

// members gives what a focus has: the slots by the number of the name, and the
// nodes by slot. Both are nil where the focus is no object that a view reads.
func (v *Evaluator) members(this *item) (names []uint8, slots []int32) {
	if this.node < 0 {
		return nil, nil
	}
	d := &v.tape.nodes[this.node]
	if d.kind != kindObject || d.shape < 0 {
		return nil, nil
	}
	return v.engine.shapes[d.shape].byName, v.tape.slots[d.first:]
}

// absent says that the cell is empty for want of every member that it could
// start from.
func (c *cell) absent(names []uint8, slots []int32) bool {
	if names == nil || c.guard == nil {
		return false
	}
	for _, number := range c.guard {
		if slot := names[number]; slot != 0 && slots[slot-1] > 0 {
			return false
		}
	}
	return true
}

func (c *cell) fill(v *Evaluator, this *item) error {
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

func (c *cell) followLegs(v *Evaluator, at int32) error {
	for i := range c.legs {
		f := finding{limit: c.legs[i].limit}
		f.follow(v, at, c.legs[i].steps)
		if f.n == 0 {
			v.cells[c.column] = nil
			return nil
		}
		if f.n > 1 {
			return &dataError{c.plural}
		}
		at = f.node
	}
	if d := &v.tape.nodes[at]; d.kind == kindString && !d.escaped {
		v.cells[c.column] = v.tape.line[d.start:d.end:d.end]
		return nil
	}
	it := v.itemAt(at, nil)
	v.cells[c.column] = v.text(&it)
	return nil
}

// text is an item as the canonical text of a cell; never nil.
func (v *Evaluator) text(it *item) []byte {
	switch it.kind {
	case kindString:
		if s := v.str(it); s != nil {
			return s
		}
		return []byte{}
	case kindObject, kindArray:
		from := len(v.arena)
		v.arena = appendCompact(v.arena, it.text)
		return v.arena[from:len(v.arena):len(v.arena)]
	case kindNone, kindNumber, kindTrue, kindFalse:
	}
	return it.text
}

// list is a collection as a JSON array.
func (v *Evaluator) list(items []item) []byte {
	// decoding grows the arena too, so it comes before
	for i := range items {
		if items[i].kind == kindString {
			v.str(&items[i])
		}
	}
	from := len(v.arena)
	v.arena = append(v.arena, '[')
	for i := range items {
		if i > 0 {
			v.arena = append(v.arena, ',')
		}
		switch items[i].kind {
		case kindString:
			v.arena = appendQuoted(v.arena, items[i].text)
		case kindObject, kindArray:
			v.arena = appendCompact(v.arena, items[i].text)
		case kindNone, kindNumber, kindTrue, kindFalse:
			v.arena = append(v.arena, items[i].text...)
		}
	}
	v.arena = append(v.arena, ']')
	return v.arena[from:len(v.arena):len(v.arena)]
}
