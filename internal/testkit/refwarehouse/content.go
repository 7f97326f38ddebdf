package refwarehouse

import (
	"slices"
	"strconv"
	"strings"
)

// Content holds the tables of a schema as text: rows in order, with their cells that are not NULL.
type Content map[string][]string

// Add adds a row to a table. cells[i] belongs to names[i]; nil is NULL.
func (c Content) Add(table string, names []string, cells []*string) {
	var parts []string
	for i, cell := range cells {
		if cell != nil {
			parts = append(parts, names[i]+"="+strconv.Quote(*cell))
		}
	}
	slices.Sort(parts)
	c[table] = append(c[table], strings.Join(parts, " "))
}

// Sort sorts the rows of every table.
func (c Content) Sort() {
	for _, rows := range c {
		slices.Sort(rows)
	}
}
