package tsql

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
)

// referenceOf tells keys of references that are lowered once.
type referenceOf struct {
	at    *block
	focus *node
	key   sof.ReferenceKey // without its input
}

// referenceKey is the id that a Reference points to: a relative reference, or an absolute one at the
// base URL of the source, either with a version. Others point to no row.
func (w *writer) referenceKey(n *node, e *sof.ReferenceKey, c scope) *node {
	if len(n.alts) == 0 {
		return &node{}
	}
	k := referenceOf{c.at, n, *e}
	k.key.In = nil
	if known, ok := w.references[k]; ok {
		return known
	}
	ref := w.text(w.members(n, []sof.Property{{Name: "reference", Type: systemType("String")}}))
	parts := w.referenceParts(ref, e.Base, c)
	id, typ := parts+".[id]", parts+".[type]"
	var right string
	if e.Target != "" {
		right = w.sameText(typ, w.lit(e.Target), &e.Target)
	} else {
		right = fmt.Sprintf("ASCII(%s) BETWEEN 65 AND 90", typ)
		for _, other := range []string{".", ":", "-", "_"} {
			right += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), typ)
		}
	}
	key := fmt.Sprintf("CASE WHEN %s THEN %s END", right, id)
	if e.URNs {
		key = fmt.Sprintf("CASE WHEN %s THEN %s WHEN %s THEN %s END", right, id, w.isUUID(ref), w.afterURN(ref))
	}
	out := textNode(key)
	out.alts[0].sized = true
	w.references[k] = out
	return out
}

// urnUUID is in front of a UUID in a reference.
const urnUUID = "urn:uuid:"

func (w *writer) afterURN(ref string) string {
	return fmt.Sprintf("SUBSTRING(%s, %d, LEN(%s))", ref, len(urnUUID)+1, ref)
}

// isUUID is the condition that a reference is a URN with the characters of a UUID.
func (w *writer) isUUID(ref string) string {
	prefix := urnUUID
	out := fmt.Sprintf("LEN(%s) > %d AND %s", ref, len(urnUUID), w.sameText(fmt.Sprintf("LEFT(%s, %d)", ref, len(urnUUID)), w.lit(urnUUID), &prefix))
	for _, other := range strings.Split("/?#._: ", "") {
		out += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), w.afterURN(ref))
	}
	return out
}

// referenceParts applies the type and the id of a reference that may have a key; there is no row for
// others. Each step is worked out once, since a planner does not look through a TOP.
func (w *writer) referenceParts(ref, base string, c scope) string {
	k := computedKey{c.at, "parts of " + ref + " at " + base}
	if alias, ok := w.applied[k]; ok {
		return alias
	}
	alias := w.alias("k")
	w.applied[k] = alias
	inner := c.inside()
	history, slash := w.lit("/_history/"), w.lit("/")
	r := w.worked(inner, "h", item{fmt.Sprintf("LEFT(%s, CHARINDEX(%s, %s + %s) - 1)", ref, history, ref, history), "r"}) + ".[r]"
	local := fmt.Sprintf("CASE WHEN LEFT(%s, 1) = %s THEN SUBSTRING(%s, 2, LEN(%s))", r, slash, r, r)
	if base != "" {
		base += "/"
		size := utf16Len(base)
		local += fmt.Sprintf(" WHEN %s THEN SUBSTRING(%s, %d, LEN(%s))", w.sameText(fmt.Sprintf("LEFT(%s, %d)", r, size), w.lit(base), &base), r, size+1, r)
	}
	l := w.worked(inner, "h", item{local + fmt.Sprintf(" ELSE %s END", r), "l"}) + ".[l]"
	p := w.worked(inner, "h", item{fmt.Sprintf("CHARINDEX(%s, %s)", slash, l), "p"}) + ".[p]"
	id := fmt.Sprintf("SUBSTRING(%s, %s + 1, LEN(%s))", l, p, l)
	inner.at.top = 1
	inner.at.items = []item{{fmt.Sprintf("LEFT(%s, %s - 1)", l, p), "type"}, {id, "id"}}
	// An engine looks at the first condition before it does any of the work: most references of a view are absent.
	inner.at.where = []string{ref + " IS NOT NULL", p + " > 1", fmt.Sprintf("%s < LEN(%s)", p, l)}
	for _, other := range []string{"/", "?", "#"} {
		inner.at.where = append(inner.at.where, fmt.Sprintf("CHARINDEX(%s, %s) = 0", w.lit(other), id))
	}
	c.at.from = append(c.at.from, source{alias: alias, outer: true, query: query{inner.at}})
	return alias
}
