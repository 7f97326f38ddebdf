package tsql_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/tsqleval"
	"fhirsynapse/views"
)

// compiled returns a view of selects in JSON.
func compiled(t *testing.T, resource, selects, where string) *sof.View {
	t.Helper()
	return compiledText(t, fmt.Sprintf(`{"name":"v","resource":%q,"select":[%s],"where":[%s]}`, resource, selects, where))
}

func compiledText(t *testing.T, text string) *sof.View {
	t.Helper()
	v, err := sof.Compile("v.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// column returns a select with one column v.
func column(path, more string) string {
	b, err := json.Marshal(path)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"column":[{"name":"v","path":%s%s}]}`, b, more)
}

// rule is a view over one document, and the rows that it returns on every engine. Cells are in the
// form of the stand-in, rows are sorted.
type rule struct {
	name, resource, doc, selects, where string
	want                                []string
}

const twoNames = `{"resourceType":"Patient","id":"p","name":[{"given":["a"]},{"use":"official","family":"F","given":["b","c"]}],"contact":[{"name":{"family":"C"}},{"telecom":[{"value":"1"},{"value":"2"}]}]}`

var long = strings.Repeat("é", 9000)

var rules = []rule{
	{"first() skips what is empty", "Patient", twoNames, column("name.family.first()", ""), "", []string{"F"}},
	{"a path over two lists keeps the order", "Patient", twoNames, column("name.given.join('')", ""), "", []string{"abc"}},
	{"an index counts items, not names", "Patient", twoNames, column("name.given[2]", ""), "", []string{"c"}},
	{"last()", "Patient", twoNames, column("name.given.last()", ""), "", []string{"c"}},
	{"positions are numbers, not text", "Patient", `{"resourceType":"Patient","name":[{"given":["0","1","2","3","4","5","6","7","8","9","10","11"]}]}`, column("name.given.join(',')", ""), "", []string{"0,1,2,3,4,5,6,7,8,9,10,11"}},
	{"join over nothing is nothing", "Patient", `{"resourceType":"Patient"}`, column("name.given.join(',')", ""), "", []string{"NULL"}},
	{"join over one that is not there is nothing", "Patient", `{"resourceType":"Patient"}`, column("gender.join(',')", ""), "", []string{"NULL"}},
	{"join over an empty text is one", "Patient", `{"resourceType":"Patient","name":[{"given":[""]}]}`, column("name.given.join(',')", ""), "", []string{""}},
	{"join over nothing does not exist", "Patient", `{"resourceType":"Patient"}`, column("name.given.join(',').exists()", ""), "", []string{"false"}},
	{"join over nothing is not equal to an empty text", "Patient", `{"resourceType":"Patient"}`, column("name.given.join(',') = ''", ""), "", []string{"NULL"}},
	{"nulls are no items", "Patient", `{"resourceType":"Patient","name":[{"given":[null,"a",null]}]}`, column("name.given", `,"collection":true`), "", []string{`["a"]`}},
	{"!= of what is equal", "Patient", `{"resourceType":"Patient","gender":"male"}`, column("gender != 'male'", ""), "", []string{"false"}},
	{"!= of nothing is nothing", "Patient", `{"resourceType":"Patient"}`, column("gender != 'male'", ""), "", []string{"NULL"}},
	{"xor", "Patient", `{"resourceType":"Patient","active":true,"deceasedBoolean":true}`, column("active xor deceased.ofType(boolean)", ""), "", []string{"false"}},
	{"xor with unknown", "Patient", `{"resourceType":"Patient","active":true}`, column("active xor deceased.ofType(boolean)", ""), "", []string{"NULL"}},
	{"true or unknown", "Patient", `{"resourceType":"Patient","active":true}`, column("active or deceased.ofType(boolean)", ""), "", []string{"true"}},
	{"false and unknown", "Patient", `{"resourceType":"Patient","active":false}`, column("deceased.ofType(boolean) and active", ""), "", []string{"false"}},
	{"where keeps true alone", "Patient", `{"resourceType":"Patient"}`, column("id.exists()", ""), `{"path":"(gender = 'male').not()"}`, nil},
	{"forEachOrNull over several steps: one row of nulls", "Patient", `{"resourceType":"Patient","contact":[{"gender":"male"},{}]}`, `{"forEachOrNull":"contact.telecom",` + column("value", "")[1:], "", []string{"NULL"}},
	{"forEachOrNull over several steps: the rows there are", "Patient", twoNames, `{"forEachOrNull":"contact.telecom",` + column("value", "")[1:], "", []string{"1", "2"}},
	{"%rowIndex counts over several steps", "Patient", twoNames, `{"forEach":"name.given",` + column("%rowIndex", "")[1:], "", []string{"0", "1", "2"}},
	{"%rowIndex counts what where keeps", "Patient", twoNames, `{"forEach":"name.where(use = 'official')",` + column("%rowIndex", "")[1:], "", []string{"0"}},
	{"%rowIndex is 0 in the row of nulls, at any depth", "Patient", `{"resourceType":"Patient"}`, `{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEachOrNull":"telecom","column":[{"name":"j","path":"%rowIndex"}],"select":[{"forEachOrNull":"extension","column":[{"name":"k","path":"%rowIndex"},{"name":"u","path":"url"}]}]}]}`, "", []string{"0|0|0|NULL"}},
	{"%rowIndex is 0 in the row of nulls of a list of lists", "Patient", twoNames, `{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEachOrNull":"telecom","column":[{"name":"j","path":"%rowIndex"},{"name":"u","path":"value"}]}]}`, "", []string{"0|0|NULL", "1|0|1", "1|1|2"}},
	{"%rowIndex is 0 in a branch behind one that iterates", "Patient", `{"resourceType":"Patient"}`, `{"forEachOrNull":"contact","unionAll":[{"forEach":"telecom","column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"%rowIndex"}]}]}`, "", []string{"0"}},
	{"%rowIndex of branches that have rows", "Patient", twoNames, `{"forEachOrNull":"contact","unionAll":[{"forEach":"telecom","column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"%rowIndex"}]}]}`, "", []string{"0", "0", "1", "1"}},
	{"a NULL beside %rowIndex of another branch stays NULL", "Patient", twoNames, `{"forEachOrNull":"name","unionAll":[{"column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"iif(use = 'official', 7, {})"}]}]}`, "", []string{"0", "1", "7", "NULL"}},
	{"%rowIndex in a list of the row of nulls", "Patient", `{"resourceType":"Patient"}`, `{"forEachOrNull":"contact","column":[{"name":"i","path":"%rowIndex","collection":true}]}`, "", []string{"[0]"}},
	{"case counts", "Patient", `{"resourceType":"Patient","gender":"Male"}`, column("gender = 'male'", ""), "", []string{"false"}},
	{"a blank at the end counts", "Patient", `{"resourceType":"Patient","gender":"male "}`, column("gender = 'male'", ""), "", []string{"false"}},
	{"a blank at the end of the literal counts", "Patient", `{"resourceType":"Patient","gender":"male"}`, column("gender = 'male '", ""), "", []string{"false"}},
	{"the order of texts is that of characters", "Patient", `{"resourceType":"Patient","gender":"a"}`, column("gender > 'B'", ""), "", []string{"true"}},
	{"a tab is below a blank", "Patient", `{"resourceType":"Patient","gender":"a\t"}`, column("gender > 'a'", ""), "", []string{"true"}},
	{"an apostrophe in a literal", "Patient", `{"resourceType":"Patient","name":[{"family":"O'Neil"}]}`, column(`name.where(family = 'O\'Neil').exists()`, ""), "", []string{"true"}},
	{"text of any length", "Patient", `{"resourceType":"Patient","gender":"` + long + `"}`, column("gender", ""), "", []string{long}},
	{"text of any length in a list", "Patient", `{"resourceType":"Patient","name":[{"given":["` + long + `","` + long + `"]}]}`, column("name.given.join('')", ""), "", []string{long + long}},
	{"escapes are decoded, and written again in lists", "Patient", `{"resourceType":"Patient","name":[{"given":["a\"\\\n\u00e9/"]}]}`, column("name.given", `,"collection":true`), "", []string{`["a\"\\\né/"]`}},
	{"a partial date is kept as text", "Patient", `{"resourceType":"Patient","birthDate":"1970-06"}`, column("birthDate", `,"type":"date"`), "", []string{"1970-06"}},
	{"a partial date is no day", "Patient", `{"resourceType":"Patient","birthDate":"1970"}`, column("birthDate", `,"type":"date","tag":[{"name":"ansi/type","value":"DATE"}]`), "", []string{"NULL"}},
	{"a whole date is a day", "Patient", `{"resourceType":"Patient","birthDate":"1970-06-01"}`, column("birthDate", `,"type":"date","tag":[{"name":"ansi/type","value":"DATE"}]`), "", []string{"1970-06-01"}},
	{"no 31st of February", "Patient", `{"resourceType":"Patient","birthDate":"1970-02-31"}`, column("birthDate", `,"type":"date","tag":[{"name":"ansi/type","value":"DATE"}]`), "", []string{"NULL"}},
	{"an instant in UTC, cut to milliseconds", "Observation", `{"resourceType":"Observation","issued":"2020-01-01T00:30:00.12345678+01:00"}`, column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "", []string{"2019-12-31T23:30:00.123"}},
	{"second 60 is the next minute", "Observation", `{"resourceType":"Observation","issued":"2016-12-31T23:59:60.25Z"}`, column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "", []string{"2017-01-01T00:00:00.250"}},
	{"there is no second 61", "Observation", `{"resourceType":"Observation","issued":"2016-12-31T23:59:61Z"}`, column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "", []string{"NULL"}},
	{"second 60 is behind second 59", "Observation", `{"resourceType":"Observation","effectiveDateTime":"2016-12-31T23:59:60Z"}`, column("effective.ofType(dateTime) > @2016-12-31T23:59:59.9Z and effective.ofType(dateTime) < @2017-01-01T00:00:00Z", ""), "", []string{"true"}},
	{"a date is no instant", "Observation", `{"resourceType":"Observation","effectiveDateTime":"2020-01-01"}`, column("effective.ofType(dateTime)", `,"type":"dateTime","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "", []string{"NULL"}},
	{"the end of time is no fault", "Observation", `{"resourceType":"Observation","effectiveDateTime":"9999-12-31T23:59:59-05:00"}`, column("effective.ofType(dateTime) > @2020", ""), "", []string{"true"}},
	{"dates of unlike precision: known", "Patient", `{"resourceType":"Patient","birthDate":"1970-06"}`, column("birthDate < @1971", ""), "", []string{"true"}},
	{"dates of unlike precision: unknown", "Patient", `{"resourceType":"Patient","birthDate":"1970-06"}`, column("birthDate = @1970", ""), "", []string{"NULL"}},
	{"one moment in two zones", "Observation", `{"resourceType":"Observation","effectiveDateTime":"2020-01-01T01:00:00+01:00"}`, column("effective.ofType(dateTime) = @2020-01-01T00:00:00.0Z", ""), "", []string{"true"}},
	{"a time with an offset against one without", "Observation", `{"resourceType":"Observation","effectiveDateTime":"2020-01-01T01:00:00+01:00"}`, column("effective.ofType(dateTime) > @2019-01-01T00:00:00", ""), "", []string{"NULL"}},
	{"times of day", "Observation", `{"resourceType":"Observation","valueTime":"08:00:00"}`, column("value.ofType(time) < @T08:00:00.5", ""), "", []string{"true"}},
	{"keys of 64 characters", "Patient", `{"resourceType":"Patient","link":[{"other":{"reference":"/Patient/` + strings.Repeat("x", 64) + `/_history/2"}}]}`, column("link.other.first().getReferenceKey(Patient)", ""), "", []string{strings.Repeat("x", 64)}},
	{"a key of another type", "Patient", `{"resourceType":"Patient","link":[{"other":{"reference":"XPatient/9"}}]}`, column("link.other.first().getReferenceKey(Patient)", ""), "", []string{"NULL"}},
	{"a key that is none", "Patient", `{"resourceType":"Patient","managingOrganization":{"reference":"Patient/"}}`, column("managingOrganization.getReferenceKey()", ""), "", []string{"NULL"}},
	{"urn: points to no row", "Patient", `{"resourceType":"Patient","managingOrganization":{"reference":"urn:uuid:1/Organization/2"}}`, column("managingOrganization.getReferenceKey(Organization)", ""), "", []string{"NULL"}},
	{"conditional references point to no row", "Patient", `{"resourceType":"Patient","managingOrganization":{"reference":"Organization?identifier=http://x/y"}}`, column("managingOrganization.getReferenceKey()", ""), "", []string{"NULL"}},
	{"an object where there should be a list", "Patient", `{"resourceType":"Patient","name":{"family":"F","use":"usual"}}`, column("name.family", `,"collection":true`), "", []string{`["F"]`}},
	{"a list where there should be an object", "Patient", `{"resourceType":"Patient","maritalStatus":[{"text":"x"}]}`, column("maritalStatus.text", ""), "", []string{"NULL"}},
	{"a text where there should be a list of objects", "Patient", `{"resourceType":"Patient","name":["x",{"family":"F"}]}`, column("name.family.first()", ""), "", []string{"F"}},
	{"numbers are exact", "Observation", `{"resourceType":"Observation","valueQuantity":{"value":0.1}}`, column("value.ofType(Quantity).value + 0.2 = 0.3", ""), "", []string{"true"}},
	{"digits of a number are kept", "Observation", `{"resourceType":"Observation","valueQuantity":{"value":1.10}}`, column("value.ofType(Quantity).value", `,"type":"decimal","tag":[{"name":"ansi/type","value":"VARCHAR"}]`), "", []string{"1.10"}},
	{"integers divide to decimals", "Patient", `{"resourceType":"Patient","multipleBirthInteger":3}`, column("multipleBirth.ofType(integer) / 2", ""), "", []string{"1.500000000000000000"}},
	{"division by zero is nothing", "Patient", `{"resourceType":"Patient","multipleBirthInteger":3}`, column("multipleBirth.ofType(integer) / 0", ""), "", []string{"NULL"}},
	{"div and mod cut towards zero", "Patient", `{"resourceType":"Patient","multipleBirthInteger":-7}`, `{"column":[{"name":"a","path":"multipleBirth.ofType(integer) div 2"},{"name":"b","path":"multipleBirth.ofType(integer) mod 2"}]}`, "", []string{"-3|-1"}},
	{"boundaries know digits", "Observation", `{"resourceType":"Observation","valueQuantity":{"value":1.0}}`, column("value.ofType(Quantity).value.lowBoundary()", ""), "", []string{"0.950000000000000000"}},
	{"the last day of a February", "Patient", `{"resourceType":"Patient","birthDate":"2000-02"}`, column("birthDate.highBoundary()", ""), "", []string{"2000-02-29"}},
	{"an extension of a primitive", "Patient", `{"resourceType":"Patient","birthDate":"2000","_birthDate":{"extension":[{"url":"u","valueString":"x"}]}}`, column("birthDate.extension('u').value.ofType(string)", ""), "", []string{"x"}},
	{"another type has no rows", "Patient", `{"resourceType":"Organization","id":"o","name":"x"}`, column("name.family", ""), "", nil},
	{"what where drops may be faulty", "Patient", twoNames, column("name.given", ""), `{"path":"active"}`, nil},
	{"repeat goes deep, parents first", "QuestionnaireResponse", `{"resourceType":"QuestionnaireResponse","item":[{"linkId":"1","item":[{"linkId":"1.1"}],"answer":[{"item":[{"linkId":"1.a"}]}]},{"linkId":"2"}]}`, `{"repeat":["item","answer.item"],"column":[{"name":"i","path":"%rowIndex"},{"name":"v","path":"linkId"}]}`, "", []string{"0|1", "1|1.1", "2|1.a", "3|2"}},
}

func run(t *testing.T, v *sof.View, e tsql.Engine, docs ...string) ([]string, error) {
	t.Helper()
	body, err := tsql.Body(v, e, tsql.Shape{From: "[docs]"})
	if err != nil {
		t.Fatal(err)
	}
	parsed(t, body)
	_, rows, err := tsqleval.Run(body, standIn(e).dialect(), tsqleval.Documents("docs", docs))
	return joined(rows), err
}

// joined returns rows as texts, sorted.
func joined(rows [][][]byte) []string {
	var out []string
	for _, r := range rows {
		var cells []string
		for _, c := range r {
			if c == nil {
				cells = append(cells, "NULL")
				continue
			}
			cells = append(cells, string(c))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	slices.Sort(out)
	return out
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			v := compiled(t, r.resource, r.selects, r.where)
			for _, e := range tsql.Engines() {
				got, err := run(t, v, e, r.doc)
				if err != nil {
					t.Fatalf("%s: %v", e, err)
				}
				if d := cmp.Diff(r.want, got); d != "" {
					t.Errorf("%s (-want +got):\n%s", e, d)
				}
			}
		})
	}
}

func TestMoreThanOneItemFailsByACast(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Patient", column("name.given", ""), "")
	for _, e := range tsql.Engines() {
		if got, err := run(t, v, e, `{"resourceType":"Patient","name":[{"given":["a"]}]}`); err != nil || len(got) != 1 || got[0] != "a" {
			t.Errorf("%s: one item gives %v, %v", e, got, err)
		}
		_, err := run(t, v, e, twoNames)
		if !tsqleval.IsDataError(err) || !strings.Contains(err.Error(), "view v, column v: more than one item: 3") || !tsql.IsVerdict(err.Error()) {
			t.Errorf("%s: three items give %v", e, err)
		}
	}
}

func TestRepeatBelowTheDeepestLevelFailsByACast(t *testing.T) {
	t.Parallel()
	v := compiled(t, "QuestionnaireResponse", `{"repeat":["item"],"column":[{"name":"v","path":"linkId"}]}`, "")
	nested := func(levels int) string {
		return `{"resourceType":"QuestionnaireResponse"` + strings.Repeat(`,"item":[{"linkId":"x"`, levels) + strings.Repeat("}]", levels) + "}"
	}
	if got, err := run(t, v, tsql.SQLServer, nested(10)); err != nil || len(got) != 10 {
		t.Errorf("ten levels give %d rows, %v", len(got), err)
	}
	if got, err := run(t, v, tsql.SQLServer, nested(11)); !tsqleval.IsDataError(err) || !tsql.IsVerdict(err.Error()) {
		t.Errorf("eleven levels give %d rows, %v", len(got), err)
	}
}

func TestRefusalsSayThePlace(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Patient", `{"column":[{"name":"a","path":"gender"},{"name":"b","path":"name.where(\n  family.matches('x')).exists()"},{"name":"c","path":"id.split('-').first()"},{"name":"d","path":"multipleBirth.ofType(integer) / 2","collection":true}]}`, "")
	_, err := tsql.Body(v, tsql.Fabric, tsql.Shape{From: "[docs]"})
	var fault *sof.Fault
	if !errors.As(err, &fault) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"select[0].column[1].path:2:10: fabric cannot say this: the function matches()",
		"select[0].column[2].path:1:4: fabric cannot say this: the function split()",
		"select[0].column[3].path:1:31: fabric cannot say this: the text of a computed decimal",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

// The text of a statement, and the time to write it, grow with the expression and not faster.
func TestTextGrowsWithTheExpression(t *testing.T) {
	t.Parallel()
	for sign, operand := range map[string]string{
		" and ": "(gender = 'x')", " or ": "(name.family > 'a')", " xor ": "active", " implies ": "active", " + ": "multipleBirth.ofType(integer)",
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
		"xor":     strings.Repeat("active xor ", links) + "active",
		"!=":      "(" + strings.Repeat("(active != ", links) + "true" + strings.Repeat(")", links) + ")",
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
	for in, want := range map[string]string{"t": "[t]", "dbo.t": "[dbo].[t]", "[a b].t": "[a b].[t]", "x;DROP": "[x;DROP]"} {
		if got, err := tsql.ParseName(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ".", "a.", "a..b", "a]b", "[a", "a.b.c.d", "[a]b", "a\nb"} {
		if got, err := tsql.ParseName(in); err == nil {
			t.Errorf("%q passes as %s", in, got)
		}
	}
	if got := tsql.Literal("a\\\nb\\c\nd\\\re", tsql.SQLServer); got != "CONCAT(N'a\\', N'\nb\\c\nd\\', N'\re')" {
		t.Errorf("got %q", got)
	}
	if got := tsql.Literal("it's", tsql.SQLServer) + tsql.Literal("it's", tsql.Fabric) + tsql.Quote("a]b"); got != "N'it''s''it''s'[a]]b]" {
		t.Error(got)
	}
}

// Non-ASCII text of a view appears in literals only.
func TestCommentsAreASCII(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Patient", column("name.where(text = 'é'+"+strings.Repeat("'long'+", 20)+"'x').family.first()", ""), "")
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
