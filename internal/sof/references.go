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
