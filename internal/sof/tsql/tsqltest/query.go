package tsqltest

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// run gives the rows of a query, for the rows that the queries around are at.
type run func(*frame) ([][]value, error)

func (c *compiler) query(q query, outer *scope) (*columns, run, error) {
	var cols *columns
	var runs []run
	var all []*columns
	for _, s := range q {
		one, r, err := c.selection(s, outer)
		if err != nil {
			return nil, nil, err
		}
		all, runs = append(all, one), append(runs, r)
		if cols == nil {
			cols = &columns{names: one.names, types: slices.Clone(one.types)}
			continue
		}
		if len(one.types) != len(cols.types) {
			return nil, nil, errors.New("error 205: the queries of a UNION have different numbers of columns")
		}
		for i, t := range one.types {
			var err error
			if cols.types[i], err = unifyAll([]sqlType{cols.types[i], t}); err != nil {
				return nil, nil, fmt.Errorf("column %s of a UNION: %w", cols.names[i], err)
			}
		}
	}
	return cols, func(f *frame) ([][]value, error) {
		var out [][]value
		for i, r := range runs {
			rows, err := r(f)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				for j := range row {
					if all[i].types[j] != cols.types[j] {
						if row[j], err = convert(row[j], all[i].types[j], cols.types[j]); err != nil {
							return nil, err
						}
					}
				}
				out = append(out, row)
			}
		}
		return out, nil
	}, nil
}

// source compiles one table source, which sees the scope given.
func (c *compiler) source(src tableSource, s *scope) (*columns, run, error) {
	switch {
	case src.query != nil:
		cols, r, err := c.query(src.query, s)
		if err != nil {
			return nil, nil, err
		}
		seen := map[string]bool{}
		for _, n := range cols.names {
			if n == "" || seen[strings.ToLower(n)] {
				return nil, nil, fmt.Errorf("error 8155/8156: the columns of %s need names of their own: %q", src.alias, n)
			}
			seen[strings.ToLower(n)] = true
		}
		cols.alias = src.alias
		for i := range cols.types {
			// what was written is a property of the column now
			cols.types[i].explicit = false
		}
		return cols, r, nil
	case src.json != nil:
		return c.openjson(src, s)
	}
	table, ok := c.tables[strings.ToLower(src.table)]
	if !ok {
		return nil, nil, fmt.Errorf("error 208: invalid object name %s", src.table)
	}
	cols := &columns{alias: src.alias, names: table.Names, types: table.types}
	return cols, func(*frame) ([][]value, error) { return table.rows, nil }, nil
}

func (c *compiler) openjson(src tableSource, s *scope) (*columns, run, error) {
	t, arg, err := c.expr(src.json.arg, s)
	if err != nil {
		return nil, nil, err
	}
	if !t.text() {
		return nil, nil, fmt.Errorf("OPENJSON of %s", t)
	}
	cols := &columns{alias: src.alias}
	if src.json.columns == nil {
		key := textType(4000)
		key.collation = "Latin1_General_100_BIN2"
		item := maxText
		if c.fabric {
			item.base, key.base = "varchar", "varchar"
		}
		cols.names, cols.types = []string{"key", "value", "type"}, []sqlType{key, item, intType()}
		return cols, func(f *frame) ([][]value, error) { return listed(arg, f) }, nil
	}
	var paths [][]string
	for _, k := range src.json.columns {
		path, err := readPath(k.path)
		if err != nil {
			return nil, nil, err
		}
		if !k.typ.text() || !k.typ.max {
			return nil, nil, fmt.Errorf("the column %s of OPENJSON is no text of any length: what a longer text does differs by engine", k.name)
		}
		if k.typ.base == "nvarchar" == c.fabric {
			return nil, nil, fmt.Errorf("the column %s of OPENJSON is %s", k.name, k.typ)
		}
		for _, n := range cols.names {
			if strings.EqualFold(n, k.name) {
				return nil, nil, fmt.Errorf("error 8156: the column %s was specified multiple times", n)
			}
		}
		paths = append(paths, path)
		cols.names, cols.types = append(cols.names, k.name), append(cols.types, k.typ)
	}
	return cols, func(f *frame) ([][]value, error) { return shredded(arg, f, src.json.columns, paths) }, nil
}

// opened is the array or the object that OPENJSON goes through; ok is false for
// NULL.
func opened(arg eval, f *frame) (v jsonValue, ok bool, err error) {
	in, err := arg(f)
	if err != nil || in.null {
		return v, false, err
	}
	v, err = readJSON([]byte(in.s))
	if err == nil && v.kind != jsonArray && v.kind != jsonObject {
		err = errJSON
	}
	return v, true, err
}

func listed(arg eval, f *frame) ([][]value, error) {
	v, ok, err := opened(arg, f)
	if err != nil || !ok {
		return nil, err
	}
	var out [][]value
	for i, item := range v.items {
		it, err := readJSON(item)
		if err != nil {
			return nil, err
		}
		key := fmt.Sprint(i)
		if v.kind == jsonObject {
			key = v.keys[i]
		}
		text := textValue(it.text)
		switch it.kind {
		case jsonNull:
			text = null
		case jsonArray, jsonObject:
			text = textValue(it.raw)
		}
		out = append(out, []value{textValue(key), text, intValue(int64(it.kind))})
	}
	return out, nil
}

func shredded(arg eval, f *frame, columns []jsonColumn, paths [][]string) ([][]value, error) {
	v, ok, err := opened(arg, f)
	if err != nil || !ok {
		return nil, err
	}
	rows := []jsonValue{v}
	if v.kind == jsonArray {
		rows = nil
		for _, item := range v.items {
			it, err := readJSON(item)
			if err != nil {
				return nil, err
			}
			rows = append(rows, it)
		}
	}
	var out [][]value
	for _, r := range rows {
		row := make([]value, len(columns))
		for i, k := range columns {
			it, ok, err := r.follow(paths[i])
			if err != nil {
				return nil, err
			}
			nested := it.kind == jsonArray || it.kind == jsonObject
			switch {
			case !ok || it.kind == jsonNull || nested != k.json:
				row[i] = null
			case nested:
				row[i] = textValue(it.raw)
			default:
				row[i] = textValue(it.text)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// aggregate is one aggregate of a SELECT list.
type aggregate func(frames []*frame) (value, error)

func (c *compiler) selection(sel *selection, outer *scope) (*columns, run, error) {
	inner := &scope{outer: outer}
	var sources []run
	for i, src := range sel.from {
		if i == 0 && src.json == nil && src.query == nil && outer != nil {
			return nil, nil, errors.New("a table inside an APPLY")
		}
		// a source sees those before it, and a query in it sees them from one step in
		cols, r, err := c.source(src, inner)
		if err != nil {
			return nil, nil, err
		}
		for _, other := range inner.sources {
			if strings.EqualFold(other.alias, cols.alias) {
				return nil, nil, fmt.Errorf("error 1013: two sources are called %s", cols.alias)
			}
		}
		if i == 0 && src.outer {
			return nil, nil, errors.New("the first source is no APPLY")
		}
		cols.outer = src.outer
		inner.sources = append(inner.sources, cols)
		sources = append(sources, r)
	}
	where := func(*frame) (tri, error) { return 1, nil }
	if sel.where != nil {
		var err error
		if where, err = c.cond(sel.where, inner); err != nil {
			return nil, nil, err
		}
	}
	out := &columns{}
	aggregated := slices.ContainsFunc(sel.items, func(o output) bool { return c.aggregates(o.expr) })
	if aggregated {
		return c.aggregation(sel, inner, sources, where)
	}
	var values []eval
	var windows []*window
	for _, o := range sel.items {
		t, x, err := c.windowed(o.expr, inner, &windows)
		if err != nil {
			return nil, nil, err
		}
		if t.base == "null" {
			t = intType()
		}
		out.names, out.types = append(out.names, o.name), append(out.types, t)
		values = append(values, x)
	}
	order, err := c.ordering(sel.order, inner)
	if err != nil {
		return nil, nil, err
	}
	if sel.order != nil && sel.top < 0 && outer != nil {
		return nil, nil, errors.New("error 1033: ORDER BY in a derived table without TOP")
	}
	return out, func(f *frame) ([][]value, error) {
		frames, err := joined(inner, sources, where, f)
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
		if sel.top >= 0 && len(frames) > sel.top {
			frames = frames[:sel.top]
		}
		var rows [][]value
		for _, fr := range frames {
			row := make([]value, len(values))
			for i, x := range values {
				if row[i], err = x(fr); err != nil {
					return nil, err
				}
			}
			rows = append(rows, row)
		}
		return rows, nil
	}, nil
}

// joined gives the rows of the sources, each applied to the ones before.
func joined(s *scope, sources []run, where test, outer *frame) ([]*frame, error) {
	frames := []*frame{{outer: outer}}
	for i, src := range sources {
		var next []*frame
		for _, f := range frames {
			rows, err := src(f)
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 && s.sources[i].outer {
				empty := make([]value, len(s.sources[i].names))
				for j := range empty {
					empty[j] = null
				}
				rows = [][]value{empty}
			}
			for _, r := range rows {
				next = append(next, &frame{outer: outer, rows: append(slices.Clone(f.rows), r)})
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

func (c *compiler) aggregates(e expr) bool {
	switch e := e.(type) {
	case call:
		switch e.name {
		case "COUNT", "MIN", "STRING_AGG":
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
	case "MIN":
		if t.base == "bit" || t.base == "null" {
			return t, nil, fmt.Errorf("error 8117: MIN of %s", t)
		}
		return t, func(frames []*frame) (value, error) {
			least := null
			err := each(frames, func(v value) {
				if least.null || t.text() && compareTexts(v.s, least.s, t.collation) < 0 || t.number() && v.n.Cmp(least.n) < 0 {
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

// sorting is an ORDER BY. Rows that it does not tell apart are turned round, so
// that nothing relies on the order in which they came.
type sorting []sortKey

type sortKey struct {
	eval eval
	typ  sqlType
	desc bool
}

func (c *compiler) ordering(items []orderItem, s *scope) (sorting, error) {
	var out sorting
	for _, o := range items {
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

// windowed compiles an item of a SELECT list, which may hold a ROW_NUMBER.
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
