package query

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// JSON writes r as an array of objects, one per line, with the columns in order. A repeated name
// gets a number: id, id_1.
func JSON(w io.Writer, r Result) error {
	keys := make([]string, len(r.Columns))
	for i, name := range unique(r.Columns) {
		var b strings.Builder
		quote(&b, name)
		keys[i] = b.String() + ":"
	}
	out := bufio.NewWriter(w)
	out.WriteByte('[')
	first := true
	var line strings.Builder
	for row, err := range r.Rows {
		if err != nil {
			return firstOf(err, out.Flush())
		}
		line.Reset()
		if !first {
			line.WriteByte(',')
		}
		first = false
		line.WriteString("\n{")
		for i, v := range row {
			if i > 0 {
				line.WriteByte(',')
			}
			line.WriteString(keys[i])
			appendJSON(&line, v, r.Columns[i].Type)
		}
		line.WriteByte('}')
		if _, err := out.WriteString(line.String()); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
	}
	if !first {
		out.WriteByte('\n')
	}
	out.WriteString("]\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func unique(columns []Column) []string {
	taken := map[string]bool{}
	for _, c := range columns {
		taken[c.Name] = true
	}
	seen := map[string]bool{}
	names := make([]string, len(columns))
	for i, c := range columns {
		name := c.Name
		for n := 1; seen[name] || name != c.Name && taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", c.Name, n)
		}
		seen[name] = true
		names[i] = name
	}
	return names
}
