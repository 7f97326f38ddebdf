package native

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/testkit/randview"
)

// viewOf returns a view of one column.
func viewOf(tb testing.TB, resource, path string, options ...sof.Option) *sof.View {
	tb.Helper()
	src, err := json.Marshal(map[string]any{
		"resource": resource,
		"select": []any{map[string]any{"column": []any{map[string]any{
			"name": "v", "path": path, "collection": true,
		}}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	v, err := sof.Compile("v.json", src, options...)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return v
}

// evaluate returns the items of a path as a JSON array.
func evaluate(tb testing.TB, resource, path, line string) (string, error) {
	tb.Helper()
	e, err := New([]*sof.View{viewOf(tb, resource, path)})
	if err != nil {
		tb.Fatal(err)
	}
	out := ""
	_, err = e.Evaluator().Eval(tb.Context(), []byte(line), func(_ int, row [][]byte) error {
		out = string(row[0])
		return nil
	})
	return out, err
}

func TestPathsOnAPatient(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(randview.Paths, randview.Functions) {
		got, err := evaluate(t, "Patient", c.Text, randview.Patient)
		if err != nil {
			t.Errorf("%s: %v", c.Text, err)
		} else if got != c.Want {
			t.Errorf("%s = %s, want %s", c.Text, got, c.Want)
		}
	}
}

// Every path is run on resources of odd forms. Faults are fine; panics and invalid JSON lists are
// not.
func TestPathsStandOddShapes(t *testing.T) {
	t.Parallel()
	g := randview.New(7, true)
	typ, _ := schema.R4().Type("Patient")
	var lines [][]byte
	for range 150 {
		lines = append(lines, g.Resource(typ))
	}
	for _, c := range slices.Concat(randview.Paths, randview.Functions) {
		e, err := New([]*sof.View{viewOf(t, "Patient", c.Text)})
		if err != nil {
			t.Fatal(err)
		}
		eval := e.Evaluator()
		for _, line := range lines {
			_, err := eval.Eval(t.Context(), line, func(_ int, row [][]byte) error {
				if !json.Valid(row[0]) {
					t.Errorf("%s gives %s on %s", c.Text, row[0], line)
				}
				return nil
			})
			if err != nil && fault.Of(err) != fault.BadData {
				t.Errorf("%s on %s: %v", c.Text, line, err)
			}
		}
	}
}

func TestFaultsOfTheDataNameNoData(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, reason string }{
		{"telecom.value > '1'", "> met more than one item"},
		{"name.given.length()", "length() met more than one item"},
		{"name.use & 'x'", "joining strings met more than one item"},
		{"telecom.single()", "single() met more than one item"},
		{"(telecom.rank as integer) > 1", "as met more than one item"},
		{"telecom.select(rank > 1) and true", "a condition met more than one item"},
		{"telecom.iif(true, 1)", "iif() met more than one item"},
	} {
		_, err := evaluate(t, "Patient", c.path, randview.Patient)
		if err == nil || !strings.Contains(err.Error(), c.reason) ||
			fault.Of(err) != fault.BadData {
			t.Errorf("%s: got %v, want %q", c.path, err, c.reason)
		}
		var at *LineError
		if !errors.As(err, &at) {
			t.Errorf("%s: no LineError in %v", c.path, err)
		}
	}
}

func TestWrongShapesAreFaultsOrPassAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, line, want, reason string }{
		{
			"active and true", `{"resourceType":"Patient","id":"1","active":"yes"}`, "",
			"not true or false",
		},
		{"active", `{"resourceType":"Patient","id":"1","active":"yes"}`, `["yes"]`, ""},
		{"deceased", `{"resourceType":"Patient","id":"1","deceasedBoolean":true,"deceasedDateTime":"2020"}`, `[true,"2020"]`, ""},
		{
			"birthDate > @2000", `{"resourceType":"Patient","id":"1","birthDate":"soon"}`, "",
			"not in FHIR's form",
		},
		{"birthDate", `{"resourceType":"Patient","id":"1","birthDate":{"a": 1}}`, `[{"a":1}]`, ""},
		{"name.family", `{"resourceType":"Patient","id":"1","name":"Smith"}`, `[]`, ""},
		{
			"name.family", `{"resourceType":"Patient","id":"1","name":{"family":"Smith"}}`,
			`["Smith"]`, "",
		},
		{"name.given", `{"resourceType":"Patient","id":"1","name":[[{"given":["A"]}]]}`, `[]`, ""},
		{"gender = 'male'", `{"resourceType":"Patient","id":"1","gender":{}}`, `[false]`, ""},
		{"gender.upper()", `{"resourceType":"Patient","id":"1","gender":1}`, "", "no string"},
	} {
		got, err := evaluate(t, "Patient", c.path, c.line)
		switch {
		case c.reason == "" && (err != nil || got != c.want):
			t.Errorf("%s on %s: %s, %v", c.path, c.line, got, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
			t.Errorf("%s on %s: %s, %v, want %q", c.path, c.line, got, err, c.reason)
		}
	}
}
