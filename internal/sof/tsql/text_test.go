package tsql_test

import (
	"strings"
	"testing"
	"unicode"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/views"
)

// The text of a statement, and the time to write it, grow with the expression and not faster.
func TestTextGrowsWithTheExpression(t *testing.T) {
	t.Parallel()
	for sign, operand := range map[string]string{
		" and ": "(gender = 'x')", " or ": "(name.family > 'a')", " xor ": "active",
		" implies ": "active", " + ": "multipleBirth.ofType(integer)",
		" * ": "multipleBirth.ofType(integer)", " & ": "gender", " | ": "name.given",
	} {
		length := func(n int) int {
			path := strings.Repeat(operand+sign, n) + operand
			if sign == " | " {
				path = "(" + path + ").exists()"
			}
			v := compiled(t, "Patient", column(path, ""), "")
			body, err := tsql.Body(v, tsql.SQLServer, tsql.Shape{From: "[docs]"})
			if err != nil {
				t.Fatal(err)
			}
			return len(body)
		}
		if a, b := length(1000), length(2000); b > 22*a/10 {
			t.Errorf("%s: %d characters for a thousand, %d for two thousand", sign, a, b)
		}
	}
}

// The text that a planner makes of a statement must not grow faster either. SQL Server gives up at
// 65,535 names and constants in one expression (error 8632).
func TestComputedColumnsDoNotMultiply(t *testing.T) {
	t.Parallel()
	const links, most = 20, 20_000
	moments := "birthDate"
	for range 5 {
		moments += ".where($this > @1970-01-01 and $this < @2000)"
	}
	for name, path := range map[string]string{
		"xor": strings.Repeat("active xor ", links) + "active",
		"!=": "(" + strings.Repeat("(active != ", links) + "true" +
			strings.Repeat(")", links) + ")",
		"moments": moments + " = @1980-01-01",
		"instants": "deceased.ofType(dateTime).where($this > @2020-01-01T00:00:00Z).where($this < @2021-01-01T00:00:00+01:00).where($this != @2020-02-02T00:00:00Z) = " +
			"@2020-06-01T00:00:00Z",
		"references": "generalPractitioner.first().getReferenceKey(Practitioner) = managingOrganization.getReferenceKey(Organization)",
	} {
		v := compiled(t, "Patient", column(path, ""), "")
		for _, e := range tsql.Engines() {
			body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if n, err := tsqleval.Expanded(body); err != nil || n > most {
				t.Errorf("%s on %s: %d nodes, %v", name, e, n, err)
			}
		}
	}
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		body, err := tsql.Body(v, tsql.SQLServer, tsql.Shape{From: "[docs]"})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := tsqleval.Expanded(body); err != nil || n > most {
			t.Errorf("%s: %d nodes, %v", v.Name, n, err)
		}
	}
}

func TestNamesAndLiteralsAreQuoted(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"t": "[t]", "dbo.t": "[dbo].[t]", "[a b].t": "[a b].[t]", "x;DROP": "[x;DROP]",
	} {
		if got, err := tsql.ParseName(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ".", "a.", "a..b", "a]b", "[a", "a.b.c.d", "[a]b", "a\nb"} {
		if got, err := tsql.ParseName(in); err == nil {
			t.Errorf("%q passes as %s", in, got)
		}
	}
	if got := tsql.Literal("a\\\nb\\c\nd\\\re",
		tsql.SQLServer); got != "CONCAT(N'a\\', N'\nb\\c\nd\\', N'\re')" {
		t.Errorf("got %q", got)
	}
	if got := tsql.Literal("it's", tsql.SQLServer) + tsql.Literal("it's", tsql.Fabric) +
		tsql.Quote("a]b"); got != "N'it''s''it''s'[a]]b]" {
		t.Error(got)
	}
}

// Non-ASCII text of a view appears in literals only.
func TestCommentsAreASCII(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Patient",
		column("name.where(text = 'é'+"+strings.Repeat("'long'+", 20)+"'x').family.first()", ""),
		"")
	body, err := tsql.Body(v, tsql.SQLServer, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatal(err)
	}
	comments := 0
	for line := range strings.Lines(body) {
		if _, comment, ok := strings.Cut(line, " -- "); ok {
			comments++
			if strings.ContainsFunc(comment, func(r rune) bool { return r > unicode.MaxASCII }) {
				t.Errorf("comment %q", comment)
			}
		}
	}
	if comments == 0 || !strings.Contains(body, "N'é") {
		t.Errorf("nothing to look at:\n%s", body)
	}
}
