// Package schema holds the elements of FHIR R4: their types and how often each may repeat. It is
// data with a little navigation, generated from HL7's definitions; see README.md in its folder. It
// does not depend on FHIRPath or views.
package schema

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed" // the element table
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed r4.tsv.gz
var r4 []byte

// System is the FHIRPath system type that a primitive converts to.
type System uint8

// The system types. None is a complex value.
const (
	None System = iota
	Boolean
	String
	Integer
	Decimal
	Date
	DateTime
	Time
)

// String returns the name of the system type.
func (s System) String() string {
	return [...]string{
		"complex", "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time",
	}[s]
}

// Type returns the system type itself, which needs no element table.
func (s System) Type() *Type { return systemTypes[s] }

var systemTypes = [...]*Type{
	Boolean:  newSystemType(Boolean),
	String:   newSystemType(String),
	Integer:  newSystemType(Integer),
	Decimal:  newSystemType(Decimal),
	Date:     newSystemType(Date),
	DateTime: newSystemType(DateTime),
	Time:     newSystemType(Time),
}

// Quantity and TypeInfo are the system types with members: a number with its unit, and the result
// of type().
var (
	Quantity = &Type{Name: "System.Quantity", Path: "System.Quantity", Kind: SystemType}
	TypeInfo = &Type{Name: "System.TypeInfo", Path: "System.TypeInfo", Kind: SystemType}
)

func newSystemType(s System) *Type {
	name := "System." + s.String()
	return &Type{Name: name, Path: name, Kind: SystemType, System: s}
}

// Kind is the kind of a type.
type Kind uint8

// The kinds of type.
const (
	Primitive Kind = iota
	Complex
	Backbone // an element with its own children, for example Patient.contact
	Resource
	SystemType
)

// Type is a FHIR type, a backbone element or a FHIRPath system type.
type Type struct {
	Name   string // "HumanName"; "BackboneElement" for a backbone
	Path   string // place of its definition: "HumanName", "Patient.contact"
	Kind   Kind
	Base   *Type
	System System
	// Elements in the order of the definition.
	Elements []*Element
	byName   map[string]*Element
}

// Element is one child of a type.
type Element struct {
	Name   string // without [x]
	Many   bool
	Choice bool
	// Types holds one type, or the alternatives of a choice.
	Types []*Type
}

// Property returns the JSON name of the element for type t.
func (e *Element) Property(t *Type) string {
	if !e.Choice {
		return e.Name
	}
	return e.Name + strings.ToUpper(t.Name[:1]) + t.Name[1:]
}

// Element returns the child of that name, without [x].
func (t *Type) Element(name string) (*Element, bool) {
	e, ok := t.byName[name]
	return e, ok
}

// Is reports whether t is u or derives from it.
func (t *Type) Is(u *Type) bool {
	for ; t != nil; t = t.Base {
		if t == u {
			return true
		}
	}
	return false
}

// Schema is the element table of one FHIR version.
type Schema struct {
	types map[string]*Type
}

// Type returns a type by name, for example "Patient", "code" or "System.String". Backbone elements
// are named by their path.
func (s *Schema) Type(name string) (*Type, bool) {
	t, ok := s.types[name]
	return t, ok
}

// Names returns the names of all types of a kind, sorted.
func (s *Schema) Names(k Kind) []string {
	var out []string
	for name, t := range s.types {
		if t.Kind == k {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// IsResource reports whether name is a resource type that can be instantiated.
func (s *Schema) IsResource(name string) bool {
	t, ok := s.types[name]
	return ok && t.Kind == Resource && name != "Resource" && name != "DomainResource"
}

// R4 is the table of FHIR 4.0.1. It is loaded once and immutable.
var R4 = sync.OnceValue(func() *Schema {
	s, err := read(r4)
	if err != nil {
		panic("the embedded element table is damaged: " + err.Error())
	}
	return s
})

type row struct{ path, max, types, base string }

func read(gz []byte) (*Schema, error) {
	zr, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, err
	}
	s := &Schema{types: map[string]*Type{}}
	for _, sys := range []System{Boolean, String, Integer, Decimal, Date, DateTime, Time} {
		s.types[sys.Type().Name] = sys.Type()
	}
	s.types[Quantity.Name] = Quantity
	var elements []row
	var bases []row
	sc := bufio.NewScanner(zr)
	for sc.Scan() {
		f := strings.Split(sc.Text(), "\t")
		if len(f) != 4 || f[0] == "path" {
			continue
		}
		r := row{f[0], f[1], f[2], f[3]}
		switch {
		case strings.Contains(r.path, "."):
			elements = append(elements, r)
		default:
			if err := s.define(r); err != nil {
				return nil, err
			}
			bases = append(bases, r)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	for _, r := range bases {
		if r.base != "" {
			s.types[r.path].Base = s.types[r.base]
		}
	}
	for _, t := range s.types {
		if t.Kind == Primitive {
			t.System = systemOf(t)
		}
	}
	return s, s.link(elements)
}

func (s *Schema) define(r row) error {
	kind, ok := map[string]Kind{
		"resource": Resource, "complex-type": Complex, "primitive-type": Primitive,
	}[r.max]
	if !ok {
		return fmt.Errorf("type %s has kind %q", r.path, r.max)
	}
	s.types[r.path] = &Type{Name: r.path, Path: r.path, Kind: kind, byName: map[string]*Element{}}
	return nil
}

// systemOf follows the conversions in the FHIR specification, "Using FHIRPath".
func systemOf(t *Type) System {
	for ; t != nil; t = t.Base {
		switch t.Name {
		case "boolean":
			return Boolean
		case "integer":
			return Integer
		case "decimal":
			return Decimal
		case "date":
			return Date
		case "dateTime", "instant":
			return DateTime
		case "time":
			return Time
		case "string", "uri", "base64Binary", "xhtml":
			return String
		}
	}
	return String
}

// link creates the elements. A backbone is a type named by its path; it must exist before an
// element refers to it, so backbones come first.
func (s *Schema) link(rows []row) error {
	for _, r := range rows {
		if r.types == "BackboneElement" || r.types == "Element" {
			s.types[r.path] = &Type{
				Name: r.types, Path: r.path, Kind: Backbone, Base: s.types[r.types],
				byName: map[string]*Element{},
			}
		}
	}
	for _, r := range rows {
		if r.max == "0" {
			continue
		}
		dot := strings.LastIndexByte(r.path, '.')
		owner, ok := s.types[r.path[:dot]]
		if !ok {
			return fmt.Errorf("element %s has no owner", r.path)
		}
		name, choice := strings.CutSuffix(r.path[dot+1:], "[x]")
		e := &Element{Name: name, Many: r.max != "1", Choice: choice}
		for _, code := range strings.Split(r.types, "|") {
			t, ok := s.types[strings.TrimPrefix(code, "@")]
			if b, is := s.types[r.path]; is {
				t, ok = b, true
			}
			if !ok {
				return fmt.Errorf("element %s has unknown type %q", r.path, code)
			}
			e.Types = append(e.Types, t)
		}
		owner.Elements = append(owner.Elements, e)
		owner.byName[name] = e
	}
	return nil
}
