package eval

import (
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

func (c *compiler) cond(e syntax.Cond, s *scope) (test, error) {
	switch e := e.(type) {
	case syntax.Compare:
		return c.comparison(e, s)
	case syntax.Logic:
		l, err := c.cond(e.L, s)
		if err != nil {
			return nil, err
		}
		r, err := c.cond(e.R, s)
		return func(f *frame) (tri, error) {
			a, err := l(f)
			if err != nil {
				return 0, err
			}
			b, err := r(f)
			if e.Op == "and" {
				return min(a, b), err
			}
			return max(a, b), err
		}, err
	case syntax.Not:
		x, err := c.cond(e.X, s)
		return func(f *frame) (tri, error) {
			v, err := x(f)
			return -v, err
		}, err
	case syntax.IsNull:
		_, x, err := c.expr(e.X, s)
		return func(f *frame) (tri, error) {
			v, err := x(f)
			return known(v.null != e.Not), err
		}, err
	case syntax.In:
		return c.in(e, s)
	case syntax.Exists:
		applied := c.applied
		c.applied = false
		_, r, err := c.query(e.Query, s)
		c.applied = applied
		return func(f *frame) (tri, error) {
			rows, err := r(f)
			return known(len(rows) > 0), err
		}, err
	case syntax.Between:
		return c.cond(syntax.Logic{
			Op: "and", L: syntax.Compare{Op: ">=", L: e.X, R: e.Low},
			R: syntax.Compare{Op: "<=", L: e.X, R: e.High},
		}, s)
	case syntax.Like:
		return c.like(e, s)
	}
	return nil, refuse("the condition %T is not known here", e)
}

func (c *compiler) in(e syntax.In, s *scope) (test, error) {
	if e.Query != nil {
		return c.inQuery(e, s)
	}
	var one syntax.Cond
	for _, x := range e.List {
		equal := syntax.Compare{Op: "=", L: e.X, R: x}
		if one == nil {
			one = equal
		} else {
			one = syntax.Logic{Op: "or", L: one, R: equal}
		}
	}
	if e.Not {
		one = syntax.Not{X: one}
	}
	return c.cond(one, s)
}

// inQuery runs the query once: it sees no columns of the queries around it.
func (c *compiler) inQuery(e syntax.In, s *scope) (test, error) {
	a, x, err := c.expr(e.X, s)
	if err != nil {
		return nil, err
	}
	applied := c.applied
	c.applied = false
	cols, r, err := c.query(e.Query, &scope{})
	c.applied = applied
	if err != nil {
		return nil, err
	}
	if len(cols.types) != 1 {
		return nil, fail(116, "only one expression can be specified in the select list of IN")
	}
	key, err := sameKey(a, cols.types[0])
	if err != nil {
		return nil, err
	}
	var list map[string]bool
	unknown := false
	read := func() error {
		rows, err := r(&frame{})
		list = map[string]bool{}
		for _, row := range rows {
			if row[0].null {
				unknown = true
			} else {
				list[key(row[0])] = true
			}
		}
		return err
	}
	return func(f *frame) (tri, error) {
		v, err := x(f)
		if err == nil && list == nil {
			err = read()
		}
		is := tri(-1)
		switch {
		case err != nil:
			return 0, err
		case v.null && (len(list) > 0 || unknown):
			is = 0
		case !v.null && list[key(v)]:
			is = 1
		case unknown:
			is = 0
		}
		if e.Not {
			is = -is
		}
		return is, nil
	}, nil
}

func (c *compiler) comparison(e syntax.Compare, s *scope) (test, error) {
	a, x, err := c.expr(e.L, s)
	if err != nil {
		return nil, err
	}
	b, y, err := c.expr(e.R, s)
	if err != nil {
		return nil, err
	}
	order, err := comparable(a, b, e.Op != "=" && e.Op != "<>")
	if err != nil {
		return nil, err
	}
	return func(f *frame) (tri, error) {
		v, w, err := both(x, y, f)
		if err != nil || v.null || w.null {
			return 0, err
		}
		n := order(v, w)
		switch e.Op {
		case "=":
			return known(n == 0), nil
		case "<>":
			return known(n != 0), nil
		case "<":
			return known(n < 0), nil
		case "<=":
			return known(n <= 0), nil
		case ">":
			return known(n > 0), nil
		}
		return known(n >= 0), nil
	}, nil
}

// comparable returns the order of the values of two types, or an error if they have none.
func comparable(a, b syntax.Type, ordered bool) (func(v, w value) int, error) {
	switch {
	case a.Base == "null" || b.Base == "null":
		return func(value, value) int { return 0 }, nil
	case a.Text() && b.Text():
		t, err := collationOf(a, b)
		if err != nil {
			return nil, err
		}
		if t.Collation == "" && ordered {
			return nil, refuse(
				"texts are ordered in the default collation, which every server has another of",
			)
		}
		return func(v, w value) int { return compareTexts(v.s, w.s, t.Collation) }, nil
	case number(a) && number(b):
		return func(v, w value) int {
			scale := max(a.Scale, b.Scale)
			return rescale(v.n, a.Scale, scale).Cmp(rescale(w.n, b.Scale, scale))
		}, nil
	case a.Base == b.Base:
		return func(v, w value) int { return compareValues(v, w, a) }, nil
	}
	return nil, refuse("a %s is compared with a %s", a, b)
}

// compareValues orders two values of one type.
func compareValues(v, w value, t syntax.Type) int {
	switch {
	case t.Text():
		return compareTexts(v.s, w.s, t.Collation)
	case number(t):
		return v.n.Cmp(w.n)
	case t.Base == "varbinary":
		return strings.Compare(v.s, w.s)
	}
	return v.t.Compare(w.t)
}

// sameKey returns a function whose texts are equal for values that are equal.
func sameKey(a, b syntax.Type) (func(value) string, error) {
	if _, err := comparable(a, b, false); err != nil {
		return nil, err
	}
	switch {
	case a.Text() && b.Text():
		t, err := collationOf(a, b)
		return func(v value) string {
			s := strings.TrimRight(v.s, " ")
			if t.Collation == "" {
				s = strings.ToLower(s)
			}
			return s
		}, err
	case number(a) && number(b) && a.Scale == b.Scale:
		return func(v value) string {
			if v.null {
				return ""
			}
			return v.n.String()
		}, nil
	case a.Base == b.Base && !number(a) && a.Base != "varbinary":
		return func(v value) string { return v.t.UTC().String() }, nil
	}
	return nil, refuse("an index over %s and %s", a, b)
}

// compareTexts pads the shorter text with blanks, as SQL does. The default collation disregards
// case.
func compareTexts(a, b, collation string) int {
	if collation == "" {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	if collation == "Latin1_General_100_BIN2_UTF8" {
		n := max(len(a), len(b))
		return strings.Compare(a+strings.Repeat(" ", n-len(a)), b+strings.Repeat(" ", n-len(b)))
	}
	x, y := units(a), units(b)
	for i := range max(len(x), len(y)) {
		p, q := uint16(' '), uint16(' ')
		if i < len(x) {
			p = x[i]
		}
		if i < len(y) {
			q = y[i]
		}
		if p != q {
			return int(p) - int(q)
		}
	}
	return 0
}

func (c *compiler) like(e syntax.Like, s *scope) (test, error) {
	pattern, ok := e.Pattern.(syntax.Text)
	if !ok || strings.ContainsAny(pattern.Value, "[]^") {
		return nil, refuse("LIKE with such a pattern is not known here")
	}
	t, x, err := c.expr(e.X, s)
	if err != nil {
		return nil, err
	}
	if !t.Text() {
		return nil, refuse("LIKE of %s", t)
	}
	p := []rune(pattern.Value)
	if t.Collation == "" {
		p = []rune(strings.ToLower(pattern.Value))
	}
	return func(f *frame) (tri, error) {
		v, err := x(f)
		if err != nil || v.null {
			return 0, err
		}
		text := v.s
		if t.Collation == "" {
			text = strings.ToLower(text)
		}
		return known(matches([]rune(text), p) != e.Not), nil
	}, nil
}

func matches(s, p []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '%':
		for i := 0; i <= len(s); i++ {
			if matches(s[i:], p[1:]) {
				return true
			}
		}
		return false
	case len(s) == 0:
		return false
	}
	return (p[0] == '_' || p[0] == s[0]) && matches(s[1:], p[1:])
}
