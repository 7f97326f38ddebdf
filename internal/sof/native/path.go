package native

import (
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// reader finds the members of the current line.
type reader struct {
	memory
	tape jsontape.Tape
	root item
}

// member returns the node of one member of an object, or -1. number identifies the member's name.
func (v *reader) member(object int32, number int) int32 {
	if object < 0 {
		return -1
	}
	d := &v.tape.Nodes[object]
	if d.Kind != jsontape.KindObject || d.Shape < 0 {
		return -1
	}
	slot := v.engine.layout.Slot(d.Shape, number)
	if slot < 0 {
		return -1
	}
	if n := v.tape.Slots[int(d.First)+slot]; n > 0 {
		return n - 1
	}
	return -1
}

// path follows properties from the items of in, or from the focus.
type path struct {
	in    op            // nil: the focus
	first *collectionOp // in, if it is first()
	steps []hop
}

// hop is one element with its possible properties.
type hop struct {
	properties []property
	// shape is the expected shape of the objects at the start of the hop. If it is right, the slots
	// of the properties are too.
	shape   int16
	filters []*isText // of where(): nodes that do not match are left out
}

// property is one JSON name by its number.
type property struct {
	name   string
	number int
	slot   int // in the shape of the hop, or -1
	typ    *schema.Type
}

// noShape is the shape of a hop that may start from objects of several shapes.
const noShape = -2

// hop returns the hop of an expression that reads members.
func (b *builder) hop(e sof.Expr, properties ...property) hop {
	h := hop{properties: properties, shape: noShape}
	s := b.outline.inputOf(e)
	if s != nil && s.Slots != nil {
		h.shape = s.Number
	}
	for i := range properties {
		p := &properties[i]
		p.number, p.slot = b.numbers.Number(p.name), -1
		if h.shape >= 0 {
			p.slot = s.SlotOf(p.name)
		}
	}
	return h
}

// same reports whether two hops lead to the same members, ignoring filters.
func (h *hop) same(other *hop) bool {
	if h == nil || other == nil {
		return h == other
	}
	return slices.EqualFunc(h.properties, other.properties, func(a, b property) bool {
		return a.number == b.number
	})
}

// find returns the node of a property of the object d, or -1.
func (h *hop) find(v *Evaluator, d *jsontape.Node, p *property) int32 {
	slot := p.slot
	if d.Shape != h.shape {
		slot = v.slot(d.Shape, p.number)
	}
	if slot < 0 {
		return -1
	}
	// a slot is 0 if the member is missing and -1 if it is null
	return v.tape.Slots[int(d.First)+slot] - 1
}

// slot returns the slot of a name in a shape, or -1.
func (v *reader) slot(shape int16, number int) int {
	return v.engine.layout.Slot(shape, number)
}

// takes reports whether the filters of the hop accept a node.
func (h *hop) takes(v *Evaluator, n int32) bool {
	for _, t := range h.filters {
		if t.at(v, n) != yes {
			return false
		}
	}
	return true
}

func (p *path) eval(v *Evaluator, this *item) error {
	if p.in == nil {
		v.follow(this.node, p.steps)
		return nil
	}
	base := len(v.stack)
	if err := p.in.eval(v, this); err != nil {
		return err
	}
	top := len(v.stack)
	v.step(top - base)
	for i := base; i < top; i++ {
		v.follow(v.stack[i].node, p.steps)
	}
	n := copy(v.stack[base:], v.stack[top:])
	v.stack = v.stack[:base+n]
	return nil
}

// follow pushes the items that the steps reach from a node of the tape.
func (v *Evaluator) follow(at int32, steps []hop) {
	if at < 0 {
		return
	}
	d := &v.tape.Nodes[at]
	if d.Kind != jsontape.KindObject || d.Shape < 0 {
		return
	}
	h := &steps[0]
	for i := range h.properties {
		p := &h.properties[i]
		n := h.find(v, d, p)
		if n < 0 {
			continue
		}
		if v.tape.Nodes[n].Kind != jsontape.KindArray {
			v.arrive(n, p, steps)
			continue
		}
		for n = v.tape.Nodes[n].First; n >= 0; n = v.tape.Nodes[n].Next {
			v.arrive(n, p, steps)
		}
	}
}

func (v *Evaluator) arrive(n int32, p *property, steps []hop) {
	if h := &steps[0]; h.filters != nil && !h.takes(v, n) {
		return
	}
	if len(steps) > 1 {
		v.follow(n, steps[1:])
		return
	}
	v.step(1)
	v.push(v.itemAt(n, p.typ))
}

// itemAt returns a node of the tape as an item.
func (v *reader) itemAt(n int32, typ *schema.Type) item {
	d := &v.tape.Nodes[n]
	return item{
		typ: typ, text: v.tape.Line[d.Start:d.End:d.End], node: n, kind: d.Kind, escaped: d.Escaped,
	}
}

// child returns the op of a member.
func (b *builder) child(e *sof.Child) op {
	if e.Valueless {
		return b.valueless(e)
	}
	properties := make([]property, len(e.Properties))
	for i, p := range e.Properties {
		properties[i] = property{name: p.Name, typ: p.Type}
	}
	return b.path(b.op(e.In), b.hop(e, properties...))
}

// path returns the path of in extended by one hop.
func (b *builder) path(in op, h hop) op {
	switch in := in.(type) {
	case thisOp:
		return &path{steps: []hop{h}}
	case *path:
		in.steps = append(in.steps, h)
		return in
	case *collectionOp:
		if in.name == sof.FuncFirst {
			return &path{in: in, first: in, steps: []hop{h}}
		}
	}
	return &path{in: in, steps: []hop{h}}
}
