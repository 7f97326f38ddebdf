package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/fhirserver/rawjson"
)

func TestEditsLeaveEveryOtherByteAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in, want string
		edit     func(o *rawjson.Object) error
	}{
		"insert after":          {`{"a":1.10, "b" :0.0}`, `{"a":1.10,"n":[], "b" :0.0}`, func(o *rawjson.Object) error { return o.InsertAfter("a", "n", []byte("[]")) }},
		"insert in front":       {`{"a":1}`, `{"n":2,"a":1}`, func(o *rawjson.Object) error { return o.InsertAfter("zz", "n", []byte("2")) }},
		"insert into empty":     {`{ }`, `{"n":2 }`, func(o *rawjson.Object) error { return o.InsertAfter("", "n", []byte("2")) }},
		"set present":           {`{"a":{"x":"}\"{"},"b":2}`, `{"a":7,"b":2}`, func(o *rawjson.Object) error { return o.Set("a", []byte("7")) }},
		"set absent":            {`{"a":1 }`, `{"a":1,"z":7 }`, func(o *rawjson.Object) error { return o.Set("z", []byte("7")) }},
		"set by an escaped key": {`{"\u0061":1}`, `{"\u0061":2}`, func(o *rawjson.Object) error { return o.Set("a", []byte("2")) }},
		"remove first":          {`{"a":1, "b":2}`, `{"b":2}`, func(o *rawjson.Object) error { return o.Remove("a") }},
		"remove middle":         {`{"a":1, "b":2,"c":3}`, `{"a":1,"c":3}`, func(o *rawjson.Object) error { return o.Remove("b") }},
		"remove only":           {`{"a":"\\"}`, `{}`, func(o *rawjson.Object) error { return o.Remove("a") }},
		"remove absent":         {`{"a":1}`, `{"a":1}`, func(o *rawjson.Object) error { return o.Remove("b") }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := []byte(tt.in)
			o, err := rawjson.Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.edit(o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(o.Text())); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if string(in) != tt.in {
				t.Errorf("the input was changed to %s", in)
			}
		})
	}
}

func TestAtWalksThroughLists(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"p":[{"m":{"r":"x"}},{"n":1},{"m":[{"r":"y"},{"r":"z"}]}]}`)
	var got []string
	for _, v := range rawjson.At(doc, "p", "m", "r") {
		got = append(got, string(v))
	}
	if diff := cmp.Diff([]string{`"x"`, `"y"`, `"z"`}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":"\\\""}],"c":null}`, `{"a"`, `[1]`, `{"a":"\ud83d\ude00"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := rawjson.Parse(text)
		if err != nil || !json.Valid(text) {
			if err != nil && json.Valid(text) && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
				t.Fatalf("a valid object was refused: %v", err)
			}
			return
		}
		if err := o.Set("added", []byte(`{"x":1.10}`)); err != nil {
			t.Fatalf("set: %v", err)
		}
		if !json.Valid(o.Text()) {
			t.Fatal("set made the object invalid")
		}
		if err := o.Remove("added"); err != nil {
			t.Fatalf("remove: %v", err)
		}
		if !json.Valid(o.Text()) {
			t.Fatal("remove made the object invalid")
		}
	})
}
