package tsql

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
)

// referenceOf identifies keys of references that are lowered once.
type referenceOf struct {
	at    *block
	focus *node
	key   sof.ReferenceKey // without its input
}

// referenceKey returns the id that a Reference points to: a relative reference, or an absolute one
// at the base URL of the source, either with a version. Other references point to no row.
func (w values) referenceKey(n *node, e *sof.ReferenceKey, c scope) *node {
	if len(n.alts) == 0 {
		return &node{}
	}
	k := referenceOf{c.at, n, *e}
	k.key.In = nil
	if known, ok := w.references[k]; ok {
		return known
	}
	ref := w.items.text(w.items.members(n,
		[]sof.Property{{Name: "reference", Type: systemType("String")}}))
	var key string
	if e.Target == "" {
		key = w.keyOfAny(ref, e.Base, c)
	} else {
		key = w.keyOfTarget(ref, e, c)
	}
	if e.URNs {
		key += fmt.Sprintf(" WHEN %s THEN %s", w.isUUID(ref), w.afterURN(ref))
	}
	key = "CASE " + key + " END"
	out := textNode(key)
	out.alts[0].sized = true
	w.references[k] = out
	return out
}

// history separates an id from a version.
const history = "/_history/"

// keyOfTarget returns the branch of a CASE for the id of a reference to one type.
func (w values) keyOfTarget(ref string, e *sof.ReferenceKey, c scope) string {
	id := w.behindType(ref, e, c) + ".[id]"
	right := fmt.Sprintf("LEN(%s) > 0", id)
	for _, other := range []string{"/", "?", "#"} {
		right += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), id)
	}
	return fmt.Sprintf("WHEN %s THEN %s", right, id)
}

// behindType applies the part of a reference after the type, up to the version. The reference is to
// one type.
func (w values) behindType(ref string, e *sof.ReferenceKey, c scope) string {
	r := w.unversioned(ref, c)
	starts := []string{e.Target + "/", "/" + e.Target + "/"}
	if e.Base != "" {
		starts = append(starts, e.Base+"/"+e.Target+"/")
	}
	id := "CASE"
	for _, s := range starts {
		size := utf16Len(s)
		id += fmt.Sprintf(" WHEN %s THEN SUBSTRING(%s, %d, %d)",
			w.sameText(fmt.Sprintf("LEFT(%s, %d)", r, size), w.lit(s), &s), r, size+1,
			math.MaxInt32)
	}
	return w.appliedOnce("k", item{id + " END", "id"}, []string{r + " IS NOT NULL"}, c)
}

// unversioned applies a reference up to its version.
func (w values) unversioned(ref string, c scope) string {
	r := fmt.Sprintf("LEFT(%s, CHARINDEX(%s, %s + %s) - 1)", ref, w.lit(history), ref,
		w.lit(history))
	return w.appliedOnce("h", item{r, "r"}, slices.Clone(c.at.wants), c) + ".[r]"
}

// appliedOnce applies an expression that is computed once, and only where conditions hold. An
// engine checks the conditions before it does any of the work.
func (w *writer) appliedOnce(kind string, it item, where []string, c scope) string {
	k := computedKey{c.at, it.text() + "\n" + strings.Join(where, "\n")}
	if alias, ok := w.applied[k]; ok {
		return alias
	}
	alias := w.alias(kind)
	w.applied[k] = alias
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, query: query{{top: 1, items: []item{it}, where: where}},
	})
	return alias
}

// keyOfAny returns the branch of a CASE for the id of a reference to any type.
func (w values) keyOfAny(ref, base string, c scope) string {
	parts := w.referenceParts(ref, base, c)
	typ := parts + ".[type]"
	right := fmt.Sprintf("ASCII(%s) BETWEEN 65 AND 90", typ)
	for _, other := range []string{".", ":", "-", "_"} {
		right += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), typ)
	}
	return fmt.Sprintf("WHEN %s THEN %s.[id]", right, parts)
}

// urnUUID precedes a UUID in a reference.
const urnUUID = "urn:uuid:"

func (w phrases) afterURN(ref string) string {
	return fmt.Sprintf("SUBSTRING(%s, %d, LEN(%s))", ref, len(urnUUID)+1, ref)
}

// isUUID returns the condition that a reference is a URN with the characters of a UUID.
func (w phrases) isUUID(ref string) string {
	prefix := urnUUID
	out := fmt.Sprintf("LEN(%s) > %d AND %s", ref, len(urnUUID),
		w.sameText(fmt.Sprintf("LEFT(%s, %d)", ref, len(urnUUID)), w.lit(urnUUID), &prefix))
	for _, other := range strings.Split("/?#._: ", "") {
		out += fmt.Sprintf(" AND CHARINDEX(%s, %s) = 0", w.lit(other), w.afterURN(ref))
	}
	return out
}

// referenceParts applies the type and the id of a reference that may have a key. Other references
// have no row; each step is computed once, because a planner does not look through a TOP.
func (w values) referenceParts(ref, base string, c scope) string {
	k := computedKey{c.at, "parts of " + ref + " at " + base}
	if alias, ok := w.applied[k]; ok {
		return alias
	}
	alias := w.alias("k")
	w.applied[k] = alias
	inner := c.inside()
	history, slash := w.lit(history), w.lit("/")
	r := w.worked(inner, "h",
		item{
			fmt.Sprintf("LEFT(%s, CHARINDEX(%s, %s + %s) - 1)", ref, history, ref, history), "r",
		}) + ".[r]"
	local := fmt.Sprintf("CASE WHEN LEFT(%s, 1) = %s THEN SUBSTRING(%s, 2, LEN(%s))", r, slash, r,
		r)
	if base != "" {
		base += "/"
		size := utf16Len(base)
		local += fmt.Sprintf(" WHEN %s THEN SUBSTRING(%s, %d, LEN(%s))",
			w.sameText(fmt.Sprintf("LEFT(%s, %d)", r, size), w.lit(base), &base), r, size+1, r)
	}
	l := w.worked(inner, "h", item{local + fmt.Sprintf(" ELSE %s END", r), "l"}) + ".[l]"
	p := w.worked(inner, "h", item{fmt.Sprintf("CHARINDEX(%s, %s)", slash, l), "p"}) + ".[p]"
	id := fmt.Sprintf("SUBSTRING(%s, %s + 1, LEN(%s))", l, p, l)
	inner.at.top = 1
	inner.at.items = []item{{fmt.Sprintf("LEFT(%s, %s - 1)", l, p), "type"}, {id, "id"}}
	// An engine checks the first condition before it does any of the work: most references of a
	// view are absent.
	inner.at.where = []string{ref + " IS NOT NULL", p + " > 1", fmt.Sprintf("%s < LEN(%s)", p, l)}
	for _, other := range []string{"/", "?", "#"} {
		inner.at.where = append(inner.at.where,
			fmt.Sprintf("CHARINDEX(%s, %s) = 0", w.lit(other), id))
	}
	c.at.from = append(c.at.from, source{alias: alias, outer: true, query: query{inner.at}})
	return alias
}
