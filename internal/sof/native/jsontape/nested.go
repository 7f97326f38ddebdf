package jsontape

import "fhirsynapse/internal/sof/schema"

// Nested compares the content of a resource's elements with FHIR R4. It reads every member, so it
// is for a sample of the lines; Eval compares the top level of every line. It is for one goroutine.
type Nested struct {
	types map[*schema.Type]map[string]member
	line  ValidJSON
	path  []byte
	found []Difference
}

// member is an element as a JSON member of its type.
type member struct {
	form
	of *schema.Type
}

// NewNested returns a comparer for resources of any type.
func NewNested() *Nested { return &Nested{types: map[*schema.Type]map[string]member{}} }

// Compare returns the differences below the top level, the first 100, with paths such as
// participant.actor as names. Eval must have accepted the line. The result is valid until the next
// call.
func (n *Nested) Compare(line []byte) []Difference {
	n.line, n.path, n.found = line, n.path[:0], n.found[:0]
	if at := n.line.space(0); n.line[at] == '{' {
		n.resource(at, true)
	}
	n.line = nil
	return n.found
}

// resource compares the resource at an offset, and returns the offset after it.
func (n *Nested) resource(at int, top bool) int {
	name := ""
	end := n.line.Members(at, func(key []byte, value, end int) {
		if string(key) == "resourceType" && n.line[value] == '"' {
			name = string(n.line[value+1 : end-1])
		}
	})
	if !schema.R4().IsResource(name) {
		return end
	}
	t, _ := schema.R4().Type(name)
	return n.object(at, t, top)
}

// object compares the members of an object, and returns the offset after it. With top set, the
// members themselves are not reported.
func (n *Nested) object(at int, t *schema.Type, top bool) int {
	if t.Name == anyResource {
		return n.resource(at, false)
	}
	known := n.membersOf(t)
	return n.line.walkMembers(at, func(key []byte, value int) int {
		whole := kindAt(n.line, value)
		if len(key) > 0 && key[0] == '_' || whole == KindNone || len(n.found) >= mostDifferences {
			return n.line.after(value)
		}
		m, ok := known[string(key)]
		switch {
		case ok && m.fits(whole, n.itemAt(value, whole)):
			return n.below(key, m.of, value, whole)
		case top: // Eval reports it
		case ok:
			n.report(key, m.difference(whole))
		default:
			n.report(key, UnknownElement)
		}
		return n.line.after(value)
	})
}

// anyResource is the type of elements such as contained, whose values name their own type.
const anyResource = "Resource"

// itemAt returns the kind of the first item of a list, kindNone for anything else.
func (n *Nested) itemAt(value int, whole Kind) Kind {
	if whole == KindArray {
		if first := n.line.space(value + 1); n.line[first] != ']' {
			return kindAt(n.line, first)
		}
	}
	return KindNone
}

// below compares the objects of a member's value, and returns the offset after it.
func (n *Nested) below(key []byte, of *schema.Type, value int, whole Kind) int {
	if of.Kind == schema.Primitive || of.Kind == schema.SystemType {
		return n.line.after(value)
	}
	before := len(n.path)
	if before > 0 {
		n.path = append(n.path, '.')
	}
	n.path = append(n.path, key...)
	defer func() { n.path = n.path[:before] }()
	if whole == KindObject {
		return n.object(value, of, false)
	}
	return n.line.walkItems(value, func(at int) int {
		if n.line[at] == '{' {
			return n.object(at, of, false)
		}
		return n.line.after(at)
	})
}

func (n *Nested) report(key []byte, kind DifferenceKind) {
	var path []byte
	if isElementName(key) {
		path = append(append(path, n.path...), '.')
		path = append(path, key...)
	}
	n.found = append(n.found, Difference{Name: path, Kind: kind})
}

// membersOf returns R4's JSON members of a type.
func (n *Nested) membersOf(t *schema.Type) map[string]member {
	known := n.types[t]
	if known == nil {
		known = map[string]member{}
		if t.Kind == schema.Resource {
			known["resourceType"] = member{
				formOf("resourceType", schema.String.Type(), false), schema.String.Type(),
			}
		}
		for _, e := range t.Elements {
			for _, of := range e.Types {
				name := e.Property(of)
				known[name] = member{formOf(name, of, e.Many), of}
			}
		}
		n.types[t] = known
	}
	return known
}
