package tsql

import (
	"fmt"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// listIn returns the list of an element of an owner, as JSON, and the type of its items. The list
// is empty if the owner has no such list.
func (w lists) listIn(owner *node, e *sof.Child) (string, *schema.Type) {
	n := w.items.forms(owner, e.Properties)
	var lists []string
	typ := e.Properties[0].Type
	for i := range n.alts {
		a := &n.alts[i]
		list := a.in.member(a.path, true)
		if a.typ == nil {
			// it may also be one scalar
			scalar := a.in.member(a.path, false)
			list = fmt.Sprintf("COALESCE(%s, %s + %s + %s)", list, w.lit("["), w.quoted(scalar),
				w.lit("]"))
		}
		lists = append(lists, list)
		if a.typ != typ {
			typ = nil
		}
	}
	if len(lists) == 0 {
		return "", nil
	}
	return n.guarded(w.wholeList(coalesce(lists))), typ
}

// wholeList returns a list as JSON. An object where FHIR has a list is a list of one.
func (w phrases) wholeList(list string) string {
	return fmt.Sprintf("CASE WHEN LEFT(%s, 1) = %s THEN %s ELSE %s + %s + %s END", list, w.lit("["),
		list, w.lit("["), list, w.lit("]"))
}

// element returns an item of a list that OPENJSON goes through.
func (w lists) element(alias string, typ *schema.Type, at *block) alt {
	value := alias + ".[value]"
	// some servers send the items of OPENJSON as varchar, unless they are cast
	a := alt{typ: typ, text: value, always: true, home: at}
	if typ == nil {
		a.in = &object{
			w: w.writer, at: at,
			text: fmt.Sprintf("CASE WHEN %s.[type] = 5 THEN %s END", alias, value), outer: true,
		}
	}
	if complexType(typ) {
		// OPENJSON fails on text that is not JSON, so it must not get an element of another type
		a.text = fmt.Sprintf("CASE WHEN %s.[type] = 5 THEN %s END", alias, value)
		a.in = &object{w: w.writer, at: at, text: a.text, raw: value, check: alias + ".[type] = 5"}
	}
	return a
}
