package tsql

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// call lowers a function that yields at most one item.
func (w values) call(e *sof.Call, c scope) *node {
	if p, ok := w.conditions.callPred(e, c); ok {
		return w.truth(p)
	}
	switch e.Func {
	case sof.FuncFirst, sof.FuncLast:
		if !e.In.Type().Many {
			return w.one(e.In, c)
		}
		return w.lists.firstItem(e, e.In, e.Func == sof.FuncLast, c)
	case sof.FuncItem:
		return w.itemAt(e, c)
	case sof.FuncSingle:
		return w.single(e.In, "single()", c)
	case sof.FuncCount:
		if !e.In.Type().Many {
			return integer(fmt.Sprintf("CASE WHEN %s THEN 1 ELSE 0 END",
				w.items.present(w.one(e.In, c))))
		}
		return integer(w.lists.howMany(e.In, c))
	case sof.FuncTail, sof.FuncSkip, sof.FuncTake, sof.FuncDistinct:
		return w.keep(e, c)
	case sof.FuncIntersect, sof.FuncExclude:
		return w.lists.firstOf(e, false, c, func(inner scope) rows {
			return w.lists.among(e, e.Func == sof.FuncIntersect, inner)
		})
	case sof.FuncIif:
		return w.iif(e, c)
	case sof.FuncJoin:
		return w.join(e, c)
	case sof.FuncLowBoundary, sof.FuncHighBoundary:
		return w.boundary(e, c)
	case sof.FuncAbs, sof.FuncCeiling, sof.FuncFloor, sof.FuncTruncate, sof.FuncRound:
		return w.comparisons.rounded(e, c)
	case sof.FuncUpper, sof.FuncLower, sof.FuncSubstring, sof.FuncReplace, sof.FuncIndexOf,
		sof.FuncLength:
		return w.textCall(e, c)
	case sof.FuncToString, sof.FuncToInteger, sof.FuncToDecimal, sof.FuncToBoolean:
		return w.conversion(e, c)
	default:
	}
	w.refuse(e, fmt.Sprintf("the function %s()", e.Func), "")
	return &node{}
}

func textNode(expr string) *node {
	return &node{alts: []alt{{typ: systemType("String"), text: expr}}}
}

// itemAt lowers an index that is a literal.
func (w values) itemAt(e *sof.Call, c scope) *node {
	at, ok := position(e.Args[0])
	switch {
	case !ok:
		w.refuse(e, "a position that is not a literal", "")
		return &node{}
	case at < 0:
		return &node{}
	case !e.In.Type().Many && at > 0:
		return &node{}
	case !e.In.Type().Many:
		return w.one(e.In, c)
	case at == 0:
		return w.lists.firstItem(e, e.In, false, c)
	}
	inner := c.inside()
	found, number := w.lists.numberedItems(e, e.In, inner)
	inner.at.where = append(inner.at.where, fmt.Sprintf("%s = %d", number, at))
	alias := w.alias("f")
	out := w.items.carried(found, inner.at, alias, c.at, "")
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(e), query: query{inner.at},
	})
	return out
}

// keep lowers skip(), take(), tail() and distinct() of at most one item.
func (w values) keep(e *sof.Call, c scope) *node {
	n := 1
	if len(e.Args) > 0 {
		var ok bool
		if n, ok = position(e.Args[0]); !ok {
			w.refuse(e, fmt.Sprintf("%s() needs a literal number", e.Func), "")
		}
	}
	if e.Func == sof.FuncDistinct || (e.Func == sof.FuncTake) == (n > 0) {
		return w.one(e.In, c)
	}
	return &node{}
}

func (w values) iif(e *sof.Call, c scope) *node {
	inner := c
	if _, this := e.In.(*sof.This); !this {
		inner.focus = w.single(e.In, "iif()", c)
	}
	p := w.conditions.pred(e.Args[0], inner)
	if e.T.Many {
		w.refuse(e, "a list inside iif()", "take the first() or join() of both")
		return &node{}
	}
	then := w.one(e.Args[1], inner)
	otherwise := &node{}
	if len(e.Args) > 2 {
		otherwise = w.one(e.Args[2], inner)
	}
	all := append(append([]alt{}, then.alts...), otherwise.alts...)
	if len(all) == 0 {
		return &node{}
	}
	numeric := true
	for _, a := range all {
		if a.typ == nil || complexType(a.typ) != complexType(all[0].typ) ||
			familyOf(&node{alts: []alt{a}}) != familyOf(&node{alts: all[:1]}) {
			w.refuse(e, "iif() with values of different types", "")
			return &node{}
		}
		numeric = numeric && a.number != "" && a.text == ""
	}
	pick := func(value func(*node) string) string {
		if len(otherwise.alts) == 0 {
			return fmt.Sprintf("CASE WHEN %s THEN %s END", p, value(then))
		}
		if len(then.alts) == 0 {
			return fmt.Sprintf("CASE WHEN %s THEN NULL ELSE %s END", p, value(otherwise))
		}
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", p, value(then), value(otherwise))
	}
	typ := all[0].typ
	if numeric {
		return &node{alts: []alt{{typ: typ, number: pick(func(n *node) string {
			return w.comparisons.number(n, c).number
		}), whole: typ.System == schema.Integer}}}
	}
	text := pick(w.items.text)
	if complexType(typ) {
		return &node{alts: []alt{w.items.opened(c.at, text, w.note(e), typ)}}
	}
	if computed := typ.System == schema.Decimal; computed {
		for _, a := range all {
			if a.text == "" && a.in == nil {
				w.refuse(e, "iif() with a computed decimal and one of the document", "")
			}
		}
	}
	return &node{alts: []alt{{typ: typ, text: text}}}
}

func (w values) join(e *sof.Call, c scope) *node {
	separator := ""
	if len(e.Args) > 0 {
		l, ok := e.Args[0].(*sof.Literal)
		if !ok {
			w.refuse(e, "a separator of join() that is not a literal", "")
			return &node{}
		}
		if l.Value != nil {
			separator = l.Value.Text
		}
		if strings.Contains(separator, "\\\n") || strings.Contains(separator, "\\\r") {
			// such a text is not a single literal, and STRING_AGG needs one
			w.refuse(e, "a separator with a backslash at the end of a line", "")
			return &node{}
		}
	}
	var text string
	if e.In.Type().Many {
		inner := c.inside()
		got := w.lists.rows(e.In, inner)
		text = w.lists.aggregated(e, w.items.text(got.item), separator, got, inner, c)
	} else {
		text = w.items.text(w.one(e.In, c))
	}
	out := textNode(text)
	out.alts[0].sized = e.In.Type().Many
	return out
}

// size returns the number of characters, including blanks at the end.
func (w phrases) size(text string) string {
	return fmt.Sprintf("LEN(%s + %s) - 1", text, w.lit("."))
}

// within lowers startsWith(), endsWith() and contains().
func (w conditions) within(e *sof.Call, c scope) string {
	in, part := w.values.single(e.In, string(e.Func)+"()", c),
		w.values.single(e.Args[0], string(e.Func)+"()", c)
	text, what := w.items.text(in), w.items.text(part)
	n := w.size(what)
	known := knownText(part)
	if known != nil {
		n = fmt.Sprint(utf16Len(*known))
	}
	switch e.Func {
	case sof.FuncStartsWith:
		return w.sameText(fmt.Sprintf("LEFT(%s, %s)", text, n), what, known)
	case sof.FuncEndsWith:
		return w.sameText(fmt.Sprintf("RIGHT(%s, %s)", text, n), what, known)
	default:
	}
	if known != nil && *known == "" {
		return fmt.Sprintf("%s >= 0", w.size(text))
	}
	found := fmt.Sprintf("CHARINDEX(%s, %s) > 0", what, w.collated(text))
	if known != nil {
		return found
	}
	return fmt.Sprintf("(%s = 0 AND %s >= 0 OR %s)", n, w.size(text), found)
}

func (w values) textCall(e *sof.Call, c scope) *node {
	what := string(e.Func) + "()"
	text := w.items.text(w.single(e.In, what, c))
	var args []*node
	for _, a := range e.Args {
		args = append(args, w.single(a, what, c))
	}
	switch e.Func {
	case sof.FuncUpper:
		return textNode(fmt.Sprintf("UPPER(%s)", text))
	case sof.FuncLower:
		return textNode(fmt.Sprintf("LOWER(%s)", text))
	case sof.FuncLength:
		return &node{alts: []alt{{typ: systemType("Integer"), number: w.size(text), whole: true}}}
	case sof.FuncIndexOf:
		if known := knownText(args[0]); known != nil && *known != "" {
			return &node{alts: []alt{{
				typ: systemType("Integer"),
				number: fmt.Sprintf("CHARINDEX(%s, %s) - 1", w.items.text(args[0]),
					w.collated(text)), whole: true,
			}}}
		}
	case sof.FuncReplace:
		if known := knownText(args[0]); known != nil && *known != "" {
			return textNode(fmt.Sprintf("REPLACE(%s, %s, %s)", w.collated(text),
				w.items.text(args[0]), w.items.text(args[1])))
		}
	case sof.FuncSubstring:
		start := w.comparisons.number(args[0], c).number
		count := w.size(text)
		if len(args) > 1 {
			n := w.comparisons.number(args[1], c).number
			count = fmt.Sprintf("CASE WHEN %s > 0 THEN CAST(%s AS int) WHEN %s <= 0 THEN 0 END", n,
				n, n)
		}
		return textNode(
			fmt.Sprintf("CASE WHEN %s >= 0 AND %s < %s THEN SUBSTRING(%s, CAST(%s AS int) + 1, %s) END", start, start, w.size(text), text, start, count))
	default:
	}
	w.refuse(e, what+" of a text that is empty or not a literal", "")
	return &node{}
}

func (w values) conversion(e *sof.Call, c scope) *node {
	in := w.single(e.In, string(e.Func)+"()", c)
	f := familyOf(in)
	text := func() string { return w.items.text(in) }
	plain := func() string {
		return fmt.Sprintf("CASE WHEN CHARINDEX(%s, %s) = 0 AND %s <> %s THEN %s END", w.lit(" "),
			text(), text(), w.lit(""), text())
	}
	switch {
	case e.Func == sof.FuncToString && f != mixed:
		return textNode(text())
	case e.Func == sof.FuncToBoolean && f == truths:
		return in
	case e.Func == sof.FuncToBoolean && f == texts:
		return w.truth(
			fmt.Sprintf("CASE WHEN LOWER(%s) IN (%s) THEN 1 WHEN LOWER(%s) IN (%s) THEN 0 END = 1",
				plain(), w.lits("true", "t", "yes", "y", "1", "1.0"), plain(),
				w.lits("false", "f", "no", "n", "0", "0.0")))
	case e.Func == sof.FuncToInteger && f == texts:
		return &node{alts: []alt{{
			typ: systemType("Integer"), number: fmt.Sprintf("TRY_CAST(%s AS int)", plain()),
			whole: true,
		}}}
	case e.Func == sof.FuncToInteger && f == truths:
		p := w.conditions.condition(in)
		return &node{alts: []alt{{
			typ:    systemType("Integer"),
			number: fmt.Sprintf("CASE WHEN %s THEN 1 WHEN NOT (%s) THEN 0 END", p, p), whole: true,
		}}}
	case e.Func == sof.FuncToDecimal && f == numbers:
		return in
	case e.Func == sof.FuncToDecimal && f == texts:
		return &node{alts: []alt{{
			typ:    systemType("Decimal"),
			number: fmt.Sprintf("TRY_CAST(%s AS %s)", plain(), comparedDecimal),
		}}}
	}
	w.refuse(e, fmt.Sprintf("%s() of this type", e.Func), "")
	return &node{}
}

// hasValue returns the condition that there is exactly one item and it is a primitive.
func (w conditions) hasValue(e *sof.Call, c scope) string {
	for _, t := range e.In.Type().Any {
		if complexType(t) {
			w.refuse(e, "hasValue() of what may be an object", "choose a primitive with ofType()")
			return "1 = 0"
		}
	}
	if e.In.Type().Many {
		return w.lists.howMany(e.In, c) + " = 1"
	}
	return w.items.present(w.values.one(e.In, c))
}

// converts lowers convertsToString() and convertsToBoolean().
func (w conditions) converts(e *sof.Call, c scope) string {
	to := sof.FuncToString
	if e.Func == sof.FuncIsBoolean {
		to = sof.FuncToBoolean
	}
	in := w.values.single(e.In, string(e.Func)+"()", c)
	out := w.values.conversion(&sof.Call{Func: to, In: e.In, T: e.T}, c)
	return fmt.Sprintf("CASE WHEN %s THEN 1 WHEN %s THEN 0 END = 1", w.items.present(out),
		w.items.present(in))
}

func (w phrases) lits(texts ...string) string {
	out := ""
	for i, t := range texts {
		if i > 0 {
			out += ", "
		}
		out += w.lit(t)
	}
	return out
}
