package native

import (
	"bytes"
	"unicode/utf8"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// call returns the op of a function.
func (b *builder) call(e *sof.Call) op {
	in := b.op(e.In)
	var args []op
	for _, a := range e.Args {
		args = append(args, b.op(a))
	}
	switch e.Func {
	case sof.FuncIif:
		return &iifOp{in, args}
	case sof.FuncItem, sof.FuncExists, sof.FuncEmpty, sof.FuncCount, sof.FuncFirst, sof.FuncLast,
		sof.FuncTail, sof.FuncSkip,
		sof.FuncTake, sof.FuncSingle, sof.FuncDistinct, sof.FuncIsDistinct, sof.FuncAllTrue,
		sof.FuncAnyTrue, sof.FuncAllFalse,
		sof.FuncAnyFalse, sof.FuncCombine, sof.FuncIntersect, sof.FuncExclude, sof.FuncSubsetOf,
		sof.FuncSupersetOf:
		return &collectionOp{e.Func, in, short(in), args}
	case sof.FuncJoin:
		return &joinOp{in, args}
	case sof.FuncSplit:
		return &splitOp{in, args[0]}
	case sof.FuncHasValue:
		return &hasValueOp{in}
	case sof.FuncToChars:
		return &charsOp{in}
	case sof.FuncType:
		return &typeOp{in}
	case sof.FuncTypeName:
		return &typePartOp{in, "name"}
	case sof.FuncNamespace:
		return &typePartOp{in, "namespace"}
	case sof.FuncChildren, sof.FuncDescendants:
		return &childrenOp{in, b.outline.trees[e].Find(), e.Func == sof.FuncDescendants}
	default:
	}
	if f := newerScalarOf(e); f != nil {
		return &scalarOp{string(e.Func) + "()", f, in, args}
	}
	if f := scalarOf(e.Func); f != nil {
		return &scalarOp{string(e.Func) + "()", f, in, args}
	}
	return b.regexOp(e, in, args)
}

// collectionOp is a function on a whole collection.
type collectionOp struct {
	name  sof.Func
	in    op
	short picker // in
	args  []op
}

func (o *collectionOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	n := len(v.stack) - base
	result := func(it item) error {
		v.stack = append(v.stack[:base], it)
		return nil
	}
	switch o.name {
	case sof.FuncExists:
		return result(boolItem(n > 0))
	case sof.FuncEmpty:
		return result(boolItem(n == 0))
	case sof.FuncCount:
		return result(v.integer(n))
	case sof.FuncFirst:
		return v.slice(base, 0, 1)
	case sof.FuncLast:
		return v.slice(base, n-1, n)
	case sof.FuncTail:
		return v.slice(base, 1, n)
	case sof.FuncSingle:
		if n > 1 {
			return &dataError{"single() met more than one item"}
		}
		return nil
	case sof.FuncDistinct:
		v.distinct(base)
		return nil
	case sof.FuncIsDistinct:
		v.distinct(base)
		return result(boolItem(len(v.stack)-base == n))
	case sof.FuncAllTrue:
		return v.quantify(base, func(t truth) bool { return t == yes }, true)
	case sof.FuncAnyTrue:
		return v.quantify(base, func(t truth) bool { return t == yes }, false)
	case sof.FuncAllFalse:
		return v.quantify(base, func(t truth) bool { return t == no }, true)
	case sof.FuncAnyFalse:
		return v.quantify(base, func(t truth) bool { return t == no }, false)
	case sof.FuncItem, sof.FuncSkip, sof.FuncTake:
		return o.position(v, this, base, n)
	default:
		return o.other(v, this, base, n)
	}
}

// slice keeps the items from to to above base.
func (v *memory) slice(base, from, to int) error {
	n := len(v.stack) - base
	from, to = min(max(from, 0), n), min(max(to, 0), n)
	if from >= to {
		v.stack = v.stack[:base]
		return nil
	}
	kept := copy(v.stack[base:], v.stack[base+from:base+to])
	v.stack = v.stack[:base+kept]
	return nil
}

func (v *memory) quantify(base int, fits func(truth) bool, all bool) error {
	out := all
	for i := base; i < len(v.stack); i++ {
		t := unknown
		switch v.stack[i].kind {
		case jsontape.KindTrue:
			t = yes
		case jsontape.KindFalse:
			t = no
		case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray, jsontape.KindString,
			jsontape.KindNumber:
			return &dataError{"a condition met a value that is not true or false"}
		}
		if fits(t) != all {
			out = !all
		}
	}
	v.stack = v.stack[:base]
	v.push(boolItem(out))
	return nil
}

func (o *collectionOp) position(v *Evaluator, this *item, base, n int) error {
	at, ok, err := v.wholeNumber(o.args[0], this, string(o.name))
	if err != nil {
		return err
	}
	switch {
	case !ok:
		v.stack = v.stack[:base]
		return nil
	case o.name == sof.FuncSkip:
		return v.slice(base, at, n)
	case o.name == sof.FuncTake:
		return v.slice(base, 0, at)
	case at < 0:
		v.stack = v.stack[:base]
		return nil
	}
	return v.slice(base, at, at+1)
}

// wholeNumber evaluates an argument that is a whole number.
func (v *Evaluator) wholeNumber(o op, this *item, what string) (n int, ok bool, err error) {
	it, ok, err := v.single(o, this, what)
	if err != nil || !ok {
		return 0, false, err
	}
	d, err := v.decimalOf(&it)
	if err != nil {
		return 0, false, err
	}
	whole, ok := d.Int64()
	const far = 1 << 40
	if !ok || whole > far || whole < -far {
		return 0, false, &dataError{what + " met a number that is no position"}
	}
	return int(whole), true, nil
}

// other evaluates functions that compare the collection with an argument's.
func (o *collectionOp) other(v *Evaluator, this *item, base, n int) error {
	if err := o.args[0].eval(v, this); err != nil {
		return err
	}
	if o.name == sof.FuncCombine {
		return nil
	}
	a, b := v.stack[base:base+n], v.stack[base+n:]
	made := v.budget.made
	if o.name == sof.FuncSubsetOf || o.name == sof.FuncSupersetOf {
		if o.name == sof.FuncSupersetOf {
			a, b = b, a
		}
		of := v.setOf(b)
		all := true
		for i := 0; all && i < len(a); i++ {
			all = of.has(&a[i])
		}
		v.budget.made = made
		v.stack = append(v.stack[:base], boolItem(all))
		return nil
	}
	keep := o.name == sof.FuncIntersect
	of := v.setOf(b)
	kept := base
	for i := range a {
		if of.has(&a[i]) == keep {
			v.stack[kept] = a[i]
			kept++
		}
	}
	v.budget.made = made
	v.stack = v.stack[:kept]
	if keep {
		v.distinct(base)
	}
	return nil
}

type iifOp struct {
	in   op
	args []op
}

func (o *iifOp) eval(v *Evaluator, this *item) error {
	focus, ok, err := v.single(o.in, this, "iif()")
	if err != nil {
		return err
	}
	if ok {
		// the branches push above base, and the rest is dropped afterwards
		base := len(v.stack)
		v.push(focus)
		if err := o.choose(v, &v.stack[base]); err != nil {
			return err
		}
		n := copy(v.stack[base:], v.stack[base+1:])
		v.stack = v.stack[:base+n]
		return nil
	}
	return o.choose(v, &item{node: -1})
}

func (o *iifOp) choose(v *Evaluator, this *item) error {
	t, err := v.truth(o.args[0], this)
	switch {
	case err != nil:
		return err
	case t == yes:
		return o.args[1].eval(v, this)
	case len(o.args) > 2:
		return o.args[2].eval(v, this)
	}
	return nil
}

// joinOp joins strings. An empty collection returns no string.
type joinOp struct {
	in   op
	args []op
}

func (o *joinOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	n := len(v.stack)
	if n == base {
		return nil
	}
	var separator []byte
	if len(o.args) > 0 {
		it, ok, err := v.single(o.args[0], this, "join()")
		if err != nil {
			return err
		}
		if ok {
			separator = v.str(&it)
		}
	}
	for i := base; i < n; i++ {
		if v.stack[i].kind != jsontape.KindString {
			return &dataError{"join() met a value that is no string"}
		}
		v.str(&v.stack[i])
	}
	size := 0
	for i := base; i < n; i++ {
		size += len(v.stack[i].text) + len(separator)
	}
	v.step(n - base)
	v.roomText(size)
	from := len(v.arena)
	for i := base; i < n; i++ {
		if i > base {
			v.arena = append(v.arena, separator...)
		}
		v.arena = append(v.arena, v.stack[i].text...)
	}
	v.stack = append(v.stack[:base], v.made(from))
	return nil
}

// splitOp splits a string at a separator.
type splitOp struct{ in, separator op }

func (o *splitOp) eval(v *Evaluator, this *item) error {
	in, ok, err := v.single(o.in, this, "split()")
	if err != nil || !ok {
		return err
	}
	separator, ok, err := v.single(o.separator, this, "split()")
	if err != nil || !ok {
		return err
	}
	s, err := v.textOf(&in)
	if err != nil {
		return err
	}
	by, err := v.textOf(&separator)
	if err != nil {
		return err
	}
	v.step(len(s) >> 5)
	if len(by) == 0 { // every character is a part
		for len(s) > 0 {
			_, n := utf8.DecodeRune(s)
			v.push(textItem(s[:n:n]))
			s = s[n:]
		}
		return nil
	}
	for {
		i := bytes.Index(s, by)
		if i < 0 {
			break
		}
		v.push(textItem(s[:i:i]))
		s = s[i+len(by):]
	}
	v.push(textItem(s))
	return nil
}
