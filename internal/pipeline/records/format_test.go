package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
)

// one is a journal with one document.
type one struct{ data []byte }

func (o *one) Read(context.Context, string) (Entry, error) {
	if o.data == nil {
		return Entry{}, fs.ErrNotExist
	}
	return Entry{Data: o.data, ETag: "1"}, nil
}

func (o *one) Write(_ context.Context, _, _ string, data []byte) (string, error) {
	o.data = data
	return "1", nil
}

func (*one) List(context.Context, string) iter.Seq2[string, error] { return nil }

// Every document that is written again keeps the fields that this version does not know, in all its
// parts.
func TestUnknownFieldsStay(t *testing.T) {
	t.Parallel()
	staysIn[Export](t)
	staysIn[Job](t)
	staysIn[PlanRecord](t)
	staysIn[Lease](t)
	staysIn[manifestRecord](t)
	staysIn[manifestPart](t)
	staysIn[verbatim](t)
	staysIn[[]Export](t)
}

func staysIn[T any](t *testing.T) {
	t.Helper()
	var full T
	fill(reflect.ValueOf(&full).Elem(), 0)
	data, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var parts any
	if err := json.Unmarshal(data, &parts); err != nil {
		t.Fatal(err)
	}
	n := 0
	note(reflect.TypeFor[T](), parts, &n)
	want, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	j := &one{want}
	for range 2 { // the second time, the document is one that this version has written
		if _, err := Update(t.Context(), j, "key", func(*T) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(decoded(t, want), decoded(t, j.data)); d != "" || n == 0 {
		t.Errorf("%T with %d unknown fields (-before +after):\n%s", full, n, d)
	}
}

func decoded(t *testing.T, data []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// fill sets all fields of a value.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 6, 0, n, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), i)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), i)
		}
	case reflect.Map:
		element := reflect.New(v.Type().Elem()).Elem()
		fill(element, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), element)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", n))
		if v.Type() == reflect.TypeFor[State]() {
			v.SetString(string(Loading))
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n + 1))
	case reflect.Uint8:
		v.SetUint(uint64(n))
	default:
		panic(v.Kind())
	}
}

// note adds fields to all parts of a document that have fields.
func note(t reflect.Type, v any, n *int) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			note(t.Elem(), element, n)
		}
	case map[string]any:
		for key, part := range v {
			if t.Kind() == reflect.Map {
				note(t.Elem(), part, n)
			} else if f, known := fieldsOf(t)(key); known {
				note(f, part, n)
			}
		}
		if t.Kind() == reflect.Struct {
			*n++
			v["notKnown"] = []any{"<&>", *n, map[string]any{"of": *n}}
		}
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	type part struct {
		Name string `json:"name"`
	}
	type document struct {
		N     int             `json:"n,omitempty"`
		Part  *part           `json:"part,omitempty"`
		Parts []part          `json:"parts,omitempty"`
		Named map[string]part `json:"named,omitempty"`
	}
	b := document{Part: &part{"b"}}
	for name, c := range map[string]struct {
		was   string
		value document
		want  string
	}{
		"nothing unknown":        {`{"n":1,"N":2}`, document{N: 3}, `{"n":3}`},
		"a new document":         {``, document{N: 3}, `{"n":3}`},
		"a known field is gone":  {`{"n":1,"x":1}`, document{}, `{"x":1}`},
		"a number of any length": {`{"x":12345678901234567890.10}`, document{}, `{"x":12345678901234567890.10}`},
		"a part that changed":    {`{"part":{"name":"a","x":1}}`, b, `{"part":{"name":"b","x":1}}`},
		"a part that is gone":    {`{"part":{"name":"a","x":1}}`, document{}, `{}`},
		"a part that was null":   {`{"part":null,"y":2}`, b, `{"part":{"name":"b"},"y":2}`},
		"a list that grows": {
			`{"parts":[{"name":"a","x":1}]}`,
			document{Parts: []part{{"a"}, {"b"}}},
			`{"parts":[{"name":"a","x":1},{"name":"b"}]}`,
		},
		"a list that shrinks": {
			`{"parts":[{"name":"a","x":1},{"name":"b","x":2}]}`,
			document{Parts: []part{{"a"}}},
			`{"parts":[{"name":"a","x":1}]}`,
		},
		"an entry of a map": {
			`{"named":{"k":{"name":"a","x":1},"l":{"x":2}}}`,
			document{Named: map[string]part{"k": {"b"}}},
			`{"named":{"k":{"name":"b","x":1}}}`,
		},
	} {
		got, err := Encode([]byte(c.was), c.value)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// A document that only a newer version can use is neither used nor changed, and the error says what
// to do.
func TestDocumentOfANewerVersion(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"format":2}`, `{"format":2,"state":7}`, `{"state":"counting"}`,
		`{"state":"counting","jobs":{}}`,
	} {
		j := &one{[]byte(text)}
		_, err := Store{j}.UpdateExport(t.Context(), "nightly-000001",
			func(*Export) error { return errors.New("it was used") })
		if !errors.Is(err, ErrNewer) || fault.Of(err) != fault.Transient ||
			!strings.Contains(fault.Remedy(err), "use that version") {
			t.Errorf("%s: %v", text, err)
		}
		if string(j.data) != text {
			t.Errorf("%s became %s", text, j.data)
		}
	}
	for _, text := range []string{`{"jobs":{}}`, `{"format":1,"jobs":{}}`, `[]`, `7`, `{`, ``} {
		_, err := Store{&one{[]byte(text)}}.Export(t.Context(), "nightly-000001")
		if errors.Is(err, ErrNewer) || fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v", text, err)
		}
	}
	e, err := Store{&one{[]byte(`{"format":1,"state":"loading","unknown":1}`)}}.Export(t.Context(),
		"nightly-000001")
	if err != nil || e.State != Loading {
		t.Errorf("%+v, %v", e, err)
	}
}

// Issues are read in the format of earlier versions too, and with fields of newer ones.
func TestIssueRecordsOfOtherVersions(t *testing.T) {
	t.Parallel()
	lost := IssueRecord{
		Issues: []Issue{{Severity: "error", Code: "timeout", Count: 3}}, Lost: []string{AllTypes},
	}
	for text, want := range map[string]IssueRecord{
		`{"error/timeout":3}`: lost,
		`{"x":[],"lost":["*"],
			"issues":[{"severity":"error","code":"timeout","count":3,"x":{}}]}`: lost,
		`{"issues":null}`: {},
		`{}`:              {},
	} {
		var got IssueRecord
		if err := Decode([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
}
