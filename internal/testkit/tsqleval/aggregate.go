package tsqleval

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// aggregate is one aggregate of a SELECT list.
type aggregate func(frames []*frame) (value, error)

func (c *compiler) aggregates(e expr) bool {
	switch e := e.(type) {
	case call:
		switch e.name {
		case "COUNT", "MIN", "MAX", "STRING_AGG":
			return true
		}
	case binary:
		return c.aggregates(e.l) || c.aggregates(e.r)
	}
	return false
}

func (c *compiler) aggregation(sel *selection, inner *scope, sources []run, where test) (*columns, run, error) {
	if sel.top >= 0 || sel.order != nil {
		return nil, nil, errors.New("TOP or ORDER BY with aggregates")
	}
	out := &columns{}
	var aggregates []aggregate
	for _, o := range sel.items {
		t, a, err := c.aggregate(o.expr, inner)
		if err != nil {
			return nil, nil, err
		}
		out.names, out.types = append(out.names, o.name), append(out.types, t)
		aggregates = append(aggregates, a)
	}
	return out, func(f *frame) ([][]value, error) {
		frames, err := joined(inner, sources, where, f)
		if err != nil {
			return nil, err
		}
		row := make([]value, len(aggregates))
		for i, a := range aggregates {
			if row[i], err = a(frames); err != nil {
				return nil, err
			}
		}
		return [][]value{row}, nil
	}, nil
}

func (c *compiler) aggregate(e expr, s *scope) (sqlType, aggregate, error) {
	if b, ok := e.(binary); ok && b.op == "-" {
		return c.difference(b, s)
	}
	k, ok := e.(call)
	if !ok || k.over {
		return sqlType{}, nil, errors.New("error 8120: a column beside an aggregate")
	}
	if k.name == "COUNT" && k.star {
		return intType(), func(frames []*frame) (value, error) { return intValue(int64(len(frames))), nil }, nil
	}
	c.uses = map[int]bool{}
	t, x, err := c.expr(k.args[0], s)
	uses := c.uses
	c.uses = nil
	if err != nil {
		return t, nil, err
	}
	if !uses[0] || len(uses) > 1 {
		return t, nil, errors.New("error 8124: an aggregate with a column of a query around")
	}
	each := func(frames []*frame, f func(value)) error {
		for _, fr := range frames {
			v, err := x(fr)
			if err != nil {
				return err
			}
			if !v.null {
				f(v)
			}
		}
		return nil
	}
	switch k.name {
	case "COUNT":
		return intType(), func(frames []*frame) (value, error) {
			n := int64(0)
			err := each(frames, func(value) { n++ })
			return intValue(n), err
		}, nil
	case "MIN", "MAX":
		sign := 1
		if k.name == "MAX" {
			sign = -1
		}
		if t.base == "bit" || t.base == "null" {
			return t, nil, fmt.Errorf("error 8117: MIN of %s", t)
		}
		return t, func(frames []*frame) (value, error) {
			least := null
			err := each(frames, func(v value) {
				if least.null || t.text() && sign*compareTexts(v.s, least.s, t.collation) < 0 || t.number() && sign*v.n.Cmp(least.n) < 0 {
					least = v
				}
			})
			return least, err
		}, nil
	case "STRING_AGG":
		separator, ok := k.args[1].(literal)
		if !ok || !t.text() || !t.max || k.within == nil {
			return t, nil, errors.New("STRING_AGG needs a text of any length, a separator that is written out, and an order")
		}
		order, err := c.ordering(k.within, s)
		return t, func(frames []*frame) (value, error) {
			frames = slices.Clone(frames)
			if err := order.sort(frames); err != nil {
				return null, err
			}
			var parts []string
			err := each(frames, func(v value) { parts = append(parts, v.s) })
			if len(parts) == 0 {
				return null, err
			}
			return textValue(strings.Join(parts, separator.text)), err
		}, err
	}
	return t, nil, fmt.Errorf("the aggregate %s", k.name)
}

// difference subtracts one aggregate from another.
func (c *compiler) difference(b binary, s *scope) (sqlType, aggregate, error) {
	t, x, err := c.aggregate(b.l, s)
	if err != nil {
		return t, nil, err
	}
	_, y, err := c.aggregate(b.r, s)
	return t, func(frames []*frame) (value, error) {
		v, err := x(frames)
		if err != nil {
			return v, err
		}
		w, err := y(frames)
		if err != nil {
			return w, err
		}
		return value{n: v.n.Sub(v.n, w.n)}, nil
	}, err
}

// sorting is an ORDER BY. It reverses rows with equal keys, so that nothing relies on the order of
// their arrival.
type sorting []sortKey

type sortKey struct {
	eval eval
	typ  sqlType
	desc bool
}

func (c *compiler) ordering(items []orderItem, s *scope) (sorting, error) {
	var out sorting
	for _, o := range items {
		if _, constant := o.expr.(numeral); constant {
			return nil, errors.New("error 408/5308: a constant in ORDER BY")
		}
		t, x, err := c.expr(o.expr, s)
		if err != nil {
			return nil, err
		}
		out = append(out, sortKey{x, t, o.desc})
	}
	return out, nil
}

func (s sorting) keys(f *frame) ([]value, error) {
	out := make([]value, len(s))
	for i, k := range s {
		var err error
		if out[i], err = k.eval(f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s sorting) compare(a, b []value) int {
	for i, k := range s {
		n := 0
		switch v, w := a[i], b[i]; {
		case v.null || w.null:
			n = map[bool]int{true: 0, false: 1}[v.null] - map[bool]int{true: 0, false: 1}[w.null]
		case k.typ.text():
			n = compareTexts(v.s, w.s, k.typ.collation)
		case k.typ.base == "varbinary":
			n = strings.Compare(v.s, w.s)
		default:
			n = v.n.Cmp(w.n)
		}
		if k.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func (s sorting) sort(frames []*frame) error {
	slices.Reverse(frames)
	if len(s) == 0 {
		return nil
	}
	keys := map[*frame][]value{}
	for _, f := range frames {
		k, err := s.keys(f)
		if err != nil {
			return err
		}
		keys[f] = k
	}
	sort.SliceStable(frames, func(i, j int) bool { return s.compare(keys[frames[i]], keys[frames[j]]) < 0 })
	return nil
}

// window is one ROW_NUMBER.
type window struct {
	part, order sorting
	numbers     map[*frame]int64
}

func (w *window) number(frames []*frame) error {
	w.numbers = map[*frame]int64{}
	all := slices.Clone(frames)
	if err := append(slices.Clone(w.part), w.order...).sort(all); err != nil {
		return err
	}
	var last []value
	n := int64(0)
	for _, f := range all {
		keys, err := w.part.keys(f)
		if err != nil {
			return err
		}
		if last == nil || w.part.compare(last, keys) != 0 {
			n, last = 0, keys
			if last == nil {
				last = []value{}
			}
		}
		n++
		w.numbers[f] = n
	}
	return nil
}

// windowed compiles an item of a SELECT list. The item may contain a ROW_NUMBER.
func (c *compiler) windowed(e expr, s *scope, windows *[]*window) (sqlType, eval, error) {
	switch k := e.(type) {
	case call:
		if !k.over {
			break
		}
		if k.name != "ROW_NUMBER" {
			return sqlType{}, nil, fmt.Errorf("%s OVER is not known here", k.name)
		}
		w := &window{}
		var err, err2 error
		var part []orderItem
		for _, p := range k.part {
			part = append(part, orderItem{expr: p})
		}
		w.part, err = c.ordering(part, s)
		w.order, err2 = c.ordering(k.order, s)
		*windows = append(*windows, w)
		return sqlType{base: "bigint"}, func(f *frame) (value, error) { return intValue(w.numbers[f]), nil }, errors.Join(err, err2)
	case binary:
		if l, ok := k.l.(call); ok && l.over {
			t, x, err := c.windowed(l, s, windows)
			if err != nil {
				return t, nil, err
			}
			u, y, err := c.expr(k.r, s)
			if err != nil {
				return u, nil, err
			}
			return c.arithmetic(k.op, t, u, x, y)
		}
	case castExpr:
		if l, ok := k.expr.(binary); ok {
			if ll, ok := l.l.(call); ok && ll.over {
				t, x, err := c.windowed(k.expr, s, windows)
				if err != nil {
					return t, nil, err
				}
				return k.typ, func(f *frame) (value, error) {
					v, err := x(f)
					if err != nil {
						return v, err
					}
					return convert(v, t, k.typ)
				}, nil
			}
		}
	}
	return c.expr(e, s)
}
