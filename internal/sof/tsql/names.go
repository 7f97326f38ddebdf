package tsql

import (
	"fmt"
	"strings"

	"fhirsynapse/internal/sof"
)

// Quote writes a name as an identifier.
func Quote(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" }

// Literal writes a text as a literal of the engine.
func Literal(text string, e Engine) string { return literal(text, e.Facts()) }

func literal(text string, f Facts) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if f.National {
		return "N" + quoted
	}
	return quoted
}

func columnType(c sof.Column, f Facts) string {
	switch c.Kind {
	case sof.Boolean:
		return "bit"
	case sof.Integer:
		return "int"
	case sof.BigInt:
		return "bigint"
	case sof.Decimal:
		return fmt.Sprintf("decimal(%d, %d)", c.Precision, c.Scale)
	case sof.Date:
		return "date"
	case sof.Timestamp:
		return f.Timestamp
	case sof.Text:
	}
	return f.Text
}
