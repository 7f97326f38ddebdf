package jsontape

import (
	"bytes"

	"fhirsynapse/internal/sof/schema"
)

// Difference is a member of a resource that FHIR R4 lacks or has in another form.
type Difference struct {
	// Name is nil if the member cannot be an element. Names other than 1 to 64 letters and digits
	// may be health data.
	Name []byte
	Kind DifferenceKind
}

// DifferenceKind is the kind of a member's difference from R4.
type DifferenceKind uint8

// The kinds of difference.
const (
	UnknownElement DifferenceKind = iota // R4 has no element of this name
	ListForOne                           // a list where R4 has one value
	OneForList                           // one value where R4 has a list
	OtherKind                            // an object where R4 has a primitive value, or the reverse
	DifferenceKinds
)

// mostDifferences bounds the differences that are kept of a line.
const mostDifferences = 100

// Elements are R4's members of one resource type.
type Elements struct {
	names *Shape // for its lookup
	forms []form // by number in names
	slots []form // by slot of the root
}

// kinds is a set of kinds of value.
type kinds uint16

func kindsOf(all ...Kind) (set kinds) {
	for _, k := range all {
		set |= 1 << k
	}
	return set
}

func (s kinds) has(k Kind) bool { return s>>k&1 != 0 }

// primitives are the JSON kinds of FHIR primitives.
var primitives = kindsOf(KindString, KindNumber, KindTrue, KindFalse)

// form is the expected form of a member's value.
type form struct {
	name  []byte
	known bool
	whole kinds
	items kinds // of a list
}

// formOf returns the form of the values of an element.
func formOf(name string, t *schema.Type, many bool) form {
	f := form{name: []byte(name), known: true, whole: kindsOf(KindObject)}
	if t.Kind == schema.Primitive || t.Kind == schema.SystemType {
		f.whole = primitives
	}
	if many {
		f.items, f.whole = f.whole, kindsOf(KindArray)
	}
	return f
}

// ElementsOf returns the elements of a resource type, or nil for a type that R4 lacks.
func ElementsOf(resource string, root *Shape) *Elements {
	if !schema.R4().IsResource(resource) {
		return nil
	}
	t, _ := schema.R4().Type(resource)
	known := &Elements{names: NewShape()}
	forms := map[string]form{"resourceType": formOf("resourceType", schema.String.Type(), false)}
	for _, e := range t.Elements {
		for _, of := range e.Types {
			name := e.Property(of)
			forms[name] = formOf(name, of, e.Many)
		}
	}
	if len(forms) > maxFields {
		return nil
	}
	for name := range forms {
		known.names.Field(name)
	}
	known.names.sortFields(new([]*Shape))
	known.names.hash()
	for _, name := range known.names.names {
		known.forms = append(known.forms, forms[name])
	}
	for _, name := range root.names {
		f := forms[name]
		if name[0] == '_' {
			f.known, f.whole = true, ^kinds(0)
		}
		f.name = []byte(name)
		known.slots = append(known.slots, f)
	}
	return known
}

// difference returns how a value differs from the form.
func (f *form) difference(whole Kind) DifferenceKind {
	switch {
	case !f.known:
		return UnknownElement
	case whole == KindArray && !f.whole.has(KindArray):
		return ListForOne
	case whole != KindArray && f.whole.has(KindArray):
		return OneForList
	}
	return OtherKind
}

// fits reports whether a value has the form. item is the kind of the first item of a list, kindNone
// for an empty one.
func (f *form) fits(whole, item Kind) bool {
	return f.whole.has(whole) && (whole != KindArray || item == KindNone || f.items.has(item))
}

// skipped compares a member that no view reads: its name, and the offset of its value.
func (t *Tape) skipped(start, end, value int) {
	line := t.Line
	if line[start] == '_' || value >= len(line) || len(t.differences) == mostDifferences {
		return
	}
	whole := kindAt(line, value)
	if whole == KindNone {
		return
	}
	n := t.elements.names.lookup(line, start, end)
	if n < 0 {
		t.unknown(line[start:end:end], value, whole)
		return
	}
	t.compare(&t.elements.forms[n], whole, t.itemAt(value, whole))
}

// unknown records a member whose name R4 lacks in this spelling.
func (t *Tape) unknown(name []byte, value int, whole Kind) {
	if bytes.IndexByte(name, '\\') >= 0 {
		plain := AppendUnescaped(nil, name)
		if n := t.elements.names.SlotOf(string(plain)); n >= 0 {
			t.compare(&t.elements.forms[n], whole, t.itemAt(value, whole))
			return
		}
	}
	if !isElementName(name) {
		name = nil
	}
	t.differences = append(t.differences, Difference{Name: name})
}

func (t *Tape) compare(f *form, whole, item Kind) {
	if !f.fits(whole, item) && len(t.differences) < mostDifferences {
		t.differences = append(t.differences, Difference{Name: f.name, Kind: f.difference(whole)})
	}
}

// itemAt returns the kind of the first item of a list; kindNone for other values.
func (t *Tape) itemAt(value int, whole Kind) Kind {
	if whole != KindArray {
		return KindNone
	}
	if i := t.space(value + 1); i < len(t.Line) && t.Line[i] != ']' {
		return kindAt(t.Line, i)
	}
	return KindNone
}

// kindAt returns the kind of the value that begins at an offset, kindNone for null.
func kindAt(line []byte, i int) Kind {
	switch line[i] {
	case '{':
		return KindObject
	case '[':
		return KindArray
	case '"':
		return KindString
	case 't':
		return KindTrue
	case 'f':
		return KindFalse
	case 'n':
		return KindNone
	}
	return KindNumber
}

// Differences returns the members of the resource that differ from R4, the first 100. They
// are valid until the next Read.
func (t *Tape) Differences(root int32) []Difference {
	if t.elements == nil {
		return nil
	}
	slots := t.Slots[t.Nodes[root].First:]
	for i := range t.elements.slots {
		at := slots[i] - 1
		if at < 0 {
			continue
		}
		d := &t.Nodes[at]
		item := KindNone
		if d.Kind == KindArray && d.First >= 0 {
			item = t.Nodes[d.First].Kind
		}
		t.compare(&t.elements.slots[i], d.Kind, item)
	}
	return t.differences
}

// isElementName reports whether a name can be shown: 1 to 64 letters and digits.
func isElementName(name []byte) bool {
	if len(name) == 0 || len(name) > 64 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, c := range name {
		if lower := c | 0x20; (lower < 'a' || lower > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
