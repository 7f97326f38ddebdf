package sof

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/sof/schema"
)

// DefaultPrecision and DefaultScale apply to a Decimal column without an ansi/type tag, on every
// engine. The scale is the 18 digits that FHIR asks systems to keep.
const (
	DefaultPrecision = 38
	DefaultScale     = 18
)

// columnTypes are types that a column may declare although R4 lacks them.
var columnTypes = []string{"integer64"}

// kindOf returns the kind of a column that declares FHIR type t.
func kindOf(name string) (k Kind, ok bool) {
	switch name {
	case "integer64":
		return BigInt, true
	case "http://hl7.org/fhirpath/System.Boolean":
		return Boolean, true
	case "http://hl7.org/fhirpath/System.Integer":
		return Integer, true
	case "http://hl7.org/fhirpath/System.Decimal":
		return Decimal, true
	}
	name = strings.TrimPrefix(name, "http://hl7.org/fhirpath/")
	t, ok := schema.R4().Type(name)
	if !ok {
		return Text, false
	}
	return kindOfType(t), true
}

func kindOfType(t *schema.Type) Kind {
	switch t.System {
	case schema.Boolean:
		return Boolean
	case schema.Integer:
		return Integer
	case schema.Decimal:
		return Decimal
	case schema.None, schema.String, schema.Date, schema.DateTime, schema.Time:
	}
	return Text
}

// classes maps the text types of FHIR and FHIRPath to classes. All other types are long text.
var classes = map[string]Class{
	"id": Key, "code": Code, "string": ShortText,
	"uri": URI, "url": URI, "canonical": URI, "oid": URI, "uuid": URI,
	"date": Moment, "dateTime": Moment, "instant": Moment, "time": Moment,
	"System.Date": Moment, "System.DateTime": Moment, "System.Time": Moment,
	// Their texts are short too, for a column that a tag makes text.
	"boolean": ShortText, "integer": ShortText, "positiveInt": ShortText,
	"unsignedInt": ShortText, "integer64": ShortText, "decimal": ShortText,
	"System.Boolean": ShortText, "System.Integer": ShortText, "System.Decimal": ShortText,
}

// classOf returns the class of a column with a declared type, if any, and a value, if it compiled.
func classOf(declared string, e Expr) Class {
	switch {
	case declared == "id" || isKey(e):
		return Key
	case declared != "":
		return classes[strings.TrimPrefix(declared, "http://hl7.org/fhirpath/")]
	case e == nil:
		return LongText
	}
	class := LongText
	for i, t := range e.Type().Any {
		if next := classes[t.Name]; i == 0 {
			class = next
		} else if next != class {
			return LongText
		}
	}
	return class
}

// inferKind returns the kind of a column that declares no type.
func inferKind(t Type) Kind {
	k := Text
	for i, alternative := range t.Any {
		next := kindOfType(alternative)
		if i > 0 && next != k {
			return Text
		}
		k = next
	}
	return k
}

// holds reports whether a column of kind k can hold some item of t.
func holds(k Kind, t Type) bool {
	var fits []schema.System
	switch k {
	case Boolean:
		fits = accepts["boolean"]
	case Integer, BigInt, Decimal:
		fits = accepts["number"]
	case Text, Date, Timestamp:
		return true
	}
	return len(t.Any) == 0 || slices.ContainsFunc(t.Any, func(typ *schema.Type) bool {
		return slices.Contains(fits, typ.System)
	})
}

var ansiForm = regexp.MustCompile(
	`^([A-Z][A-Z ]*?) *(?:\( *([0-9]+|MAX) *(?:, *([0-9]+) *)?\))? *((?:WITH|WITHOUT) TIME ZONE)?$`)

// setAnsi applies the tag ansi/type, whose value is a type of ISO 9075.
func setAnsi(c *Column, tag string) error {
	m := ansiForm.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(tag)))
	if m == nil {
		return fmt.Errorf("%q is no SQL type", tag)
	}
	c.Precision, c.Scale = 0, 0
	switch m[1] {
	case "CHARACTER", "CHAR", "CHARACTER VARYING", "CHAR VARYING", "VARCHAR",
		"NATIONAL CHARACTER VARYING", "NVARCHAR":
		c.Kind = Text
		return setLength(c, tag, m[2])
	case "CHARACTER LARGE OBJECT", "CLOB", "TEXT":
		c.Kind = Text
		return setLength(c, tag, cmp.Or(m[2], "MAX"))
	case "BOOLEAN":
		c.Kind = Boolean
	case "SMALLINT", "INTEGER", "INT":
		c.Kind = Integer
	case "BIGINT":
		c.Kind = BigInt
	case "DATE":
		c.Kind = Date
	case "TIMESTAMP":
		c.Kind = Timestamp
	case "DECIMAL", "DEC", "NUMERIC":
		c.Kind, c.Precision, c.Scale = Decimal, DefaultPrecision, DefaultScale
		if m[2] != "" {
			p, err := strconv.Atoi(m[2])
			s, err2 := strconv.Atoi("0" + m[3])
			if err != nil || err2 != nil || p < 1 || p > 38 || s > p {
				return fmt.Errorf("%q: the precision is 1 to 38, the scale 0 to the precision", tag)
			}
			c.Precision, c.Scale = p, s
		}
	default:
		return fmt.Errorf(
			"the type %q is not supported; use BOOLEAN, INTEGER, BIGINT, DECIMAL(p,s), DATE, TIMESTAMP or VARCHAR", tag)
	}
	return nil
}

// setLength applies the length of a text type; without one the class decides.
func setLength(c *Column, tag, length string) error {
	switch length {
	case "":
	case "MAX":
		c.Length = Unlimited
	default:
		n, err := strconv.Atoi(length)
		if err != nil || n < 1 {
			return fmt.Errorf("%q: a length is at least 1, or MAX", tag)
		}
		c.Length = n
	}
	return nil
}
