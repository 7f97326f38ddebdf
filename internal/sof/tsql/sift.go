package tsql

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// sift skips parsing items of a list whose text shows that a condition is not true for them. An
// item with a string has the string in its JSON, unless it has escapes.
func (w items) sift(n *node, pred sof.Expr) {
	texts := needed(pred)
	for i := range n.alts {
		o := n.alts[i].in
		if o == nil || o.raw == "" || o.json != nil || o.lists != nil {
			continue
		}
		for _, text := range texts {
			w.siftAny(o, [][]string{{text}})
		}
	}
}

// siftAny skips parsing an item that does not have the strings of any alternative. Without
// alternatives all items are parsed.
func (w items) siftAny(o *object, alternatives [][]string) {
	if len(alternatives) == 0 {
		return
	}
	has := func(text string) string {
		return fmt.Sprintf("CHARINDEX(%s, %s) > 0", w.lit(text), o.raw)
	}
	var some []string
	for _, texts := range alternatives {
		var every []string
		for _, text := range texts {
			every = append(every, has(text))
		}
		if one := strings.Join(every, " AND "); !slices.Contains(some, one) {
			some = append(some, one)
		}
	}
	o.check += fmt.Sprintf(" AND (%s OR %s)", strings.Join(some, " OR "), has(`\`))
	o.text = fmt.Sprintf("CASE WHEN %s THEN %s END", o.check, o.raw)
}

// needed returns the strings that the focus contains if a condition is true for it.
func needed(pred sof.Expr) []string {
	switch e := pred.(type) {
	case *sof.Binary:
		switch e.Op {
		case "and":
			return append(needed(e.L), needed(e.R)...)
		case "=":
			for _, side := range [][2]sof.Expr{{e.L, e.R}, {e.R, e.L}} {
				l, ok := side[1].(*sof.Literal)
				if ok && l.Value != nil && l.Value.Type.System == schema.String &&
					l.Value.Text != "" && isBelowFocus(side[0]) {
					return []string{l.Value.Text}
				}
			}
		}
	case *sof.Call:
		if f, ok := e.In.(*sof.Filter); ok && e.Func == sof.FuncExists && isBelowFocus(f.In) {
			return needed(f.Pred)
		}
	}
	return nil
}

// isBelowFocus reports whether an expression yields members of the focus as they are in the
// document.
func isBelowFocus(e sof.Expr) bool {
	switch e := e.(type) {
	case *sof.This:
		return true
	case *sof.Child:
		return isBelowFocus(e.In)
	case *sof.Filter:
		return isBelowFocus(e.In)
	case *sof.OfType:
		return isBelowFocus(e.In)
	case *sof.Call:
		switch e.Func {
		case sof.FuncFirst, sof.FuncLast, sof.FuncSingle, sof.FuncItem:
			return isBelowFocus(e.In)
		default:
		}
	}
	return false
}
