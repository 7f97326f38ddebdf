// Package randview makes random views and resources, for tests of back ends.
package randview

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"fhirsynapse/internal/sof/schema"
)

// Generator makes sparse resources and views over them.
type Generator struct {
	*rand.Rand
	// Odd is set to make some data of another JSON type than FHIR requires.
	Odd bool
	// Clocks is set to make dates with times and offsets too.
	Clocks bool
}

// New returns a Generator that makes the same choices for the same seed.
func New(seed uint64, odd bool) Generator {
	return Generator{Rand: rand.New(rand.NewPCG(seed, 1)), Odd: odd}
}

// PickOne returns a random item of a list.
func PickOne[T any](g Generator, list ...T) T { return list[g.IntN(len(list))] }

// interesting are the elements that resources and views use. They are few, so that views and
// resources share some.
var interesting = map[string][]string{
	"Patient": {
		"id", "active", "name", "birthDate", "deceased",
		"multipleBirth", "gender", "contact", "generalPractitioner", "maritalStatus", "extension",
	},
	"HumanName":                         {"use", "family", "given", "period"},
	"Patient.contact":                   {"name", "gender", "relationship"},
	"Reference":                         {"reference"},
	"CodeableConcept":                   {"coding", "text"},
	"Coding":                            {"code", "system", "userSelected"},
	"Extension":                         {"url", "value"},
	"Period":                            {"start", "end"},
	"QuestionnaireResponse":             {"id", "item", "status"},
	"QuestionnaireResponse.item":        {"linkId", "text", "item", "answer"},
	"QuestionnaireResponse.item.answer": {"value", "item"},
}

func (g Generator) primitive(s schema.System) any {
	switch s {
	case schema.Boolean:
		return g.IntN(2) == 0
	case schema.Integer:
		return json.Number(PickOne(g, "0", "1", "2", "10"))
	case schema.Decimal:
		return json.Number(PickOne(g, "0.1", "0.20", "1.0", "1", "-2.5"))
	case schema.Date, schema.DateTime:
		if g.Clocks && s == schema.DateTime {
			return PickOne(g, "2020", "2020-01-31", "2020-01-31T10:00:00Z",
				"2020-01-31T12:00:00.000+02:00", "2020-02-01T00:30:00.5+14:00",
				"2019-12-31T23:59:59-05:30")
		}
		return PickOne(g, "2020", "2020-01", "2020-02", "2020-01-31", "2019-12-31", "2021")
	case schema.Time:
		return "10:00:00"
	case schema.None, schema.String:
	}
	return PickOne(g, "", "a", "b", "A", "é\"\\\n", "official", "Patient/1",
		"https://h/Patient/2/_history/1", "#x", "urn:uuid:1", "Practitioner?x=y")
}

// value returns a value for an element of type t. If Odd is set, some values have a wrong shape.
func (g Generator) value(t *schema.Type, depth int) any {
	if g.IntN(40) == 0 && g.Odd {
		return PickOne[any](g, "odd", json.Number("7"), true, map[string]any{"x": "y"},
			[]any{"deep"})
	}
	if t.System != schema.None {
		return g.primitive(t.System)
	}
	out := map[string]any{}
	if depth <= 0 {
		return out
	}
	names := interesting[t.Path]
	for _, name := range names {
		e, ok := t.Element(name)
		if !ok || g.IntN(3) == 0 {
			continue
		}
		// a choice has one type, except in wrong data
		types := 1
		if g.IntN(10) == 0 && g.Odd {
			types = 2
		}
		for range types {
			typ := PickOne(g, e.Types...)
			if typ.System == schema.None && interesting[typ.Path] == nil {
				continue
			}
			out[e.Property(typ)] = g.repeated(e.Many, typ, depth-1)
		}
	}
	return out
}

func (g Generator) repeated(many bool, t *schema.Type, depth int) any {
	if g.IntN(12) == 0 {
		return nil
	}
	// an object may replace a list of one
	alone := g.IntN(20) == 0
	if many != alone && (many || g.Odd) || many && t.System != schema.None && !g.Odd {
		list := []any{}
		for range g.IntN(4) {
			if g.IntN(8) == 0 && (g.Odd || t.System != schema.None) {
				list = append(list, nil)
				continue
			}
			list = append(list, g.value(t, depth))
		}
		return list
	}
	return g.value(t, depth)
}

// Resource makes a resource of a type, as a line.
func (g Generator) Resource(t *schema.Type) []byte {
	r, ok := g.value(t, 5).(map[string]any)
	if !ok {
		r = map[string]any{}
	}
	r["resourceType"], r["id"] = t.Name, "1"
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// path makes an expression over t, and returns the type at its end and whether it may yield a list.
func (g Generator) path(t *schema.Type, steps int) (string, *schema.Type, bool) {
	text, many := "$this", false
	for i := range steps {
		names := interesting[t.Path]
		if len(names) == 0 {
			break
		}
		e, ok := t.Element(PickOne(g, names...))
		if !ok {
			break
		}
		typ := PickOne(g, e.Types...)
		step := e.Name
		if e.Choice {
			if g.Odd {
				step += PickOne(g, "", "", "", ".first()", ".distinct()")
			}
			step += ".ofType(" + typ.Name + ")"
		}
		if i == 0 {
			text = step
		} else {
			text += "." + step
		}
		if e.Name == "extension" && g.IntN(2) == 0 {
			text += "('a')"
		}
		many = many || e.Many
		t = typ
		switch g.IntN(9) {
		case 0:
			text += ".first()"
		case 1:
			text += fmt.Sprintf("[%d]", g.IntN(3))
		case 2:
			text += ".where(" + g.condition(t, 1) + ")"
		case 3:
			text += "." + PickOne(g, "last()", "tail()", "distinct()")
		}
	}
	return text, t, many
}

// condition makes a boolean expression over t.
func (g Generator) condition(t *schema.Type, depth int) string {
	if depth > 0 && g.IntN(3) == 0 {
		return "(" + g.condition(t, depth-1) + PickOne(g, " and ", " or ") +
			g.condition(t, depth-1) + ")"
	}
	p, end, _ := g.path(t, 1+g.IntN(2))
	switch end.System {
	case schema.Boolean:
		return PickOne(g, p, p+".not()", p+" = true", p+".exists()", p+".hasValue()",
			p+".is(Boolean)")
	case schema.String:
		return p + PickOne(g, ".hasValue()", ".first().convertsToBoolean()",
			".first().convertsToString()", ".join('').exists()", ".trace('t').exists()", " = 'a'",
			" != 'a'", " = 'official'", " > 'A'", ".empty()", ".exists($this = 'b')",
			".all($this < 'b')", ".count() > 1", ".length() > 2")
	case schema.Integer, schema.Decimal:
		return p + PickOne(g, " = 1", " > 0.5", " <= 1.0", " + 0.1 = 0.3", ".exists()")
	case schema.Date, schema.DateTime:
		if g.Clocks && g.IntN(2) == 0 {
			return p + PickOne(g, " = @2020-01-31T10:00:00Z", " < @2020-01-31T10:00:00.5Z",
				" >= @2020-01-01T00:00:00", " != @2020-01-31T05:00-05:00")
		}
		return p + PickOne(g, " = @2020-01-31", " > @2020", " <= @2020-01", ".exists()")
	case schema.None, schema.Time:
	}
	return p + PickOne(g, ".exists()", ".empty()", ".count() = 1")
}

// expression makes an expression for a column.
func (g Generator) expression(t *schema.Type) string {
	p, end, _ := g.path(t, 1+g.IntN(3))
	switch g.IntN(8) {
	case 0:
		return g.condition(t, 2)
	case 1:
		return "%rowIndex"
	case 2:
		return p + ".count()"
	case 3:
		if end.System == schema.String {
			return p + PickOne(g, ".join('-')", ".first().upper()", " | 'x'", ".combine('x')")
		}
	case 4:
		if end.Name == "Reference" {
			return p + PickOne(g, ".getReferenceKey()", ".getReferenceKey(Patient)")
		}
	case 5:
		return "iif(" + g.condition(t, 1) + ", " + p + ", " + p + ".first())"
	case 6:
		return p + ".select($index)"
	}
	return p
}

func (g Generator) selection(t *schema.Type, depth int, n *int) map[string]any {
	out := map[string]any{}
	inner := t
	switch g.IntN(4) {
	case 0, 1:
		p, end, _ := g.path(t, 1+g.IntN(2))
		inner = end
		out[PickOne(g, "forEach", "forEachOrNull")] = p
	case 2:
		if t.Path == "QuestionnaireResponse" || t.Path == "QuestionnaireResponse.item" {
			item, _ := schema.R4().Type("QuestionnaireResponse.item")
			inner = item
			out["repeat"] = []any{"item"}
		}
	}
	var columns []any
	for range 1 + g.IntN(2) {
		*n++
		columns = append(columns, map[string]any{
			"name": fmt.Sprintf("c%d", *n), "path": g.expression(inner),
			"collection": g.IntN(3) > 0,
		})
	}
	out["column"] = columns
	if depth > 0 && g.IntN(2) == 0 {
		var nested []any
		for range 1 + g.IntN(2) {
			nested = append(nested, g.selection(inner, depth-1, n))
		}
		out["select"] = nested
	}
	if depth > 0 && g.IntN(3) == 0 {
		// branches with the same columns
		from := *n
		var branches []any
		for range 2 {
			*n = from
			*n++
			p, _, _ := g.path(inner, 1)
			branch := map[string]any{
				"column": []any{map[string]any{
					"name": fmt.Sprintf("c%d", *n), "path": PickOne(g, "$this", "%rowIndex", "'x'"),
					"type": "string", "collection": true,
				}},
			}
			if each := PickOne(g, "forEachOrNull", "forEachOrNull", "forEach", ""); each != "" {
				branch[each] = p
			}
			branches = append(branches, branch)
		}
		out["unionAll"] = branches
	}
	return out
}

// View makes a view over resources of a type.
func (g Generator) View(t *schema.Type) []byte {
	n := 0
	d := map[string]any{"resource": t.Name, "select": []any{g.selection(t, 2, &n)}}
	if g.IntN(3) == 0 {
		d["select"] = append(d["select"].([]any), g.selection(t, 1, &n))
	}
	if g.IntN(3) == 0 {
		d["where"] = []any{map[string]any{"path": g.condition(t, 1)}}
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return b
}
