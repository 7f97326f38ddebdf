package quantity

import (
	"testing"

	"fhirsynapse/internal/sof/fhirtime"
)

func read(t *testing.T, text string) Quantity {
	t.Helper()
	q, ok := Parse(text)
	if !ok {
		t.Fatalf("%q is no quantity", text)
	}
	return q
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		l, r       string
		order      int
		known      bool
		equivalent bool
	}{
		{"4.0000 'g'", "4000.0 'mg'", 0, true, true},
		{"4 'g'", "4040 'mg'", -1, true, false},
		{"7 days", "1 week", 0, true, true},
		{"7 days", "1 'wk'", 0, true, true},
		{"6 days", "1 week", -1, true, false},
		{"1 year", "12 months", 0, true, true},
		{"1 month", "1 'mo'", 0, false, true},
		{"1 year", "1 'a'", 0, false, true},
		{"1 year", "365 days", 0, false, false},
		{"1 'a'", "365.25 'd'", 0, true, true},
		{"185 '[lb_av]'", "185 'kg'", -1, true, false},
		{"1 '{score}'", "1 '{score}'", 0, true, true},
		{"1 'unheard of'", "2 'unheard of'", -1, true, false},
		{"1 'unheard of'", "1 'kg'", 0, false, false},
		{"1", "1 '1'", 0, true, true},
		{"37 'Cel'", "310.15 'K'", 0, false, false},
		{"1.23 'g'", "1.2 'g'", 1, true, true},
	} {
		l, r := read(t, c.l), read(t, c.r)
		order, known := Compare(l, r)
		if order != c.order || known != c.known || Equivalent(l, r) != c.equivalent ||
			Equivalent(r, l) != c.equivalent {
			t.Errorf("%s and %s: %d %v %v", c.l, c.r, order, known, Equivalent(l, r))
		}
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	type function func(q, r Quantity) (Quantity, bool)
	for _, c := range []struct {
		f          function
		l, r, want string
	}{
		{Add, "1 'g'", "1 'mg'", "1001 'mg'"},
		{Add, "1 'mg'", "1 'g'", "1001 'mg'"},
		{Add, "1.50 'g'", "1 'g'", "2.50 'g'"},
		{Add, "1 'g'", "1 'm'", ""},
		{Mul, "2.0 'cm'", "2.0 'm'", "4.00 'cm.m'"},
		{Div, "4.0 'g'", "2.0 'm'", "2 'g/m'"},
		{Div, "4.0 'g'", "2.0 'm/s'", "2 'g/(m/s)'"},
		{Div, "1.0 'm'", "1.0 'm'", "1 '1'"},
		{Div, "1 'm'", "0 'm'", ""},
		{Mul, "1 'm'", "2 '1'", "2 'm'"},
		{Mul, "2 days", "3 'm'", "6 'd.m'"},
		{Mul, "2 years", "3 'm'", ""},
	} {
		got, ok := c.f(read(t, c.l), read(t, c.r))
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s, %s: %s %v, want %s", c.l, c.r, got, ok, c.want)
		}
	}
	if q, ok := read(t, "1 'g'").In("mg"); !ok || q.String() != "1000 'mg'" {
		t.Error(q, ok)
	}
}

func TestWhatIsNoQuantity(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "a", "1 wk", "1.a", "1e3 'g'", "1 ''", "1 'a' b", "'g'", "1 day 'd'",
	} {
		if q, ok := Parse(text); ok {
			t.Errorf("%q is taken as %s", text, q)
		}
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, by, want string }{
		{"1973-12-25", "7.7 days", "1974-01-01"},
		{"1973-12-25", "1 'd'", "1973-12-26"},
		{"1973-12-25", "-1 year", "1972-12-25"},
		{"1973-12-25", "1 'a'", ""},
		{"1973-12-25", "1 'cm'", ""},
		{"2020-01-01T00:00:00Z", "1.5 seconds", "2020-01-01T00:00:01.5Z"},
		{"2020-01-01T00:00:00Z", "-1500 'ms'", "2019-12-31T23:59:58.5Z"},
		{"2020-01-01", "99999999999999999999 days", ""},
	} {
		v, _ := fhirtime.ParseDate([]byte(c.from))
		q := read(t, c.by)
		got, ok := q.Move(v)
		if text := string(got.Append(nil)); ok != (c.want != "") || ok && text != c.want {
			t.Errorf("%s moved by %s: %s %v, want %s", c.from, c.by, text, ok, c.want)
		}
	}
}
