package tsql_test

import (
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

// pickedView has columns that are found in one pass over a list, and some that are not.
const pickedView = `{"name":"v","resource":"Patient","select":[
	{"column":[
		{"name":"id","path":"id"},
		{"name":"race","path":"extension('r').extension('c').value.ofType(Coding).code.first()"},
		{"name":"race_text","path":"extension('r').extension('t').value.ofType(string).first()"},
		{"name":"ethnicity","path":"extension('e').extension('c').value.ofType(Coding).code.first()"},
		{"name":"sex","path":"extension('s').value.ofType(code).first()"},
		{"name":"any_text","path":"extension.extension.value.ofType(string).first()"},
		{"name":"amount","path":"extension('n').value.ofType(decimal).first()","type":"decimal"},
		{"name":"number","path":"extension('n').value.ofType(integer).first()","type":"integer"},
		{"name":"day","path":"extension('d').value.ofType(date).first()","type":"date"},
		{"name":"moment","path":"extension('d').value.ofType(dateTime).first()"},
		{"name":"flag","path":"extension('b').value.ofType(boolean).first()","type":"boolean"},
		{"name":"last","path":"extension('s').value.ofType(code).last()"}]},
	{"forEachOrNull":"name","column":[
		{"name":"phone","path":"extension('p').value.ofType(string).first()"},
		{"name":"email","path":"extension('m').value.ofType(string).first()"}]},
	{"column":[
		{"name":"doctor_id","path":"generalPractitioner.getReferenceKey(Practitioner).first()"},
		{"name":"clinic_id","path":"generalPractitioner.getReferenceKey(Organization).first()"},
		{"name":"doctor_text","path":"generalPractitioner.display.first()"},
		{"name":"mobile","path":"telecom.where(system = 'phone' and use = 'mobile').value.first()"},
		{"name":"either","path":"telecom.where(system = 'phone' or system = 'email').value.first()"}]}]}`

// pickedLines returns patients, some with malformed lists.
func pickedLines() [][]byte {
	ext := func(url, rest string) string { return fmt.Sprintf(`{"url":%q,%s}`, url, rest) }
	var many []string
	for i := range 12 {
		many = append(many, ext("s", fmt.Sprintf(`"valueCode":"%c"`, 'z'-rune(i))))
	}
	var lines [][]byte
	for i, members := range []string{
		`"x":1`,
		`"extension":[]`,
		`"extension":[` + strings.Join(many, ",") + `]`,
		`"extension":[` + ext("s", `"valueString":"no code"`) + "," + ext("s", `"valueCode":""`) +
			"," + ext("s", `"valueCode":"f"`) + `]`,
		`"extension":` + ext("s", `"valueCode":"alone"`),
		`"extension":[null,` +
			ext("r", `"extension":[null,`+ext("c", `"valueCoding":{"display":"no code"}`)+","+
				ext("c", `"valueCoding":{"code":"2"}`)+","+ext("t", `"valueString":"  text "`)+
				`]`) + `]`,
		`"extension":[` + ext("e", `"extension":[`+ext("c", `"valueCoding":{"code":"e"}`)+`]`) +
			"," + ext("r", `"extension":`+ext("c", `"valueCoding":{"code":"r"}`)) + `]`,
		`"extension":[` + ext("r", `"extension":[]`) + "," +
			ext("r", `"extension":[`+ext("c", `"valueCoding":{"code":"of the second"}`)+`]`) + `]`,
		`"extension":[` + ext("r", `"valueCode":"c"`) + "," +
			ext("R", `"extension":[`+ext("c", `"valueCoding":{"code":"case"}`)+`]`) + `]`,
		`"extension":[{"url":"\u0072","extension":[{"url":"\u0063","valueCoding":{"code":"escaped"}}]}]`,
		`"extension":[` + ext("n", `"valueDecimal":1.50`) + "," + ext("n", `"valueInteger":7`) +
			"," + ext("n", `"valueDecimal":2e1`) + `]`,
		`"extension":[` + ext("n", `"valueDecimal":2e1`) + "," + ext("d", `"valueDate":"2020-02"`) +
			"," + ext("d", `"valueDate":"2020-02-03"`) + `]`,
		`"extension":[` + ext("d", `"valueDateTime":"2020-02-03T04:05:06Z"`) + "," +
			ext("b", `"valueBoolean":false`) + "," + ext("b", `"valueBoolean":true`) + `]`,
		`"name":[{"extension":[` + ext("m", `"valueString":"m"`) +
			`]},{"family":"f"},{"extension":[` + ext("p", `"valueString":"p1"`) + "," +
			ext("p", `"valueString":"p2"`) + `]}]`,
		`"generalPractitioner":[{"display":"d"},{"reference":"Organization/o"},{"reference":"Practitioner/p/_history/2"},{"reference":"Practitioner/q"}]`,
		`"telecom":[{"system":"fax","value":"1"},{"system":"email","value":"e"},{"system":"phone","value":"2"},{"system":"phone","use":"mobile","value":"3"}]`,
	} {
		lines = append(lines,
			fmt.Appendf(nil, `{"resourceType":"Patient","id":"p%d",%s}`, i, members))
	}
	return lines
}

func TestPicksAreThoseOfTheNativeEngine(t *testing.T) {
	t.Parallel()
	v, err := sof.Compile("v.json", []byte(pickedView))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range tsql.Engines() {
		body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
		if err != nil {
			t.Fatal(err)
		}
		// for the extensions, for the extensions of a name, for practitioners, for contacts
		if n := strings.Count(body, "SELECT\n    MIN("); n < 3 {
			t.Errorf("%s: %d passes:\n%s", e, n, body)
		}
		agree(t, v, e, pickedLines())
	}
}
