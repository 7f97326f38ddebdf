package native

import (
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// repeatOp repeats the step on its new results until there are none. The limits of the line end an
// infinite repetition.
type repeatOp struct{ in, step op }

func (o *repeatOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	start := len(v.stack)
	for from, to := base, start; from < to; from, to = to, len(v.stack) {
		for i := from; i < to; i++ {
			v.step(1)
			it := v.stack[i]
			if err := o.step.eval(v, &it); err != nil {
				return err
			}
		}
		v.distinct(start)
	}
	n := copy(v.stack[base:], v.stack[start:])
	v.stack = v.stack[:base+n]
	return nil
}

// aggregateOp evaluates body with its result for the item before.
type aggregateOp struct{ in, body, init op }

func (o *aggregateOp) eval(v *Evaluator, this *item) error {
	var total, next []item
	base := len(v.stack)
	if o.init != nil {
		if err := o.init.eval(v, this); err != nil {
			return err
		}
		total = append(total, v.stack[base:]...)
		v.stack = v.stack[:base]
	}
	outer := v.total
	_, _, err := v.each(o.in, this, func(it *item, _ int) error {
		v.total = total
		top := len(v.stack)
		if err := o.body.eval(v, it); err != nil {
			return err
		}
		next = append(next[:0], v.stack[top:]...)
		v.stack = v.stack[:top]
		total, next = next, total
		v.charge(itemSize * len(total))
		return nil
	})
	v.total = outer
	if err != nil {
		return err
	}
	v.stack = v.stack[:base]
	v.pushAll(total)
	return nil
}

func (v *memory) pushAll(items []item) {
	for i := range items {
		v.push(items[i])
	}
}

type totalOp struct{}

func (totalOp) eval(v *Evaluator, _ *item) error {
	v.pushAll(v.total)
	return nil
}

// sortOp orders items by keys. An item without a key comes first.
type sortOp struct {
	in   op
	keys []sortKey
}

type sortKey struct {
	by         op
	descending bool
}

type keyed struct {
	it   item
	keys []item
}

func (o *sortOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	var items []keyed
	_, _, err := v.each(o.in, this, func(it *item, _ int) error {
		k := keyed{it: *it}
		v.charge(itemSize * (2 + len(o.keys)))
		for _, key := range o.keys {
			by, _, err := v.single(key.by, it, "sort()")
			if err != nil {
				return err
			}
			k.keys = append(k.keys, by)
		}
		items = append(items, k)
		return nil
	})
	if err != nil {
		return err
	}
	var fault error
	slices.SortStableFunc(items, func(a, b keyed) int {
		v.step(1)
		for i, key := range o.keys {
			order, err := v.sortOrder(&a.keys[i], &b.keys[i])
			if err != nil && fault == nil {
				fault = err
			}
			if key.descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	v.stack = v.stack[:base]
	for _, k := range items {
		v.push(k.it)
	}
	return fault
}

// sortOrder returns the order of two keys. If FHIRPath defines none, as for 2020 and 2020-01, their
// texts are compared, so that the result is deterministic.
func (v *values) sortOrder(a, b *item) (int, error) {
	switch {
	case a.kind == jsontape.KindNone && b.kind == jsontape.KindNone:
		return 0, nil
	case a.kind == jsontape.KindNone:
		return -1, nil
	case b.kind == jsontape.KindNone:
		return 1, nil
	}
	order, known, err := v.order(a, b)
	if err == nil && !known {
		order = slices.Compare(v.str(a), v.str(b))
	}
	return order, err
}

// childrenOp is children() and descendants(). It reads its results from the line a second time,
// with the members that the view needs.
type childrenOp struct {
	in   op
	want *jsontape.Shape
	deep bool
}

func (o *childrenOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	top := len(v.stack)
	w := walk{v: v, want: o.want, deep: o.deep}
	for i := base; i < top; i++ {
		it := v.stack[i]
		if it.node < 0 || it.kind != jsontape.KindObject {
			continue
		}
		if err := w.object(int(v.tape.Nodes[it.node].Start), v.typeAt(&it)); err != nil {
			return err
		}
	}
	n := copy(v.stack[base:], v.stack[top:])
	v.stack = v.stack[:base+n]
	return nil
}

func (v *reader) typeAt(it *item) *schema.Type {
	if it.typ == nil || it.typ.Kind == schema.Resource {
		return v.resourceType(it)
	}
	return it.typ
}

// resourceType returns the type of an object that may be a resource.
func (v *reader) resourceType(it *item) *schema.Type {
	name := v.engine.resource
	if it.node != v.root.node {
		name = ""
		v.charge(len(it.text))
		v.eachMember(it.text, func(n string, value []byte) {
			if n == "resourceType" {
				name = unquoted(value)
			}
		})
	}
	if t, ok := schema.R4().Type(name); ok && name != "" {
		return t
	}
	return it.typ
}

// walk pushes the elements below objects of the line.
type walk struct {
	v    *Evaluator
	want *jsontape.Shape
	deep bool
}

// failed returns the fault of the second reading.
func (w *walk) failed() error {
	_, reason, limit := w.v.tape.Fault()
	if limit {
		panic(stopped{&limitError{w.v.tooManyValues()}})
	}
	return &dataError{reason}
}

// object pushes the members of the object at i.
func (w *walk) object(i int, typ *schema.Type) (err error) {
	jsontape.ValidJSON(w.v.tape.Line).Members(i, func(name []byte, value, _ int) {
		if err == nil {
			err = w.member(value, string(name), typ)
		}
	})
	return err
}

// member pushes the value of one member and the elements below it. The extensions of a primitive
// are in a separate member, whose name begins with an underscore.
func (w *walk) member(i int, name string, typ *schema.Type) error {
	if name == "resourceType" && typ != nil && typ.Kind == schema.Resource {
		return nil
	}
	if name != "" && name[0] == '_' {
		if !w.deep {
			return nil
		}
		element, _ := schema.R4().Type("Element")
		return w.each(i, func(at int) error {
			if w.v.tape.Line[at] != '{' {
				return nil
			}
			return w.object(at, element)
		})
	}
	below := elementType(typ, name)
	return w.each(i, func(at int) error { return w.value(at, below) })
}

// each calls f for the value at i, or for the items of the list there.
func (w *walk) each(i int, f func(at int) error) (err error) {
	line := jsontape.ValidJSON(w.v.tape.Line)
	if line[i] != '[' {
		return f(i)
	}
	line.Items(i, func(at int) {
		if err == nil {
			err = f(at)
		}
	})
	return err
}

func (w *walk) value(i int, typ *schema.Type) error {
	end, n := w.v.tape.Reread(i, w.want)
	if end < 0 {
		return w.failed()
	}
	if n < 0 {
		return nil // null
	}
	w.v.step(1 + (end-i)>>3)
	it := w.v.itemAt(n, typ)
	if it.kind == jsontape.KindObject && (typ == nil || typ.Kind == schema.Resource) {
		it.typ = w.v.resourceType(&it)
	}
	w.v.push(it)
	if w.deep && it.kind == jsontape.KindObject {
		return w.object(i, it.typ)
	}
	return nil
}

// elementType returns the type of a JSON member's values; nil if R4 has none.
func elementType(owner *schema.Type, name string) *schema.Type {
	if owner == nil {
		return nil
	}
	if el, ok := owner.Element(name); ok && !el.Choice {
		return el.Types[0]
	}
	for _, el := range owner.Elements {
		if !el.Choice {
			continue
		}
		for _, typ := range el.Types {
			if el.Property(typ) == name {
				return typ
			}
		}
	}
	return nil
}

// valuelessOp is a path to primitives that also yields those without a value.
type valuelessOp struct {
	in     op
	values []property
	twins  []property
}

func (b *builder) valueless(e *sof.Child) op {
	o := &valuelessOp{in: b.op(e.In)}
	for _, p := range e.Properties {
		o.values = append(o.values, property{
			name: p.Name, number: b.numbers.Number(p.Name), typ: p.Type,
		})
		o.twins = append(o.twins, property{number: b.numbers.Number("_" + p.Name)})
	}
	return o
}

func (o *valuelessOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	top := len(v.stack)
	for i := base; i < top; i++ {
		at := v.stack[i].node
		for k, p := range o.values {
			o.push(v, v.member(at, p.number), v.member(at, o.twins[k].number), p.typ)
		}
	}
	n := copy(v.stack[base:], v.stack[top:])
	v.stack = v.stack[:base+n]
	return nil
}

// push pushes the values of one element. For a null value whose twin is not null it pushes an item
// without a value.
func (o *valuelessOp) push(v *Evaluator, value, twin int32, typ *schema.Type) {
	values, twins := v.places(value), v.places(twin)
	next := value
	if value >= 0 && v.tape.Nodes[value].Kind == jsontape.KindArray {
		next = v.tape.Nodes[value].First
	}
	for i := range max(len(values), len(twins)) {
		switch {
		case i < len(values) && values[i]:
			v.push(v.itemAt(next, typ))
			next = v.tape.Nodes[next].Next
		case i < len(twins) && twins[i]:
			v.push(item{typ: typ, node: -1, kind: jsontape.KindNone})
		}
	}
}

// places returns for each place of a list whether it is not null. A single value is one place.
func (v *Evaluator) places(at int32) []bool {
	if at < 0 {
		return nil
	}
	d := v.tape.Nodes[at]
	if d.Kind != jsontape.KindArray {
		return []bool{true}
	}
	var out []bool
	w := walk{v: v}
	_ = w.each(int(d.Start), func(i int) error {
		out = append(out, v.tape.Line[i] != 'n')
		return nil
	})
	return out
}

func (b *builder) aggregate(e *sof.Aggregate) op {
	o := &aggregateOp{in: b.op(e.In), body: b.op(e.Body)}
	if e.Init != nil {
		o.init = b.op(e.Init)
	}
	return o
}

func (b *builder) sort(e *sof.Sort) op {
	o := &sortOp{in: b.op(e.In)}
	for _, k := range e.Keys {
		o.keys = append(o.keys, sortKey{b.op(k.By), k.Descending})
	}
	return o
}
