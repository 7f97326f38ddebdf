package eval

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// aggregate is one aggregate of a SELECT list.
type aggregate func(frames []*frame) (value, error)

func aggregates(e syntax.Expr) bool {
	switch e := e.(type) {
	case syntax.Call:
		switch e.Name {
		case "COUNT", "COUNT_BIG", "SUM", "MIN", "MAX", "STRING_AGG":
			return !e.Over
		}
	case syntax.Binary:
		return aggregates(e.L) || aggregates(e.R)
	}
	return false
}

func (c *compiler) aggregation(
	sel *syntax.Select, inner *scope, rows func(*frame) ([]*frame, error),
) (*columns, run, error) {
	if sel.Top >= 0 || sel.Order != nil {
		return nil, nil, refuse("TOP or ORDER BY with aggregates")
	}
	by, err := c.grouping(sel.Group, inner)
	if err != nil {
		return nil, nil, err
	}
	out := &columns{}
	var all []aggregate
	for _, o := range sel.Items {
		var t syntax.Type
		var a aggregate
		if slices.Contains(sel.Group, o.Expr) {
			t, a, err = c.grouped(o.Expr, inner)
		} else {
			t, a, err = c.aggregate(o.Expr, inner)
		}
		if err != nil {
			return nil, nil, err
		}
		out.names, out.types = append(out.names, o.Name), append(out.types, t)
		all = append(all, a)
	}
	return out, func(f *frame) ([][]value, error) {
		frames, err := rows(f)
		if err != nil {
			return nil, err
		}
		groups, err := by(frames)
		if err != nil {
			return nil, err
		}
		var out [][]value
		for _, g := range groups {
			row := make([]value, len(all))
			for i, a := range all {
				if row[i], err = a(g); err != nil {
					return nil, err
				}
			}
			out = append(out, row)
		}
		return out, nil
	}, nil
}

// grouping returns the function that divides rows into groups: one group of all rows if there is no
// GROUP BY.
func (c *compiler) grouping(
	by []syntax.Expr, s *scope,
) (func([]*frame) ([][]*frame, error), error) {
	if by == nil {
		return func(all []*frame) ([][]*frame, error) { return [][]*frame{all}, nil }, nil
	}
	var keys []eval
	var texts []func(value) string
	for _, e := range by {
		if _, ok := e.(syntax.Column); !ok {
			return nil, refuse("GROUP BY of something other than a column")
		}
		t, x, err := c.expr(e, s)
		if err != nil {
			return nil, err
		}
		text, err := sameKey(t, t)
		if err != nil {
			return nil, err
		}
		keys, texts = append(keys, x), append(texts, text)
	}
	return func(all []*frame) ([][]*frame, error) {
		var out [][]*frame
		at := map[string]int{}
		for _, f := range all {
			var k strings.Builder
			for i, x := range keys {
				v, err := x(f)
				if err != nil {
					return nil, err
				}
				fmt.Fprintf(&k, "%t %q|", v.null, texts[i](v))
			}
			i, there := at[k.String()]
			if !there {
				i, at[k.String()] = len(out), len(out)
				out = append(out, nil)
			}
			out[i] = append(out[i], f)
		}
		return out, nil
	}, nil
}

// grouped returns the value that the rows of a group share.
func (c *compiler) grouped(e syntax.Expr, s *scope) (syntax.Type, aggregate, error) {
	t, x, err := c.expr(e, s)
	return t, func(frames []*frame) (value, error) { return x(frames[0]) }, err
}

func (c *compiler) aggregate(e syntax.Expr, s *scope) (syntax.Type, aggregate, error) {
	if b, ok := e.(syntax.Binary); ok && b.Op == "-" {
		return c.difference(b, s)
	}
	if text, ok := e.(syntax.Text); ok { // the same for every row, and for none
		t, x, err := c.expr(text, s)
		return t, func([]*frame) (value, error) { return x(nil) }, err
	}
	k, ok := e.(syntax.Call)
	if !ok || k.Over {
		return syntax.Type{}, nil, fail(8120, "a column beside an aggregate")
	}
	if k.Star && counts[k.Name] != "" {
		t := syntax.Type{Base: counts[k.Name]}
		return t, func(frames []*frame) (value, error) {
			return intValue(int64(len(frames))), nil
		}, nil
	}
	if k.Star || len(k.Args) == 0 {
		return syntax.Type{}, nil, refuse("%s of nothing", k.Name)
	}
	c.uses = map[int]bool{}
	t, x, err := c.expr(k.Args[0], s)
	uses := c.uses
	c.uses = nil
	if err != nil {
		return t, nil, err
	}
	if !uses[0] || len(uses) > 1 {
		return t, nil, fail(8124, "an aggregate with a column of a query around")
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
	switch k.Name {
	case "COUNT", "COUNT_BIG":
		return syntax.Type{Base: counts[k.Name]}, func(frames []*frame) (value, error) {
			n := int64(0)
			err := each(frames, func(value) { n++ })
			return intValue(n), err
		}, nil
	case "SUM":
		return sum(t, each)
	case "MIN", "MAX":
		sign := 1
		if k.Name == "MAX" {
			sign = -1
		}
		if !t.Text() && !number(t) && !instants[t.Base] || t.Base == "bit" {
			return t, nil, fail(8117, "operand data type %s is invalid for %s operator", t, k.Name)
		}
		return t, func(frames []*frame) (value, error) {
			least := null
			err := each(frames, func(v value) {
				if least.null || sign*compareValues(v, least, t) < 0 {
					least = v
				}
			})
			return least, err
		}, nil
	case "STRING_AGG":
		separator, ok := k.Args[1].(syntax.Text)
		if !ok || !t.Text() || !t.Max || k.Within == nil {
			return t, nil, refuse(
				"STRING_AGG needs a text of any length, a separator that is written out, and an order",
			)
		}
		order, err := c.ordering(k.Within, s)
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
			return textValue(strings.Join(parts, separator.Value)), err
		}, err
	}
	return t, nil, refuse("the aggregate %s", k.Name)
}

// instants holds the types of dates and times.
var instants = map[string]bool{"date": true, "datetime2": true, "datetimeoffset": true}

// counts holds the types of the functions that count.
var counts = map[string]string{"COUNT": "int", "COUNT_BIG": "bigint"}

func sum(t syntax.Type, each func([]*frame, func(value)) error) (syntax.Type, aggregate, error) {
	bits := map[string]int{"int": 31, "bigint": 63}[t.Base]
	if bits == 0 {
		return t, nil, fail(8117, "operand data type %s is invalid for sum operator", t)
	}
	return t, func(frames []*frame) (value, error) {
		total := null
		err := each(frames, func(v value) {
			if total.null {
				total = intValue(0)
			}
			total.n.Add(total.n, v.n)
		})
		if err == nil && !total.null && total.n.BitLen() > bits {
			err = fail(8115, "arithmetic overflow error converting expression to data type %s", t)
		}
		return total, err
	}, nil
}

// difference subtracts one aggregate from another.
func (c *compiler) difference(b syntax.Binary, s *scope) (syntax.Type, aggregate, error) {
	t, x, err := c.aggregate(b.L, s)
	if err != nil {
		return t, nil, err
	}
	_, y, err := c.aggregate(b.R, s)
	return t, func(frames []*frame) (value, error) {
		v, err := x(frames)
		if err != nil {
			return v, err
		}
		w, err := y(frames)
		if err != nil {
			return w, err
		}
		if v.null || w.null {
			return null, nil
		}
		return value{n: new(big.Int).Sub(v.n, w.n)}, nil
	}, err
}

// sorting is an ORDER BY. It reverses rows with equal keys, so that nothing relies on the order of
// their arrival.
type sorting []sortKey

type sortKey struct {
	eval eval
	typ  syntax.Type
	desc bool
}

func (c *compiler) ordering(items []syntax.Order, s *scope) (sorting, error) {
	var out sorting
	for _, o := range items {
		if _, constant := o.Expr.(syntax.Number); constant {
			return nil, fail(408, "a constant in ORDER BY, which is error 5308 in a window")
		}
		t, x, err := c.expr(o.Expr, s)
		if err != nil {
			return nil, err
		}
		out = append(out, sortKey{x, t, o.Desc})
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
		default:
			n = compareValues(v, w, k.typ)
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
	sort.SliceStable(
		frames, func(i, j int) bool { return s.compare(keys[frames[i]], keys[frames[j]]) < 0 },
	)
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

// rowNumber compiles ROW_NUMBER, which only a SELECT list may contain.
func (c *compiler) rowNumber(e syntax.Call, s *scope) (syntax.Type, eval, error) {
	if e.Name != "ROW_NUMBER" || c.windows == nil {
		return syntax.Type{}, nil, refuse("%s OVER is not known here", e.Name)
	}
	w := &window{}
	var err, err2 error
	var part []syntax.Order
	for _, p := range e.Part {
		part = append(part, syntax.Order{Expr: p})
	}
	w.part, err = c.ordering(part, s)
	w.order, err2 = c.ordering(e.Order, s)
	*c.windows = append(*c.windows, w)
	number := func(f *frame) (value, error) { return intValue(w.numbers[f]), nil }
	return syntax.Type{Base: "bigint"}, number, errors.Join(err, err2)
}
