package sof

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/schema"
)

// constantTypes are the permitted types of a constant's value[x].
var constantTypes = strings.Fields(
	`base64Binary boolean canonical code date dateTime decimal id instant integer
	integer64 oid string positiveInt time unsignedInt uri url uuid`)

// predefined are FHIR's external constants except %resource.
var predefined = map[string]string{
	"sct":   "http://snomed.info/sct",
	"loinc": "http://loinc.org",
	"ucum":  "http://unitsofmeasure.org",
}

// constant checks and registers a constant of the view.
func (c *compiler) constant(def constantDef) {
	if def.fhirType == "" || def.name == "" {
		c.constants[def.name] = nil
		return
	}
	fault := func(msg, hint string) {
		c.fault(&Fault{Path: def.value.path, Msg: msg, Hint: hint})
		c.constants[def.name] = nil
	}
	if _, twice := c.constants[def.name]; twice {
		fault(fmt.Sprintf("the constant %q is defined twice", def.name), "")
		return
	}
	t, ok := c.schema.Type(def.fhirType)
	if def.fhirType == "integer64" {
		t, ok = c.schema.Type("integer")
	}
	known := false
	for _, n := range constantTypes {
		known = known || n == def.fhirType
	}
	if !ok || !known {
		fault(fmt.Sprintf("a constant cannot be of type %q", def.fhirType),
			didYouMean(def.fhirType, constantTypes))
		return
	}
	if msg := wrongForm(def.fhirType, t.System, def.value); msg != "" {
		fault(msg, "")
		return
	}
	c.constants[def.name] = &Constant{Type: t, Text: def.value.text}
}

// wrongForm returns why v is not a value of the type, or "".
func wrongForm(name string, s schema.System, v value) string {
	want := byte('s')
	switch s {
	case schema.Boolean:
		want = 'b'
	case schema.Integer, schema.Decimal:
		want = 'n'
		if name == "integer64" && v.kind == 's' {
			// FHIR R5 writes integer64 as a string
			want = 's'
		}
	case schema.None, schema.String, schema.Date, schema.DateTime, schema.Time:
	}
	if v.kind != want {
		return "the value is " + v.describe() + ", which no " + name + " is"
	}
	ok := true
	switch s {
	case schema.Integer:
		ok = wholeNumber(name, v.text)
	case schema.Decimal:
		_, ok = decimal.Parse(v.text)
	case schema.Date:
		t, parsed := fhirtime.ParseDate([]byte(v.text))
		ok = parsed && t.Precision <= fhirtime.Day
	case schema.DateTime:
		_, ok = fhirtime.ParseDate([]byte(v.text))
	case schema.Time:
		_, ok = fhirtime.ParseTime([]byte(v.text))
	case schema.String:
		if name == "base64Binary" {
			_, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(v.text), ""))
			ok = err == nil
		}
	case schema.None, schema.Boolean:
	}
	if !ok {
		return fmt.Sprintf("%q is no %s", v.text, name)
	}
	return ""
}

func wholeNumber(name, text string) bool {
	bits := 32
	if name == "integer64" {
		bits = 64
	}
	n, err := strconv.ParseInt(text, 10, bits)
	switch name {
	case "unsignedInt":
		return err == nil && n >= 0
	case "positiveInt":
		return err == nil && n > 0
	}
	return err == nil
}
