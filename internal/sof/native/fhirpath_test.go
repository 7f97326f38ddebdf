package native

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/sof/sofgen"
)

// viewOf is a view of one column.
func viewOf(tb testing.TB, resource, path string, options ...sof.Option) *sof.View {
	tb.Helper()
	src, err := json.Marshal(map[string]any{
		"resource": resource,
		"select":   []any{map[string]any{"column": []any{map[string]any{"name": "v", "path": path, "collection": true}}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	v, err := sof.Compile("v.json", src, options...)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return v
}

// evaluate gives the items of a path as a JSON array.
func evaluate(tb testing.TB, resource, path, line string) (string, error) {
	tb.Helper()
	e, err := New([]*sof.View{viewOf(tb, resource, path)})
	if err != nil {
		tb.Fatal(err)
	}
	out := ""
	_, err = e.Evaluator().Eval([]byte(line), func(_ int, row [][]byte) error {
		out = string(row[0])
		return nil
	})
	return out, err
}

const patient = `{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1970-06-15","_birthDate":{"extension":[{"url":"u","valueString":"about noon"}]},
"multipleBirthInteger":2,"gender":"female",
"name":[{"use":"official","family":"Ö\u00fc\"x","given":["Ann",null,"Bea"]},{"use":"usual","given":["Cy"]},{"given":[]},null],
"telecom":[{"system":"phone","value":"1","rank":1},{"system":"phone","value":"2","rank":3},{"system":"email","value":"a@b.c","rank":2}],
"contact":[{"name":{"family":"C1"}},{"gender":"male"}],
"generalPractitioner":[{"reference":"Practitioner/d1"},{"reference":"https://h/fhir/Organization/o1/_history/3"},{"reference":"#c"},{"reference":"urn:uuid:1"},{"reference":"Practitioner?identifier=s|v"},{"display":"x"}],
"extension":[{"url":"a","valueDecimal":1.50},{"url":"b","extension":[{"url":"c","valueCode":"z"}]},{"url":"q","valueQuantity":{"value":0.1}},{"url":"q","valueQuantity":{"value":0.2}}],
"contained":[{"resourceType":"Organization","id":"c","name":"Inside"},{"resourceType":"Practitioner","id":"d"}],
"maritalStatus":{"coding":[{"code":"M"},{"code":"m"}],"text":" Married  Now"}}`

// patientPaths are paths with what they give on the patient above.
var patientPaths = []struct{ path, want string }{
	// navigation
	{"id", `["p1"]`},
	{"Patient.id", `["p1"]`},
	{"name.family", `["Öü\"x"]`},
	{"name.given", `["Ann","Bea","Cy"]`},
	{"name.given.first()", `["Ann"]`},
	{"name.first().given", `["Ann","Bea"]`},
	{"name[1].given", `["Cy"]`},
	{"name[3]", `[]`},
	{"name[-1]", `[]`},
	{"name.count()", `[3]`},
	{"contact.name.family", `["C1"]`},
	{"deceased", `[]`},
	{"multipleBirth", `[2]`},
	{"multipleBirth.exists()", `[true]`},
	{"multipleBirth.ofType(integer)", `[2]`},
	{"multipleBirth.ofType(boolean)", `[]`},
	{"(multipleBirth as integer) + 1", `[3]`},
	{"multipleBirth is integer", `[true]`},
	{"multipleBirth is boolean", `[false]`},
	{"birthDate.extension('u').value.ofType(string)", `["about noon"]`},
	{"extension('b').extension('c').value.ofType(code)", `["z"]`},
	{"extension('a').value.ofType(decimal)", `[1.50]`},
	{"contained.ofType(Organization).name", `["Inside"]`},
	{"contained.where($this is Practitioner).id", `["d"]`},
	{"%resource.id", `["p1"]`},
	{"name.where(%resource.active).use", `["official","usual"]`},
	{"$this.gender", `["female"]`},
	{"`gender`", `["female"]`},
	// filters and subsets
	{"name.where(use = 'official').given", `["Ann","Bea"]`},
	{"name.where(given.exists()).use", `["official","usual"]`},
	{"name.where($index = 1).use", `["usual"]`},
	{"name.select(use & '!')", `["official!","usual!","!"]`},
	{"name.select(given)", `["Ann","Bea","Cy"]`},
	{"name.all(given.exists())", `[false]`},
	{"telecom.all(value.exists())", `[true]`},
	{"contact.telecom.all(value = 'x')", `[true]`},
	{"telecom.exists(system = 'fax')", `[false]`},
	{"telecom.last().value", `["a@b.c"]`},
	{"telecom.tail().value", `["2","a@b.c"]`},
	{"telecom.skip(2).value", `["a@b.c"]`},
	{"telecom.take(2).value", `["1","2"]`},
	{"telecom.take(-1).value", `[]`},
	{"telecom.system.distinct()", `["phone","email"]`},
	{"telecom.system.isDistinct()", `[false]`},
	{"telecom.value.isDistinct()", `[true]`},
	{"telecom.where(system = 'email').single().value", `["a@b.c"]`},
	{"(telecom.system | name.use)", `["phone","email","official","usual"]`},
	{"telecom.system.combine(gender)", `["phone","phone","email","female"]`},
	{"telecom.value.intersect('2' | '3')", `["2"]`},
	{"telecom.value.exclude('2' | '3')", `["1","a@b.c"]`},
	{"('1' | '2').subsetOf(telecom.value)", `[true]`},
	{"telecom.value.supersetOf('9')", `[false]`},
	{"telecom.select(rank > 1).anyTrue()", `[true]`},
	{"telecom.select(rank > 1).allTrue()", `[false]`},
	// logic in three values
	{"deceased.ofType(boolean) and false", `[false]`},
	{"deceased.ofType(boolean) and true", `[]`},
	{"true and deceased.ofType(boolean)", `[]`},
	{"deceased.ofType(boolean) or true", `[true]`},
	{"deceased.ofType(boolean) or false", `[]`},
	{"deceased.ofType(boolean) xor true", `[]`},
	{"true xor false", `[true]`},
	{"deceased.ofType(boolean) implies true", `[true]`},
	{"false implies deceased.ofType(boolean)", `[true]`},
	{"true implies deceased.ofType(boolean)", `[]`},
	{"active.not()", `[false]`},
	{"deceased.ofType(boolean).not()", `[]`},
	{"iif(active, 'yes', 'no')", `["yes"]`},
	{"iif(deceased.ofType(boolean), 'yes', 'no')", `["no"]`},
	{"iif(false, 'yes')", `[]`},
	{"gender.iif($this = 'female', 'f', 'm')", `["f"]`},
	// equality and order
	{"gender = 'female'", `[true]`},
	{"gender != 'male'", `[true]`},
	{"gender != 'female'", `[false]`},
	{"name.use = 'official'", `[false]`},
	{"name.use != 'official'", `[true]`},
	{"name.use = ('official' | 'usual')", `[true]`},
	{"name.suffix = 'x'", `[]`},
	{"name.suffix != 'x'", `[]`},
	{"'a' = 'A'", `[false]`},
	{"'a ' = 'a'", `[false]`},
	{"1 = 1.0", `[true]`},
	{"0.1 + 0.2 = 0.3", `[true]`},
	{"maritalStatus.coding[0] = maritalStatus.coding[0]", `[true]`},
	{"maritalStatus.coding[0] = maritalStatus.coding[1]", `[false]`},
	{"maritalStatus.coding[0] ~ maritalStatus.coding[1]", `[true]`},
	{"maritalStatus.text ~ ' married  NOW'", `[true]`},
	{"maritalStatus.text ~ '\\tmarried \\nnow'", `[true]`},
	{"maritalStatus.text ~ ' married now'", `[false]`},
	{"maritalStatus.text.trim() = 'Married  Now'", `[true]`},
	{"1.20 ~ 1.2", `[true]`},
	{"{} ~ {}", `[true]`},
	{"name.suffix !~ 'x'", `[true]`},
	{"('a' | 'b') ~ ('b' | 'a')", `[true]`},
	{"1.23 ~ 1.2", `[true]`},
	{"'b' > 'a'", `[true]`},
	{"2 < 10", `[true]`},
	{"'2' < '10'", `[false]`},
	{"'phone' in telecom.system", `[true]`},
	{"telecom.system contains 'fax'", `[false]`},
	{"{} in telecom.system", `[]`},
	{"birthDate = @1970-06-15", `[true]`},
	{"birthDate = @1970-06", `[]`},
	{"birthDate > @1970", `[]`},
	{"birthDate > @1969", `[true]`},
	{"birthDate < @1970-07", `[true]`},
	{"birthDate ~ @1970-06", `[false]`},
	{"@2020-01-01T10:00:00+02:00 = @2020-01-01T08:00:00Z", `[true]`},
	{"@T10:00 < @T10:30", `[true]`},
	// arithmetic
	{"1 + 2 * 3", `[7]`},
	{"(1 + 2) * 3", `[9]`},
	{"7 div 2", `[3]`},
	{"7 mod 2", `[1]`},
	{"1 / 0", `[]`},
	{"1 / 3 * 3 = 1", `[false]`},
	{"-multipleBirth.ofType(integer)", `[-2]`},
	{"-(1.50)", `[-1.50]`},
	{"(-5).abs()", `[5]`},
	{"extension('q').value.ofType(Quantity).value.first() + extension('q').value.ofType(Quantity).value.last()", `[0.3]`},
	{"1.5.ceiling()", `[2]`},
	{"(-1.5).floor()", `[-2]`},
	{"(-1.5).truncate()", `[-1]`},
	{"1.255.round(2)", `[1.26]`},
	// strings
	{"name.given.join('-')", `["Ann-Bea-Cy"]`},
	{"name.suffix.join(',')", `[""]`},
	{"'a' + 'b'", `["ab"]`},
	{"'a' + name.suffix.first()", `[]`},
	{"'a' & name.suffix.first()", `["a"]`},
	{"gender.upper()", `["FEMALE"]`},
	{"'ÀÉ'.lower()", `["àé"]`},
	{"gender.length()", `[6]`},
	{"name.family.length()", `[4]`},
	{"gender.substring(2)", `["male"]`},
	{"gender.substring(2, 2)", `["ma"]`},
	{"gender.substring(9)", `[]`},
	{"name.family.substring(1,1)", `["ü"]`},
	{"gender.startsWith('fe')", `[true]`},
	{"gender.endsWith('')", `[true]`},
	{"gender.contains('mal')", `[true]`},
	{"gender.indexOf('m')", `[2]`},
	{"gender.indexOf('zz')", `[-1]`},
	{"gender.replace('fe', '')", `["male"]`},
	{"'abc'.replace('', 'x')", `["xaxbxcx"]`},
	{"gender.matches('^f.m')", `[true]`},
	{"gender.matchesFull('f.m')", `[false]`},
	{"'a1b22'.replaceMatches('[0-9]+', '#')", `["a#b#"]`},
	{"'a,b,,c'.split(',')", `["a","b","","c"]`},
	{"'  x '.trim()", `["x"]`},
	{`'it\'s \u00e9'`, `["it's é"]`},
	// conversions
	{"1.50.toString()", `["1.50"]`},
	{"true.toString()", `["true"]`},
	{"'12'.toInteger()", `[12]`},
	{"'1.5'.toInteger()", `[]`},
	{"'1.50'.toDecimal()", `[1.50]`},
	{"'x'.toDecimal()", `[]`},
	{"'yes'.toBoolean()", `[true]`},
	{"'maybe'.toBoolean()", `[]`},
	{"'2020-02'.toDate()", `["2020-02"]`},
	{"'2020-02-31'.toDate()", `[]`},
	{"@2020-01-01T10:00:00Z.toDate()", `["2020-01-01"]`},
	{"'2020-01-31'.toDate() < @2020-02-01", `[true]`},
	// boundaries
	{"extension('a').value.ofType(decimal).lowBoundary()", `[1.495]`},
	{"birthDate.highBoundary()", `["1970-06-15"]`},
	{"2.lowBoundary()", `[1.5]`},
	// keys
	{"getResourceKey()", `["p1"]`},
	{"generalPractitioner.getReferenceKey()", `["d1","o1"]`},
	{"generalPractitioner.getReferenceKey(Organization)", `["o1"]`},
	{"generalPractitioner.first().getReferenceKey(Practitioner) = 'd1'", `[true]`},
	// complex values are JSON text
	{"maritalStatus.coding", `[{"code":"M"},{"code":"m"}]`},
	{"name.first().given.first() | {}", `["Ann"]`},
	{"%resource = $this", `[true]`},
	{"($this | %resource).count()", `[1]`},
	{"%sct", `["http://snomed.info/sct"]`},
	// corners of FHIRPath N1
	{"--1.50", `[1.50]`},
	{"---1", `[-1]`},
	{"'+5'.toInteger()", `[5]`},
	{"'5.0'.toInteger()", `[]`},
	{"5.0.toInteger()", `[]`},
	{"'1e5'.toDecimal()", `[]`},
	{"'+1.5'.toDecimal()", `[1.5]`},
	{"' 1'.toDecimal()", `[]`},
	{"'1_0'.toInteger()", `[]`},
	{"'.5'.toDecimal()", `[]`},
	{"'1.'.toDecimal()", `[]`},
	{"'99999999999'.toInteger()", `[]`},
	{"'abc'.startsWith({})", `[]`},
	{"{}.startsWith('a')", `[]`},
	{"'abc'.contains('')", `[true]`},
	{"'abc'.indexOf('')", `[0]`},
	{"'abc'.substring(1, -1)", `[""]`},
	{"'abc'.substring(1,0)", `[""]`},
	{"'abc'.substring(-1)", `[]`},
	{"'abc'.substring(0, 99)", `["abc"]`},
	{"{} & {}", `[""]`},
	{"{} + 'a'", `[]`},
	{"{} + 1", `[]`},
	{"{} = {}", `[]`},
	{"{} != 1", `[]`},
	{"{} in {}", `[]`},
	{"1 in {}", `[false]`},
	{"{} contains 1", `[false]`},
	{"(1|2) contains {}", `[]`},
	{"{}.not()", `[]`},
	{"{}.empty()", `[true]`},
	{"{}.exists()", `[false]`},
	{"{}.count()", `[0]`},
	{"{}.all(true)", `[true]`},
	{"{}.distinct()", `[]`},
	{"{}.isDistinct()", `[true]`},
	{"{}.single()", `[]`},
	{"(1|2|3).skip(-1)", `[1,2,3]`},
	{"(1|2|3).skip(0)", `[1,2,3]`},
	{"(1|2|3).skip(5)", `[]`},
	{"(1|2|3).take(0)", `[]`},
	{"(1|2|3).tail()", `[2,3]`},
	{"(1|2|3)[1]", `[2]`},
	{"(1|2|3)[{}]", `[]`},
	{"5 div 0", `[]`},
	{"5 mod 0", `[]`},
	{"5.5 div 0.7", `[7]`},
	{"5.5 mod 0.7", `[0.6]`},
	{"-7 div 2", `[-3]`},
	{"-7 mod 2", `[-1]`},
	{"2 / 4", `[0.5]`},
	{"1.0 * 1.00", `[1.000]`},
	{"0.1 + 0.2", `[0.3]`},
	{"1.0 - 1", `[0.0]`},
	{"1 < 1.5", `[true]`},
	{"'a' <= 'a'", `[true]`},
	{"@2020-01 < @2020-02", `[true]`},
	{"@2020 < @2020-06", `[]`},
	{"@2020-01-01 < @2020-01-01T10:00:00", `[]`},
	{"@2020-01-01T10:00:00 < @2020-01-01T10:00:00Z", `[]`},
	{"@2020-01-01T10:00:00.0Z = @2020-01-01T10:00:00Z", `[true]`},
	{"@T10:00:00 = @T10:00:00.000", `[true]`},
	{"@T10:00 = @T10:00:00", `[]`},
	{"@2020-01-01T23:00:00-02:00 = @2020-01-02T01:00:00Z", `[true]`},
	{"@2020-01-01 ~ @2020-01-01T00:00:00Z", `[false]`},
	{"@2020-01 ~ @2020-01", `[true]`},
	{"true and {}", `[]`},
	{"false and {}", `[false]`},
	{"{} or true", `[true]`},
	{"{} xor {}", `[]`},
	{"{} implies {}", `[]`},
	{"{} implies true", `[true]`},
	{"false implies {}", `[true]`},
	{"iif({}, 1, 2)", `[2]`},
	{"iif(true, 1)", `[1]`},
	{"iif(false, 1)", `[]`},
	{"iif(true, 1, telecom.single())", `[1]`},
	{"'2020-01-31'.toDate()", `["2020-01-31"]`},
	{"'x'.toDate()", `[]`},
	{"'true'.toBoolean()", `[true]`},
	{"'T'.toBoolean()", `[true]`},
	{"2.toBoolean()", `[]`},
	{"1.0.toBoolean()", `[true]`},
	{"1.lowBoundary()", `[0.5]`},
	{"1.0.highBoundary()", `[1.05]`},
	{"@2020.lowBoundary()", `["2020-01-01"]`},
	{"@2020-02.highBoundary()", `["2020-02-29"]`},
	{"@T10:30.highBoundary()", `["10:30:59.999"]`},
	{"@2020-01-01T10.lowBoundary()", `["2020-01-01T10:00:00.000+14:00"]`},
	{"'a,b'.split(',').count()", `[2]`},
	{"''.split(',')", `[""]`},
	{"'abc'.upper()", `["ABC"]`},
	{"'abc'.length()", `[3]`},
	{"''.length()", `[0]`},
	{"name.given contains 'Ann'", `[true]`},
	{"'Ann' in name.given", `[true]`},
	{"name.given.where($this = 'Ann')", `["Ann"]`},
	{"name.where($index=0).given[1]", `["Bea"]`},
	{"telecom.where(system='phone' and rank > 1).value", `["2"]`},
	{"telecom.exists(rank = 2)", `[true]`},
	{"telecom.rank.where($this > 1)", `[3,2]`},
	{"multipleBirth.is(integer)", `[true]`},
	{"multipleBirth.as(integer)", `[2]`},
	{"1 is System.Integer", `[true]`},
	{"1 is Integer", `[true]`},
	{"1.0 is Decimal", `[true]`},
	{"'a' is String", `[true]`},
	{"gender is code", `[true]`},
	{"gender is string", `[true]`},
	{"$this is Patient", `[true]`},
	{"Patient is Resource", `[true]`},
	{"name.first() is HumanName", `[true]`},
	{"'a' ~ 'A'", `[true]`},
	{"1 ~ 1.04", `[true]`},
	{"{} ~ 1", `[false]`},
	{"('a'|'b') = ('a'|'b')", `[true]`},
	{"('a'|'b') = ('b'|'a')", `[false]`},
	{"-1.abs()", `[-1]`},
	{"1 | 1.0 | 2", `[1,2]`},
	{"(1 | 2).combine(1)", `[1,2,1]`},
	{"'a\\u0062\\'\\\\'", `["ab'\\"]`},
	{"generalPractitioner.where(reference.startsWith('Pr')).getReferenceKey()", `["d1"]`},
	{"name.given.join()", `["AnnBeaCy"]`},
	{"(1|2).first()", `[1]`},
	{"name.last().given", `[]`},
	{"name.given.last()", `["Cy"]`},
	{"'abc'.matches('b')", `[true]`},
	{"'a\\nb'.matches('a.b')", `[true]`},
	{"'x'.replace('x', {})", `[]`},
	{"extension.where(url='a').value.ofType(decimal)", `[1.50]`},
	{"extension('b').extension('c').value", `["z"]`},
	{"%resource.name.family", `["Öü\"x"]`},
	{"%ucum", `["http://unitsofmeasure.org"]`},
	{"100.toString()", `["100"]`},
	{"@2020.toString()", `["2020"]`},
	{"{}", `[]`},
}

func TestPathsOnAPatient(t *testing.T) {
	t.Parallel()
	for _, c := range patientPaths {
		got, err := evaluate(t, "Patient", c.path, patient)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
		} else if got != c.want {
			t.Errorf("%s = %s, want %s", c.path, got, c.want)
		}
	}
}

// Every path meets resources of every odd shape: faults are fine, panics and
// lists that are no JSON are not.
func TestPathsStandOddShapes(t *testing.T) {
	t.Parallel()
	g := sofgen.New(7, true)
	typ, _ := schema.R4().Type("Patient")
	var lines [][]byte
	for range 150 {
		lines = append(lines, g.Resource(typ))
	}
	for _, c := range patientPaths {
		e, err := New([]*sof.View{viewOf(t, "Patient", c.path)})
		if err != nil {
			t.Fatal(err)
		}
		eval := e.Evaluator()
		for _, line := range lines {
			_, err := eval.Eval(line, func(_ int, row [][]byte) error {
				if !json.Valid(row[0]) {
					t.Errorf("%s gives %s on %s", c.path, row[0], line)
				}
				return nil
			})
			if err != nil && fault.Of(err) != fault.BadData {
				t.Errorf("%s on %s: %v", c.path, line, err)
			}
		}
	}
}

func TestFaultsOfTheDataNameNoData(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, reason string }{
		{"telecom.value > '1'", "> met more than one item"},
		{"name.given.length()", "length() met more than one item"},
		{"name.use & 'x'", "joining strings met more than one item"},
		{"telecom.single()", "single() met more than one item"},
		{"(telecom.rank as integer) > 1", "as met more than one item"},
		{"telecom.select(rank > 1) and true", "a condition met more than one item"},
		{"telecom.iif(true, 1)", "iif() met more than one item"},
	} {
		_, err := evaluate(t, "Patient", c.path, patient)
		if err == nil || !strings.Contains(err.Error(), c.reason) || fault.Of(err) != fault.BadData {
			t.Errorf("%s: got %v, want %q", c.path, err, c.reason)
		}
		var at *LineError
		if !errors.As(err, &at) {
			t.Errorf("%s: no LineError in %v", c.path, err)
		}
	}
}

func TestWrongShapesAreFaultsOrPassAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, line, want, reason string }{
		{"active and true", `{"resourceType":"Patient","id":"1","active":"yes"}`, "", "not true or false"},
		{"active", `{"resourceType":"Patient","id":"1","active":"yes"}`, `["yes"]`, ""},
		{"birthDate > @2000", `{"resourceType":"Patient","id":"1","birthDate":"soon"}`, "", "not in FHIR's form"},
		{"birthDate", `{"resourceType":"Patient","id":"1","birthDate":{"a": 1}}`, `[{"a":1}]`, ""},
		{"name.family", `{"resourceType":"Patient","id":"1","name":"Smith"}`, `[]`, ""},
		{"name.family", `{"resourceType":"Patient","id":"1","name":{"family":"Smith"}}`, `["Smith"]`, ""},
		{"name.given", `{"resourceType":"Patient","id":"1","name":[[{"given":["A"]}]]}`, `[]`, ""},
		{"gender = 'male'", `{"resourceType":"Patient","id":"1","gender":{}}`, `[false]`, ""},
		{"gender.upper()", `{"resourceType":"Patient","id":"1","gender":1}`, "", "no string"},
		{"deceased", `{"resourceType":"Patient","id":"1","deceasedBoolean":true,"deceasedDateTime":"2020"}`, `[true,"2020"]`, ""},
	} {
		got, err := evaluate(t, "Patient", c.path, c.line)
		switch {
		case c.reason == "" && (err != nil || got != c.want):
			t.Errorf("%s on %s: %s, %v", c.path, c.line, got, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
			t.Errorf("%s on %s: %s, %v, want %q", c.path, c.line, got, err, c.reason)
		}
	}
}
