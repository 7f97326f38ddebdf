package sof

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// oneColumn returns a view with one path.
func oneColumn(resource, path string) []byte {
	b, err := json.Marshal(map[string]any{
		"resource": resource,
		"select": []any{map[string]any{"column": []any{map[string]any{
			"name": "v", "path": path,
		}}}},
	})
	if err != nil {
		panic(err)
	}
	return b
}

func TestFaultsOfExpressionsPointAtTheirPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, msg, hint string
		offset          int
	}{
		{"name.famly", "HumanName has no element famly", "did you mean family?", 5},
		{"nmae", "Patient has no element nmae", "did you mean name?", 0},
		{
			"deceasedBoolean", "Patient has no element deceasedBoolean",
			"write deceased.ofType(boolean)", 0,
		},
		{
			"deceased.ofType(Quantity)", "no value here can be of type Quantity",
			"possible here: boolean, dateTime", 16,
		},
		{"deceased.ofType(bolean)", "there is no type bolean", "did you mean boolean?", 16},
		{
			"birthDate > '1970-01-01'", "date cannot be compared with String",
			"dates are written @2024-01-31", 10,
		},
		{
			"gender = 1", "code can never be equal to Integer",
			"numbers are written without quotes",
			7,
		},
		{
			"active = 'true'", "boolean can never be equal to String",
			"true and false are written without quotes", 7,
		},
		{
			"maritalStatus = 'M'", "CodeableConcept can never be equal to String",
			"compare its .coding.code or .text", 14,
		},
		{
			"name and active", "and needs booleans, got HumanName",
			"append .exists(), or compare with a value", 0,
		},
		{"name.where()", "where() needs an expression", "for example where(use = 'official')", 5},
		{
			"name.where(use)", "where() needs a boolean, got code",
			"append .exists(), or compare with a value", 11,
		},
		{"now()", "now() is not supported", clockless, 0},
		{"birthDate <= today()", "today() is not supported", clockless, 13},
		{"subject.resolve()", "Patient has no element subject", "", 0},
		{
			"managingOrganization.resolve()", "resolve() is not supported",
			"a view sees one resource; join the tables on getReferenceKey()", 21,
		},
		{"name.frist()", "the function frist() is not supported", "did you mean first?", 5},
		{"name.first(1)", "first() takes 0 arguments, got 1", "", 5},
		{"gender.substring()", "substring() takes 1 to 2 arguments, got 0", "", 7},
		{"gender.substring('a')", "substring() needs an integer here, got String", "", 17},
		{"active.upper()", "upper() needs a string, got boolean", "convert it with toString()", 7},
		{"gender.matches('(')", "error parsing regexp: missing closing ): `(`", "", 15},
		{
			"gender.matches(id)",
			"the pattern of matches() must be known when the view is compiled",
			"write the pattern as a string or a constant", 15,
		},
		{"%us", "there is no constant %us", "did you mean use?", 0},
		{"%threshold", "there is no constant %threshold", "define it under constant", 0},
		{
			"$index", "$index is known inside where(), select() and all() only",
			"use %rowIndex for the position in forEach", 0,
		},
		{"name[gender]", "an index must be an integer, got code", "", 5},
		{
			"contained.name", "Resource has no element name",
			"say which resource: ofType(Patient), for example", 10,
		},
		{"name.getReferenceKey()", "getReferenceKey() needs a Reference, got HumanName", "", 5},
		{
			"name.getResourceKey()", "getResourceKey() needs a resource, got HumanName",
			"use %resource.getResourceKey() inside forEach", 5,
		},
		{
			"managingOrganization.getReferenceKey(Organisation)",
			"there is no resource type Organisation", "did you mean Organization?", 37,
		},
		{
			"birthDate + 1", "+ needs numbers, got date and Integer",
			"dates move by quantities of time: + 7 days", 10,
		},
		{"@2024-02-30", "there is no such date or time", "", 0},
		{
			"descendants().value.ofType(string)",
			"elements of several types have the name value here",
			"name the elements one by one", 27,
		},
		{"1 ''", "there is no such unit", "write a UCUM code, for example 4 'mg'", 0},
		{
			"birthDate + 1 'a'", "dates and times cannot be moved by this unit",
			"write years, months, weeks, days, hours, minutes, seconds or milliseconds, or 'd', 'h' …", 12,
		},
		{
			"multipleBirth.ofType(integer) < 1 'mg'", "integer cannot be compared with Quantity",
			"",
			30,
		},
		{"name = 1 'mg'", "HumanName can never be equal to Quantity", "", 5},
		{"1 'mg' + 1", "+ does not take Quantity and Integer", "", 7},
		{
			"name.sort(period)",
			"Period has no order: sort() takes numbers, strings, dates and times",
			"sort by an element", 10,
		},
		{
			"name.given.encode('rot13')", `encode() does not know "rot13"`,
			"known are base64, hex, urlbase64", 18,
		},
		{
			"name.given.encode(id)", "what encode() uses must be known when the view is compiled",
			"write it as a string", 18,
		},
		{"name.given.first() & $total", "$total is known inside aggregate() only", "", 21},
		{
			"name.aggregate()", "aggregate() needs an expression",
			"for example aggregate($total + $this, 0)", 5,
		},
		{"id.type().size", "a type has no element size", "it has name and namespace", 10},
		{"id.trace(1)", "trace() needs a name, got Integer", "", 9},
		{"name.", "expected a name after the dot, got end", "", 5},
		{"name..given", `expected a name after the dot, got "."`, "", 5},
		{"(name", "expected ), got end", "", 5},
		{"'abc", "the text has no end: close it with '", "", 0},
		{`"abc"`, "strings are written in single quotes: 'text'", "", 0},
		{"@@", "@ starts a date or a time, for example @2024-01-31 or @T08:00", "", 0},
		{"name given", `unexpected "given" after the end of the expression`, "", 5},
		{
			"extension(id)", "the URL of extension() must be known when the view is compiled",
			"write it as a string or a constant", 10,
		},
		{"given.extension('x')", "Patient has no element given", "", 0},
		{
			"name.given.first().extension('x')",
			"extension of a primitive is supported directly behind its element only",
			"write it behind the element itself: birthDate.extension(…)", 19,
		},
	} {
		src := strings.Replace(string(oneColumn("Patient", c.path)), `{`,
			`{"constant":[{"name":"use","valueCode":"x"}],`, 1)
		_, err := Compile("v.json", []byte(src))
		var f *Fault
		if !errors.As(err, &f) {
			t.Errorf("%s: got %v", c.path, err)
			continue
		}
		if f.Msg != c.msg || f.Hint != c.hint || f.Offset != c.offset || f.Text != c.path ||
			f.Path != "select[0].column[0].path" {
			t.Errorf("%s\n got: %s | %s | %d\nwant: %s | %s | %d", c.path, f.Msg, f.Hint, f.Offset,
				c.msg, c.hint, c.offset)
		}
	}
}

// Each file of testdata/faults is a view with faults. The .txt file next to it has all of its
// errors.
func TestAllFaultsOfAViewAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/faults/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no views with faults: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compile(filepath.Base(file), src)
			if err == nil {
				t.Fatal("the view compiles")
			}
			golden := strings.TrimSuffix(file, ".json") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err2 := os.ReadFile(golden)
			if err2 != nil {
				t.Fatal(err2)
			}
			if d := cmp.Diff(string(want), err.Error()+"\n"); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestColumnsCarryTheirTypes(t *testing.T) {
	t.Parallel()
	v, err := Compile("obs.view.json",
		[]byte(`{"resourceType":"https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition","resource":"Observation","select":[{"column":[
		{"name":"id","path":"id","type":"id","description":"the id"},
		{"name":"n","path":"value.ofType(Quantity).value","type":"decimal"},
		{"name":"n2","path":"value.ofType(Quantity).value","type":"decimal","tag":[{"name":"ansi/type","value":"decimal(10, 2)"}]},
		{"name":"b","path":"value.ofType(boolean)","type":"http://hl7.org/fhir/StructureDefinition/boolean"},
		{"name":"i","path":"value.ofType(integer)"},
		{"name":"d","path":"effective.ofType(dateTime)","type":"dateTime"},
		{"name":"t","path":"effective.ofType(dateTime)","type":"dateTime","tag":[{"name":"ansi/type","value":"TIMESTAMP(3) WITH TIME ZONE"}]},
		{"name":"day","path":"effective.ofType(dateTime)","tag":[{"name":"ansi/type","value":"DATE"},{"name":"other","value":"x"}]},
		{"name":"big","path":"value.ofType(integer)","type":"integer64"},
		{"name":"l","path":"category.coding.code","type":"code","collection":true},
		{"name":"txt","path":"value.ofType(integer)","type":"integer","tag":[{"name":"ansi/type","value":"CHARACTER VARYING(10)"}]},
		{"name":"any","path":"value"}
	]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "obs" || v.Resource != "Observation" {
		t.Errorf("the view is %s of %s", v.Name, v.Resource)
	}
	want := []Column{
		{Name: "id", Description: "the id", FHIRType: "id", Class: Key},
		{Name: "n", Kind: Decimal, Precision: 38, Scale: 18, FHIRType: "decimal"},
		{Name: "n2", Kind: Decimal, Precision: 10, Scale: 2, FHIRType: "decimal"},
		{Name: "b", Kind: Boolean, FHIRType: "boolean"},
		{Name: "i", Kind: Integer},
		{Name: "d", FHIRType: "dateTime", Class: Moment},
		{Name: "t", Kind: Timestamp, FHIRType: "dateTime"},
		{Name: "day", Kind: Date},
		{Name: "big", Kind: BigInt, FHIRType: "integer64"},
		{Name: "l", FHIRType: "code", Collection: true},
		{Name: "txt", FHIRType: "integer", Class: ShortText, Length: 10},
		{Name: "any"},
	}
	if d := cmp.Diff(want, v.Columns); d != "" {
		t.Error(d)
	}
}

func TestLenientTurnsUnknownElementsIntoWarnings(t *testing.T) {
	t.Parallel()
	v, err := Compile("v.json", oneColumn("Patient", "name.whatever.deeper"), Lenient())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Warnings) != 1 ||
		!strings.Contains(v.Warnings[0], "HumanName has no element whatever") {
		t.Errorf("warnings %q", v.Warnings)
	}
}

func FuzzCompileNeverPanics(f *testing.F) {
	f.Add(oneColumn("Patient", "name.where(use = 'x').given.first()"))
	f.Add([]byte(`{"resource":"Patient","select":[{"forEach":"name","unionAll":[{"column":[]}]}]}`))
	f.Add([]byte(`{"resource":"QuestionnaireResponse","select":[{"repeat":["item","answer.item"],"column":[{"name":"a","path":"linkId"}]}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		v, err := Compile("v.json", src)
		if (v == nil) == (err == nil) {
			t.Fatalf("view %v, error %v", v, err)
		}
	})
}

func TestFormsOfTheBallot(t *testing.T) {
	t.Parallel()
	column := `"column":[{"name":"id","path":"id"}]`
	long := strings.Repeat("n", 129)
	for text, want := range map[string]string{
		"\ufeff" + `{"resourceType":"ViewDefinition","resourceDefinition":"http://hl7.org/fhir/StructureDefinition/ViewDefinition|3.0.0-ballot","resource":"Patient","select":[{` + column + `}]}`: "",
		`{"resource":"Patient","identifier":{"value":"x"},"select":[{` + column +
			`}]}`: "",
		`{"resource":"Patient","identifier":[{"value":"x"}],"select":[{` + column +
			`}]}`: "",
		`{"resource":"Patient","select":[{"forEach":"name","repeat":["contact"],` + column +
			`}]}`: "has forEach and repeat",
		`{"resource":"Patient","select":[{"forEachOrNull":"name","repeat":["contact"],` + column +
			`}]}`: "has forEachOrNull and repeat",
		`{"resource":"Patient","select":[{"forEach":"name","forEachOrNull":"name",` + column +
			`}]}`: "has forEach and forEachOrNull",
		`{"resource":"Patient","name":"` + long + `","select":[{` + column +
			`}]}`: "the name has 129 characters",
		`{"resource":"Patient","name":"` + long[1:] + `","select":[{` + column +
			`}]}`: "",
		`{"resource":"Patient","select":[{"column":[{"name":"` + long +
			`","path":"id"}]}]}`: "the name has 129 characters",
		`{"resource":"Patient","select":[{"column":[{"name":"` + long[1:] +
			`","path":"id"}]}]}`: "",
	} {
		_, err := Compile("v.json", []byte(text))
		if want == "" && err != nil ||
			want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
}

// The column of a union has room for the texts of every branch.
func TestTheBranchesOfAUnionShareAClass(t *testing.T) {
	t.Parallel()
	v, err := Compile("v.json", []byte(`{"resource":"Patient","select":[{"unionAll":[
		{"column":[{"name":"same","path":"gender"},{"name":"other","path":"gender"},
			{"name":"key","path":"managingOrganization.getReferenceKey()"},
			{"name":"tag","path":"gender","tag":[{"name":"ansi/type","value":"VARCHAR(5)"}]},
			{"name":"max","path":"gender","tag":[{"name":"ansi/type","value":"VARCHAR(5)"}]},
			{"name":"own","path":"contact.first().id"}]},
		{"column":[{"name":"same","path":"language"},{"name":"other","path":"implicitRules"},
			{"name":"key","path":"managingOrganization.display"},
			{"name":"tag","path":"gender","tag":[{"name":"ansi/type","value":"VARCHAR(9)"}]},
			{"name":"max","path":"gender","tag":[{"name":"ansi/type","value":"VARCHAR(MAX)"}]},
			{"name":"own","path":"contact.first().id"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Column{
		{Name: "same", Class: Code},
		{Name: "other"},
		{Name: "key"},
		{Name: "tag", Class: Code, Length: 9},
		{Name: "max", Class: Code, Length: Unlimited},
		{Name: "own"},
	}
	if d := cmp.Diff(want, v.Columns); d != "" {
		t.Error(d)
	}
}

func TestALengthIsAtLeastOne(t *testing.T) {
	t.Parallel()
	for tag, ok := range map[string]bool{
		"VARCHAR(0)": false, "VARCHAR(99999999999999999999)": false,
		"varchar(max)": true, "VARCHAR": true, "CLOB(7)": true,
	} {
		_, err := Compile("v.json", []byte(`{"resource":"Patient","select":[{"column":[{"name":"v",
			"path":"gender","tag":[{"name":"ansi/type","value":"`+tag+`"}]}]}]}`))
		if (err == nil) != ok {
			t.Errorf("%s: %v", tag, err)
		}
	}
}
