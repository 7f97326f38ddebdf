package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/testkit/randview"
)

func nested(open, inner, shut string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
}

func TestBadLinesHaveAPlaceAndAReason(t *testing.T) {
	t.Parallel()
	view := viewOf(t, "Patient", "name.given | name.family")
	for name, c := range map[string]struct {
		line   string
		offset int
		reason string
	}{
		"empty":     {"", 0, "the line is empty"},
		"blank":     {"  ", 2, "the line is empty"},
		"no object": {`["a"]`, 0, "expected a JSON object"},
		"BOM":       {"\ufeff{}", 0, "expected a JSON object"},
		"truncated": {
			`{"resourceType":"Patient","id":"1"`, 34,
			"the line ends too early",
		},
		"truncated in a string":  {`{"resourceType":"Pat`, 20, "the line ends too early"},
		"truncated behind comma": {`{"a":1,`, 7, "the line ends too early"},
		"truncated escape":       {`{"a":"\u00`, 6, `\u needs four hexadecimal digits`},
		"trailing text": {
			`{"resourceType":"Patient","id":"1"} x`, 36,
			"text after the end of the JSON object",
		},
		"two objects": {
			`{"resourceType":"Patient","id":"1"}{}`, 35,
			"text after the end of the JSON object",
		},
		"comma at the end":      {`{"a":1,}`, 7, "expected a member name in double quotes"},
		"comma in a list":       {`{"a":[1,]}`, 8, "expected a JSON value"},
		"no colon":              {`{"a" 1}`, 5, "expected a colon"},
		"no comma":              {`{"a":1 "b":2}`, 7, "expected a comma or }"},
		"no comma in a list":    {`{"name":[1 2]}`, 11, "expected a comma or ]"},
		"bare name":             {`{a:1}`, 1, "expected a member name in double quotes"},
		"leading zero":          {`{"a":01}`, 6, "expected a comma or }"},
		"plus sign":             {`{"a":+1}`, 5, "expected a JSON value"},
		"no fraction":           {`{"a":1.}`, 7, "expected a digit after the decimal point"},
		"no exponent":           {`{"a":1e}`, 7, "expected a digit in the exponent"},
		"NaN":                   {`{"a":NaN}`, 5, "expected a JSON value"},
		"capital True":          {`{"a":True}`, 5, "expected a JSON value"},
		"cut word":              {`{"a":nul}`, 5, "expected a JSON value"},
		"control character":     {"{\"a\":\"x\ty\"}", 7, "a control character in a string"},
		"unknown escape":        {`{"a":"\x"}`, 6, "unknown escape sequence"},
		"half a surrogate pair": {`{"a":"\ud800"}`, 6, "half of a surrogate pair"},
		"low surrogate": {
			`{"name":[{"family":"\udc00"}]}`, 20,
			"half of a surrogate pair",
		},
		"invalid UTF-8":  {"{\"a\":\"\xff\"}", 6, "invalid UTF-8"},
		"overlong UTF-8": {"{\"a\":\"\xc0\x80\"}", 6, "invalid UTF-8"},
		"deep in what is read": {
			`{"name":` + nested("[", "", "]", 10_000) + "}", 1007,
			"nested too deeply",
		},
		"deep in what is not": {
			`{"a":` + nested(`{"a":`, "1", "}", 10_000) + "}", 0,
			"nested too deeply",
		},
		"a member twice":          {`{"id":"1","id":"2"}`, 10, "the same member twice"},
		"a member twice, null":    {`{"id":null,"id":"2"}`, 11, "the same member twice"},
		"a member twice, escaped": {`{"id":"1","\u0069d":"2"}`, 10, "the same member twice"},
		"no type":                 {`{"id":"1"}`, 0, "there is no resourceType"},
		"type is no string":       {`{"id":"1","resourceType":5}`, 0, "there is no resourceType"},
		"no id":                   {`{"resourceType":"Patient"}`, 0, "the resource has no id"},
		"id is no string": {
			`{"resourceType":"Patient","id":7}`, 0,
			"the resource has no id",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := New([]*sof.View{view})
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Evaluator().Eval(t.Context(), []byte(c.line), func(int, [][]byte) error {
				t.Error("a bad line emitted a row")
				return nil
			})
			var at *LineError
			if !errors.As(err, &at) || fault.Of(err) != fault.BadData {
				t.Fatalf("got %v", err)
			}
			if at.Reason != c.reason || c.offset != 0 && at.Offset != c.offset {
				t.Errorf("byte %d: %s; want byte %d: %s", at.Offset, at.Reason, c.offset, c.reason)
			}
		})
	}
}

func TestGoodLinesInUnusualForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{" { \"resourceType\" : \"Patient\" , \"id\" : \"1\" , \"name\" : [ { \"given\" : [ \"A\" , \"B\" ] } ] } \r", `["A","B"]`},
		{`{"resourceType":"Patient","\u0069d":"1","n\u0061me":[{"given":["\u0041\ud83d\ude00\/"]}]}`, `["A😀/"]`},
		{`{"resourceType":"Patient","id":"1","a":` + nested(`[`, "", "]", 900) + `}`, `[]`},
		{`{"resourceType":"Patient","id":"1","name":[]}`, `[]`},
		{`{"resourceType":"Patient","id":"1","name":[null,{"given":null}]}`, `[]`},
		{`{"name":[{"given":["late"]}],"id":"1","resourceType":"Patient"}`, `["late"]`},
		{`{"resourceType":"Patient","id":"1","a":{"id":"1","id":"2"}}`, `[]`},
	} {
		got, err := evaluate(t, "Patient", "name.given", c.line)
		if err != nil || got != c.want {
			t.Errorf("%.60s: %s, %v", c.line, got, err)
		}
	}
}

func TestResourceTellsWhatTheLineIs(t *testing.T) {
	t.Parallel()
	tombstone := `{"url":"http://azurehealthcareapis.com/data-extensions/deleted-state","valueString":"soft-deleted"}`
	for name, c := range map[string]struct {
		line string
		want Resource
		rows int
	}{
		"plain": {
			`{"resourceType":"Patient","id":"a","meta":{"versionId":"7","lastUpdated":"2024-01-01T00:00:00Z"}}`,
			Resource{
				Type: []byte("Patient"), ID: []byte("a"), VersionID: []byte("7"),
				LastUpdated: []byte("2024-01-01T00:00:00Z"),
			},
			1,
		},
		"other type": {
			`{"resourceType":"Observation","id":"a"}`,
			Resource{Type: []byte("Observation"), ID: []byte("a")},
			0,
		},
		"deleted": {
			`{"resourceType":"Patient","id":"a","meta":{"extension":[{"url":"x"},` + tombstone +
				`]}}`,
			Resource{Type: []byte("Patient"), ID: []byte("a"), Deleted: true},
			0,
		},
		"not deleted": {
			`{"resourceType":"Patient","id":"a","meta":{"extension":[{"url":"x","valueString":"soft-deleted"}]}}`,
			Resource{Type: []byte("Patient"), ID: []byte("a")},
			1,
		},
		"subsetted": {
			`{"resourceType":"Patient","id":"a","meta":{"tag":[{"code":"x"},{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}`,
			Resource{Type: []byte("Patient"), ID: []byte("a"), Subsetted: true},
			1,
		},
		"another system's tag": {
			`{"resourceType":"Patient","id":"a","meta":{"tag":[{"system":"urn:mine","code":"SUBSETTED"}]}}`,
			Resource{Type: []byte("Patient"), ID: []byte("a")},
			1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, views := range [][]*sof.View{{viewOf(t, "Patient", "id")}, nil} {
				e, err := New(views)
				if err != nil {
					t.Fatal(err)
				}
				rows := 0
				got, err := e.Evaluator().Eval(t.Context(),
					[]byte(c.line), func(int, [][]byte) error {
						rows++
						return nil
					})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Type, c.want.Type) || !bytes.Equal(got.ID, c.want.ID) ||
					!bytes.Equal(got.VersionID, c.want.VersionID) ||
					!bytes.Equal(got.LastUpdated, c.want.LastUpdated) ||
					got.Deleted != c.want.Deleted || got.Subsetted != c.want.Subsetted {
					t.Errorf("got %+v", got)
				}
				if views != nil && rows != c.rows {
					t.Errorf("%d rows, want %d", rows, c.rows)
				}
			}
		})
	}
}

func TestViewsOfTwoTypesMakeNoEngine(t *testing.T) {
	t.Parallel()
	if _, err := New([]*sof.View{
		viewOf(t, "Patient", "id"), viewOf(t, "Observation", "id"),
	}); err == nil {
		t.Error("an engine of two types")
	}
}

func TestAnErrorOfEmitComesBackAsItIs(t *testing.T) {
	t.Parallel()
	e, err := New([]*sof.View{viewOf(t, "Patient", "id")})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	_, err = e.Evaluator().Eval(t.Context(), []byte(`{"resourceType":"Patient","id":"1"}`),
		func(int, [][]byte) error { return full })
	if !errors.Is(err, full) || fault.Of(err) == fault.BadData {
		t.Errorf("got %v", err)
	}
}

func TestAnEvaluatorIsAsGoodAfterABadLine(t *testing.T) {
	t.Parallel()
	v := viewOf(t, "Patient", "name.select(given.join('')) | %rowIndex.toString()")
	e, err := New([]*sof.View{v})
	if err != nil {
		t.Fatal(err)
	}
	eval := e.Evaluator()
	good := []byte(`{"resourceType":"Patient","id":"1","name":[{"given":["a","b"]}]}`)
	for range 3 {
		for _, bad := range []string{
			`{`, `{"resourceType":"Patient","id":"1","name":[{"given":[1]}]}`, `{"x":[[[`,
		} {
			if _, err := eval.Eval(t.Context(), []byte(bad), func(int, [][]byte) error {
				return nil
			}); err == nil {
				t.Fatalf("%s passes", bad)
			}
		}
		_, err := eval.Eval(t.Context(), good, func(_ int, row [][]byte) error {
			if string(row[0]) != `["ab","0"]` {
				t.Errorf("got %s", row[0])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The engine accepts the same lines as encoding/json and UTF-8, except those that its rules refuse:
// depth, halves of surrogate pairs, repeated members, lines without a resource.
func FuzzEvalAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add([]byte(randview.Patient))
	f.Add([]byte(`{"resourceType":"Patient","id":"1","name":[{"given":["\u00e9",null]}],"x":[1.5e-3,{"a":[]}]}`))
	view := viewOf(f, "Patient",
		"name.given | name.family | telecom.where(rank > 1).value | extension.value.ofType(string)")
	e, err := New([]*sof.View{view}, IDOptional())
	if err != nil {
		f.Fatal(err)
	}
	byRule := []string{
		"nested too deeply", "half of a surrogate pair", "the same member twice",
		"there is no resourceType", "expected a JSON object", "met more than one",
		"different types are compared", "out of range",
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_, err := e.Evaluator().Eval(t.Context(), line, func(_ int, row [][]byte) error {
			if !json.Valid(row[0]) || !utf8.Valid(row[0]) {
				t.Fatalf("the list %q is not JSON", row[0])
			}
			return nil
		})
		valid := json.Valid(line) && utf8.Valid(line)
		if err == nil && !valid {
			t.Fatalf("%q passes", line)
		}
		if err != nil && valid {
			for _, r := range byRule {
				if strings.Contains(err.Error(), r) {
					return
				}
			}
			t.Fatalf("%q is refused: %v", line, err)
		}
	})
}

func TestAnEngineServesManyGoroutines(t *testing.T) {
	t.Parallel()
	var views []*sof.View
	for _, c := range randview.Paths {
		views = append(views, viewOf(t, "Patient", c.Text))
	}
	e, err := New(views)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			eval := e.Evaluator()
			for range 20 {
				seen := 0
				_, err := eval.Eval(t.Context(),
					[]byte(randview.Patient), func(view int, row [][]byte) error {
						seen++
						if want := randview.Paths[view].Want; string(row[0]) != want {
							t.Errorf("%s = %s, want %s", randview.Paths[view].Text, row[0], want)
						}
						return nil
					})
				if err != nil || seen != len(randview.Paths) {
					t.Errorf("%d views, %v", seen, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestALongLineIsNotRemembered(t *testing.T) {
	t.Parallel()
	e, err := New([]*sof.View{viewOf(t, "Patient", "name.given.join(' ')")})
	if err != nil {
		t.Fatal(err)
	}
	eval := e.Evaluator()
	none := func(int, [][]byte) error { return nil }
	long := `{"resourceType":"Patient","id":"1","name":[{"given":["\n"` +
		strings.Repeat(`,"long\t"`, 1<<18) + `]}],"x":"` + strings.Repeat("x", 40<<20) + `"}`
	for _, line := range []string{long, `{"resourceType":"Patient","id":"2"}`} {
		if _, err := eval.Eval(t.Context(), []byte(line), none); err != nil {
			t.Fatal(err)
		}
	}
	for part, held := range map[string]int{
		"arena": cap(eval.arena), "nodes": cap(eval.tape.Nodes) * 20,
		"slots": cap(eval.tape.Slots) * 4, "stack": cap(eval.stack) * itemSize,
	} {
		if held > jsontape.Keep {
			t.Errorf("%s: %d bytes are held after a line of %d", part, held, len(long))
		}
	}
}
