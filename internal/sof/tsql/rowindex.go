package tsql

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
)

// hasIndex reports whether a column holds %rowIndex of some level in every row of r.
func hasIndex(r sof.Row, column int) bool {
	switch r := r.(type) {
	case *sof.Project:
		return slices.ContainsFunc(r.Cells, func(c sof.Cell) bool {
			return c.Column == column && isRowIndex(c.Value)
		})
	case *sof.Product:
		return slices.ContainsFunc(r.Parts, func(p sof.Row) bool { return hasIndex(p, column) })
	case *sof.Union:
		return !slices.ContainsFunc(r.Branches, func(b sof.Row) bool {
			return !hasIndex(b, column)
		})
	case *sof.Iterate:
		return hasIndex(r.Body, column) && (!r.Outer || slices.Contains(r.Index, column))
	case *sof.Recurse:
		return hasIndex(r.Body, column)
	}
	return false
}

// numbered counts rows from 0 in the order of keys.
func numbered(keys []string) item {
	return item{
		fmt.Sprintf("CAST(ROW_NUMBER() OVER (ORDER BY %s) - 1 AS int)",
			strings.Join(orderKeys(keys), ", ")), "i",
	}
}

// usesRowIndex reports whether %rowIndex of this level is read.
func usesRowIndex(r sof.Row) bool {
	switch r := r.(type) {
	case *sof.Project:
		return slices.ContainsFunc(r.Cells, func(c sof.Cell) bool {
			return mentions(c.Value, isRowIndex)
		})
	case *sof.Product:
		return slices.ContainsFunc(r.Parts, usesRowIndex)
	case *sof.Union:
		return slices.ContainsFunc(r.Branches, usesRowIndex)
	case *sof.Iterate:
		return mentions(r.Over, isRowIndex)
	case *sof.Recurse:
		return slices.ContainsFunc(r.Paths, func(e sof.Expr) bool {
			return mentions(e, isRowIndex)
		})
	}
	return false
}

func isRowIndex(e sof.Expr) bool {
	_, is := e.(*sof.RowIndex)
	return is
}
