package mssql

import (
	"math"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

// anyLength is the extent of texts that nobody has measured.
var anyLength = tsql.Extent{Characters: math.MaxInt, Bytes: math.MaxInt, Wide: true}

// longest returns the longest texts of a batch, by table.column. Files that an older version has
// prepared may have texts of any length.
func longest(files []pipeline.PreparedFile, views []flatten.Table) map[string]tsql.Extent {
	known := map[string]pipeline.Extent{}
	out := map[string]tsql.Extent{}
	for _, f := range files {
		for name, e := range f.Done.Longest {
			known[name] = known[name].Widened(e)
		}
	}
	for name, e := range known {
		out[name] = tsql.Extent(e)
	}
	for _, f := range files {
		if f.Done.Longest != nil {
			continue
		}
		for _, v := range views {
			for _, c := range v.Columns {
				if c.Kind == sof.Text && f.Done.Rows[v.Name] > 0 {
					out[v.Name+"."+c.Name] = anyLength
				}
			}
		}
	}
	return out
}
