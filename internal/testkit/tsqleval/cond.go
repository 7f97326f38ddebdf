package tsqleval

import (
	"fmt"
	"strings"
)

func (c *compiler) cond(e cond, s *scope) (test, error) {
	switch e := e.(type) {
	case comparison:
		return c.comparison(e, s)
	case logic:
		l, err := c.cond(e.l, s)
		if err != nil {
			return nil, err
		}
		r, err := c.cond(e.r, s)
		return func(f *frame) (tri, error) {
			a, err := l(f)
			if err != nil {
				return 0, err
			}
			b, err := r(f)
			if e.op == "and" {
				return min(a, b), err
			}
			return max(a, b), err
		}, err
	case notCond:
		x, err := c.cond(e.x, s)
		return func(f *frame) (tri, error) {
			v, err := x(f)
			return -v, err
		}, err
	case isNull:
		_, x, err := c.expr(e.x, s)
		return func(f *frame) (tri, error) {
			v, err := x(f)
			return known(v.null != e.not), err
		}, err
	case inList:
		var any cond
		for _, x := range e.list {
			one := comparison{"=", e.x, x}
			if any == nil {
				any = one
			} else {
				any = logic{"or", any, one}
			}
		}
		if e.not {
			any = notCond{any}
		}
		return c.cond(any, s)
	case between:
		return c.cond(logic{"and", comparison{">=", e.x, e.low}, comparison{"<=", e.x, e.high}}, s)
	case like:
		return c.like(e, s)
	}
	return nil, fmt.Errorf("the condition %T is not known here", e)
}

func (c *compiler) comparison(e comparison, s *scope) (test, error) {
	a, x, err := c.expr(e.l, s)
	if err != nil {
		return nil, err
	}
	b, y, err := c.expr(e.r, s)
	if err != nil {
		return nil, err
	}
	var order func(v, w value) int
	switch {
	case a.base == "null" || b.base == "null":
		order = func(value, value) int { return 0 }
	case a.text() && b.text():
		t, err := collationOf(a, b)
		if err != nil {
			return nil, err
		}
		if t.collation == "" && e.op != "=" && e.op != "<>" {
			return nil, fmt.Errorf("texts are ordered in the default collation, which every server has another of")
		}
		order = func(v, w value) int { return compareTexts(v.s, w.s, t.collation) }
	case a.base == "varbinary" && b.base == "varbinary":
		order = func(v, w value) int { return strings.Compare(v.s, w.s) }
	case a.number() && b.number():
		order = func(v, w value) int {
			scale := max(a.scale, b.scale)
			return rescale(v.n, a.scale, scale).Cmp(rescale(w.n, b.scale, scale))
		}
	default:
		return nil, fmt.Errorf("a %s is compared with a %s", a, b)
	}
	return func(f *frame) (tri, error) {
		v, w, err := both(x, y, f)
		if err != nil || v.null || w.null {
			return 0, err
		}
		n := order(v, w)
		switch e.op {
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

func (c *compiler) like(e like, s *scope) (test, error) {
	pattern, ok := e.pattern.(literal)
	if !ok || strings.ContainsAny(pattern.text, "[]^") {
		return nil, fmt.Errorf("LIKE with such a pattern is not known here")
	}
	t, x, err := c.expr(e.x, s)
	if err != nil {
		return nil, err
	}
	if !t.text() {
		return nil, fmt.Errorf("LIKE of %s", t)
	}
	p := []rune(pattern.text)
	if t.collation == "" {
		p = []rune(strings.ToLower(pattern.text))
	}
	return func(f *frame) (tri, error) {
		v, err := x(f)
		if err != nil || v.null {
			return 0, err
		}
		text := v.s
		if t.collation == "" {
			text = strings.ToLower(text)
		}
		return known(matches([]rune(text), p) != e.not), nil
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
