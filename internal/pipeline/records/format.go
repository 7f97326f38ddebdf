package records

import (
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"fhirsynapse/internal/fault"
)

// Format is the greatest format of a document or message that this version of the program can
// use. Its number is in the field "format"; without one it has format 1.
//
// A version that adds a field may keep the format if older versions can ignore the field, also
// while they change the document around it. Otherwise what it writes needs the next format, and
// older versions leave it alone.
const Format = 1

// ErrNewer is wrapped by errors about something that only a newer version of the program can use.
var ErrNewer = errors.New("a newer version of fhirsynapse has written it")

// Newer returns the error about something that only a newer version can use. what names the part
// that this version does not know.
func Newer(what string) error {
	return &fault.Error{
		Class: fault.Transient, Whose: fault.OurSetting,
		Err:    fmt.Errorf("%w: this version does not know %s", ErrNewer, what),
		Remedy: "use that version; docs/operations.md has a section on upgrades",
	}
}

// Decode reads a document. It ignores fields that this version does not know, and returns ErrNewer
// for a document in a format that it does not know.
func Decode(data []byte, into any) error {
	var head struct {
		Format int `json:"format"`
	}
	// A list has no fields; a document that is neither is refused below.
	if err := json.Unmarshal(data, &head); err == nil && head.Format > Format {
		return Newer(fmt.Sprintf("format %d", head.Format))
	}
	err := json.Unmarshal(data, into)
	if err != nil && !errors.Is(err, ErrNewer) {
		return fault.Permanentf("it is not a document of this program: %w", err)
	}
	return err
}

// CheckTables returns ErrNewer if only a newer version can write the tables of a schema. That
// version has written a document with their format; tables without one have format 1.
func CheckTables(ctx context.Context, j Journal, schema string) error {
	_, err := ReadOrNew[struct{}](ctx, j, tablesKey(schema))
	return err
}

// Encode writes a document whose former content was was, or nothing. Fields of the former content
// that this version does not know stay where they are, unless the part of the document that has
// them is gone; a part of a list is the same part if it has the same place.
func Encode(was []byte, value any) ([]byte, error) {
	now, err := json.Marshal(value)
	if err != nil || len(was) == 0 {
		return now, err
	}
	return keepUnknown(reflect.TypeOf(value), was, now)
}

// keepUnknown adds to now the fields of was that t does not have.
func keepUnknown(t reflect.Type, was, now json.RawMessage) (json.RawMessage, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Implements(marshaler) || t.Implements(textMarshaler):
		return now, nil
	case t.Kind() == reflect.Struct:
		return keepFields(was, now, fieldsOf(t))
	case t.Kind() == reflect.Map && hasFields(t.Elem()):
		return keepFields(was, now, func(string) (reflect.Type, bool) { return t.Elem(), true })
	case t.Kind() == reflect.Slice && hasFields(t.Elem()):
		return keepElements(was, now, t.Elem())
	}
	return now, nil
}

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// hasFields reports whether values of a type may have fields that this version does not know.
func hasFields(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return hasFields(t.Elem())
	case reflect.Struct:
		return true
	default:
		return false
	}
}

func keepFields(
	was, now json.RawMessage, typeOf func(name string) (reflect.Type, bool),
) (json.RawMessage, error) {
	before, after := both[map[string]json.RawMessage](was, now)
	if after == nil {
		return now, nil
	}
	changed := false
	for name, old := range before {
		present, there := after[name]
		t, known := typeOf(name)
		switch {
		case !known:
			after[name], changed = old, true
		case there:
			kept, err := keepUnknown(t, old, present)
			if err != nil {
				return nil, err
			}
			changed = changed || len(kept) != len(present)
			after[name] = kept
		}
	}
	if !changed {
		return now, nil
	}
	return json.Marshal(after)
}

func keepElements(was, now json.RawMessage, t reflect.Type) (json.RawMessage, error) {
	before, after := both[[]json.RawMessage](was, now)
	changed := false
	for i := range min(len(before), len(after)) {
		kept, err := keepUnknown(t, before[i], after[i])
		if err != nil {
			return nil, err
		}
		changed = changed || len(kept) != len(after[i])
		after[i] = kept
	}
	if !changed {
		return now, nil
	}
	return json.Marshal(after)
}

// both returns the parts of was and now. It returns none of a text that has no such parts, because
// the part is new or gone.
func both[T any](was, now json.RawMessage) (before, after T) {
	if json.Unmarshal(was, &before) != nil || json.Unmarshal(now, &after) != nil {
		var none T
		return none, none
	}
	return before, after
}

// fieldsOf returns the types of a struct's fields by their name in JSON, in any case, as
// encoding/json reads them.
func fieldsOf(t reflect.Type) func(name string) (reflect.Type, bool) {
	fields := map[string]reflect.Type{}
	addFields(t, fields)
	return func(name string) (reflect.Type, bool) {
		f, known := fields[strings.ToLower(name)]
		return f, known
	}
}

func addFields(t reflect.Type, fields map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			addFields(f.Type, fields)
		case f.IsExported() && name != "-":
			if name == "" {
				name = f.Name
			}
			fields[strings.ToLower(name)] = f.Type
		}
	}
}
