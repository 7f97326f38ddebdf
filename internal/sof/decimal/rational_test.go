package decimal

import (
	"math/big"
	"testing"
)

func parsed(t *testing.T, text string) Decimal {
	t.Helper()
	d, ok := Parse(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return d
}

func TestRootsPowersAndLogarithms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, x, y, want string
		f                func(x, y Decimal) (Decimal, bool)
	}{
		{"sqrt", "81", "0", "9", func(x, _ Decimal) (Decimal, bool) { return x.Sqrt() }},
		{"sqrt", "2", "0", "1.414213562373095049", func(x, _ Decimal) (Decimal, bool) {
			return x.Sqrt()
		}},
		{"sqrt", "-1", "0", "", func(x, _ Decimal) (Decimal, bool) { return x.Sqrt() }},
		{"sqrt", "0.0", "0", "0", func(x, _ Decimal) (Decimal, bool) { return x.Sqrt() }},
		{"exp", "0", "0", "1", func(x, _ Decimal) (Decimal, bool) { return x.Exp() }},
		{"exp", "1", "0", "2.718281828459045235", func(x, _ Decimal) (Decimal, bool) {
			return x.Exp()
		}},
		{"exp", "-2.5", "0", "0.082084998623898795", func(x, _ Decimal) (Decimal, bool) {
			return x.Exp()
		}},
		{
			"exp", "100", "0", "26881171418161354484126255515800135873611118.773741922415191609",
			func(x, _ Decimal) (Decimal, bool) { return x.Exp() },
		},
		{"exp", "1e9", "0", "", func(x, _ Decimal) (Decimal, bool) { return x.Exp() }},
		{"exp", "-1e9", "0", "0", func(x, _ Decimal) (Decimal, bool) { return x.Exp() }},
		{"ln", "1.0", "0", "0", func(x, _ Decimal) (Decimal, bool) { return x.Ln() }},
		{"ln", "10", "0", "2.302585092994045684", func(x, _ Decimal) (Decimal, bool) {
			return x.Ln()
		}},
		{"ln", "0.001", "0", "-6.907755278982137052", func(x, _ Decimal) (Decimal, bool) {
			return x.Ln()
		}},
		{"ln", "0", "0", "", func(x, _ Decimal) (Decimal, bool) { return x.Ln() }},
		{"log", "16", "2", "4", Decimal.Log},
		{"log", "100.0", "10.0", "2", Decimal.Log},
		{"log", "2", "1", "", Decimal.Log},
		{"log", "3", "7", "0.564575034053579614", Decimal.Log},
		{"power", "2", "3", "8", Decimal.Power},
		{"power", "2.5", "2", "6.25", Decimal.Power},
		{"power", "2", "-2", "0.25", Decimal.Power},
		{"power", "-2", "3", "-8", Decimal.Power},
		{"power", "-1", "0.5", "", Decimal.Power},
		{"power", "2", "0.5", "1.414213562373095049", Decimal.Power},
		{"power", "0", "0", "1", Decimal.Power},
		{"power", "0", "-1", "", Decimal.Power},
		{"power", "9999999999", "99", "", Decimal.Power},
		{"power", "1.5", "1000", "", Decimal.Power},
		{"power", "1.5", "-1000", "0", Decimal.Power},
	} {
		got, ok := c.f(parsed(t, c.x), parsed(t, c.y))
		if text := got.String(); ok != (c.want != "") || ok && text != c.want {
			t.Errorf("%s of %s, %s: %s %v, want %s", c.name, c.x, c.y, text, ok, c.want)
		}
	}
}

func TestFractions(t *testing.T) {
	t.Parallel()
	if got := FromRat(big.NewRat(2, 3), 5).String(); got != "0.66667" {
		t.Error(got)
	}
	if got := FromRat(big.NewRat(-1, 8), 2).String(); got != "-0.12" {
		t.Error(got)
	}
	if got := FromRat(parsed(t, "-12.50").Rat(), 20).String(); got != "-12.5" {
		t.Error(got)
	}
}
