package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
)

// referenceKey is the id that a Reference points to: relative and absolute
// references, either with a version. Contained, urn: and conditional references
// point to no row.
func (w *writer) referenceKey(n *node, target string, c scope) *node {
	if len(n.alts) == 0 {
		return &node{}
	}
	k := sharedKey{at: c.at, focus: n, text: "key of a reference to " + target}
	if known, ok := w.shared[k]; ok {
		return known
	}
	ref := w.text(w.members(n, []sof.Property{{Name: "reference", Type: systemType("String")}}))
	history := w.lit("/_history/")
	r := w.computed(c, "k", item{fmt.Sprintf("CASE WHEN CHARINDEX(%s, %s) > 0 THEN LEFT(%s, CHARINDEX(%s, %s) - 1) ELSE %s END", history, ref, ref, history, ref, ref), "r"}) + ".[r]"
	slash := w.lit("/")
	there := fmt.Sprintf("CHARINDEX(%s, %s) > 0 AND CHARINDEX(%s, %s) = 0 AND CHARINDEX(%s, %s) = 0 AND LEFT(%s, 4) <> %s", slash, r, w.lit("?"), r, w.lit("#"), r, r, w.lit("urn:"))
	at := fmt.Sprintf("CHARINDEX(%s, REVERSE(%s))", slash, r)
	parts := w.computed(c, "k",
		item{fmt.Sprintf("CASE WHEN %s THEN RIGHT(%s, %s - 1) END", there, r, at), "id"},
		item{fmt.Sprintf("CASE WHEN %s THEN %s + LEFT(%s, LEN(%s) - %s) END", there, slash, r, r, at), "head"})
	id, head := parts+".[id]", parts+".[head]"
	var right string
	if target != "" {
		want := "/" + target
		right = w.sameText(fmt.Sprintf("RIGHT(%s, %d)", head, len(want)), w.lit(want), &want)
	} else {
		typ := w.computed(c, "k", item{fmt.Sprintf("RIGHT(%s, CHARINDEX(%s, REVERSE(%s)) - 1)", head, slash, head), "type"}) + ".[type]"
		right = fmt.Sprintf("ASCII(%s) BETWEEN 65 AND 90", typ)
		for _, other := range []string{".", ":", "-", "_"} {
			right += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), typ)
		}
	}
	out := textNode(fmt.Sprintf("CASE WHEN %s THEN NULLIF(%s, %s) END", right, id, w.lit("")))
	w.shared[k] = out
	return out
}
