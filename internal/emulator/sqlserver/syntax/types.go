package syntax

import (
	"fmt"
	"strconv"
	"strings"
)

// Type is a type with its facets.
type Type struct {
	// Base is nvarchar, varchar, int, bigint, bit, decimal, date, datetime2, datetimeoffset or
	// varbinary; it is null for NULL.
	Base             string
	Max              bool
	Size             int // characters
	Precision, Scale int
	Collation        string // of a text; empty for the default
	Explicit         bool   // the collation is written out
}

// TypeOf returns the type that a text such as decimal(9, 2) names.
func TypeOf(text string) (Type, error) {
	word, rest, parts := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	var args []string
	if parts {
		for _, a := range strings.Split(rest, ",") {
			args = append(args, strings.TrimSpace(a))
		}
	}
	t := Type{Base: word}
	return t, t.set(args)
}

func (t *Type) set(args []string) error {
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			return -1
		}
		return n
	}
	switch t.Base {
	case "nvarchar", "varchar", "varbinary":
		if len(args) != 1 {
			return fmt.Errorf("%s needs a size", t.Base)
		}
		if args[0] == "max" {
			t.Max = true
			return nil
		}
		if t.Size = number(0); t.Size < 1 || t.Size > 8000 ||
			t.Base == "nvarchar" && t.Size > 4000 {
			return fmt.Errorf("the size %s of %s", args[0], t.Base)
		}
		return nil
	case "decimal":
		if len(args) != 2 {
			return fmt.Errorf("decimal needs precision and scale")
		}
		t.Precision, t.Scale = number(0), number(1)
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return fmt.Errorf("decimal(%s)", strings.Join(args, ", "))
		}
		return nil
	case "datetime2":
		t.Scale = 7
		if len(args) == 1 {
			t.Scale = number(0)
		}
		if t.Scale < 0 || t.Scale > 7 {
			return fmt.Errorf("datetime2(%s)", args[0])
		}
		return nil
	case "int", "bigint", "bit", "date", "datetimeoffset":
		if len(args) > 0 {
			return fmt.Errorf("%s with %v", t.Base, args)
		}
		return nil
	}
	return fmt.Errorf("the type %s", t.Base)
}

// String returns the name of the type.
func (t Type) String() string { return t.Base }

// Spelt returns the type as a definition writes it.
func (t Type) Spelt() string {
	switch {
	case t.Max:
		return t.Base + "(max)"
	case t.Text() || t.Base == "varbinary":
		return fmt.Sprintf("%s(%d)", t.Base, t.Size)
	case t.Base == "decimal":
		return fmt.Sprintf("decimal(%d, %d)", t.Precision, t.Scale)
	case t.Base == "datetime2":
		return fmt.Sprintf("datetime2(%d)", t.Scale)
	}
	return t.Base
}

// Text reports whether t is a type of text.
func (t Type) Text() bool { return t.Base == "nvarchar" || t.Base == "varchar" }
