package eval

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// run returns the rows of a query, for the current rows of the queries around.
type run func(*frame) ([][]value, error)

func (c *compiler) query(q syntax.Query, outer *scope) (*columns, run, error) {
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
			return nil, nil, fail(205, "the queries of a UNION have different numbers of columns")
		}
		for i, t := range one.types {
			var err error
			if cols.types[i], err = unifyAll([]syntax.Type{cols.types[i], t}); err != nil {
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
						if row[j], err = convert(
							row[j], all[i].types[j], cols.types[j],
						); err != nil {
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

// source compiles one source of a FROM, which sees the given scope.
func (c *compiler) source(src syntax.Source, s *scope) (*columns, run, error) {
	switch {
	case src.Query != nil:
		cols, r, err := c.query(src.Query, s)
		if err != nil {
			return nil, nil, err
		}
		seen := map[string]bool{}
		for _, n := range cols.names {
			if n == "" {
				return nil, nil, fail(
					8155, "no column name was specified for a column of %s", src.Alias,
				)
			}
			if seen[strings.ToLower(n)] {
				return nil, nil, fail(
					8156, "the column %s was specified multiple times for %s", n, src.Alias,
				)
			}
			seen[strings.ToLower(n)] = true
		}
		cols.alias = src.Alias
		for i := range cols.types {
			// an explicit collation is now a property of the column
			cols.types[i].Explicit = false
		}
		return cols, r, nil
	case src.JSON != nil:
		return c.openjson(src, s)
	}
	table, err := c.Table(src.Table)
	if err != nil {
		return nil, nil, err
	}
	cols := table.columns(src.Alias)
	return cols, table.run(cols), nil
}

func (c *compiler) openjson(src syntax.Source, s *scope) (*columns, run, error) {
	t, arg, err := c.expr(src.JSON.Arg, s)
	if err != nil {
		return nil, nil, err
	}
	if !t.Text() {
		return nil, nil, refuse("OPENJSON of %s", t)
	}
	cols := &columns{alias: src.Alias}
	if src.JSON.Columns == nil {
		key := textType(4000)
		key.Collation = "Latin1_General_100_BIN2"
		item := maxText
		cols.names = []string{"key", "value", "type"}
		cols.types = []syntax.Type{key, item, intType()}
		return cols, func(f *frame) ([][]value, error) { return c.json.listed(arg, f) }, nil
	}
	var paths [][]string
	for _, k := range src.JSON.Columns {
		path, err := syntax.JSONPath(k.Path)
		if err != nil {
			return nil, nil, err
		}
		if !c.TypedJSON && (!k.Type.Text() || !k.Type.Max) {
			return nil, nil, refuse(
				"the column %s of OPENJSON is not a text of any length: engines differ for longer texts", k.Name,
			)
		}
		if k.Type.Max && k.Type.Base == "nvarchar" == c.Varchar {
			return nil, nil, refuse("the column %s of OPENJSON is %s", k.Name, k.Type)
		}
		if k.JSON && k.Type.Base != "nvarchar" {
			return nil, nil, fail(13618, "AS JSON is for columns of type nvarchar(max)")
		}
		for _, n := range cols.names {
			if strings.EqualFold(n, k.Name) {
				return nil, nil, fail(8156, "the column %s was specified multiple times", n)
			}
		}
		paths = append(paths, path)
		cols.names, cols.types = append(cols.names, k.Name), append(cols.types, k.Type)
	}
	return cols, func(f *frame) ([][]value, error) {
		return c.json.shredded(arg, f, src.JSON.Columns, paths)
	}, nil
}
