package native

import (
	"bytes"
	"strconv"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/quantity"
)

func (b *builder) binary(e *sof.Binary) op {
	l, r := b.op(e.L), b.op(e.R)
	if o := b.quantityBinary(e, l, r); o != nil {
		return o
	}
	switch e.Op {
	case "and", "or", "xor", "implies":
		return &logicOp{l, r, e.Op}
	case "=", "!=":
		if lit, ok := r.(*literalOp); ok && lit.it.kind == jsontape.KindString &&
			!temporal(lit.it.system()) && !lit.it.isQuantity() {
			return newIsText(l, lit.it.text, e.Op == "!=")
		}
		return &equalOp{l, r, e.Op == "!="}
	case "~", "!~":
		return &equivalentOp{l, r, e.Op == "!~"}
	case "<", "<=", ">", ">=":
		return &orderOp{l, r, e.Op}
	case "in":
		return &memberOp{l, r}
	case "contains":
		return &memberOp{r, l}
	case "|":
		return &unionOp{l, r}
	case "&":
		return &concatOp{l, r, true}
	case "+":
		if e.T.Any[0].Name == "System.String" {
			return &concatOp{l, r, false}
		}
	case "-", "*", "/", "div", "mod":
	default:
		b.fail("the operator %s", e.Op)
	}
	return &arithmeticOp{l, r, e.Op}
}

// logicOp follows the truth tables of FHIRPath N1, 6.5.
type logicOp struct {
	l, r op
	sign string
}

func (o *logicOp) eval(v *Evaluator, this *item) error {
	t, err := o.judge(v, this)
	if err == nil {
		v.pushTruth(t)
	}
	return err
}

func (o *logicOp) judge(v *Evaluator, this *item) (truth, error) {
	l, err := v.truth(o.l, this)
	if err != nil {
		return unknown, err
	}
	switch {
	case o.sign == "and" && l == no, o.sign == "or" && l == yes:
		return l, nil
	case o.sign == "implies" && l == no:
		return yes, nil
	}
	r, err := v.truth(o.r, this)
	return combine(o.sign, l, r), err
}

func combine(sign string, l, r truth) truth {
	switch sign {
	case "and":
		switch {
		case l == no || r == no:
			return no
		case l == yes && r == yes:
			return yes
		}
		return unknown
	case "or":
		return combine("and", l.not(), r.not()).not()
	case "implies":
		return combine("or", l.not(), r)
	}
	if l == unknown || r == unknown {
		return unknown
	}
	return of(l != r)
}

// both evaluates two operands. Their items stay on the stack, one after the other, until drop.
func (v *Evaluator) both(l, r op, this *item) (a, b []item, base int, err error) {
	base = len(v.stack)
	if err := l.eval(v, this); err != nil {
		return nil, nil, base, err
	}
	middle := len(v.stack)
	if err := r.eval(v, this); err != nil {
		return nil, nil, base, err
	}
	return v.stack[base:middle:middle], v.stack[middle:], base, nil
}

type equalOp struct {
	l, r   op
	negate bool
}

func (o *equalOp) eval(v *Evaluator, this *item) error {
	a, b, base, err := v.both(o.l, o.r, this)
	if err != nil {
		return err
	}
	t := v.equalLists(a, b)
	v.stack = v.stack[:base]
	if o.negate {
		t = t.not()
	}
	v.pushTruth(t)
	return nil
}

// equalLists implements = on collections: empty returns empty, and order counts.
func (v *values) equalLists(a, b []item) truth {
	if len(a) == 0 || len(b) == 0 {
		return unknown
	}
	if len(a) != len(b) {
		return no
	}
	out := yes
	for i := range a {
		out = combine("and", out, v.equal(&a[i], &b[i]))
	}
	return out
}

type orderOp struct {
	l, r op
	sign string
}

func (o *orderOp) eval(v *Evaluator, this *item) error {
	a, ok, err := v.single(o.l, this, o.sign)
	if err != nil {
		return err
	}
	b, ok2, err := v.single(o.r, this, o.sign)
	if err != nil || !ok || !ok2 {
		return err
	}
	order, known, err := v.order(&a, &b)
	if err != nil || !known {
		return err
	}
	var t bool
	switch o.sign {
	case "<":
		t = order < 0
	case "<=":
		t = order <= 0
	case ">":
		t = order > 0
	case ">=":
		t = order >= 0
	}
	v.push(boolItem(t))
	return nil
}

// memberOp is in, and contains with swapped operands.
type memberOp struct{ one, list op }

func (o *memberOp) eval(v *Evaluator, this *item) error {
	it, ok, err := v.single(o.one, this, "in and contains")
	if err != nil || !ok {
		return err
	}
	base := len(v.stack)
	if err := o.list.eval(v, this); err != nil {
		return err
	}
	found := v.has(v.stack[base:], &it)
	v.stack = v.stack[:base]
	v.push(boolItem(found))
	return nil
}

func (v *values) has(items []item, it *item) bool {
	v.step(len(items))
	for i := range items {
		if v.equal(&items[i], it) == yes {
			return true
		}
	}
	return false
}

type unionOp struct{ l, r op }

func (o *unionOp) eval(v *Evaluator, this *item) error {
	_, _, base, err := v.both(o.l, o.r, this)
	if err != nil {
		return err
	}
	v.distinct(base)
	return nil
}

// concatOp joins two strings. For a missing one, & uses the empty string and + returns nothing.
type concatOp struct {
	l, r    op
	missing bool
}

func (o *concatOp) eval(v *Evaluator, this *item) error {
	a, ok, err := v.single(o.l, this, "joining strings")
	if err != nil {
		return err
	}
	b, ok2, err := v.single(o.r, this, "joining strings")
	if err != nil || !o.missing && (!ok || !ok2) {
		return err
	}
	if ok && a.kind != jsontape.KindString || ok2 && b.kind != jsontape.KindString {
		return &dataError{"joining strings met a value that is no string"}
	}
	x, y := v.str(&a), v.str(&b)
	v.roomText(len(x) + len(y))
	from := len(v.arena)
	v.arena = append(append(v.arena, x...), y...)
	v.push(v.made(from))
	return nil
}

// made returns the arena from an offset on, as a string.
func (v *memory) made(from int) item {
	return item{
		typ: stringType, text: v.arena[from:len(v.arena):len(v.arena)], node: -1,
		kind: jsontape.KindString,
	}
}

func (v *memory) integer(n int) item {
	v.room(20)
	from := len(v.arena)
	v.arena = strconv.AppendInt(v.arena, int64(n), 10)
	return item{
		typ: integerType, text: v.arena[from:len(v.arena):len(v.arena)], node: -1,
		kind: jsontape.KindNumber,
	}
}

func (v *memory) number(d decimal.Decimal) item {
	v.room(d.Size())
	from := len(v.arena)
	v.arena = d.Append(v.arena)
	it := item{
		typ: decimalType, text: v.arena[from:len(v.arena):len(v.arena)], node: -1,
		kind: jsontape.KindNumber,
	}
	if d.Scale() == 0 {
		it.typ = integerType
	}
	return it
}

// decimalOf returns the number of an item.
func (v *values) decimalOf(it *item) (decimal.Decimal, error) {
	if it.kind != jsontape.KindNumber {
		return decimal.Decimal{}, &dataError{"arithmetic met a value that is no number"}
	}
	d, ok := decimal.Parse(it.text)
	if !ok {
		return decimal.Decimal{}, &dataError{"a number is out of range"}
	}
	return d, nil
}

type arithmeticOp struct {
	l, r op
	sign string
}

func (o *arithmeticOp) eval(v *Evaluator, this *item) error {
	a, ok, err := v.single(o.l, this, o.sign)
	if err != nil {
		return err
	}
	b, ok2, err := v.single(o.r, this, o.sign)
	if err != nil || !ok || !ok2 {
		return err
	}
	x, err := v.decimalOf(&a)
	if err != nil {
		return err
	}
	y, err := v.decimalOf(&b)
	if err != nil {
		return err
	}
	var z decimal.Decimal
	ok = true
	switch o.sign {
	case "+":
		z = x.Add(y)
	case "-":
		z = x.Sub(y)
	case "*":
		z = x.Mul(y)
	case "/":
		z, ok = x.Div(y)
	case "div":
		z, ok = x.IntDiv(y)
	case "mod":
		z, ok = x.Mod(y)
	}
	if ok {
		v.push(v.number(z))
	}
	return nil
}

type negateOp struct{ in op }

func (o *negateOp) eval(v *Evaluator, this *item) error {
	it, ok, err := v.single(o.in, this, "-")
	if err != nil || !ok {
		return err
	}
	if it.kind != jsontape.KindNumber {
		if q, ok := v.quantityOf(&it); ok {
			v.push(v.quantityItem(q.Neg()))
		}
		return nil
	}
	d, err := v.decimalOf(&it)
	if err != nil {
		return err
	}
	v.push(v.number(d.Neg()))
	return nil
}

// equivalentOp is ~: never empty, ignoring order, case and white space.
type equivalentOp struct {
	l, r   op
	negate bool
}

func (o *equivalentOp) eval(v *Evaluator, this *item) error {
	a, b, base, err := v.both(o.l, o.r, this)
	if err != nil {
		return err
	}
	same := v.equivalentLists(a, b)
	v.stack = v.stack[:base]
	v.push(boolItem(same != o.negate))
	return nil
}

func (v *values) equivalent(a, b *item) bool {
	switch {
	case a.isQuantity() || b.isQuantity():
		q, r, ok := v.quantities(a, b)
		return ok && quantity.Equivalent(q, r)
	case a.kind == jsontape.KindString && b.kind == jsontape.KindString &&
		(!temporal(a.system()) || !temporal(b.system())):
		x, y := v.str(a), v.str(b)
		made := v.budget.made
		v.charge(2 * (len(x) + len(y)))
		v.budget.made = made
		return bytes.Equal(normal(x), normal(y))
	case a.kind == jsontape.KindNumber && b.kind == jsontape.KindNumber:
		x, ok := decimal.Parse(a.text)
		y, ok2 := decimal.Parse(b.text)
		if !ok || !ok2 {
			return false
		}
		// compared at the precision of the less precise one, without trailing zeros
		x, y = x.Trim(), y.Trim()
		scale := min(x.Scale(), y.Scale())
		return x.Round(scale).Cmp(y.Round(scale)) == 0
	case a.kind == jsontape.KindObject && b.kind == jsontape.KindObject:
		return v.equalJSON(a.text, b.text, true)
	}
	return v.equal(a, b) == yes
}
