package statements

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"fhirsynapse/internal/warehouse"
)

// fit is the answer whether an existing column has room for the values of a wanted one.
type fit int

const (
	fitting fit = iota
	narrow      // a text that has room once it is widened
	unfit
)

// shortID is the length of ids in tables of older versions. These tables stay: an engine refuses a
// longer id at the commit.
const shortID = 64

var typeParts = regexp.MustCompile(`^([a-z0-9]+)(?:\((max|\d+)(?:, ?(\d+))?\))?`)

// typeOf splits a type into its word and numbers; max is -1.
func typeOf(text string) (word string, length, scale int) {
	m := typeParts.FindStringSubmatch(text)
	length, _ = strconv.Atoi(m[2])
	if m[2] == "max" {
		length = -1
	}
	scale, _ = strconv.Atoi(m[3])
	return m[1], length, scale
}

// fit compares an existing column with the wanted one. Engines spell types in several ways and do
// not report everything, so only reported properties are compared.
func (f Found) fit(want Column) fit {
	word, length, scale := typeOf(want.Type)
	same := strings.EqualFold(f.Type, word) ||
		word == "decimal" && strings.EqualFold(f.Type, "numeric")
	switch {
	case strings.HasSuffix(word, "char") && !want.NotNull && f.isText():
		if strings.EqualFold(f.Type, "varchar") && word == "nvarchar" || !f.takes(length) {
			return narrow
		}
		return fitting
	case !same:
	case strings.HasSuffix(word, "char"):
		same = f.takes(length) || want.Name == warehouse.IDColumn && f.Length >= shortID
	case word == "decimal" && f.Precision != 0:
		same = f.Scale >= scale && f.Precision-f.Scale >= length-scale
	}
	if same {
		return fitting
	}
	return unfit
}

// isText reports whether a column's type is one that text columns have or had.
func (f Found) isText() bool {
	return strings.EqualFold(f.Type, "varchar") || strings.EqualFold(f.Type, "nvarchar")
}

// takes reports whether a text column has room for this number of characters.
func (f Found) takes(length int) bool {
	return f.Length == 0 || f.Length == -1 || length != -1 && f.Length >= length
}

// refused returns an error for an existing column that cannot take the values of the wanted one.
func (f Found) refused(want Column) error {
	if f.fit(want) != unfit {
		return nil
	}
	return fmt.Errorf("column %s.%s is %s in schema %s and should be %s", f.Table, f.Column,
		f.spelt(), f.Schema, want.Type)
}

func (f Found) spelt() string {
	switch {
	case f.Length == -1:
		return f.Type + "(max)"
	case f.Length > 0:
		return fmt.Sprintf("%s(%d)", f.Type, f.Length)
	case strings.EqualFold(f.Type, "decimal") || strings.EqualFold(f.Type, "numeric"):
		return fmt.Sprintf("%s(%d, %d)", f.Type, f.Precision, f.Scale)
	}
	return f.Type
}

// StepWiden is the prefix of steps that widen a column.
const StepWiden = "widen column "

// Widen returns the statements that give the columns of the views room for the longest texts of the
// batch. They run outside of a transaction, and can be run again. Indexes and statistics of ours on
// the columns are dropped first; Missing creates them again.
func (t Target) Widen(there Catalog) []Statement {
	var out []Statement
	for _, v := range sortedViews(t.Views) {
		table := t.view(t.Schema, v)
		columns := there.columns(table)
		for _, c := range table.Columns {
			got, known := columns[strings.ToLower(c.Name)]
			if !known || got.fit(c) != narrow {
				continue
			}
			c.Name = got.Column
			c.Type = got.widened(c.Type)
			if table.Columnstore && got.Length != -1 {
				c.Type = strings.Replace(c.Type, "(max)", "("+strconv.Itoa(mostCharacters)+")", 1)
			}
			out = append(out, release(t, table, c.Name)...)
			out = append(out, Statement{
				StepWiden + table.Name + "." + c.Name,
				"ALTER TABLE " + table.quoted() + " ALTER COLUMN " + c.definition(),
			})
		}
	}
	return out
}

// mostCharacters is the greatest length of nvarchar that is not max.
const mostCharacters = 4000

// widened returns the wanted type, with at least the length that the column has.
func (f Found) widened(want string) string {
	word, length, _ := typeOf(want)
	_, collation, collated := strings.Cut(want, " COLLATE ")
	if length != -1 && (f.Length > length || f.Length == -1) {
		length = f.Length
		if word == "nvarchar" && length > mostCharacters {
			length = -1
		}
	}
	text := word + "(" + strconv.Itoa(length) + ")"
	if length == -1 {
		text = word + "(max)"
	}
	if collated {
		text += " COLLATE " + collation
	}
	return text
}

// MostBytes returns the most bytes on the wire of a value of a text type.
func MostBytes(typ string) int {
	word, length, _ := typeOf(typ)
	switch {
	case length <= 0:
		return math.MaxInt
	case word == "nvarchar":
		return 2 * length
	}
	return length
}
