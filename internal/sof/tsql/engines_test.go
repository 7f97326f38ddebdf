package tsql_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

// constructs are the parts that a view can consist of, each with an example.
var constructs = []struct{ what, resource, selects, where string }{
	{"path of single elements", "Patient", column("maritalStatus.text", ""), ""},
	{
		"`where(…)`, `exists(…)`", "Patient",
		column("name.where(use = 'official').exists(family = 'x')", ""), "",
	},
	{
		"`first()`, `last()`, `[n]`", "Patient",
		column("name.first().given.last() = name[1].family", ""), "",
	},
	{
		"`skip(n)`, `take(n)`, `tail()`, `single()`", "Patient",
		column("name.skip(1).take(2).tail().single().family", ""), "",
	},
	{
		"`count()`, `empty()`, `all(…)`, `allTrue()` …", "Patient",
		column("name.all(given.count() > 1) and name.empty()", ""), "",
	},
	{
		"`select(…)`, `$this`, `$index`", "Patient",
		column("name.select(given.first()).where($index > 0)", `,"collection":true`), "",
	},
	{
		"`\\|`, `combine()`, `distinct()`", "Patient",
		column("(name.given | name.family).distinct().combine('x')", `,"collection":true`), "",
	},
	{
		"`distinct()`, `\\|` of objects", "Observation",
		column("component.code.distinct()", `,"collection":true`), "",
	},
	{
		"`intersect()`, `exclude()`, `subsetOf()`", "Patient",
		column("name.given.exclude('x')", `,"collection":true`), "",
	},
	{
		"`ofType(T)`, `is T`, `as T`", "Observation",
		column("value.ofType(Quantity).unit = 'x' or value is string", ""), "",
	},
	{
		"a resource inside a resource: `ofType(Patient)`", "Bundle",
		column("entry.resource.ofType(Patient).id.first()", ""), "",
	},
	{
		"`extension(url)`, also of primitives", "Patient",
		column("birthDate.extension('u').value.ofType(string).first()", ""), "",
	},
	{
		"`getResourceKey()`, `getReferenceKey(T)`", "Patient",
		column("getResourceKey() = link.other.first().getReferenceKey(Patient)", ""), "",
	},
	{
		"constants, `%rowIndex`, `%resource`", "Patient",
		`{"forEach":"name",` + column("%resource.id = 'x' and %rowIndex > 0", "")[1:], "",
	},
	{
		"`and`, `or`, `xor`, `implies`, `not()`", "Patient",
		column("active and active or active xor active implies active.not()", ""), "",
	},
	{
		"`=`, `!=` of single items; of a list with one", "Patient",
		column("gender != 'x' and name.given = 'x'", ""), "",
	},
	{
		"`=` of two lists, or of objects", "Patient", column("name.given = contact.name.given", ""),
		"",
	},
	{"`~`, `!~` of strings", "Patient", column("gender ~ 'MALE'", ""), ""},
	{
		"`~` of numbers, lists, objects", "Observation",
		column("value.ofType(Quantity).value ~ 1", ""), "",
	},
	{
		"`<` … of strings, numbers, dates, times", "Patient",
		column("birthDate <= @2020-01 and gender < 'x'", ""), "",
	},
	{"`in`, `contains`", "Patient", column("gender in ('a' | 'b')", ""), ""},
	{
		"`+ - * / div mod`", "Patient",
		column("multipleBirth.ofType(integer) * 2 div 3 mod 2 + 1 - 1 / 3", ""), "",
	},
	{
		"`abs()`, `round(n)`, `floor()`, `ceiling()`, `truncate()`", "Observation",
		column("value.ofType(Quantity).value.abs().round(1).floor()", ""), "",
	},
	{
		"`&`, `+` of strings, `join(s)`", "Patient", column("name.given.join(', ') & id + 'x'", ""),
		"",
	},
	{
		"`upper()`, `lower()`, `substring()`, `length()`", "Patient",
		column("gender.upper().lower().substring(1, 2).length()", ""), "",
	},
	{
		"`startsWith()`, `endsWith()`, `contains(s)`, `indexOf()`, `replace()`", "Patient",
		column("gender.startsWith('m') and gender.replace('a', 'b').contains('b')", ""), "",
	},
	{"`trim()`", "Patient", column("gender.trim()", ""), ""},
	{"`matches()`, `replaceMatches()`", "Patient", column("gender.matches('x')", ""), ""},
	{"`split()`", "Patient", column("gender.split('x').first()", ""), ""},
	{
		"`toString()`, `toInteger()`, `toDecimal()`, `toBoolean()` of strings", "Patient",
		column("id.toInteger() + id.toDecimal() > 1 and id.toBoolean()", ""), "",
	},
	{"`toDate()`, `toDateTime()`, `toTime()`", "Patient", column("id.toDate()", ""), ""},
	{
		"`convertsToString()`, `convertsToBoolean()`", "Patient",
		column("gender.convertsToString() and gender.convertsToBoolean()", ""), "",
	},
	{
		"`convertsTo…()` of other types, `toQuantity()`", "Patient",
		column("id.convertsToInteger()", ""), "",
	},
	{"`hasValue()`", "Patient", column("gender.hasValue() and name.given.hasValue()", ""), ""},
	{
		"`hasValue()` of each item of a list", "Patient", column("name.given.all(hasValue())", ""),
		"",
	},
	{
		"`trace()`, which passes its input through", "Patient",
		column("name.given.trace('x').count()", ""), "",
	},
	{
		"quantity literals: `4.5 'mg'`, `3 days`", "Observation",
		column("value.ofType(Quantity) > 4.5 'mg'", ""), "",
	},
	{
		"dates moved by a span of time: `birthDate + 18 years`", "Patient",
		column("birthDate + 18 years", ""), "",
	},
	{
		"`encode()`, `decode()`, `escape()`, `unescape()`, `toChars()`", "Patient",
		column("gender.encode('hex')", ""), "",
	},
	{
		"`power()`, `sqrt()`, `exp()`, `ln()`, `log()`", "Observation",
		column("value.ofType(Quantity).value.sqrt()", ""), "",
	},
	{"`type()`", "Patient", column("active.type().name", ""), ""},
	{"`sort()`, `aggregate()`", "Patient", column("name.given.sort().first()", ""), ""},
	{
		"`repeat(path)`, `children()`, `descendants()`", "Patient",
		column("descendants().count()", ""), "",
	},
	{
		"`lowBoundary()`, `highBoundary()`", "Observation",
		column("effective.ofType(dateTime).lowBoundary()", ""), "",
	},
	{
		"`iif()`", "Patient", column("iif(active, name.first(), contact.name.first()).family", ""),
		"",
	},
	{"a column that is a list", "Patient", column("name.given", `,"collection":true`), ""},
	{"a column that is an object, as JSON", "Patient", column("maritalStatus", ""), ""},
	{
		"`ansi/type` DATE, TIMESTAMP, DECIMAL(p,s) …", "Observation",
		column("issued", `,"type":"instant","tag":[{"name":"ansi/type","value":"TIMESTAMP"}]`), "",
	},
	{"`where` of the view", "Patient", column("id", ""), `{"path":"active"}`},
	{
		"`forEach`, `forEachOrNull`, nested, over several steps", "Patient",
		`{"forEach":"contact","select":[{"forEachOrNull":"telecom.where(use = 'x').period",` +
			column("start", "")[1:] + `]}`, "",
	},
	{
		"`unionAll`", "Patient",
		`{"unionAll":[{"forEach":"name",` + column("family", "")[1:] +
			`,{"forEachOrNull":"contact.name",` + column("family", "")[1:] + `]}`, "",
	},
	{
		"`repeat`, ten levels deep", "QuestionnaireResponse",
		`{"repeat":["item","answer.item"],` + column("linkId", "")[1:], "",
	},
}

func enginesDoc(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Views on T-SQL engines

Made by ` + "`go test ./internal/sof/tsql -run EnginesDoc -update`" + ` from the code. Print the SQL of a view with
` + "`fhirsynapse sql VIEW --engine E`" + `.

## What each engine can say

What an engine cannot say is refused with the place in the view. ` + "`prepare` and `load`" + ` flatten with the native engine, which knows
all of it; this table is about serverless views, ` + "`transform: tsql`" + ` and people who want the SQL.

| construct |`)
	for _, e := range tsql.Engines() {
		fmt.Fprintf(&b, " %s |", e)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(tsql.Engines())) + "\n")
	for _, c := range constructs {
		fmt.Fprintf(&b, "| %s |", c.what)
		v := compiled(t, c.resource, c.selects, c.where)
		for _, e := range tsql.Engines() {
			_, err := tsql.Body(v, e, tsql.Shape{From: "[documents]"})
			var fault *sof.Fault
			switch {
			case err == nil:
				b.WriteString(" yes |")
			case errors.As(err, &fault):
				b.WriteString(" refused |")
			default:
				t.Fatalf("%s: %v", c.what, err)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(`
The native engine takes every construct of the table. No engine takes ` + "`now()`, `today()` and `timeOfDay()`" + `: a table must not depend on the
day it was made. ` + "`resolve()`, `memberOf()`, `subsumes()` and `conformsTo()`" + ` need more than one resource. Expressions whose types can never
fit, such as a date that is compared with a time of day, are refused with the place in the view.

Quantities compare in units of UCUM: 4 'g' is 4000 'mg'. A unit that is not known here compares with itself alone, and one that measures
something else gives an empty result. A Quantity without a UCUM code, or with a comparator, gives an empty result too. Roots, powers and
logarithms are rounded to 18 digits behind the point.

## What the bodies know of the engines

| fact |`)
	for _, e := range tsql.Engines() {
		fmt.Fprintf(&b, " %s |", e)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(tsql.Engines())) + "\n")
	for _, fact := range []struct {
		what string
		of   func(tsql.Facts) string
	}{
		{"text of any length", func(f tsql.Facts) string { return f.Text }},
		{"literals", func(f tsql.Facts) string {
			return map[bool]string{true: "N'…'", false: "'…'"}[f.National]
		}},
		{"texts are compared", func(f tsql.Facts) string {
			if f.CompareBytes {
				return "as varbinary(max)"
			}
			return "COLLATE " + f.Binary
		}},
		{"objects and arrays of the document", func(f tsql.Facts) string {
			if f.AsJSON {
				return "AS JSON, in the one OPENJSON"
			}
			return "a second OPENJSON: AS JSON is nvarchar alone"
		}},
		{"instants", func(f tsql.Facts) string { return f.Timestamp }},
		{"rows from documents", func(f tsql.Facts) string {
			return map[tsql.Staging]string{
				tsql.NoStage: "views alone", tsql.InsertSelect: "INSERT … SELECT",
				tsql.CreateTableAs: "CREATE TABLE AS SELECT",
			}[f.Stage]
		}},
		{"recursive CTE", func(f tsql.Facts) string {
			return yes(f.RecursiveCTE) + " (not used: a body fits into an APPLY)"
		}},
		{"STRING_ESCAPE", func(f tsql.Facts) string {
			return yes(f.StringEscape) + " (not used: it escapes / too)"
		}},
		{"a SELECT without FROM", func(f tsql.Facts) string {
			return map[bool]string{true: "of literals alone", false: "yes"}[f.FromAlways]
		}},
		{"scalar functions with a query", func(f tsql.Facts) string {
			return yes(f.ScalarFunctions) + " (not used)"
		}},
	} {
		fmt.Fprintf(&b, "| %s |", fact.what)
		for _, e := range tsql.Engines() {
			fmt.Fprintf(&b, " %s |", fact.of(e.Facts()))
		}
		b.WriteString("\n")
	}
	b.WriteString(`
## Where a body and the native engine differ

Both give the same rows for lines that have the JSON types FHIR gives its elements. Beyond that:

- More than one item for a column that holds one makes the statement fail with a cast that names the view and the column. The
  native engine puts that line alone into quarantine. A server may fail so for a value that a condition before it makes needless.
- A repeat deeper than ten levels makes the statement fail in the same way. No row is ever left out.
- Where data has another JSON type than FHIR says, a body reads nothing; an object where FHIR has a list is a list of one. The native
  engine shows what is there, or calls the line bad.
- Numbers are read exactly, with an exponent or without. A decimal column rounds half to even, and is NULL for a number other than
  zero that would become zero. A comparison is exact where one side has up to 17 digits behind the point and is below 10^20. Sums
  keep 17 digits behind the point, products 17 of factors with up to 9, quotients 16. An exponent beyond 400 is read as NULL; the
  native engine calls such a line bad where it computes with the number.
- Second 60 is the second after 59 in a column of instants. A comparison puts it between second 59 and the next minute. The version
  of a resource is ordered by its lastUpdated as it is written.
- An object in a column keeps the white space of its document.
- Text is counted in UTF-16 units by length() and substring(): characters beyond the basic plane count twice.
- An element that R4 does not have is read as a list of whatever it is.
`)
	return b.String()
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func TestEnginesDoc(t *testing.T) {
	t.Parallel()
	got := []byte(enginesDoc(t))
	file := filepath.Join("..", "..", "..", "docs", "engines.md")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("docs/engines.md is out of date; run with -update:\n%s",
			cmp.Diff(string(want), string(got)))
	}
}
