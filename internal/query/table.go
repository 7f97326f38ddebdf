package query

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	gotext "github.com/jedib0t/go-pretty/v6/text"
)

// TableRows bounds the rows of a table, which is laid out in memory.
const TableRows = 10000

// Table writes r for a person, with the number of rows below. It stops at TableRows and reports
// that.
func Table(w io.Writer, r Result) error {
	t := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = gotext.FormatDefault // names as in the view
	t.SetStyle(style)
	head := make(table.Row, len(r.Columns))
	var configs []table.ColumnConfig
	for i, c := range r.Columns {
		head[i] = printable(c.Name)
		if numeric(c.Type) {
			configs = append(configs, table.ColumnConfig{
				Number: i + 1, Align: gotext.AlignRight, AlignHeader: gotext.AlignRight,
			})
		}
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(configs)
	n := 0
	for row, err := range r.Rows {
		if err != nil {
			return err
		}
		if n == TableRows {
			n++
			break
		}
		n++
		cells := make(table.Row, len(row))
		for i, v := range row {
			if v == nil {
				cells[i] = "NULL"
				continue
			}
			cells[i] = printable(text(v, r.Columns[i].Type))
		}
		t.AppendRow(cells)
	}
	foot := fmt.Sprintf("%d rows", n)
	switch {
	case n == 1:
		foot = "1 row"
	case n > TableRows:
		foot = fmt.Sprintf("the first %d rows; --csv and --json return all", TableRows)
	}
	if _, err := fmt.Fprintf(w, "%s\n%s\n", t.Render(), foot); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// numeric reports whether a column is right-aligned.
func numeric(typ string) bool {
	switch typ {
	case "DOUBLE", "FLOAT", "REAL", "UTINYINT", "USMALLINT":
		return true
	}
	return strings.HasPrefix(typ, "DECIMAL") || strings.HasSuffix(typ, "INT") ||
		strings.HasSuffix(typ, "INTEGER")
}

// printable escapes control characters. A name in a FHIR resource may hold a terminal's escape
// sequences.
func printable(s string) string {
	plain := func(c rune) bool {
		return unicode.IsPrint(c) || unicode.Is(unicode.Cf, c) && c == '\u200d'
	}
	if strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if plain(c) {
			b.WriteRune(c)
			continue
		}
		q := fmt.Sprintf("%q", string(c))
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
