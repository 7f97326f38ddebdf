package native

import (
	"sync"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/quantity"
	"fhirsynapse/internal/sof/schema"
)

// quantityType is FHIR's Quantity.
var quantityType = sync.OnceValue(func() *schema.Type {
	t, _ := schema.R4().Type("Quantity")
	return t
})

const ucumSystem = "http://unitsofmeasure.org"

// quantityOf returns a quantity of FHIRPath, a FHIR Quantity with a UCUM code, or a number. It
// refuses a FHIR Quantity with a comparator or with a unit that is not a code.
func (v *values) quantityOf(it *item) (q quantity.Quantity, ok bool) {
	switch it.kind {
	case jsontape.KindString:
		if it.typ == schema.Quantity {
			return quantity.Parse(string(v.str(it)))
		}
	case jsontape.KindNumber:
		q.Value, ok = decimal.Parse(it.text)
		q.Unit = "1"
	case jsontape.KindObject:
		v.charge(len(it.text))
		return v.fhirQuantity(it.text)
	case jsontape.KindNone, jsontape.KindArray, jsontape.KindTrue, jsontape.KindFalse:
	}
	return q, ok
}

func (v *values) fhirQuantity(text []byte) (q quantity.Quantity, ok bool) {
	coded, compared := false, false
	v.eachMember(text, func(name string, value []byte) {
		switch name {
		case "value":
			q.Value, ok = decimal.Parse(value)
		case "code":
			q.Unit = unquoted(value)
		case "system":
			coded = unquoted(value) == ucumSystem
		case "comparator":
			compared = string(value) != "null"
		}
	})
	return q, ok && coded && !compared && q.Unit != ""
}

// eachMember calls f for the members of a valid JSON object.
func (v *reader) eachMember(object []byte, f func(name string, value []byte)) {
	jsontape.ValidJSON(object).Members(0, func(name []byte, value, end int) {
		f(string(name), object[value:end])
	})
}

// unquoted returns the text of a JSON string; empty for another value.
func unquoted(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	return string(jsontape.AppendUnescaped(nil, value[1:len(value)-1]))
}

// quantities returns two operands as quantities. Years and months of a FHIR Quantity become
// calendar units if the other operand's are.
func (v *values) quantities(a, b *item) (q, r quantity.Quantity, ok bool) {
	q, ok = v.quantityOf(a)
	r, ok2 := v.quantityOf(b)
	if a.kind == jsontape.KindObject && r.Months() {
		q = q.Calendared()
	}
	if b.kind == jsontape.KindObject && q.Months() {
		r = r.Calendared()
	}
	return q, r, ok && ok2
}

// isQuantity reports whether an item is a quantity of FHIRPath.
func (it *item) isQuantity() bool { return it.typ == schema.Quantity }

func (v *values) equalQuantities(a, b *item) truth {
	for _, it := range []*item{a, b} {
		other := it.kind != jsontape.KindObject || it.typ != nil && !it.typ.Is(quantityType())
		if !it.isQuantity() && other {
			return no
		}
	}
	q, r, ok := v.quantities(a, b)
	if !ok {
		return unknown
	}
	order, known := quantity.Compare(q, r)
	if !known {
		return unknown
	}
	return of(order == 0)
}

// orderQuantities compares two quantities. known is false if their units do not compare.
func (v *values) orderQuantities(a, b *item) (order int, known bool) {
	q, r, ok := v.quantities(a, b)
	if !ok {
		return 0, false
	}
	return quantity.Compare(q, r)
}

func (v *memory) quantityItem(q quantity.Quantity) item {
	v.room(q.Value.Size() + len(q.Unit) + 3)
	from := len(v.arena)
	v.arena = q.Append(v.arena)
	out := v.made(from)
	out.typ = schema.Quantity
	return out
}

// quantityOp is + - * or / with a quantity on one side.
type quantityOp struct {
	l, r op
	sign string
}

func (o *quantityOp) eval(v *Evaluator, this *item) error {
	a, ok, err := v.single(o.l, this, o.sign)
	if err != nil {
		return err
	}
	b, ok2, err := v.single(o.r, this, o.sign)
	if err != nil || !ok || !ok2 {
		return err
	}
	q, r, ok := v.quantities(&a, &b)
	if !ok {
		return nil
	}
	switch o.sign {
	case "+":
		q, ok = quantity.Add(q, r)
	case "-":
		q, ok = quantity.Add(q, r.Neg())
	case "*":
		q, ok = quantity.Mul(q, r)
	case "/":
		q, ok = quantity.Div(q, r)
	}
	if ok {
		v.push(v.quantityItem(q))
	}
	return nil
}

// moveOp is a date or time moved by a quantity of time.
type moveOp struct {
	l, r op
	back bool
}

func (o *moveOp) eval(v *Evaluator, this *item) error {
	a, ok, err := v.single(o.l, this, "moving a date")
	if err != nil {
		return err
	}
	b, ok2, err := v.single(o.r, this, "moving a date")
	if err != nil || !ok || !ok2 {
		return err
	}
	m, ok := v.moment(&a)
	if !ok {
		return &dataError{"a date or time is not in FHIR's form"}
	}
	q, ok := v.quantityOf(&b)
	if !ok {
		return nil
	}
	if b.kind == jsontape.KindObject {
		q = q.Calendared()
	}
	if o.back {
		q = q.Neg()
	}
	if m, ok = q.Move(m); ok {
		v.push(v.momentItem(m, a.system()))
	}
	return nil
}

func (v *memory) momentItem(m fhirtime.Value, s schema.System) item {
	v.room(m.Digits + 48)
	from := len(v.arena)
	v.arena = m.Append(v.arena)
	out := v.made(from)
	out.typ = s.Type()
	return out
}

// quantityBinary returns the op of an operator that yields or takes quantities, or nil.
func (b *builder) quantityBinary(e *sof.Binary, l, r op) op {
	switch {
	case len(e.T.Any) == 0:
		return nil
	case e.T.Any[0] == schema.Quantity && e.Op != "|":
		return &quantityOp{l, r, e.Op}
	case (e.Op == "+" || e.Op == "-") && temporal(e.T.Any[0].System):
		return &moveOp{l, r, e.Op == "-"}
	}
	return nil
}

func toQuantity(v *Evaluator, in *item, args []item) (item, bool, error) {
	text := in.text
	switch in.kind {
	case jsontape.KindTrue:
		text = []byte("1.0")
	case jsontape.KindFalse:
		text = []byte("0.0")
	case jsontape.KindString:
		if text = v.str(in); in.typ != nil && temporal(in.system()) {
			return item{}, false, nil
		}
	case jsontape.KindNumber:
	case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray:
	}
	var q quantity.Quantity
	var ok bool
	if in.kind == jsontape.KindObject || in.kind == jsontape.KindNumber {
		q, ok = v.quantityOf(in)
	} else {
		q, ok = quantity.Parse(string(text))
	}
	if ok && len(args) > 0 {
		unit, err := v.textOf(&args[0])
		if err != nil {
			return item{}, false, err
		}
		q, ok = q.In(string(unit))
	}
	if !ok {
		return item{}, false, nil
	}
	return v.quantityItem(q), true, nil
}
