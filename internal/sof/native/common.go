package native

import (
	"reflect"

	"fhirsynapse/internal/sof"
)

// memo is the cell of a value that several views share, with its line.
type memo struct {
	cell   []byte
	line   int64
	missed Unkeyed
}

// common holds the values that cells of several rows compute from the resource. The resource's key,
// for example, is in every table.
type common struct {
	values []commonValue
	byName map[string][]int // numbers of the values by nameOf
}

type commonValue struct {
	expr       sof.Expr
	collection bool
}

// commonValues finds the values that occur at least twice.
func commonValues(views []*sof.View) common {
	all := common{byName: map[string][]int{}}
	times := []int{}
	for _, v := range views {
		rootCells(v.Rows, func(c sof.Cell) {
			collection := v.Columns[c.Column].Collection
			n := all.find(c.Value, collection)
			if n < 0 {
				n = all.add(c.Value, collection)
				times = append(times, 0)
			}
			times[n]++
		})
	}
	often := common{byName: map[string][]int{}}
	for i, v := range all.values {
		if times[i] > 1 {
			often.add(v.expr, v.collection)
		}
	}
	return often
}

// rootCells visits the cells whose focus is the resource and whose value is the same in every row.
func rootCells(r sof.Row, f func(sof.Cell)) {
	switch r := r.(type) {
	case *sof.Project:
		for _, c := range r.Cells {
			if nameOf(c.Value) != "" {
				f(c)
			}
		}
	case *sof.Product:
		for _, p := range r.Parts {
			rootCells(p, f)
		}
	case *sof.Union:
		for _, b := range r.Branches {
			rootCells(b, f)
		}
	case *sof.Iterate, *sof.Recurse:
	}
}

// nameOf returns the names in a path; empty for other expressions, which are not shared.
func nameOf(e sof.Expr) string {
	switch e := e.(type) {
	case *sof.This:
		return "$this"
	case *sof.Child:
		if in := nameOf(e.In); in != "" {
			return in + "." + e.Properties[0].Name
		}
	case *sof.ResourceKey:
		if in := nameOf(e.In); in != "" {
			return in + ".key"
		}
	case *sof.ReferenceKey:
		if in := nameOf(e.In); in != "" {
			return in + ".key." + e.Target
		}
	case *sof.Call:
		if in := nameOf(e.In); in != "" && len(e.Args) == 0 {
			return in + "." + string(e.Func) + "()"
		}
	}
	return ""
}

// find returns the number of a value, or -1.
func (c *common) find(e sof.Expr, collection bool) int {
	for _, n := range c.byName[nameOf(e)] {
		if v := c.values[n]; v.collection == collection && reflect.DeepEqual(v.expr, e) {
			return n
		}
	}
	return -1
}

func (c *common) add(e sof.Expr, collection bool) int {
	name := nameOf(e)
	n := len(c.values)
	c.values = append(c.values, commonValue{e, collection})
	c.byName[name] = append(c.byName[name], n)
	return n
}
