package decimal

import (
	"math/big"
	"testing"
)

func parse(t *testing.T, s string) Decimal {
	t.Helper()
	d, ok := Parse(s)
	if !ok {
		t.Fatalf("%q does not parse", s)
	}
	return d
}

func TestArithmeticIsExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, op, b, want string
	}{
		{"0.1", "+", "0.2", "0.3"},
		{"1.0", "+", "2", "3.0"},
		{"3", "/", "2", "1.5"},
		{"1", "/", "3", "0.33333333333333333333"},
		{"2", "/", "3", "0.66666666666666666667"},
		{"-2", "/", "3", "-0.66666666666666666667"},
		{"1.10", "-", "1.1", "0.00"},
		{"1.5", "*", "1.5", "2.25"},
		{"7", "div", "2", "3"},
		{"-7", "div", "2", "-3"},
		{"7.5", "mod", "2", "1.5"},
		{"-7", "mod", "2", "-1"},
		{"1e2", "+", "1", "101"},
		{"123456789012345678.123456789", "+", "0.000000001", "123456789012345678.123456790"},
		{"-0.05", "+", "0", "-0.05"},
	} {
		a, b := parse(t, c.a), parse(t, c.b)
		var got Decimal
		ok := true
		switch c.op {
		case "+":
			got = a.Add(b)
		case "-":
			got = a.Sub(b)
		case "*":
			got = a.Mul(b)
		case "/":
			got, ok = a.Div(b)
		case "div":
			got, ok = a.IntDiv(b)
		case "mod":
			got, ok = a.Mod(b)
		}
		if !ok || got.String() != c.want {
			t.Errorf("%s %s %s = %s, want %s", c.a, c.op, c.b, got, c.want)
		}
	}
}

func TestDivisionByZeroHasNoResult(t *testing.T) {
	t.Parallel()
	if _, ok := Int(1).Div(parse(t, "0.0")); ok {
		t.Error("1 / 0.0 has a result")
	}
	if _, ok := Int(1).Mod(Int(0)); ok {
		t.Error("1 mod 0 has a result")
	}
}

func TestBoundariesFollowTheDigits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"1.0": {"0.95", "1.05"}, "1": {"0.5", "1.5"}, "-1.587": {"-1.5875", "-1.5865"},
		"0": {"-0.5", "0.5"},
	} {
		low, high := parse(t, in).Boundaries()
		if low.String() != want[0] || high.String() != want[1] {
			t.Errorf("%s: %s to %s", in, low, high)
		}
	}
}

func TestTextsThatAreNoNumbers(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "-", ".", "1.", ".5", "1e", "1e5000", "0x1", "1_0", "--1", "1-1", "e1", "NaN",
	} {
		if d, ok := Parse(s); ok {
			t.Errorf("%q parsed as %s", s, d)
		}
	}
}

func FuzzParseAgreesWithRationals(f *testing.F) {
	for _, s := range []string{"1", "-0.50", "1e3", "12.5E-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := Parse(s)
		if !ok {
			return
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is no number to math/big", s)
		}
		got, ok := new(big.Rat).SetString(d.String())
		if !ok || got.Cmp(want) != 0 {
			t.Fatalf("%q became %s", s, d)
		}
	})
}
