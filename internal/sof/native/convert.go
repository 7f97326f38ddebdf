package native

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"unicode/utf8"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// conversionOf returns the function that a convertsTo function tries, or nil.
func conversionOf(f sof.Func) scalar {
	switch f { //nolint:exhaustive // the others convert nothing
	case sof.FuncIsInteger:
		return toInteger
	case sof.FuncIsDecimal:
		return toDecimal
	case sof.FuncIsBoolean:
		return toBoolean
	case sof.FuncIsString:
		return toString
	case sof.FuncIsDate:
		return toMoment(schema.Date, fhirtime.ParseDate)
	case sof.FuncIsDateTime:
		return toMoment(schema.DateTime, fhirtime.ParseDate)
	case sof.FuncIsTime:
		return toMoment(schema.Time, fhirtime.ParseTime)
	case sof.FuncIsQuantity:
		return toQuantity
	}
	return nil
}

// converts returns a function that reports whether f has a result.
func converts(f scalar) scalar {
	return func(v *Evaluator, in *item, args []item) (item, bool, error) {
		_, ok, err := f(v, in, args)
		return boolItem(ok), true, err
	}
}

// hasValueOp reports whether its input is one primitive with a value.
type hasValueOp struct{ in op }

func (o *hasValueOp) eval(v *Evaluator, this *item) error {
	it, n, err := v.pick(o.in, this, 2)
	if err != nil {
		return err
	}
	has := n == 1 &&
		(it.kind == jsontape.KindString || it.kind == jsontape.KindNumber ||
			it.kind == jsontape.KindTrue || it.kind == jsontape.KindFalse)
	v.push(boolItem(has))
	return nil
}

// coded returns encode() or decode() for the encoding that the view names.
func coded(name string, decode bool) scalar {
	encoding := map[string]*base64.Encoding{
		"base64": base64.StdEncoding, "urlbase64": base64.URLEncoding,
	}[name]
	return func(v *Evaluator, in *item, _ []item) (item, bool, error) {
		s, err := v.textOf(in)
		if err != nil {
			return item{}, false, err
		}
		v.chargeText(2*len(s) + 4)
		var out []byte
		switch {
		case encoding != nil && decode:
			out, err = encoding.DecodeString(string(s))
		case encoding != nil:
			out = encoding.AppendEncode(nil, s)
		case decode:
			out, err = hex.DecodeString(string(s))
		default:
			out = hex.AppendEncode(nil, s)
		}
		// FHIRPath has no values for bytes that are not text
		ok := err == nil && utf8.Valid(out)
		return textItem(out), ok, nil
	}
}

// escaped returns escape() or unescape() of HTML or JSON.
func escaped(name string, undo bool) scalar {
	return func(v *Evaluator, in *item, _ []item) (item, bool, error) {
		s, err := v.textOf(in)
		if err != nil {
			return item{}, false, err
		}
		v.chargeText(6*len(s) + 2)
		switch {
		case name == "html" && undo:
			return textItem([]byte(html.UnescapeString(string(s)))), true, nil
		case name == "html":
			return textItem(escapeHTML(s)), true, nil
		case undo:
			// an unescaped quote is accepted
			var text string
			quoted := append(append([]byte{'"'}, bareQuotes(s)...), '"')
			ok := json.Unmarshal(quoted, &text) == nil
			return textItem([]byte(text)), ok, nil
		}
		quoted := appendQuoted(nil, s)
		return textItem(quoted[1 : len(quoted)-1]), true, nil
	}
}

var htmlEscapes = map[byte]string{
	'<': "&lt;", '>': "&gt;", '&': "&amp;", '"': "&quot;", '\'': "&#39;",
}

func escapeHTML(s []byte) []byte {
	var out []byte
	for _, c := range s {
		if e, ok := htmlEscapes[c]; ok {
			out = append(out, e...)
		} else {
			out = append(out, c)
		}
	}
	return out
}

// bareQuotes puts a backslash before unescaped quotes.
func bareQuotes(s []byte) []byte {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			out = append(out, s[i])
			i++
		case s[i] == '"':
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return out
}

// literalText returns an argument that the compiler has checked to be a literal.
func literalText(e sof.Expr) string {
	if l, ok := e.(*sof.Literal); ok && l.Value != nil {
		return l.Value.Text
	}
	return ""
}

// charsOp is toChars().
type charsOp struct{ in op }

func (o *charsOp) eval(v *Evaluator, this *item) error {
	it, ok, err := v.single(o.in, this, "toChars()")
	if err != nil || !ok {
		return err
	}
	s, err := v.textOf(&it)
	if err != nil {
		return err
	}
	for len(s) > 0 {
		_, n := utf8.DecodeRune(s)
		v.push(textItem(s[:n:n]))
		s = s[n:]
	}
	return nil
}

// root returns a function of numbers whose result is rounded and may not exist.
func root(f func(d, e decimal.Decimal) (decimal.Decimal, bool)) scalar {
	return func(v *Evaluator, in *item, args []item) (item, bool, error) {
		d, err := v.decimalOf(in)
		if err != nil {
			return item{}, false, err
		}
		var e decimal.Decimal
		if len(args) > 0 {
			if e, err = v.decimalOf(&args[0]); err != nil {
				return item{}, false, err
			}
		}
		z, ok := f(d, e)
		if !ok {
			return item{}, false, nil
		}
		return v.number(z), true, nil
	}
}

func unary(f func(decimal.Decimal) (decimal.Decimal, bool)) scalar {
	return root(func(d, _ decimal.Decimal) (decimal.Decimal, bool) { return f(d) })
}

// newerScalarOf is scalarOf for rarely used functions.
func newerScalarOf(e *sof.Call) scalar {
	if f := conversionOf(e.Func); f != nil {
		return converts(f)
	}
	switch e.Func { //nolint:exhaustive // the others are elsewhere
	case sof.FuncToQuantity:
		return toQuantity
	case sof.FuncEncode, sof.FuncDecode:
		return coded(literalText(e.Args[0]), e.Func == sof.FuncDecode)
	case sof.FuncEscape, sof.FuncUnescape:
		return escaped(literalText(e.Args[0]), e.Func == sof.FuncUnescape)
	case sof.FuncPower:
		return root(decimal.Decimal.Power)
	case sof.FuncLog:
		return root(decimal.Decimal.Log)
	case sof.FuncSqrt:
		return unary(decimal.Decimal.Sqrt)
	case sof.FuncExp:
		return unary(decimal.Decimal.Exp)
	case sof.FuncLn:
		return unary(decimal.Decimal.Ln)
	}
	return nil
}

// typeOp is type(), which returns the type of each item.
type typeOp struct{ in op }

func (o *typeOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	kept := base
	for i := base; i < len(v.stack); i++ {
		namespace, name := v.typeOf(&v.stack[i])
		if name == "" {
			continue // an element that R4 lacks
		}
		v.room(len(namespace) + len(name) + 32)
		from := len(v.arena)
		v.arena = append(v.arena, `{"namespace":"`+namespace+`","name":"`+name+`"}`...)
		it := v.made(from)
		it.typ, it.kind = schema.TypeInfo, jsontape.KindObject
		v.stack[kept] = it
		kept++
	}
	v.stack = v.stack[:kept]
	return nil
}

func (v *reader) typeOf(it *item) (namespace, name string) {
	t := it.typ
	if it.node >= 0 && it.kind == jsontape.KindObject && (t == nil || t.Kind == schema.Resource) {
		t = v.resourceType(it)
	}
	switch {
	case t == nil:
		return "", ""
	case t.Kind == schema.SystemType:
		return "System", string(bytes.TrimPrefix([]byte(t.Name), []byte("System.")))
	}
	return "FHIR", t.Name
}

// typePartOp is a member of the result of type().
type typePartOp struct {
	in   op
	name string
}

func (o *typePartOp) eval(v *Evaluator, this *item) error {
	base := len(v.stack)
	if err := o.in.eval(v, this); err != nil {
		return err
	}
	for i := base; i < len(v.stack); i++ {
		text := v.stack[i].text
		v.charge(len(text))
		v.eachMember(text, func(name string, value []byte) {
			if name == o.name {
				v.stack[i] = textItem([]byte(unquoted(value)))
			}
		})
	}
	return nil
}

// absolute removes the sign of a number or a quantity.
func absolute(v *Evaluator, in *item, args []item) (item, bool, error) {
	if in.kind != jsontape.KindNumber {
		q, ok := v.quantityOf(in)
		q.Value = sign(q.Value, 1)
		return v.quantityItem(q), ok, nil
	}
	return onNumber(func(d decimal.Decimal) decimal.Decimal { return sign(d, 1) })(v, in, args)
}

func round(v *Evaluator, in *item, args []item) (item, bool, error) {
	d, err := v.decimalOf(in)
	if err != nil {
		return item{}, false, err
	}
	digits := 0
	if len(args) > 0 {
		if digits, err = v.count(&args[0]); err != nil || digits < 0 {
			return item{}, false, err
		}
	}
	return v.number(d.Round(digits)), true, nil
}
