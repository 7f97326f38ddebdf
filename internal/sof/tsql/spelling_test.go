package tsql_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof/tsql"
)

// spelledNumbers are numbers in the forms that JSON allows.
var spelledNumbers = strings.Fields(
	`1.2E+2 120 6.02e-4 1e3 1E0 1e-0 -1.5e1 -1.5E-7 0e5 0.0e-3 1e30 -1e30 1e19 1e20 9.99e+19 1e-18 1e-19 6e-19 -6e-19
	1.23456789e-10 12345.678e-2 12345.678E2 12345.678E3 12345.678E4 0.05898711471314295 0.1234567890123456785 0.1234567890123456775
	0.12345678901234567850001 -0.1234567890123456785 0.0000000000000000005 0.0000000000000000015 -0.0000000000000000005
	1.0000000000000000000000000 99999999999999999999.999999999999999999 99999999999999999999.9999999999999999995 100000000000000000000
	12.123456789012345678 0.1e1 10e-1 0.000e0 123456789012345678 2.5 -2.5 0.125 0.135 0.005 0.015 1.005e1 100.00 1e400 1e-400`)

func numberLines(numbers []string) [][]byte {
	var out [][]byte
	for i, n := range numbers {
		out = append(out,
			fmt.Appendf(nil,
				`{"resourceType":"Observation","id":"o%d","valueQuantity":{"value":%s}}`, i, n))
	}
	return out
}

const numberColumns = `{"column":[
	{"name":"id","path":"id"},
	{"name":"v","path":"value.ofType(Quantity).value"},
	{"name":"cents","path":"value.ofType(Quantity).value","tag":[{"name":"ansi/type","value":"DECIMAL(9,2)"}]},
	{"name":"whole","path":"value.ofType(Quantity).value","tag":[{"name":"ansi/type","value":"DECIMAL(38,0)"}]},
	{"name":"text","path":"value.ofType(Quantity).value","tag":[{"name":"ansi/type","value":"VARCHAR"}]},
	{"name":"at_least","path":"value.ofType(Quantity).value >= 100"},
	{"name":"same","path":"value.ofType(Quantity).value = 120"},
	{"name":"positive","path":"value.ofType(Quantity).value > 0"},
	{"name":"tiny","path":"value.ofType(Quantity).value < 0.0000001"},
	{"name":"among","path":"value.ofType(Quantity).value in (120 | 0.000602 | 2.5)"}]}`

func TestNumbersOfAnySpellingAreRead(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Observation", numberColumns, "")
	for _, e := range tsql.Engines() {
		agree(t, v, e, numberLines(spelledNumbers))
	}
	kept := compiled(t, "Observation", column("id", ""),
		`{"path":"value.ofType(Quantity).value >= 100"}`)
	for _, e := range tsql.Engines() {
		got, err := run(t, kept, e,
			`{"resourceType":"Observation","id":"a","valueQuantity":{"value":1.2E+2}}`,
			`{"resourceType":"Observation","id":"b","valueQuantity":{"value":6.02e-4}}`,
			`{"resourceType":"Observation","id":"c","valueQuantity":{"value":1e30}}`)
		if d := cmp.Diff([]string{"a", "c"}, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", e, err, d)
		}
	}
}

// Sums, products and boundaries have SQL's result types: numbers with few digits agree.
func TestArithmeticReadsNumbersOfAnySpelling(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Observation", `{"column":[
		{"name":"id","path":"id"},
		{"name":"sum","path":"value.ofType(Quantity).value + 1"},
		{"name":"product","path":"value.ofType(Quantity).value * 2"},
		{"name":"negative","path":"-value.ofType(Quantity).value"},
		{"name":"low","path":"value.ofType(Quantity).value.lowBoundary()"},
		{"name":"high","path":"value.ofType(Quantity).value.highBoundary()"},
		{"name":"down","path":"value.ofType(Quantity).value.floor()"},
		{"name":"size","path":"value.ofType(Quantity).value.abs()"},
		{"name":"cents","path":"value.ofType(Quantity).value * 2","tag":[{"name":"ansi/type","value":"DECIMAL(9,2)"}]},
		{"name":"distinct","path":"(value.ofType(Quantity).value | referenceRange.low.value).count()"}]}`, "")
	lines := numberLines(
		strings.Fields(
			`1.2E+2 120 6.02e-4 1e3 1E0 -1.5e1 -1.5E-7 0e5 12345.678e-2 0.05 0.0625 0.0675 100.00`))
	for i := range lines {
		lines[i] = bytes.Replace(lines[i], []byte(`"valueQ`),
			[]byte(`"referenceRange":[{"low":{"value":120.0}}],"valueQ`), 1)
	}
	for _, e := range tsql.Engines() {
		agree(t, v, e, lines)
	}
}

// A number of the view with an exponent would be a float in SQL.
func TestConstantsWithExponentsAreExact(t *testing.T) {
	t.Parallel()
	text := `{"name":"v","resource":"Observation","constant":[{"name":"c","valueDecimal":1.2e2},{"name":"d","valueDecimal":1e-7}],"select":[
		{"column":[{"name":"a","path":"value.ofType(Quantity).value = %c"},{"name":"b","path":"value.ofType(Quantity).value + %d"}]}]}`
	v := compiledText(t, text)
	for _, e := range tsql.Engines() {
		agree(t, v, e, numberLines([]string{"120", "1.2e2", "0.1"}))
	}
}

func (p postgres) numbers(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Observation", numberColumns, "")
	body, err := tsql.Body(v, p.engine, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatal(err)
	}
	p.agree(t, v, body, numberLines(spelledNumbers))
}
