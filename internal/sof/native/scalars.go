package native

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// scalar is a function on one item with single-item args. ok is false if the result is empty.
type scalar func(v *Evaluator, in *item, args []item) (out item, ok bool, err error)

// scalarOp evaluates its input and arguments as single items. If one is missing, the result is
// empty.
type scalarOp struct {
	name string
	f    scalar
	in   op
	args []op
}

func (o *scalarOp) eval(v *Evaluator, this *item) error {
	in, ok, err := v.single(o.in, this, o.name)
	if err != nil || !ok {
		return err
	}
	base := len(v.stack)
	for _, a := range o.args {
		it, ok, err := v.single(a, this, o.name)
		if err != nil {
			return err
		}
		if !ok {
			v.stack = v.stack[:base]
			return nil
		}
		v.push(it)
	}
	out, ok, err := o.f(v, &in, v.stack[base:])
	v.stack = v.stack[:base]
	if err != nil {
		return err
	}
	if ok {
		v.push(out)
	}
	return nil
}

// scalarOf returns the function of at most one item, or nil.
func scalarOf(f sof.Func) scalar {
	switch f { //nolint:exhaustive // the others work on collections
	case sof.FuncNot:
		return not
	case sof.FuncTrim:
		return onText(bytes.TrimSpace, 0)
	case sof.FuncUpper:
		return onText(bytes.ToUpper, 2)
	case sof.FuncLower:
		return onText(bytes.ToLower, 2)
	case sof.FuncSubstring:
		return substring
	case sof.FuncStartsWith:
		return testText(bytes.HasPrefix)
	case sof.FuncEndsWith:
		return testText(bytes.HasSuffix)
	case sof.FuncContains:
		return testText(bytes.Contains)
	case sof.FuncReplace:
		return replace
	case sof.FuncIndexOf:
		return indexOf
	case sof.FuncLength:
		return length
	case sof.FuncToString:
		return toString
	case sof.FuncToInteger:
		return toInteger
	case sof.FuncToDecimal:
		return toDecimal
	case sof.FuncToBoolean:
		return toBoolean
	case sof.FuncToDate:
		return toMoment(schema.Date, fhirtime.ParseDate)
	case sof.FuncToDateTime:
		return toMoment(schema.DateTime, fhirtime.ParseDate)
	case sof.FuncToTime:
		return toMoment(schema.Time, fhirtime.ParseTime)
	case sof.FuncAbs:
		return absolute
	case sof.FuncCeiling:
		return onNumber(func(d decimal.Decimal) decimal.Decimal { return cut(d, 1) })
	case sof.FuncFloor:
		return onNumber(func(d decimal.Decimal) decimal.Decimal { return cut(d, -1) })
	case sof.FuncTruncate:
		return onNumber(func(d decimal.Decimal) decimal.Decimal { return cut(d, 0) })
	case sof.FuncRound:
		return round
	case sof.FuncLowBoundary:
		return boundary(false)
	case sof.FuncHighBoundary:
		return boundary(true)
	}
	return nil
}

// maxNumber exceeds the characters of every integer or boolean.
const maxNumber = 1000

func wrongType(what string) error {
	return &dataError{"a function met a value that is no " + what}
}

func not(_ *Evaluator, in *item, _ []item) (item, bool, error) {
	switch in.kind {
	case jsontape.KindTrue, jsontape.KindFalse:
		return boolItem(in.kind == jsontape.KindFalse), true, nil
	case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray, jsontape.KindString,
		jsontape.KindNumber:
	}
	return item{}, false, wrongType("boolean")
}

func (v *values) textOf(it *item) ([]byte, error) {
	if it.kind != jsontape.KindString || it.isQuantity() {
		return nil, wrongType("string")
	}
	return v.str(it), nil
}

func textItem(b []byte) item {
	return item{typ: stringType, text: b, node: -1, kind: jsontape.KindString}
}

// onText returns a function from text to text that allocates at most growth times its input.
func onText(f func([]byte) []byte, growth int) scalar {
	return func(v *Evaluator, in *item, _ []item) (item, bool, error) {
		s, err := v.textOf(in)
		if growth > 0 {
			v.chargeText(growth * len(s))
		}
		return textItem(f(s)), true, err
	}
}

func testText(f func(s, t []byte) bool) scalar {
	return func(v *Evaluator, in *item, args []item) (item, bool, error) {
		s, err := v.textOf(in)
		if err != nil {
			return item{}, false, err
		}
		t, err := v.textOf(&args[0])
		return boolItem(f(s, t)), true, err
	}
}

// runeAt returns the byte offset of the n-th character, or len(s).
func runeAt(s []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(s); n-- {
		_, size := utf8.DecodeRune(s[i:])
		i += size
	}
	return i
}

func substring(v *Evaluator, in *item, args []item) (item, bool, error) {
	s, err := v.textOf(in)
	if err != nil {
		return item{}, false, err
	}
	start, err := v.count(&args[0])
	if err != nil || start < 0 || start >= utf8.RuneCount(s) {
		return item{}, false, err
	}
	s = s[runeAt(s, start):]
	if len(args) > 1 {
		n, err := v.count(&args[1])
		if err != nil {
			return item{}, false, err
		}
		s = s[:runeAt(s, n)]
	}
	return textItem(s), true, nil
}

func (v *values) count(it *item) (int, error) {
	d, err := v.decimalOf(it)
	if err != nil {
		return 0, err
	}
	n, ok := d.Int64()
	const far = 1 << 40
	if !ok || n > far || n < -far {
		return 0, wrongType("position")
	}
	return int(n), nil
}

func replace(v *Evaluator, in *item, args []item) (item, bool, error) {
	s, err := v.textOf(in)
	if err != nil {
		return item{}, false, err
	}
	old, err := v.textOf(&args[0])
	if err != nil {
		return item{}, false, err
	}
	with, err := v.textOf(&args[1])
	if err != nil {
		return item{}, false, err
	}
	v.step(len(s) >> 5)
	n := len(s)
	if times := bytes.Count(s, old); len(with) > len(old) {
		// the limits on texts keep the product from overflowing
		n += min(times, v.budget.limits.Text+1) * (len(with) - len(old))
	}
	v.chargeText(n)
	return textItem(bytes.ReplaceAll(s, old, with)), true, nil
}

func indexOf(v *Evaluator, in *item, args []item) (item, bool, error) {
	s, err := v.textOf(in)
	if err != nil {
		return item{}, false, err
	}
	t, err := v.textOf(&args[0])
	i := bytes.Index(s, t)
	if i > 0 {
		i = utf8.RuneCount(s[:i])
	}
	return v.integer(i), true, err
}

func length(v *Evaluator, in *item, _ []item) (item, bool, error) {
	s, err := v.textOf(in)
	return v.integer(utf8.RuneCount(s)), true, err
}

func toString(v *Evaluator, in *item, _ []item) (item, bool, error) {
	switch in.kind {
	case jsontape.KindObject:
		if q, ok := v.quantityOf(in); ok {
			out := v.quantityItem(q)
			out.typ = stringType
			return out, true, nil
		}
	case jsontape.KindString:
		return textItem(v.str(in)), true, nil
	case jsontape.KindNumber, jsontape.KindTrue, jsontape.KindFalse:
		return textItem(in.text), true, nil
	case jsontape.KindNone, jsontape.KindArray:
	}
	return item{}, false, nil
}

func toInteger(v *Evaluator, in *item, _ []item) (item, bool, error) {
	switch in.kind {
	case jsontape.KindTrue:
		return v.integer(1), true, nil
	case jsontape.KindFalse:
		return v.integer(0), true, nil
	case jsontape.KindString:
		s := v.str(in)
		if len(s) > maxNumber {
			return item{}, false, nil
		}
		n, err := strconv.ParseInt(string(s), 10, 32)
		return v.integer(int(n)), err == nil, nil
	case jsontape.KindNumber:
		d, err := v.decimalOf(in)
		if err != nil || d.Scale() > 0 {
			return item{}, false, err
		}
		return v.number(d), true, nil
	case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray:
	}
	return item{}, false, nil
}

func toDecimal(v *Evaluator, in *item, _ []item) (item, bool, error) {
	text := in.text
	switch in.kind {
	case jsontape.KindTrue:
		text = []byte("1.0")
	case jsontape.KindFalse:
		text = []byte("0.0")
	case jsontape.KindString:
		// N1, 5.5.5: a text has no exponent
		if text = v.str(in); bytes.ContainsAny(text, "eE") {
			return item{}, false, nil
		}
	case jsontape.KindNumber:
	case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray:
		return item{}, false, nil
	}
	d, ok := decimal.Parse(text)
	if !ok {
		return item{}, false, nil
	}
	out := v.number(d)
	out.typ = decimalType
	return out, true, nil
}

// toBoolean converts the texts of FHIRPath N1, 5.5.1.
func toBoolean(v *Evaluator, in *item, _ []item) (item, bool, error) {
	switch in.kind {
	case jsontape.KindTrue, jsontape.KindFalse:
		return boolItem(in.kind == jsontape.KindTrue), true, nil
	case jsontape.KindNumber:
		d, ok := decimal.Parse(in.text)
		if !ok {
			return item{}, false, nil
		}
		zero := d.Sign() == 0
		return boolItem(!zero), zero || d.Cmp(decimal.Int(1)) == 0, nil
	case jsontape.KindString:
		s := v.str(in)
		if len(s) > maxNumber {
			return item{}, false, nil
		}
		switch strings.ToLower(string(s)) {
		case "true", "t", "yes", "y", "1", "1.0":
			return boolItem(true), true, nil
		case "false", "f", "no", "n", "0", "0.0":
			return boolItem(false), true, nil
		}
	case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray:
	}
	return item{}, false, nil
}

func toMoment(to schema.System, parse func([]byte) (fhirtime.Value, bool)) scalar {
	return func(v *Evaluator, in *item, _ []item) (item, bool, error) {
		if in.kind != jsontape.KindString {
			return item{}, false, nil
		}
		s := v.str(in)
		m, ok := parse(s)
		if ok && to == schema.Date && m.Precision > fhirtime.Day {
			s = s[:len("2024-01-31")]
		}
		return item{typ: to.Type(), text: s, node: -1, kind: jsontape.KindString}, ok, nil
	}
}

func onNumber(f func(decimal.Decimal) decimal.Decimal) scalar {
	return func(v *Evaluator, in *item, _ []item) (item, bool, error) {
		d, err := v.decimalOf(in)
		if err != nil {
			return item{}, false, err
		}
		return v.number(f(d)), true, nil
	}
}

func sign(d decimal.Decimal, want int) decimal.Decimal {
	if d.Sign() == -want {
		return d.Neg()
	}
	return d
}

// cut removes the fraction towards the given side.
func cut(d decimal.Decimal, side int) decimal.Decimal {
	q, _ := d.IntDiv(decimal.Int(1))
	if side != 0 && d.Sub(q).Sign() == side {
		q = q.Add(decimal.Int(int64(side)))
	}
	return q
}

func boundary(high bool) scalar {
	return func(v *Evaluator, in *item, _ []item) (item, bool, error) {
		if in.kind == jsontape.KindNumber {
			d, err := v.decimalOf(in)
			if err != nil {
				return item{}, false, err
			}
			low, up := d.Boundaries()
			if high {
				low = up
			}
			return v.number(low), true, nil
		}
		m, ok := v.moment(in)
		if !ok {
			return item{}, false, &dataError{"a date or time is not in FHIR's form"}
		}
		from := len(v.arena)
		switch in.system() {
		case schema.Date:
			v.arena = fhirtime.DateBoundary(v.arena, m, high)
		case schema.Time:
			v.arena = fhirtime.TimeBoundary(v.arena, m, high)
		case schema.DateTime, schema.None, schema.Boolean, schema.String, schema.Integer,
			schema.Decimal:
			v.arena = fhirtime.DateTimeBoundary(v.arena, m, high)
		}
		out := v.made(from)
		out.typ = in.typ
		return out, true, nil
	}
}
