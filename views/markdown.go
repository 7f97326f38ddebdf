package views

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
)

// Markdown describes tables for people: one section per view, one row per
// column. docs/tables.md is made from it.
func Markdown(views []*sof.View) string {
	var b strings.Builder
	b.WriteString("# Tables\n\nMade from the ViewDefinitions in `views/`; do not edit.\n")
	for _, v := range views {
		fmt.Fprintf(&b, "\n## %s\n\n%s From `%s`.\n\n| column | type | meaning |\n|---|---|---|\n",
			v.Name, v.Description, v.Resource)
		for _, c := range v.Columns {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, typeName(c),
				strings.ReplaceAll(c.Description, "|", `\|`))
		}
	}
	return b.String()
}

func typeName(c sof.Column) string {
	name := c.Kind.String()
	if c.Kind == sof.Decimal {
		name = fmt.Sprintf("decimal(%d,%d)", c.Precision, c.Scale)
	}
	if c.Collection {
		name = "list, as JSON " + name
	}
	return name
}
