package native

import (
	"fmt"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// op is one compiled expression. It pushes its items onto the stack.
type op interface {
	eval(v *Evaluator, this *item) error
}

// builder compiles the expressions of one view into ops.
type builder struct {
	view    string
	columns []sof.Column
	numbers *jsontape.Layout
	outline *outline
	common  common
	keys    int // number of references with keys so far
	err     error
	// references are the columns with keys of references.
	references []int
}

func (b *builder) op(e sof.Expr) op {
	switch e := e.(type) {
	case *sof.This:
		return thisOp{}
	case *sof.Root:
		return rootOp{}
	case *sof.RowIndex:
		return rowIndexOp{}
	case *sof.ItemIndex:
		return itemIndexOp{}
	case *sof.Literal:
		if e.Value == nil {
			return emptyOp{}
		}
		return &literalOp{literal(e.Value.Type, e.Value.Text)}
	case *sof.Child:
		return b.child(e)
	case *sof.Filter:
		return b.filter(e)
	case *sof.Select:
		return &selectOp{b.op(e.In), b.op(e.Body)}
	case *sof.All:
		return &allOp{b.op(e.In), b.op(e.Pred)}
	case *sof.Repeat:
		return &repeatOp{b.op(e.In), b.op(e.Step)}
	case *sof.Aggregate:
		return b.aggregate(e)
	case *sof.Total:
		return totalOp{}
	case *sof.Sort:
		return b.sort(e)
	case *sof.OfType:
		return &ofTypeOp{b.op(e.In), b.want(e.Want), e.Single}
	case *sof.Is:
		w := b.want(e.Want)
		w.exact = true
		return &isOp{b.op(e.In), w}
	case *sof.ResourceKey:
		return b.path(b.op(e.In), b.hop(e, property{name: "id", typ: stringType}))
	case *sof.ReferenceKey:
		b.keys++
		return newReferenceKey(b.op(e.In), e,
			b.hop(e, property{name: "reference", typ: stringType}))
	case *sof.Call:
		return b.call(e)
	case *sof.Binary:
		return b.binary(e)
	case *sof.Negate:
		return &negateOp{b.op(e.In)}
	}
	b.fail("%T", e)
	return emptyOp{}
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("no way to run "+format, args...)
	}
}

// single evaluates o and returns its one item. ok is false for none; more than one is a fault of
// the data.
func (v *Evaluator) single(o op, this *item, what string) (it item, ok bool, err error) {
	it, n, err := v.pick(o, this, 2)
	if err == nil && n > 1 {
		err = &dataError{what + " met more than one item"}
	}
	return it, n == 1 && err == nil, err
}

// truth evaluates o as a boolean; unknown for no item.
func (v *Evaluator) truth(o op, this *item) (truth, error) {
	if j, ok := o.(judge); ok {
		return j.judge(v, this)
	}
	it, n, err := v.pick(o, this, 2)
	if err != nil {
		return unknown, err
	}
	return judged(it, n)
}

func (v *memory) pushTruth(t truth) {
	if t != unknown {
		v.push(boolItem(t == yes))
	}
}

type (
	thisOp      struct{}
	rootOp      struct{}
	emptyOp     struct{}
	rowIndexOp  struct{}
	itemIndexOp struct{}
	literalOp   struct{ it item }
)

func (thisOp) eval(v *Evaluator, this *item) error {
	if this.kind != jsontape.KindNone {
		v.push(*this)
	}
	return nil
}

func (rootOp) eval(v *Evaluator, _ *item) error {
	v.push(v.root)
	return nil
}

func (emptyOp) eval(*Evaluator, *item) error { return nil }

func (rowIndexOp) eval(v *Evaluator, _ *item) error {
	v.push(v.integer(v.rowIndex))
	return nil
}

func (itemIndexOp) eval(v *Evaluator, _ *item) error {
	v.push(v.integer(v.itemIndex))
	return nil
}

func (o *literalOp) eval(v *Evaluator, _ *item) error {
	v.push(o.it)
	return nil
}

// filter returns the op of where(). On a path, a comparison of a member with a text becomes part of
// the path, because nearly every where() has that form.
func (b *builder) filter(e *sof.Filter) op {
	in, pred := b.op(e.In), b.op(e.Pred)
	p, ok := in.(*path)
	t, ok2 := pred.(*isText)
	if !ok || !ok2 || t.path == nil {
		return &filterOp{in, pred}
	}
	last := &p.steps[len(p.steps)-1]
	last.filters = append(last.filters, t)
	return p
}

type filterOp struct{ in, pred op }

// each calls f for the items of in, with $index set, and returns their number. They are on the
// stack from base; f pushes above them.
func (v *Evaluator) each(
	in op, this *item, f func(it *item, i int) error,
) (base, n int, err error) {
	base = len(v.stack)
	if err := in.eval(v, this); err != nil {
		return base, 0, err
	}
	n = len(v.stack) - base
	outer := v.itemIndex
	for i := range n {
		v.itemIndex = i
		v.step(1)
		// the pointer stays valid when the stack moves, because items below the top do not change
		if err := f(&v.stack[base+i], i); err != nil {
			return base, n, err
		}
	}
	v.itemIndex = outer
	return base, n, nil
}

func (o *filterOp) eval(v *Evaluator, this *item) error {
	kept := 0
	base := len(v.stack)
	_, _, err := v.each(o.in, this, func(it *item, _ int) error {
		made := v.budget.made
		t, err := v.truth(o.pred, it)
		if t == yes {
			v.stack[base+kept] = *it
			kept++
		}
		v.budget.made = made
		return err
	})
	v.stack = v.stack[:base+kept]
	return err
}

type selectOp struct{ in, body op }

func (o *selectOp) eval(v *Evaluator, this *item) error {
	base, n, err := v.each(o.in, this, func(it *item, _ int) error { return o.body.eval(v, it) })
	if err != nil {
		return err
	}
	m := copy(v.stack[base:], v.stack[base+n:])
	v.stack = v.stack[:base+m]
	return nil
}

type allOp struct{ in, pred op }

func (o *allOp) eval(v *Evaluator, this *item) error {
	all := true
	base, _, err := v.each(o.in, this, func(it *item, _ int) error {
		made := v.budget.made
		t, err := v.truth(o.pred, it)
		all = all && t == yes
		v.budget.made = made
		return err
	})
	v.stack = v.stack[:base]
	v.push(boolItem(all))
	return err
}

// wanted is the type for which an item is tested.
type wanted struct {
	typ          *schema.Type
	resourceType int // number of the name
	// exact separates a system type from the primitives that convert to it.
	exact bool
}

func (b *builder) want(t *schema.Type) wanted {
	return wanted{
		typ: t, resourceType: b.numbers.Number("resourceType"), exact: t == schema.Quantity,
	}
}

// is reports whether the item has the type. A resource names its own type.
func (v *reader) is(it *item, w wanted) bool {
	if w.typ.Kind == schema.Resource && it.kind == jsontape.KindObject && it.node >= 0 {
		if it.node == v.root.node {
			if t, ok := schema.R4().Type(v.engine.resource); ok {
				return t.Is(w.typ)
			}
			return w.typ.Name == v.engine.resource
		}
		name := v.stringAt(v.member(it.node, w.resourceType))
		t, ok := schema.R4().Type(string(name))
		return ok && t.Is(w.typ)
	}
	if w.typ.Kind == schema.SystemType && !w.exact {
		return it.system() == w.typ.System
	}
	return it.typ != nil && it.typ.Is(w.typ)
}

type ofTypeOp struct {
	in     op
	want   wanted
	single bool
}

func (o *ofTypeOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	if o.single && len(v.stack)-base > 1 {
		return &dataError{"as met more than one item"}
	}
	kept := base
	for i := base; i < len(v.stack); i++ {
		if v.is(&v.stack[i], o.want) {
			v.stack[kept] = v.stack[i]
			if o.want.typ.Kind == schema.Resource {
				v.stack[kept].typ = o.want.typ
			}
			kept++
		}
	}
	v.stack = v.stack[:kept]
	return nil
}

type isOp struct {
	in   op
	want wanted
}

func (o *isOp) eval(v *Evaluator, this *item) error {
	it, ok, err := v.single(o.in, this, "is")
	if ok {
		v.push(boolItem(v.is(&it, o.want)))
	}
	return err
}
