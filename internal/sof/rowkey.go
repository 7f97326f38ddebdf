package sof

import "slices"

// RowKey returns the columns that tell the rows of a resource apart: none for a view with at most
// one row per resource. It reports false if no columns do so for all data, whatever the schema says
// of an element's cardinality. The columns of a key have a value in every row.
func (v *View) RowKey() (columns []string, ok bool) {
	key, ok := rowKey(v.Rows)
	if !ok {
		return nil, false
	}
	slices.Sort(key)
	for _, i := range key {
		if c := v.Columns[i]; c.Kind != Integer && c.Kind != BigInt {
			return nil, false
		}
		columns = append(columns, v.Columns[i].Name)
	}
	return columns, true
}

func rowKey(r Row) (key []int, ok bool) {
	switch r := r.(type) {
	case *Project:
		return nil, true
	case *Product:
		for _, p := range r.Parts {
			of, ok := rowKey(p)
			if !ok {
				return nil, false
			}
			key = append(key, of...)
		}
		return key, true
	case *Union:
		if len(r.Branches) == 1 {
			return rowKey(r.Branches[0])
		}
	case *Iterate:
		if key, ok = rowKey(r.Body); !ok {
			return nil, false
		}
		if !atMostOne(r.Over) {
			if key, ok = positioned(r.Body, key); !ok {
				return nil, false
			}
		}
		if r.Outer && slices.ContainsFunc(key, func(i int) bool {
			return !slices.Contains(r.Index, i)
		}) {
			return nil, false // NULL in the row of nulls
		}
		return key, true
	case *Recurse:
		if key, ok = rowKey(r.Body); ok {
			return positioned(r.Body, key)
		}
	}
	return nil, false
}

// positioned adds the column that holds %rowIndex of a level with this body.
func positioned(body Row, key []int) ([]int, bool) {
	switch r := body.(type) {
	case *Project:
		for _, cell := range r.Cells {
			if _, is := cell.Value.(*RowIndex); is {
				return append(key, cell.Column), true
			}
		}
	case *Product:
		for _, p := range r.Parts {
			if more, ok := positioned(p, key); ok {
				return more, true
			}
		}
	case *Union:
		if len(r.Branches) == 1 {
			return positioned(r.Branches[0], key)
		}
	}
	return nil, false
}

// atMostOne reports whether an expression yields at most one item by its own form. The cardinality
// of an element proves nothing, because a document may have a list in its place.
func atMostOne(e Expr) bool {
	switch e := e.(type) {
	case *Root, *Literal:
		return true
	case *Filter:
		return atMostOne(e.In)
	case *OfType:
		return atMostOne(e.In)
	case *Call:
		switch e.Func {
		case FuncFirst, FuncLast, FuncItem, FuncSingle:
			return true
		case FuncIif:
			return len(e.Args) > 1 && !slices.ContainsFunc(e.Args[1:], func(a Expr) bool {
				return !atMostOne(a)
			})
		default: // may yield several items
		}
	}
	return false
}
