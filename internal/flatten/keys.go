package flatten

import (
	"fmt"

	"fhirsynapse/internal/flatten/parquetfile"
)

// keyLimit is the limit of a column of keys. Warehouses keep keys in narrow, bytewise columns.
type keyLimit struct {
	column int
	name   string // table.column
	most   int    // characters
}

// keyLimits returns the limits of a table.
func keyLimits(t Table) []keyLimit {
	var out []keyLimit
	for i, c := range t.Columns {
		if most := c.KeyLimit(); most > 0 {
			out = append(out, keyLimit{i, t.Name + "." + c.Name, most})
		}
	}
	return out
}

// refuse returns why a key is bad, without its text, or "".
func (k keyLimit) refuse(key []byte) string {
	switch {
	case len(key) > k.most:
		return fmt.Sprintf("column %s: a key has %d bytes, at most %d are possible", k.name,
			len(key), k.most)
	case !parquetfile.IsASCII(key):
		return fmt.Sprintf("column %s: a key of %d bytes is not ASCII", k.name, len(key))
	}
	return ""
}
