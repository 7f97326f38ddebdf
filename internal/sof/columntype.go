package sof

import (
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
	return len(t.Any) == 0 || slices.ContainsFunc(t.Any, func(typ *schema.Type) bool { return slices.Contains(fits, typ.System) })
}

var ansiForm = regexp.MustCompile(`^([A-Z][A-Z ]*?) *(?:\( *([0-9]+|MAX) *(?:, *([0-9]+) *)?\))? *((?:WITH|WITHOUT) TIME ZONE)?$`)

// setAnsi applies the tag ansi/type, whose value is a type of ISO 9075.
func setAnsi(c *Column, tag string) error {
	m := ansiForm.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(tag)))
	if m == nil {
		return fmt.Errorf("%q is no SQL type", tag)
	}
	c.Precision, c.Scale = 0, 0
	switch m[1] {
	case "CHARACTER", "CHAR", "CHARACTER VARYING", "CHAR VARYING", "VARCHAR", "NATIONAL CHARACTER VARYING", "NVARCHAR",
		"CHARACTER LARGE OBJECT", "CLOB", "TEXT":
		c.Kind = Text
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
		return fmt.Errorf("the type %q is not supported; use BOOLEAN, INTEGER, BIGINT, DECIMAL(p,s), DATE, TIMESTAMP or VARCHAR", tag)
	}
	return nil
}
