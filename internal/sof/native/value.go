package native

import (
	"bytes"

	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// item is one value: a node of the tape or a computed one.
type item struct {
	typ     *schema.Type // nil: unknown
	text    []byte       // the inside of a string, or another value's JSON text
	node    int32        // on the tape, or -1
	kind    jsontape.Kind
	escaped bool // text is the inside of a JSON string with escapes
}

var (
	booleanType = schema.Boolean.Type()
	stringType  = schema.String.Type()
	integerType = schema.Integer.Type()
	decimalType = schema.Decimal.Type()

	trueText  = []byte("true")
	falseText = []byte("false")
)

func boolItem(b bool) item {
	if b {
		return item{typ: booleanType, text: trueText, node: -1, kind: jsontape.KindTrue}
	}
	return item{typ: booleanType, text: falseText, node: -1, kind: jsontape.KindFalse}
}

// literal returns a constant as an item.
func literal(typ *schema.Type, text string) item {
	it := item{typ: typ, text: []byte(text), node: -1, kind: jsontape.KindString}
	switch typ.System {
	case schema.Boolean:
		return boolItem(text == "true")
	case schema.Integer, schema.Decimal:
		it.kind = jsontape.KindNumber
	case schema.None, schema.String, schema.Date, schema.DateTime, schema.Time:
	}
	return it
}

// values converts and compares items.
type values struct {
	reader
	canons [2][]byte
}

// str returns the decoded text of a string item.
func (v *values) str(it *item) []byte {
	if it.escaped {
		it.text, it.escaped = v.decode(it.text), false
	}
	return it.text
}

func (it *item) system() schema.System {
	if it.typ == nil {
		switch it.kind {
		case jsontape.KindString:
			return schema.String
		case jsontape.KindNumber:
			return schema.Decimal
		case jsontape.KindTrue, jsontape.KindFalse:
			return schema.Boolean
		case jsontape.KindNone, jsontape.KindObject, jsontape.KindArray:
		}
		return schema.None
	}
	return it.typ.System
}

// moment parses a date or a time. ok is false for another text.
func (v *values) moment(it *item) (m fhirtime.Value, ok bool) {
	if it.kind != jsontape.KindString {
		return m, false
	}
	switch it.system() {
	case schema.Date, schema.DateTime:
		return fhirtime.ParseDate(v.str(it))
	case schema.Time:
		return fhirtime.ParseTime(v.str(it))
	case schema.None, schema.Boolean, schema.String, schema.Integer, schema.Decimal:
	}
	return m, false
}

func temporal(s schema.System) bool {
	return s == schema.Date || s == schema.DateTime || s == schema.Time
}

// truth is a value of three-valued logic.
type truth int8

const (
	unknown truth = iota
	yes
	no
)

func of(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	case unknown:
	}
	return unknown
}

// equal compares two items as in FHIRPath N1, 6.1.1: unknown for two dates that differ in
// precision.
func (v *values) equal(a, b *item) truth {
	switch {
	case a.isQuantity() || b.isQuantity():
		return v.equalQuantities(a, b)
	case a.kind == jsontape.KindString && b.kind == jsontape.KindString:
		if temporal(a.system()) && temporal(b.system()) {
			return v.equalMoments(a, b)
		}
		return of(bytes.Equal(v.str(a), v.str(b)))
	case a.kind == jsontape.KindNumber && b.kind == jsontape.KindNumber:
		if bytes.Equal(a.text, b.text) {
			return yes
		}
		x, ok := decimal.Parse(a.text)
		y, ok2 := decimal.Parse(b.text)
		return of(ok && ok2 && x.Cmp(y) == 0)
	case a.kind != b.kind:
		return no
	case a.kind == jsontape.KindObject || a.kind == jsontape.KindArray:
		return of(v.equalJSON(a.text, b.text, false))
	}
	return yes
}

func (v *values) equalMoments(a, b *item) truth {
	if bytes.Equal(v.str(a), v.str(b)) {
		return yes
	}
	x, ok := v.moment(a)
	y, ok2 := v.moment(b)
	if !ok || !ok2 {
		return no
	}
	order, known := fhirtime.Compare(x, y)
	if !known {
		return unknown
	}
	return of(order == 0)
}

// order compares two items. known is false if N1 returns empty.
func (v *values) order(a, b *item) (order int, known bool, err error) {
	switch {
	case a.isQuantity() || b.isQuantity() ||
		a.kind == jsontape.KindObject && b.kind == jsontape.KindObject:
		order, known = v.orderQuantities(a, b)
		return order, known, nil
	case a.kind == jsontape.KindNumber && b.kind == jsontape.KindNumber:
		x, ok := decimal.Parse(a.text)
		y, ok2 := decimal.Parse(b.text)
		if !ok || !ok2 {
			return 0, false, &dataError{"a number is out of range"}
		}
		return x.Cmp(y), true, nil
	case a.kind == jsontape.KindString && b.kind == jsontape.KindString:
		s, s2 := a.system(), b.system()
		if !temporal(s) && !temporal(s2) {
			return bytes.Compare(v.str(a), v.str(b)), true, nil
		}
		x, ok := v.moment(a)
		y, ok2 := v.moment(b)
		if !ok || !ok2 {
			return 0, false, &dataError{"a date or time is not in FHIR's form"}
		}
		order, known = fhirtime.Compare(x, y)
		return order, known, nil
	}
	return 0, false, &dataError{"values of different types are compared"}
}
