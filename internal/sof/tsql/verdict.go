package tsql

import "strings"

// What a body says of documents that it has no rows for.
const (
	moreThanOne = "more than one item"
	tooDeep     = "repeat goes deeper"
)

// IsVerdict says whether the text of a server's error is what a body says of its
// documents: a failing cast, and servers quote what they could not convert. Their
// numbers for that differ.
func IsVerdict(text string) bool {
	return strings.Contains(text, ": "+moreThanOne+": ") || strings.Contains(text, ": "+tooDeep+" than ")
}
