package sof

import "strings"

// References says how getReferenceKey() reads references that are not relative.
type References struct {
	// Base is the base URL of the server that the resources come from: an absolute
	// reference has a key only if it begins with Base. Without a Base none has.
	Base string
	// URNs takes the UUID of a urn:uuid reference as the id, whatever its type.
	URNs bool
}

// WithReferences sets how a view reads references. The default knows no base URL.
func WithReferences(r References) Option {
	r.Base = strings.TrimRight(r.Base, "/")
	return func(c *compiler) { c.references = r }
}

// isKey reports whether an expression gives ids.
func isKey(e Expr) bool {
	switch e := e.(type) {
	case *ResourceKey, *ReferenceKey:
		return true
	case *Child:
		return e.Name == "id"
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
