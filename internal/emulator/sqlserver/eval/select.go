package eval

import (
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// joined is one source of a FROM. on and candidates belong to a JOIN.
type joined struct {
	*columns
	run  run
	join syntax.Join
	on   test
	// key finds the rows that can match: the value of an earlier source, and of this one.
	key *equality
}

// from compiles the sources of a SELECT into inner.
func (c *compiler) from(sel *syntax.Select, inner *scope) ([]joined, error) {
	var out []joined
	for i, src := range sel.From {
		if i == 0 && src.JSON == nil && src.Query == nil && c.applied {
			return nil, refuse("a table inside an APPLY")
		}
		applied := c.applied
		sees := &scope{outer: inner.outer}
		if src.Join == syntax.CrossApply || src.Join == syntax.OuterApply ||
			i == 0 && src.JSON != nil {
			// It sees the sources before it, and a query in it sees them from one level deeper.
			sees, c.applied = inner, c.applied || i > 0
		}
		cols, r, err := c.source(src, sees)
		c.applied = applied
		if err != nil {
			return nil, err
		}
		for _, other := range inner.sources {
			if strings.EqualFold(other.alias, cols.alias) {
				return nil, fail(1013, "two sources are called %s", cols.alias)
			}
		}
		inner.sources = append(inner.sources, cols)
		j := joined{columns: cols, run: r, join: src.Join}
		if src.On != nil {
			if j.on, err = c.cond(src.On, inner); err != nil {
				return nil, err
			}
			j.key = c.equality(src.On, inner)
		}
		out = append(out, j)
	}
	return out, nil
}

func (c *compiler) selection(sel *syntax.Select, outer *scope) (*columns, run, error) {
	inner := &scope{outer: outer}
	sources, err := c.from(sel, inner)
	if err != nil {
		return nil, nil, err
	}
	where := func(*frame) (tri, error) { return 1, nil }
	if sel.Where != nil {
		if where, err = c.cond(sel.Where, inner); err != nil {
			return nil, nil, err
		}
	}
	rows := func(f *frame) ([]*frame, error) { return join(sources, where, f) }
	if sel.Group != nil || slices.ContainsFunc(
		sel.Items, func(o syntax.Item) bool { return aggregates(o.Expr) },
	) {
		return c.aggregation(sel, inner, rows)
	}
	out := &columns{}
	var values []eval
	var windows []*window
	for _, o := range sel.Items {
		c.windows = &windows
		t, x, err := c.expr(o.Expr, inner)
		c.windows = nil
		if err != nil {
			return nil, nil, err
		}
		if t.Base == "null" {
			t = intType()
		}
		out.names, out.types = append(out.names, o.Name), append(out.types, t)
		values = append(values, x)
	}
	order, err := c.ordering(sel.Order, inner)
	if err != nil {
		return nil, nil, err
	}
	if sel.Order != nil && sel.Top < 0 && outer != nil {
		return nil, nil, fail(1033, "ORDER BY in a derived table without TOP")
	}
	return out, func(f *frame) ([][]value, error) {
		frames, err := rows(f)
		if err != nil {
			return nil, err
		}
		for _, w := range windows {
			if err := w.number(frames); err != nil {
				return nil, err
			}
		}
		if err := order.sort(frames); err != nil {
			return nil, err
		}
		if sel.Top >= 0 && len(frames) > sel.Top {
			frames = frames[:sel.Top]
		}
		return listOf(frames, values)
	}, nil
}

func listOf(frames []*frame, values []eval) ([][]value, error) {
	var rows [][]value
	for _, f := range frames {
		row := make([]value, len(values))
		for i, x := range values {
			var err error
			if row[i], err = x(f); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// join returns the rows of the sources, each applied or joined to the sources before it.
func join(sources []joined, where test, outer *frame) ([]*frame, error) {
	frames := []*frame{{outer: outer}}
	for _, src := range sources {
		rowsFor, err := src.rows(outer)
		if err != nil {
			return nil, err
		}
		var next []*frame
		for _, f := range frames {
			rows, err := rowsFor(f)
			if err != nil {
				return nil, err
			}
			found := false
			for _, r := range rows {
				both := &frame{outer: outer, rows: append(slices.Clone(f.rows), r)}
				if src.on != nil {
					is, err := src.on(both)
					if err != nil {
						return nil, err
					}
					if is <= 0 {
						continue
					}
				}
				found = true
				next = append(next, both)
			}
			if !found && (src.join == syntax.Left || src.join == syntax.OuterApply) {
				empty := make([]value, len(src.names))
				for j := range empty {
					empty[j] = null
				}
				next = append(next, &frame{outer: outer, rows: append(slices.Clone(f.rows), empty)})
			}
		}
		frames = next
	}
	var kept []*frame
	for _, f := range frames {
		is, err := where(f)
		if err != nil {
			return nil, err
		}
		if is > 0 {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// rows returns a function that finds the rows of a source for the rows before it. Only an APPLY
// runs for each of them.
func (j joined) rows(outer *frame) (func(*frame) ([][]value, error), error) {
	if j.on == nil {
		if j.join == syntax.First {
			return func(*frame) ([][]value, error) { return j.run(&frame{outer: outer}) }, nil
		}
		return j.run, nil
	}
	all, err := j.run(&frame{outer: outer})
	if err != nil {
		return nil, err
	}
	if j.key == nil {
		return func(*frame) ([][]value, error) { return all, nil }, nil
	}
	index := map[string][][]value{}
	for _, r := range all {
		if v := r[j.key.column]; !v.null {
			k := j.key.text(v)
			index[k] = append(index[k], r)
		}
	}
	return func(f *frame) ([][]value, error) {
		v, err := j.key.earlier(f)
		if err != nil || v.null {
			return nil, err
		}
		return index[j.key.text(v)], nil
	}, nil
}

// equality is a condition that a column of the last source equals a column of an earlier one. A
// commit joins by ids, so that an index over one equality makes its joins fast.
type equality struct {
	earlier eval
	column  int
	text    func(value) string
}

// equality returns the first equality that a condition asserts, or nil if it has none to use.
func (c *compiler) equality(e syntax.Cond, s *scope) *equality {
	switch e := e.(type) {
	case syntax.Logic:
		if e.Op == "and" {
			return c.equality(e.L, s)
		}
	case syntax.Compare:
		l, ok := e.L.(syntax.Column)
		r, ok2 := e.R.(syntax.Column)
		last := s.sources[len(s.sources)-1]
		if !ok || !ok2 || e.Op != "=" {
			return nil
		}
		if strings.EqualFold(l.Alias, last.alias) {
			l, r = r, l
		}
		if strings.EqualFold(l.Alias, last.alias) || !strings.EqualFold(r.Alias, last.alias) {
			return nil
		}
		a, x, err := c.expr(l, s)
		if err != nil {
			return nil
		}
		b, _, err := c.expr(r, s)
		if err != nil {
			return nil
		}
		text, err := sameKey(a, b)
		if err != nil {
			return nil
		}
		at := slices.IndexFunc(
			last.names, func(n string) bool { return strings.EqualFold(n, r.Name) },
		)
		return &equality{x, at, text}
	}
	return nil
}
