package sof

import (
	"slices"
	"strings"

	"fhirsynapse/internal/sof/schema"
)

func (e *Child) only(keep func(Property) bool) *Child {
	out := &Child{In: e.In, Name: e.Name, T: Type{Many: e.T.Many}}
	for _, p := range e.Properties {
		if keep(p) {
			out.addProperty(p.Name, p.Type)
		}
	}
	return out
}

// matches reports whether an item of type have is a want. A system type matches the primitives that
// convert to it.
func matches(have, want *schema.Type) bool {
	if want == schema.Quantity {
		return have == want
	}
	if want.Kind == schema.SystemType {
		return have.System == want.System
	}
	return have.Is(want)
}

// union returns the type of items of a or b.
func union(a, b Type) Type {
	out := Type{Any: slices.Clone(a.Any), Many: true}
	for _, typ := range b.Any {
		if !slices.Contains(out.Any, typ) {
			out.Any = append(out.Any, typ)
		}
	}
	return out
}

func typeNames(t Type) string {
	var names []string
	for _, typ := range t.Any {
		name := strings.TrimPrefix(typ.Name, "System.")
		if typ.Kind == schema.Backbone {
			name = typ.Path
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "an unknown type"
	}
	if len(names) > 6 {
		names = append(names[:6], "…")
	}
	return strings.Join(names, ", ")
}

// isSystem reports whether every item of t is or may be one of the system types.
func isSystem(t Type, any ...schema.System) bool {
	for _, typ := range t.Any {
		if !slices.Contains(any, typ.System) {
			return false
		}
	}
	return true
}

func booleans(t Type) bool { return isSystem(t, schema.Boolean) }
