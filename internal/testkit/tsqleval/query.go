package tsqleval

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// run returns the rows of a query, for the current rows of the queries around.
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

// source compiles one table source, which sees the given scope.
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
			// an explicit collation is now a property of the column
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
		cols.names, cols.types = []string{"key", "value", "type"}, []sqlType{key, item, intType()}
		return cols, func(f *frame) ([][]value, error) { return c.listed(arg, f) }, nil
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
		if k.json && k.typ.base != "nvarchar" {
			return nil, nil, errors.New("error 13618: AS JSON is for columns of type nvarchar(max)")
		}
		for _, n := range cols.names {
			if strings.EqualFold(n, k.name) {
				return nil, nil, fmt.Errorf("error 8156: the column %s was specified multiple times", n)
			}
		}
		paths = append(paths, path)
		cols.names, cols.types = append(cols.names, k.name), append(cols.types, k.typ)
	}
	return cols, func(f *frame) ([][]value, error) { return c.shredded(arg, f, src.json.columns, paths) }, nil
}

// read reads JSON text, and each text only once.
func (c *compiler) read(text string) (jsonValue, error) {
	if v, ok := c.texts[text]; ok {
		return v, nil
	}
	v, err := c.parsed([]byte(text))
	if err == nil {
		c.texts[text] = v
	}
	return v, err
}

func (c *compiler) parsed(raw []byte) (jsonValue, error) {
	if !c.jsonb {
		return readJSON(raw)
	}
	raw, err := jsonb(raw)
	if err != nil {
		return jsonValue{}, err
	}
	v, err := readJSON(raw)
	if v.kind == jsonString {
		v.text = undecoded(v.raw)
	}
	return v, err
}

// opened returns the array or the object that OPENJSON goes through. ok is false for NULL.
func (c *compiler) opened(arg eval, f *frame) (v jsonValue, ok bool, err error) {
	in, err := arg(f)
	if err != nil || in.null {
		return v, false, err
	}
	if c.parses != nil {
		*c.parses++
	}
	v, err = c.read(in.s)
	if err == nil && v.kind != jsonArray && v.kind != jsonObject {
		err = errJSON
	}
	return v, true, err
}

func (c *compiler) listed(arg eval, f *frame) ([][]value, error) {
	v, ok, err := c.opened(arg, f)
	if err != nil || !ok {
		return nil, err
	}
	var out [][]value
	for i, item := range v.items {
		it, err := c.read(string(item))
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

func (c *compiler) shredded(arg eval, f *frame, columns []jsonColumn, paths [][]string) ([][]value, error) {
	v, ok, err := c.opened(arg, f)
	if err != nil || !ok {
		return nil, err
	}
	rows := []jsonValue{v}
	if v.kind == jsonArray {
		rows = nil
		for _, item := range v.items {
			it, err := c.read(string(item))
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
			it, ok, err := r.follow(paths[i], c.read)
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
			if c.jsonb && !row[i].null {
				row[i] = cut(row[i].s, textType(longestShredded))
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func (c *compiler) selection(sel *selection, outer *scope) (*columns, run, error) {
	inner := &scope{outer: outer}
	var sources []run
	for i, src := range sel.from {
		if i == 0 && src.json == nil && src.query == nil && outer != nil {
			return nil, nil, errors.New("a table inside an APPLY")
		}
		// a source sees the sources before it, and a query in it sees them from one level deeper
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

// joined returns the rows of the sources, each applied to the sources before it.
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
