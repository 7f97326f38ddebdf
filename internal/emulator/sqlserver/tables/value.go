package tables

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// Values are nil, int64, bool, string and time.Time. Decimals are texts with all digits of their
// scale.

// typeParts splits "decimal(9, 2)" into its word and numbers; max is -1.
func typeParts(text string) (word string, first, second int) {
	word, rest, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	a, b, _ := strings.Cut(rest, ",")
	if a == "max" {
		return word, -1, 0
	}
	first, _ = strconv.Atoi(a)
	second, _ = strconv.Atoi(strings.TrimSpace(b))
	return word, first, second
}

// coerce converts a value to the type of a column, or refuses it as a server would.
func coerce(v any, c column) (any, error) {
	if v == nil {
		if c.notNull {
			return nil, fail(515,
				"Cannot insert the value NULL into column '%s'; column does not allow nulls.",
				c.Name)
		}
		return nil, nil
	}
	word, first, scale := typeParts(c.Type)
	switch word {
	case "char", "varchar", "nvarchar":
		if s, ok := v.(string); ok {
			if n := lengthOf(s, word); first >= 0 && n > first {
				return nil, fail(2628, "String or binary data would be truncated in column '%s'.",
					c.Name)
			}
			if word != "nvarchar" && c.codePage {
				return asciiOf(s), nil
			}
			return s, nil
		}
	case "bigint", "int":
		if n, ok := number(v); ok {
			if word == "int" && int64(int32(n)) != n {
				return nil, fail(8115,
					"Arithmetic overflow error converting expression to data type int.")
			}
			return n, nil
		}
	case "bit":
		if n, ok := number(v); ok {
			return n != 0, nil
		}
	case "decimal":
		if s, ok := v.(string); ok {
			return decimal(s, scale)
		}
	case "date", "datetime2":
		if at, ok := v.(time.Time); ok {
			return at, nil
		}
		if s, ok := v.(string); ok {
			return instant(s)
		}
	}
	return nil, fail(245, "Conversion failed when converting a %T to data type %s.", v, c.Type)
}

// asciiOf replaces the characters that a code page may lack, as a server does without an error.
func asciiOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, s)
}

func lengthOf(s, word string) int {
	if word == "nvarchar" {
		return len(utf16.Encode([]rune(s)))
	}
	return len(s)
}

func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func decimal(s string, scale int) (any, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > scale {
		return nil, fail(8114, "Error converting data type varchar to numeric.")
	}
	if scale == 0 {
		return whole, nil
	}
	return whole + "." + fraction + strings.Repeat("0", scale-len(fraction)), nil
}

func instant(s string) (any, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return nil, fail(241,
		"Conversion failed when converting date and/or time from character string.")
}

// Text returns a value as the prepared form of a file contains it; nil is NULL.
func Text(v any, kind string) *string {
	text := ""
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		text = v
	case bool:
		text = strconv.FormatBool(v)
	case int64:
		text = strconv.FormatInt(v, 10)
	case time.Time:
		text = v.Format("2006-01-02T15:04:05.000Z")
		if kind == "date" {
			text = v.Format(time.DateOnly)
		}
	}
	return &text
}
