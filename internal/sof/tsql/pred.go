package tsql

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// pred lowers an expression to a condition of three-valued logic. Unknown represents no item.
func (w conditions) pred(e sof.Expr, c scope) string {
	switch e := e.(type) {
	case *sof.Binary:
		return w.binaryPred(e, c)
	case *sof.All:
		return w.quantified(e.In, func(inner scope) string {
			return w.pred(e.Pred, inner)
		}, true, c)
	case *sof.Is:
		n := w.values.single(e.In, "is", c)
		is := w.values.ofExactType(n, e, c)
		return fmt.Sprintf("CASE WHEN %s THEN 1 WHEN %s THEN 0 END = 1", w.items.present(is),
			w.items.present(n))
	case *sof.Call:
		if p, ok := w.callPred(e, c); ok {
			return p
		}
	}
	return w.condition(w.values.single(e, "a condition", c))
}

// condition returns a boolean item as a condition.
func (w conditions) condition(n *node) string {
	if len(n.alts) == 1 && n.alts[0].pred != "" && len(n.guards) == 0 {
		return n.alts[0].pred
	}
	return fmt.Sprintf("%s = %s", w.items.text(n), w.lit("true"))
}

func (w conditions) callPred(e *sof.Call, c scope) (string, bool) {
	switch e.Func {
	case sof.FuncExists, sof.FuncEmpty:
		there := e.Func == sof.FuncExists
		if !e.In.Type().Many {
			p := w.items.present(w.values.one(e.In, c))
			if !there {
				p = fmt.Sprintf("NOT (%s)", p)
			}
			return p, true
		}
		p := w.exists(e.In, c)
		if !there {
			p = fmt.Sprintf("NOT (%s)", p)
		}
		return p, true
	case sof.FuncHasValue:
		return w.hasValue(e, c), true
	case sof.FuncIsString, sof.FuncIsBoolean:
		return w.converts(e, c), true
	case sof.FuncNot:
		return fmt.Sprintf("NOT (%s)", w.pred(e.In, c)), true
	case sof.FuncAllTrue, sof.FuncAllFalse:
		return w.quantified(e.In, func(inner scope) string {
			return w.eachIs(e.Func == sof.FuncAllTrue, inner)
		}, true, c), true
	case sof.FuncAnyTrue, sof.FuncAnyFalse:
		return w.quantified(e.In, func(inner scope) string {
			return w.eachIs(e.Func == sof.FuncAnyTrue, inner)
		}, false, c), true
	case sof.FuncStartsWith, sof.FuncEndsWith, sof.FuncContains:
		return w.within(e, c), true
	case sof.FuncIsDistinct:
		all := w.lists.howMany(e.In, c)
		some := w.lists.howMany(&sof.Call{Func: sof.FuncDistinct, In: e.In, T: e.In.Type()}, c)
		return fmt.Sprintf("%s = %s", all, some), true
	case sof.FuncSubsetOf, sof.FuncSupersetOf:
		in, list := e.In, e.Args[0]
		if e.Func == sof.FuncSupersetOf {
			in, list = list, in
		}
		return w.quantified(in, func(inner scope) string {
			// the argument refers to the focus of the call
			return w.found(e, list, inner.focus, scope{
				at: inner.at, home: c.home, focus: c.focus, rowIndex: c.rowIndex,
				itemIndex: c.itemIndex,
			})
		}, true, c), true
	default:
	}
	return "", false
}

func (w conditions) eachIs(want bool, c scope) string {
	p := w.condition(c.focus)
	if !want {
		p = fmt.Sprintf("NOT (%s)", p)
	}
	return p
}

// quantified returns the condition that cond holds for all items of in, or for any.
func (w conditions) quantified(in sof.Expr, cond func(scope) string, every bool, c scope) string {
	inner := c.inside()
	got := w.lists.rows(in, inner)
	inner = inner.on(got.item)
	inner.itemIndex = ""
	if w.lists.plainList(in) {
		inner.itemIndex = got.position()
	}
	p := cond(inner)
	// an aggregate must not mix columns of this block and of the blocks around it
	fits := w.computed(inner, "p", item{fmt.Sprintf("CASE WHEN %s THEN 1 END", p), "v"})
	sum, sign := fmt.Sprintf("COUNT(%s.[v])", fits), ">"
	if every {
		sum, sign = fmt.Sprintf("COUNT(*) - COUNT(%s.[v])", fits), "="
	}
	inner.at.items = []item{{sum, "n"}}
	alias := w.alias("x")
	c.at.from = append(c.at.from, source{
		alias: alias, outer: true, note: w.note(in), query: query{inner.at},
	})
	return fmt.Sprintf("%s.[n] %s 0", alias, sign)
}

func (w conditions) binaryPred(e *sof.Binary, c scope) string {
	switch e.Op {
	case "and", "or", "implies":
		return w.connected(e, c)
	case "xor":
		return fmt.Sprintf("%s <> %s", w.bit(w.pred(e.L, c), c), w.bit(w.pred(e.R, c), c))
	case "=":
		return w.equal(e, c)
	case "!=":
		return fmt.Sprintf("NOT (%s)", w.equal(e, c))
	case "~":
		return w.equivalent(e, c)
	case "!~":
		return fmt.Sprintf("NOT (%s)", w.equivalent(e, c))
	case "<", "<=", ">", ">=":
		l, r := w.values.single(e.L, e.Op, c), w.values.single(e.R, e.Op, c)
		return w.comparisons.compare(e, l, r, e.Op, c)
	case "in":
		return w.member(e, e.L, e.R, c)
	case "contains":
		return w.member(e, e.R, e.L, c)
	}
	w.refuse(e, "the operator "+e.Op, "")
	return "1 = 0"
}

// bit applies a condition as 1, 0 or NULL, so that its text is needed once.
func (w conditions) bit(p string, c scope) string {
	return w.worked(c, "b",
		item{fmt.Sprintf("CASE WHEN %s THEN 1 WHEN NOT (%s) THEN 0 END", p, p), "v"}) + ".[v]"
}

// equal lowers = on collections. Empty yields empty, and lists of different length are not equal.
func (w conditions) equal(e *sof.Binary, c scope) string {
	l, r := e.L, e.R
	switch {
	case l.Type().Many && r.Type().Many:
		w.refuse(e, "two lists are compared",
			"take the first() of both, or exists() with a condition")
		return "1 = 0"
	case r.Type().Many:
		l, r = r, l
	}
	if !l.Type().Many {
		return w.comparisons.compare(e, w.values.one(l, c), w.values.one(r, c), "=", c)
	}
	other := w.values.one(r, c)
	n, count := w.lists.counted(l, c)
	same := w.comparisons.compare(e, n, other, "=", c)
	if w.lists.surely(other) {
		return fmt.Sprintf("(%s <= 1 AND %s)", count, same)
	}
	return fmt.Sprintf("((%s <= 1 OR NOT (%s)) AND %s)", count, w.items.present(other), same)
}

// family groups the system types by how they compare.
type family int

const (
	mixed family = iota
	texts
	numbers
	truths
	dates
	times
)

// familyOf returns the family of an item. It is mixed if the forms of the item differ or are not
// known.
func familyOf(n *node) family {
	out := mixed
	for i := range n.alts {
		f := mixed
		switch system(&n.alts[i]) {
		case schema.String:
			f = texts
		case schema.Integer, schema.Decimal:
			f = numbers
		case schema.Boolean:
			f = truths
		case schema.Date, schema.DateTime:
			f = dates
		case schema.Time:
			f = times
		case schema.None:
		}
		if i > 0 && f != out || f == mixed {
			return mixed
		}
		out = f
	}
	return out
}

// only keeps the forms of an item that compare with a family.
func only(n *node, f family) *node {
	out := &node{guards: n.guards}
	for _, a := range n.alts {
		if familyOf(&node{alts: []alt{a}}) == f {
			out.alts = append(out.alts, a)
		}
	}
	return out
}

// compare compares two items of one family.
func (w comparisons) compare(e sof.Expr, l, r *node, sign string, c scope) string {
	if len(l.alts) == 0 || len(r.alts) == 0 {
		return "NULL = 1"
	}
	f := familyOf(l)
	if g := familyOf(r); f == mixed && g != mixed || g == mixed && f != mixed {
		// an item of another type is never equal
		if f == mixed {
			return w.compareMixed(e, l, r, g, sign, c)
		}
		return w.compareMixed(e, r, l, f, mirrored(sign), c)
	} else if f != g || f == mixed {
		w.refuse(e, "values of these types are compared", "compare an element of them")
		return "1 = 0"
	}
	switch f {
	case texts:
		return w.compareTexts(l, r, sign)
	case numbers:
		x, y := w.number(l, c), w.number(r, c)
		return fmt.Sprintf("%s %s %s", x.number, sign, y.number)
	case truths:
		return w.compareTruths(l, r, c)
	case dates, times:
		return w.compareMoments(l, r, sign, f == times, c)
	case mixed:
	}
	return "1 = 0"
}

func mirrored(sign string) string {
	switch sign {
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return sign
}

// compareMixed compares an item of several possible types with an item of one family.
func (w comparisons) compareMixed(e sof.Expr, l, r *node, f family, sign string, c scope) string {
	some := only(l, f)
	if len(some.alts) == 0 || sign != "=" {
		w.refuse(e, "values of these types are compared", "choose one with ofType()")
		return "1 = 0"
	}
	same := w.compare(e, some, r, "=", c)
	// an item of another type is not an empty one
	return fmt.Sprintf("CASE WHEN %s THEN 1 WHEN NOT (%s) OR (%s AND %s) THEN 0 END = 1", same,
		same, w.items.present(l), w.items.present(r))
}

func knownText(n *node) *string {
	if len(n.alts) == 1 && n.alts[0].literal != nil && len(n.guards) == 0 {
		return &n.alts[0].literal.Text
	}
	return nil
}

func (w comparisons) compareTexts(l, r *node, sign string) string {
	if sign == "=" {
		if knownText(l) != nil {
			l, r = r, l
		}
		return w.sameText(w.items.text(l), w.items.text(r), knownText(r))
	}
	if w.facts.CompareBytes {
		return fmt.Sprintf("%s %s %s", w.exact(w.items.text(l)), sign, w.exact(w.items.text(r)))
	}
	// SQL pads the shorter text with blanks, unless a character below all others follows it
	return fmt.Sprintf("%s %s %s + NCHAR(1)", w.collated(w.items.text(l)+" + NCHAR(1)"), sign,
		w.items.text(r))
}

func (w comparisons) compareTruths(l, r *node, c scope) string {
	for _, pair := range [][2]*node{{l, r}, {r, l}} {
		if k := knownText(pair[1]); k != nil {
			p := w.conditions.condition(pair[0])
			if *k == "true" {
				return p
			}
			return fmt.Sprintf("NOT (%s)", p)
		}
	}
	return fmt.Sprintf("%s = %s", w.items.text(w.settled(l, c)), w.items.text(w.settled(r, c)))
}

// settled returns an item whose conditions are already applied. The text of a condition contains
// the item twice.
func (w comparisons) settled(n *node, c scope) *node {
	out := *n
	out.alts = slices.Clone(n.alts)
	for i := range out.alts {
		if p := &out.alts[i].pred; *p != "" {
			*p = w.conditions.bit(*p, c) + " = 1"
		}
	}
	return &out
}

// member lowers "in": whether a list has the item.
func (w conditions) member(e *sof.Binary, one, list sof.Expr, c scope) string {
	it := w.values.single(one, "in and contains", c)
	if alternatives := literals(list); len(alternatives) > 0 {
		var same []string
		for _, k := range alternatives {
			same = append(same, w.comparisons.compare(e, it, w.values.constant(k), "=", c))
		}
		p := "(" + strings.Join(same, " OR ") + ")"
		if f := familyOf(it); f == dates || f == times {
			// two dates of unknown order are not the same
			p = fmt.Sprintf("CASE WHEN %s THEN 1 WHEN %s THEN 0 END = 1", p, w.items.present(it))
		}
		return p
	}
	found := w.found(e, list, it, c)
	return fmt.Sprintf("CASE WHEN NOT (%s) THEN NULL WHEN %s THEN 1 ELSE 0 END = 1",
		w.items.present(it), found)
}

// literals returns the constants of a union that has nothing else.
func literals(e sof.Expr) []*sof.Constant {
	switch e := e.(type) {
	case *sof.Literal:
		if e.Value != nil {
			return []*sof.Constant{e.Value}
		}
	case *sof.Binary:
		if e.Op == "|" {
			l, r := literals(e.L), literals(e.R)
			if len(l) > 0 && len(r) > 0 {
				return append(l, r...)
			}
		}
	}
	return nil
}

// equivalent lowers ~ for single items. Case and kinds of white space do not count, and empty is
// equivalent to empty.
func (w conditions) equivalent(e *sof.Binary, c scope) string {
	if e.L.Type().Many || e.R.Type().Many {
		w.refuse(e, "~ on a list", "take the first()")
		return "1 = 0"
	}
	l, r := w.values.one(e.L, c), w.values.one(e.R, c)
	f := familyOf(l)
	if f != familyOf(r) || f == mixed || f == numbers {
		w.refuse(e, "~ on other things than strings, booleans, dates and times", "use =")
		return "1 = 0"
	}
	same := ""
	if f == texts {
		same = w.sameText(w.normal(w.items.text(l)), w.normal(w.items.text(r)), nil)
	} else {
		same = w.comparisons.compare(e, l, r, "=", c)
	}
	return fmt.Sprintf("CASE WHEN %s THEN 1 WHEN %s OR %s THEN 0 ELSE 1 END = 1", same,
		w.items.present(l), w.items.present(r))
}

// normal returns a text in the form that ~ compares.
func (w phrases) normal(text string) string {
	for _, code := range []int{9, 10, 13} {
		text = fmt.Sprintf("REPLACE(%s, %s, %s)", text, w.char(code), w.lit(" "))
	}
	return "LOWER(" + text + ")"
}

func (w phrases) char(code int) string {
	if w.facts.National {
		return fmt.Sprintf("NCHAR(%d)", code)
	}
	return fmt.Sprintf("CHAR(%d)", code)
}
