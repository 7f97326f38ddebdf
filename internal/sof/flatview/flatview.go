// Package flatview writes a flat ViewDefinition for any resource type, from the element table of
// FHIR R4: one row per resource, for types that nobody has written a view for.
//
// It makes columns of the id, the patient, primitives, codes, references, periods, quantities,
// identifiers and the main parts of names, addresses and attachments. Of an element that repeats it
// takes the first value. It leaves out elements with parts of their own that repeat, because a row
// per resource has no place for them.
package flatview

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"fhirsynapse/internal/sof/schema"
)

// TableName returns the name of the table of a resource type: RelatedPerson gives related_person.
func TableName(resource string) string { return snake(resource) }

// Definition returns the ViewDefinition of a resource type as JSON, with one column per line. It
// fails for anything but a resource type of R4 that can be instantiated.
func Definition(resource string) ([]byte, error) {
	if !schema.R4().IsResource(resource) {
		return nil, fmt.Errorf("%q is no resource type of FHIR R4", resource)
	}
	t, _ := schema.R4().Type(resource)
	w := &writer{}
	w.add("id", "getResourceKey()", "id", "Id of the "+resource+".")
	patient := w.patient(t)
	for _, e := range t.Elements {
		if e.Name != patient && !slices.Contains(everywhere, e.Name) {
			w.element(place{}, e)
		}
	}
	return w.json(t), nil
}

// everywhere are elements of all resources that have no column: they say little about the resource,
// or the columns that every table has say it.
var everywhere = []string{
	"id", "meta", "implicitRules", "language", "text", "contained", "extension",
	"modifierExtension",
}

// column holds a column of a ViewDefinition. ansi overrides the SQL type that typ would give.
type column struct{ name, path, typ, description, ansi string }

type writer struct{ columns []column }

// add adds a column. If its name is taken, the type is added to it: Coverage has a subscriber, with
// the key subscriber_id, and a subscriberId.
func (w *writer) add(name, path, typ, description string) {
	w.tagged(name, path, typ, description, "")
}

func (w *writer) tagged(name, path, typ, description, ansi string) {
	if slices.ContainsFunc(w.columns, func(c column) bool { return c.name == name }) {
		name += "_" + snake(typ)
	}
	w.columns = append(w.columns, column{name, path, typ, description, ansi})
}

// patient adds the key of the patient, if the type is in the Patient compartment. It returns the
// element of the resource that is the reference to the patient; empty if it is deeper.
func (w *writer) patient(t *schema.Type) (element string) {
	in := schema.PatientCompartment(t.Name)
	if len(in) == 0 {
		return ""
	}
	main := in[0]
	for _, param := range []string{"beneficiary", "subject", "patient"} {
		for _, m := range in {
			if m.Param == param {
				main = m
			}
		}
	}
	path, many, at := main.Path+".getReferenceKey(Patient)", false, t
	for _, name := range strings.Split(main.Path, ".") {
		e, _ := at.Element(name)
		many, at = many || e.Many, e.Types[0]
	}
	description := "Id of the patient; joins patient.id."
	if many {
		path, description = path+".first()", "Id of the first patient; joins patient.id."
	}
	w.add("patient_id", path, "id", description)
	if strings.Contains(main.Path, ".") || many {
		return ""
	}
	return main.Path
}

// place holds what the columns of a value begin with: their names, paths and descriptions.
type place struct{ name, path, words string }

func (p place) in(e *schema.Element) place {
	out := place{snake(e.Name), e.Name, e.Name}
	if p.path != "" {
		out = place{p.name + "_" + out.name, p.path + "." + out.path, p.words + "." + out.words}
	}
	if e.Many {
		out.path, out.words = out.path+".first()", "first "+out.words
	}
	return out
}

func (p place) of(t *schema.Type) place {
	return place{p.name, p.path + ".ofType(" + t.Name + ")", p.words + " (" + t.Name + ")"}
}

func (p place) named(suffix string) place {
	p.name += "_" + suffix
	return p
}

// element adds the columns of an element and, if it cannot repeat, of its parts.
func (w *writer) element(in place, e *schema.Element) {
	p := in.in(e)
	if e.Choice {
		for _, t := range e.Types {
			w.alternative(p.of(t), t)
		}
		return
	}
	t := e.Types[0]
	if t.Kind != schema.Backbone {
		w.value(p, t)
		return
	}
	if e.Many {
		return
	}
	for _, part := range t.Elements {
		if !slices.Contains(everywhere, part.Name) {
			w.element(p, part)
		}
	}
}

// suffixes are the ends of the columns' names for the alternatives of a choice, where they are not
// the name of the type.
var suffixes = map[string]string{
	"dateTime": "time", "time": "time_of_day", "Quantity": "number", "SimpleQuantity": "number",
	"CodeableConcept": "code", "Coding": "code", "Reference": "", "Period": "", "Range": "", "Ratio": "",
}

// alternative adds the columns of one type of a choice.
func (w *writer) alternative(p place, t *schema.Type) {
	suffix, short := suffixes[t.Name]
	if !short {
		suffix = snake(t.Name)
	}
	if suffix != "" {
		p = p.named(suffix)
	}
	w.value(p, t)
}

// value adds the columns of a value.
func (w *writer) value(p place, t *schema.Type) {
	if t.Kind == schema.Primitive {
		w.primitive(p, t)
		return
	}
	for ; t != nil; t = t.Base {
		if parts, ok := complexTypes[t.Name]; ok {
			for _, c := range parts {
				name := p.name
				if c.suffix != "" {
					name += "_" + c.suffix
				}
				w.add(name, p.path+"."+c.path, c.typ, sentence(p.words, c.words))
			}
			return
		}
		if t.Name == "Reference" {
			w.reference(p)
			return
		}
		if t.Name == "Period" {
			for _, end := range []string{"start", "end"} {
				w.primitive(place{p.name + "_" + end, p.path + "." + end, p.words + "." + end},
					dateTime())
			}
			return
		}
	}
}

func dateTime() *schema.Type {
	t, _ := schema.R4().Type("dateTime")
	return t
}

// primitive adds the column of a primitive value, and its twin with a type for times and dates.
func (w *writer) primitive(p place, t *schema.Type) {
	switch t.Name {
	case "base64Binary", "xhtml":
	case "date":
		w.add(p.name, p.path, "date", sentence(p.words, "as recorded; may be partial"))
		w.tagged(p.name+"_day", p.path, "date",
			sentence(p.words, "as a day; NULL where "+p.name+" is partial"), "DATE")
	case "dateTime":
		w.add(p.name, p.path, "dateTime", sentence(p.words, "as recorded; may be partial"))
		w.tagged(p.name+"_utc", p.path, "dateTime",
			sentence(p.words, "as an instant; NULL where "+p.name+" is partial"), "TIMESTAMP")
	case "instant":
		w.add(p.name, p.path, "instant", sentence(p.words, "as recorded"))
		w.tagged(p.name+"_utc", p.path, "dateTime", sentence(p.words, "as an instant"), "TIMESTAMP")
	default:
		w.add(p.name, p.path, t.Name, p.words+".")
	}
}

// reference adds the key of a resource. An element that is named after a resource type refers to
// that type; others may refer to several.
func (w *writer) reference(p place) {
	last := p.words[strings.LastIndexAny(p.words, ". ")+1:]
	if target := strings.ToUpper(last[:1]) + last[1:]; schema.R4().IsResource(target) {
		w.add(p.name+"_id", p.path+".getReferenceKey("+target+")", "id",
			sentence(p.words, "id; joins "+TableName(target)+".id"))
		return
	}
	w.add(p.name+"_id", p.path+".getReferenceKey()", "id",
		sentence(p.words, "id of the resource that it refers to"))
}

// part is a column of a complex type.
type part struct{ suffix, path, typ, words string }

// complexTypes are the columns of complex types. The others have none.
var complexTypes = map[string][]part{
	"CodeableConcept": {
		{"", "coding.first().code", "code", "code of the first coding"},
		{"system", "coding.first().system", "uri", "code system of the first coding"},
		{"display", "coding.first().display", "string", "display text of the first coding"},
		{"text", "text", "string", "text"},
	},
	"Coding": {
		{"", "code", "code", "code"},
		{"system", "system", "uri", "code system"},
		{"display", "display", "string", "display text"},
	},
	"Quantity": {
		{"", "value", "decimal", "number"},
		{"unit", "unit", "string", "unit as written"},
		{"unit_code", "code", "code", "coded unit, UCUM as a rule"},
	},
	"Money": {
		{"", "value", "decimal", "amount"},
		{"currency", "currency", "code", "currency"},
	},
	"Range": {
		{"low", "low.value", "decimal", "lower end"},
		{"high", "high.value", "decimal", "upper end"},
		{"unit", "low.unit", "string", "unit of the lower end as written"},
	},
	"Ratio": {
		{"numerator", "numerator.value", "decimal", "numerator"},
		{"denominator", "denominator.value", "decimal", "denominator"},
	},
	"Identifier": {
		{"", "value", "string", "value"},
		{"system", "system", "uri", "namespace"},
	},
	"HumanName": {
		{"family", "family", "string", "family name"},
		{"given", "given.join(' ')", "string", "given names"},
		{"text", "text", "string", "as text"},
	},
	"Address": {
		{"line", "line.join(', ')", "string", "lines"},
		{"city", "city", "string", "city"},
		{"state", "state", "string", "state"},
		{"postal_code", "postalCode", "string", "postal code"},
		{"country", "country", "string", "country"},
	},
	"ContactPoint": {
		{"", "value", "string", "value"},
		{"system", "system", "code", "phone, email, …"},
	},
	"Attachment": {
		{"content_type", "contentType", "code", "media type"},
		{"url", "url", "url", "address"},
		{"title", "title", "string", "title"},
	},
	"Annotation": {{"", "text", "markdown", "text"}},
}

// sentence writes what a column has of an element.
func sentence(element, what string) string { return element + ": " + what + "." }

// snake writes a name of FHIR, like birthDate, as birth_date.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// json writes the ViewDefinition in the form of the bundled files.
func (w *writer) json(t *schema.Type) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{
  "resourceType": "ViewDefinition",
  "name": %q,
  "status": "active",
  "fhirVersion": ["4.0.1"],
  "resource": %q,
  "description": "One row per %s. Made from the element table of FHIR R4.",
  "select": [
    {
      "column": [
`, TableName(t.Name), t.Name, t.Name)
	for i, c := range w.columns {
		fmt.Fprintf(&b, `        {"name": %s, "path": %s, "type": %s, "description": %s`,
			quoted(c.name), quoted(c.path), quoted(c.typ), quoted(c.description))
		if c.ansi != "" {
			fmt.Fprintf(&b, `, "tag": [{"name": "ansi/type", "value": %s}]`, quoted(c.ansi))
		}
		b.WriteByte('}')
		if i < len(w.columns)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("      ]\n    }\n  ]\n}\n")
	return b.Bytes()
}

// quoted returns a text of this package as JSON.
func quoted(text string) string { return `"` + text + `"` }
