package tsql

import "strings"

// The messages of a body about documents that it has no rows for.
const (
	moreThanOne = "more than one item"
	tooDeep     = "repeat goes deeper"
)

// IsVerdict reports whether the text of a server's error is a message of a body about its
// documents. The body fails by a cast, and servers quote the text that they could not convert;
// their error numbers differ.
func IsVerdict(text string) bool {
	return strings.Contains(text, ": "+moreThanOne+": ") ||
		strings.Contains(text, ": "+tooDeep+" than ")
}
