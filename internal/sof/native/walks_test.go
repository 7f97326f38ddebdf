package native

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
)

// Infinite walks, and walks with too many results, end at the limits of a line.
func TestWalksAreBounded(t *testing.T) {
	t.Parallel()
	limits := Limits{
		Values: 4 << 20, Memory: 4 << 20, Items: 100_000, Text: 1 << 20, Row: 1 << 20, Rows: 1000,
		Output: 8 << 20, Steps: 3_000_000,
	}
	deep := `{"resourceType":"Patient","id":"1","extension":[` +
		strings.Repeat(`{"url":"u","extension":[`, 400) + strings.Repeat(`]}`, 400) + `]}`
	wide := `{"resourceType":"Patient","id":"1","name":[{"given":["a"` +
		strings.Repeat(`,"b"`, 2000) + `]}]}`
	for name, c := range map[string]struct{ path, line string }{
		"repeat without an end":            {"1.repeat($this + 1).count()", wide},
		"repeat of longer and longer text": {"'x'.repeat($this & $this).count()", wide},
		"a total that doubles": {
			"name.given.aggregate($total & $total, 'x').length()",
			wide,
		},
		"a list that doubles": {
			"name.given.aggregate($total.combine($total), 1).count()",
			wide,
		},
		"descendants in descendants": {"descendants().select(%resource.descendants()).select(%resource.descendants()).count()", deep},
		"descendants of a deep line": {"descendants().select(descendants()).select(descendants()).count()", deep},
	} {
		e := engineOf(t, `{"column":[{"name":"a","path":`+quoted(c.path)+`}]}`)
		_, err := e.Evaluator(limits).Eval(t.Context(), []byte(c.line), func(int, [][]byte) error {
			return nil
		})
		var at *LineError
		if !errors.As(err, &at) || !at.Limit || fault.Of(err) != fault.BadData {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWalksLookAtTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := engineOf(t, `{"column":[{"name":"a","path":"1.repeat($this + 1).count()"}]}`)
	_, err := e.Evaluator().Eval(ctx, []byte(`{"resourceType":"Patient","id":"1"}`),
		func(int, [][]byte) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A walk over a line of usual depth reads each part of it once per level.
func TestDescendantsOfAUsualLine(t *testing.T) {
	t.Parallel()
	line := `{"resourceType":"Patient","id":"1","contact":[{"name":{"family":"x"}}` +
		strings.Repeat(`,{"name":{"family":"x"}}`, 20_000) + `]}`
	e := engineOf(t, `{"column":[{"name":"a","path":"descendants().family.count()"}]}`)
	eval := e.Evaluator()
	_, err := eval.Eval(t.Context(), []byte(line), func(_ int, row [][]byte) error {
		if string(row[0]) != "20001" {
			t.Errorf("got %s", row[0])
		}
		return nil
	})
	if most := int64(len(line)); err != nil || eval.budget.steps > most {
		t.Errorf("%v, %d steps", err, eval.budget.steps)
	}
}

func TestItemsWithoutAValue(t *testing.T) {
	t.Parallel()
	const extension = `{"extension":[{"url":"u","valueCode":"x"}]}`
	for _, c := range []struct{ path, line, want string }{
		{
			"name.given.select(hasValue())",
			`"name":[{"given":[null,"a"],"_given":[` + extension + `]}]`, `[false,true]`,
		},
		{
			"name.given.select($this.hasValue())",
			`"name":[{"given":["a",null,null],"_given":[null,null,` + extension + `]}]`,
			`[true,false]`,
		},
		{
			"name.given.select(hasValue())",
			`"name":[{"_given":[` + extension + `,null]},{"given":["b"]}]`, `[false,true]`,
		},
		{
			"name.given.all(hasValue())",
			`"name":[{"given":[null,"a"],"_given":[` + extension + `]}]`,
			`[false]`,
		},
		{
			"name.given.exists(hasValue().not())",
			`"name":[{"given":[null,"a"],"_given":[` + extension + `]}]`, `[true]`,
		},
		{
			"name.given.where(hasValue().not()).count()",
			`"name":[{"given":[null,"a"],"_given":[` + extension + `]}]`, `[1]`,
		},
		{"name.given.where(hasValue().not()).exists()", `"name":[{"given":["a"]}]`, `[false]`},
		{"name.given.where(hasValue().not()).empty()", `"name":[{"given":["a"]}]`, `[true]`},
		{
			"name.given.where(hasValue().not())",
			`"name":[{"given":[null,"a"],"_given":[` + extension + `]}]`, `[]`,
		},
		{"name.given.select(hasValue())", `"name":[{"given":"a"}]`, `[true]`},
		{"deceased.select(hasValue())", `"_deceasedBoolean":` + extension, `[false]`},
		{"gender.select(hasValue())", `"gender":"male","_gender":` + extension, `[true]`},
		{"birthDate.hasValue()", `"_birthDate":` + extension, `[false]`},
		{"name.given.select(hasValue())", `"name":[{"given":[null]}]`, `[]`},
	} {
		got, err := evaluate(t, "Patient", c.path, `{"resourceType":"Patient","id":"1",`+c.line+`}`)
		if err != nil || got != c.want {
			t.Errorf("%s on %s: %s, %v, want %s", c.path, c.line, got, err, c.want)
		}
	}
}

func TestQuantitiesOfTheData(t *testing.T) {
	t.Parallel()
	const mg = `"valueQuantity":{"value":5.0,"unit":"milligrams","system":"http://unitsofmeasure.org","code":"mg"}`
	for _, c := range []struct{ path, line, want string }{
		{"value = 5 'mg'", mg, `[true]`},
		{"value = 0.005 'g'", mg, `[true]`},
		{"value = 5 'mL'", mg, `[]`},
		{"value > 4 'mg'", mg, `[true]`},
		{"value.ofType(Quantity) + 1 'g'", mg, `["1005.0 'mg'"]`},
		{"value.ofType(Quantity).toQuantity('g')", mg, `["0.005 'g'"]`},
		{"value > 4 'mg'", `"valueString":"much"`, `[]`},
		{"value = 4 'mg'", `"valueString":"4 'mg'"`, `[false]`},
		{"value = 4 'mg'", `"valueCodeableConcept":{"text":"x"}`, `[false]`},
		{"value > 4 'mg'", `"valueQuantity":{"value":5,"code":"mg"}`, `[]`},
		{
			"value > 4 'mg'",
			`"valueQuantity":{"value":5,"system":"http://unitsofmeasure.org","code":"mg","comparator":"<"}`, `[]`,
		},
		{
			"value > 4 'mg'",
			`"valueQuantity":{"value":"5","system":"http://unitsofmeasure.org","code":"mg"}`, `[]`,
		},
		{
			"value > 4 'mg'",
			`"valueQuantity":{ "value" : 5e0 , "system":"http:\/\/unitsofmeasure.org", "c\u006fde":"mg"}`, `[true]`,
		},
		{
			"value > 1 year",
			`"valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"a"}`,
			`[true]`,
		},
		{
			"value > 1 'a'",
			`"valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"a"}`,
			`[true]`,
		},
		{
			"effective.ofType(dateTime) + value.ofType(Quantity)",
			`"effectiveDateTime":"2020-01-31","valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mo"}`, `["2020-02-29"]`,
		},
		{
			"component.value.ofType(Quantity).where($this > 1 'g').code",
			`"component":[{"valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"kg"}},{"valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"mg"}}]`, `["kg"]`,
		},
		{
			"component.value.ofType(Quantity).sort($this).code",
			`"component":[{"valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"kg"}},{"valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"mg"}}]`, `["mg","kg"]`,
		},
	} {
		got, err := evaluate(t, "Observation", c.path,
			`{"resourceType":"Observation","id":"1",`+c.line+`}`)
		if err != nil || got != c.want {
			t.Errorf("%s on %s: %s, %v, want %s", c.path, c.line, got, err, c.want)
		}
	}
}

// descendants() must also find its parts in a line whose first reading was abandoned.
func TestDescendantsOfALargeLine(t *testing.T) {
	t.Parallel()
	e, err := New([]*sof.View{viewOf(t, "Patient", "descendants().ofType(Period).start.first()")})
	if err != nil {
		t.Fatal(err)
	}
	line := `{"resourceType":"Patient","id":"1","name":[{"text":"` + strings.Repeat("x", 40<<20) +
		`","period":{"start":"2026"}}]}`
	got := ""
	_, err = e.Evaluator().Eval(t.Context(), []byte(line), func(_ int, row [][]byte) error {
		got = string(row[0])
		return nil
	})
	if err != nil || got != `["2026"]` {
		t.Errorf("%q, %v", got, err)
	}
}
