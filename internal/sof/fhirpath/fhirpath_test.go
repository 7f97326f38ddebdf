package fhirpath

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrintGivesTheStructure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"a.b . c", "a.b.c"},
		{"a.where( b='x' )", "a.where(b = 'x')"},
		{"1+2*3", "1 + 2 * 3"},
		{"(1+2)*3", "(1 + 2) * 3"},
		{"1-(2-3)", "1 - (2 - 3)"},
		{"(1-2)-3", "1 - 2 - 3"},
		{"a and b or c implies d", "a and b or c implies d"},
		{"a and (b or c)", "a and (b or c)"},
		{"a is Patient and b as FHIR.code", "a is Patient and b as FHIR.code"},
		{"(a as Quantity).value", "(a as Quantity).value"},
		{"-a.b", "-a.b"},
		{"(-a).b", "(-a).b"},
		{"- -1", "--1"},
		{"a[0].b[c+1]", "a[0].b[c + 1]"},
		{"%use & %'a b' & %`c d`", "%use & %`a b` & %`c d`"},
		{"`div`.`a b`.as", "`div`.`a b`.as"},
		{"a.contains('x') and (b contains 'y')", "a.contains('x') and b contains 'y'"},
		{`'it\'s \\ \n \u00e9 \ud83d\ude00'`, `'it\'s \\ \n é 😀'`},
		{
			"@2024 | @2024-01-31 | @2024T | @2024-01-31T10:00:00.000+02:00 | @T10:00",
			"@2024 | @2024-01-31 | @2024T | @2024-01-31T10:00:00.000+02:00 | @T10:00",
		},
		{"a // rest\n.b /* in between */ .c", "a.b.c"},
		{"iif($this.exists(), $index, {})", "iif($this.exists(), $index, {})"},
		{"1.50 = 1.5 != true", "1.50 = 1.5 != true"},
		{"a | b | c", "a | b | c"},
		{"a | (b | c)", "a | (b | c)"},
		{"a ~ b !~ c", "a ~ b !~ c"},
		{"a in b xor c", "a in b xor c"},
		{"contains.code", "contains.code"},
		{"4.50   'mg' + 1 day-2 'it\\'s'", `4.50 'mg' + 1 day - 2 'it\'s'`},
		{"a.value>3 years", "a.value > 3 years"},
	} {
		n, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := Print(n); got != c.want {
			t.Errorf("%s: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestFaultsHaveAPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in  string
		pos int
	}{
		{"", 0},
		{"  ", 0},
		{"a b", 2},
		{"a.", 2},
		{"a[1", 3},
		{"f(1,", 4},
		{"f(1 2)", 4},
		{"'a\\x'", 2},
		{"'a", 0},
		{"a + ", 4},
		{"@", 0},
		{"@20", 0},
		{"@2024-1", 0},
		{"@T1", 0},
		{"%", 0},
		{"$that", 0},
		{"a.$this", 2},
		{"{1}", 1},
		{"1x", 1},
		{"and", 0},
		{"a is 5", 5},
		{"a # b", 2},
		{"`", 0},
		{"``", 0},
		{"/* x", 0},
		{"5 dayz", 2},
		{"5 days 'd'", 7},
		{"'\\u12'", 1},
		{"'\\ud800x'", 1},
		{"a\xff", 0},
	} {
		_, err := Parse(c.in)
		var f *Error
		if !errors.As(err, &f) {
			t.Errorf("%q: got %v", c.in, err)
		} else if f.Pos != c.pos {
			t.Errorf("%q: %s at %d, want %d", c.in, f.Msg, f.Pos, c.pos)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		strings.Repeat("(", 100_000), strings.Repeat("-", 100_000) + "1",
		strings.Repeat("f(", 100_000), strings.Repeat("a[", 100_000),
		"a" + strings.Repeat(".b", 100_000), "1" + strings.Repeat("+1", 100_000),
	} {
		if _, err := Parse(in); err == nil {
			t.Errorf("%.10s… parses", in)
		}
	}
}

// positionsAside makes cmp compare trees without their positions.
var positionsAside = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && (f.Name() == "pos" || f.Name() == "TypePos")
}, cmp.Ignore())

func FuzzPrintThenParseIsTheSame(f *testing.F) {
	for _, s := range []string{
		"name.where(use = 'official').given.first()", "a[0] is FHIR.Patient",
		"-(1 + 2) * %x / @2024-01-31T10:00Z", "`a b`.f('\\'', {}, $this)",
		"a as b.c", "(a | b) contains 'c' implies true", "@T10:00:00.5", "a.b // c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		text := Print(n)
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", s, text, err)
		}
		if d := cmp.Diff(n, again, positionsAside); d != "" {
			t.Fatalf("%q prints as %q, which is another tree: %s", s, text, d)
		}
	})
}
