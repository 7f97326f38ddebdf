package tsql

import (
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/sof"
)

// Extent is the longest text that a column has to hold.
type Extent struct {
	// Characters counts UTF-16 units, as nvarchar does; Bytes counts UTF-8.
	Characters, Bytes int
	// Wide is set if a text has characters that ASCII lacks.
	Wide bool
}

// The lengths of columns without a tag, by class; 0 means max. nvarchar counts characters, varchar
// in UTF-8 counts bytes.
var (
	inCharacters = map[sof.Class]int{
		sof.Key: sof.KeyLength, sof.Code: 256, sof.URI: 1024,
		sof.ShortText: 1024, sof.LongText: 4000, sof.Moment: 64,
	}
	inBytes = map[sof.Class]int{
		sof.Key: sof.KeyLength, sof.Code: 1024, sof.URI: 4096,
		sof.ShortText: 8000, sof.LongText: 0, sof.Moment: 64,
	}
)

// The lengths that a column is widened to. Above the last one it becomes max.
var (
	stepsInCharacters = []int{256, 1024, 4000}
	stepsInBytes      = []int{128, 256, 1024, 4096, 8000}
)

// bytesPerCharacter is the most that a character needs in UTF-8.
const bytesPerCharacter = 4

// ColumnType returns the type of a view's column in a table of the engine, without its collation.
// The column is widened if it does not have room for need.
func ColumnType(c sof.Column, e Engine, need Extent) string {
	f := e.Facts()
	if c.Kind != sof.Text {
		return columnType(c, f)
	}
	// Keys and times are ASCII, unless the data is not what it should be.
	ascii := (c.Class == sof.Key || c.Class == sof.Moment) && (!need.Wide || !f.WideText)
	word, n, steps, longest := "varchar", inBytes[c.Class], stepsInBytes, need.Bytes
	switch {
	case f.WideText && !ascii:
		word, n, steps, longest = "nvarchar", inCharacters[c.Class], stepsInCharacters,
			need.Characters
		if c.Length != 0 {
			n = c.Length
		}
	case c.Length > 0 && !ascii:
		n = bytesPerCharacter * c.Length
	case c.Length != 0:
		n = c.Length
	}
	most := steps[len(steps)-1]
	switch {
	case n <= 0 || longest > most:
		return word + "(max)"
	case longest > n:
		n = steps[slices.IndexFunc(steps, func(step int) bool { return step >= longest })]
	case n > most:
		return word + "(max)"
	}
	return word + "(" + strconv.Itoa(n) + ")"
}

// Limited returns a type of ColumnType with the longest length below max, if it has none.
func Limited(typ string) string {
	word, unlimited := strings.CutSuffix(typ, "(max)")
	steps := stepsInBytes
	if word == "nvarchar" {
		steps = stepsInCharacters
	}
	if !unlimited {
		return typ
	}
	return word + "(" + strconv.Itoa(steps[len(steps)-1]) + ")"
}

// Bytewise reports whether the texts of a column are compared by their bytes on every engine.
func Bytewise(c sof.Column) bool {
	return c.Kind == sof.Text && (c.Class == sof.Key || c.Class == sof.Code || c.Class == sof.URI)
}
