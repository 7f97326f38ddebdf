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
	reference := w.members(n, []sof.Property{{Name: "reference", Type: systemType("String")}})
	parts := w.referenceParts(w.text(reference), c)
	id, head := parts+".[id]", parts+".[head]"
	var right string
	if target != "" {
		want := "/" + target
		right = w.sameText(fmt.Sprintf("RIGHT(%s, %d)", head, len(want)), w.lit(want), &want)
	} else {
		typ := w.worked(c, "k", item{fmt.Sprintf("RIGHT(%s, CHARINDEX(%s, REVERSE(%s)) - 1)", head, w.lit("/"), head), "type"}) + ".[type]"
		right = fmt.Sprintf("ASCII(%s) BETWEEN 65 AND 90", typ)
		for _, other := range []string{".", ":", "-", "_"} {
			right += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), typ)
		}
	}
	out := textNode(fmt.Sprintf("CASE WHEN %s THEN %s END", right, id))
	out.alts[0].sized = true
	w.shared[k] = out
	return out
}

// referenceParts applies the parts of a reference that may have a key: what is behind its last
// slash, and what is before it with a slash in front. There is no row for other references. Each
// step is worked out once, since a planner does not look through a TOP.
func (w *writer) referenceParts(ref string, c scope) string {
	k := computedKey{c.at, "parts of " + ref}
	if alias, ok := w.applied[k]; ok {
		return alias
	}
	alias := w.alias("k")
	w.applied[k] = alias
	inner := c.inside()
	history := w.lit("/_history/")
	r := w.worked(inner, "h", item{fmt.Sprintf("LEFT(%s, CHARINDEX(%s, %s + %s) - 1)", ref, history, ref, history), "r"}) + ".[r]"
	at := w.worked(inner, "h", item{fmt.Sprintf("CHARINDEX(%s, REVERSE(%s))", w.lit("/"), r), "at"}) + ".[at]"
	inner.at.top = 1
	inner.at.items = []item{
		{fmt.Sprintf("RIGHT(%s, %s - 1)", r, at), "id"},
		{fmt.Sprintf("%s + LEFT(%s, LEN(%s) - %s)", w.lit("/"), r, r, at), "head"},
	}
	inner.at.where = []string{
		fmt.Sprintf("%s > 1", at),
		fmt.Sprintf("CHARINDEX(%s, %s) = 0", w.lit("?"), r),
		fmt.Sprintf("CHARINDEX(%s, %s) = 0", w.lit("#"), r),
		fmt.Sprintf("LEFT(%s, 4) <> %s", r, w.lit("urn:")),
	}
	c.at.from = append(c.at.from, source{alias: alias, outer: true, query: query{inner.at}})
	return alias
}
