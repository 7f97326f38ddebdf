package native

import (
	"bytes"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// picker is an op that can return its first item without building the collection. Most columns of a
// flat view need only that.
type picker interface {
	// pick returns the first item and the number of items, counted up to limit.
	pick(v *Evaluator, this *item, limit int) (it item, n int, err error)
}

// judge is an op that can return a truth value without creating an item.
type judge interface {
	judge(v *Evaluator, this *item) (truth, error)
}

// whole picks from an op without a short way.
type whole struct{ op }

func (w whole) pick(v *Evaluator, this *item, _ int) (it item, n int, err error) {
	base := len(v.stack)
	if err := w.eval(v, this); err != nil {
		return item{}, 0, err
	}
	if n = len(v.stack) - base; n > 0 {
		it = v.stack[base]
	}
	v.stack = v.stack[:base]
	return it, n, nil
}

// short returns o as a picker.
func short(o op) picker {
	if p, ok := o.(picker); ok {
		return p
	}
	return whole{o}
}

// pick calls o's short way if it has one.
func (v *Evaluator) pick(o op, this *item, limit int) (it item, n int, err error) {
	if p, ok := o.(picker); ok {
		return p.pick(v, this, limit)
	}
	return whole{o}.pick(v, this, limit)
}

func (thisOp) pick(_ *Evaluator, this *item, _ int) (item, int, error) {
	if this.kind == jsontape.KindNone {
		return item{}, 0, nil
	}
	return *this, 1, nil
}

func (o *literalOp) pick(*Evaluator, *item, int) (item, int, error) { return o.it, 1, nil }

func (p *path) pick(v *Evaluator, this *item, limit int) (item, int, error) {
	f := finding{limit: limit}
	if p.in == nil {
		f.follow(v, this.node, p.steps)
	} else if p.first != nil {
		it, n, err := p.first.pick(v, this, 1)
		if err != nil || n == 0 {
			return item{}, 0, err
		}
		f.follow(v, it.node, p.steps)
	} else {
		base := len(v.stack)
		if err := p.in.eval(v, this); err != nil {
			return item{}, 0, err
		}
		for i := base; i < len(v.stack) && f.n < limit; i++ {
			f.follow(v, v.stack[i].node, p.steps)
		}
		v.stack = v.stack[:base]
	}
	if f.n == 0 {
		return item{}, 0, nil
	}
	return v.itemAt(f.node, f.from.typ), f.n, nil
}

// finding is the first node that a path reaches, and the number of nodes.
type finding struct {
	node     int32
	from     *property
	n, limit int
}

func (f *finding) follow(v *Evaluator, at int32, steps []hop) {
	if at < 0 {
		return
	}
	nodes, slots := v.tape.Nodes, v.tape.Slots
	for {
		d := &nodes[at]
		if d.Kind != jsontape.KindObject || d.Shape < 0 {
			return
		}
		h := &steps[0]
		if len(h.properties) > 1 {
			f.alternatives(v, d, steps)
			return
		}
		p := &h.properties[0]
		slot := p.slot
		if d.Shape != h.shape {
			slot = v.slot(d.Shape, p.number)
		}
		if slot < 0 {
			return
		}
		n := slots[int(d.First)+slot] - 1
		if n < 0 {
			return
		}
		if c := &nodes[n]; c.Kind == jsontape.KindArray {
			// one item counts as a list of one
			if n = c.First; n < 0 {
				return
			}
			if nodes[n].Next >= 0 {
				f.items(v, n, p, steps)
				return
			}
		}
		if h.filters != nil && !h.takes(v, n) {
			return
		}
		if len(steps) == 1 {
			f.found(n, p)
			return
		}
		at, steps = n, steps[1:]
	}
}

// items follows the steps from each item of a list.
func (f *finding) items(v *Evaluator, n int32, p *property, steps []hop) {
	count := 0
	for ; n >= 0 && f.n < f.limit; n = v.tape.Nodes[n].Next {
		f.arrive(v, n, p, steps)
		count++
	}
	v.step(count)
}

// alternatives follows a step with several property names.
func (f *finding) alternatives(v *Evaluator, d *jsontape.Node, steps []hop) {
	h := &steps[0]
	for i := 0; i < len(h.properties) && f.n < f.limit; i++ {
		p := &h.properties[i]
		n := h.find(v, d, p)
		if n < 0 {
			continue
		}
		if c := &v.tape.Nodes[n]; c.Kind != jsontape.KindArray {
			f.arrive(v, n, p, steps)
			continue
		}
		f.items(v, v.tape.Nodes[n].First, p, steps)
	}
}

func (f *finding) arrive(v *Evaluator, n int32, p *property, steps []hop) {
	switch h := &steps[0]; {
	case h.filters != nil && !h.takes(v, n):
	case len(steps) > 1:
		f.follow(v, n, steps[1:])
	default:
		f.found(n, p)
	}
}

func (f *finding) found(n int32, p *property) {
	if f.n == 0 {
		f.node, f.from = n, p
	}
	f.n++
}

// pick returns first() without the rest of its input.
func (o *collectionOp) pick(v *Evaluator, this *item, _ int) (item, int, error) {
	switch o.name {
	case sof.FuncFirst:
		it, n, err := o.short.pick(v, this, 1)
		return it, min(n, 1), err
	case sof.FuncExists, sof.FuncEmpty:
		t, err := o.judge(v, this)
		return boolItem(t == yes), 1, err
	default:
		return whole{o}.pick(v, this, 2)
	}
}

func (o *collectionOp) judge(v *Evaluator, this *item) (truth, error) {
	if o.name == sof.FuncExists || o.name == sof.FuncEmpty {
		_, n, err := o.short.pick(v, this, 1)
		return of((n > 0) == (o.name == sof.FuncExists)), err
	}
	it, n, err := o.pick(v, this, 2)
	if err != nil {
		return unknown, err
	}
	return judged(it, n)
}

// judged returns an item as a truth value.
func judged(it item, n int) (truth, error) {
	switch {
	case n == 0:
		return unknown, nil
	case n > 1:
		return unknown, &dataError{"a condition met more than one item"}
	case it.kind == jsontape.KindTrue:
		return yes, nil
	case it.kind == jsontape.KindFalse:
		return no, nil
	}
	return unknown, &dataError{"a condition met a value that is not true or false"}
}

// isText is = between a path and a string, the form of nearly every where().
type isText struct {
	l      picker
	path   []hop // l, if it is a path from the focus
	text   []byte
	negate bool
}

func newIsText(l op, text []byte, negate bool) *isText {
	o := &isText{l: short(l), text: text, negate: negate}
	if p, ok := l.(*path); ok && p.in == nil {
		o.path = p.steps
	}
	return o
}

func (o *isText) judge(v *Evaluator, this *item) (truth, error) {
	if o.path != nil {
		return o.at(v, this.node), nil
	}
	it, n, err := o.l.pick(v, this, 2)
	if err != nil || n == 0 {
		return unknown, err
	}
	same := n == 1 && it.kind == jsontape.KindString && bytes.Equal(v.str(&it), o.text)
	return of(same != o.negate), nil
}

// at is judge on the node of the focus, for a path.
func (o *isText) at(v *Evaluator, focus int32) truth {
	f := finding{limit: 2}
	f.follow(v, focus, o.path)
	if f.n == 0 {
		return unknown
	}
	same := f.n == 1 && bytes.Equal(v.stringAt(f.node), o.text) &&
		v.tape.Nodes[f.node].Kind == jsontape.KindString
	return of(same != o.negate)
}

func (o *isText) eval(v *Evaluator, this *item) error {
	t, err := o.judge(v, this)
	if err == nil {
		v.pushTruth(t)
	}
	return err
}
