package native

import (
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// member is the node of one member of an object, or -1; number is that of the
// member's name.
func (v *Evaluator) member(object int32, number int) int32 {
	if object < 0 {
		return -1
	}
	d := &v.tape.nodes[object]
	if d.kind != kindObject || d.shape < 0 {
		return -1
	}
	slot := int(v.engine.shapes[d.shape].byName[number]) - 1
	if slot < 0 {
		return -1
	}
	if n := v.tape.slots[int(d.first)+slot]; n > 0 {
		return n - 1
	}
	return -1
}

// path follows properties from the items of in, or from the focus.
type path struct {
	in    op            // nil: the focus
	first *collectionOp // in, where it is first()
	steps []hop
}

// hop is one element: the properties that it may be under.
type hop struct{ properties []property }

// property is one JSON name by its number.
type property struct {
	number int
	typ    *schema.Type
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
	for i := base; i < top; i++ {
		v.follow(v.stack[i].node, p.steps)
	}
	n := copy(v.stack[base:], v.stack[top:])
	v.stack = v.stack[:base+n]
	return nil
}

// follow pushes what the steps lead to from a node of the tape.
func (v *Evaluator) follow(at int32, steps []hop) {
	if at < 0 {
		return
	}
	d := &v.tape.nodes[at]
	if d.kind != kindObject || d.shape < 0 {
		return
	}
	names := v.engine.shapes[d.shape].byName
	for i := range steps[0].properties {
		p := &steps[0].properties[i]
		slot := int(names[p.number]) - 1
		if slot < 0 {
			continue
		}
		n := v.tape.slots[int(d.first)+slot] - 1
		if n < 0 {
			continue
		}
		if v.tape.nodes[n].kind != kindArray {
			v.arrive(n, p, steps)
			continue
		}
		for n = v.tape.nodes[n].first; n >= 0; n = v.tape.nodes[n].next {
			v.arrive(n, p, steps)
		}
	}
}

func (v *Evaluator) arrive(n int32, p *property, steps []hop) {
	if len(steps) > 1 {
		v.follow(n, steps[1:])
		return
	}
	v.stack = append(v.stack, v.itemAt(n, p.typ))
}

// itemAt is a node of the tape as an item.
func (v *Evaluator) itemAt(n int32, typ *schema.Type) item {
	d := &v.tape.nodes[n]
	return item{typ: typ, text: v.tape.line[d.start:d.end:d.end], node: n, kind: d.kind, escaped: d.escaped}
}

// child makes the op of a chain of Child expressions.
func (b *builder) child(e *sof.Child) op {
	var hops []hop
	var in sof.Expr = e
	for {
		c, ok := in.(*sof.Child)
		if !ok {
			break
		}
		h := hop{}
		for _, p := range c.Properties {
			h.properties = append(h.properties, property{b.numbers.of(p.Name), p.Type})
		}
		hops = append(hops, h)
		in = c.In
	}
	for i, j := 0, len(hops)-1; i < j; i, j = i+1, j-1 {
		hops[i], hops[j] = hops[j], hops[i]
	}
	out := &path{steps: hops}
	if _, focus := in.(*sof.This); !focus {
		out.in = b.op(in)
		if f, ok := out.in.(*collectionOp); ok && f.name == sof.FuncFirst {
			out.first = f
		}
	}
	return out
}
