package sof

import (
	"strings"

	"fhirsynapse/internal/sof/schema"
)

// References sets how getReferenceKey() reads references that are not relative.
type References struct {
	// Base is the base URL of the server of the resources: an absolute reference has a key only if
	// it begins with Base. Without Base none has.
	Base string
	// URNs makes the UUID of a urn:uuid reference an id of any type.
	URNs bool
}

// WithReferences sets how a view reads references. By default no base URL is known.
func WithReferences(r References) Option {
	r.Base = strings.TrimRight(r.Base, "/")
	return func(c *compiler) { c.references = r }
}

// isKey reports whether an expression yields ids.
func isKey(e Expr) bool {
	switch e := e.(type) {
	case *ResourceKey, *ReferenceKey:
		return true
	case *Child:
		return e.Name == "id" && ofResource(e.In)
	case *Filter:
		return isKey(e.In)
	case *Call:
		switch e.Func {
		case FuncFirst, FuncLast, FuncSingle, FuncTail, FuncDistinct:
			return isKey(e.In)
		case FuncIif:
			return len(e.Args) > 1 && isKey(e.Args[1])
		default:
		}
	case *Binary:
		return e.Op == "|" && isKey(e.L) && isKey(e.R)
	}
	return false
}

// ofResource reports whether an expression yields resources, or whatever the schema does not tell.
func ofResource(e Expr) bool {
	for _, t := range e.Type().Any {
		if t.Kind != schema.Resource {
			return false
		}
	}
	return true
}
