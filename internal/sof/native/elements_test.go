package native

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// encounters is a view that reads some members of an Encounter only.
const encounters = `{"resourceType":"ViewDefinition","status":"active","name":"e","resource":"Encounter","select":[{"column":[
	{"path":"getResourceKey()","name":"id"},{"path":"class.code","name":"class"},{"path":"status","name":"status"}]},
	{"forEachOrNull":"type","column":[{"path":"text","name":"type"}]}]}`

// differencesOf returns the differences of an Encounter with these members.
func differencesOf(t *testing.T, eval *Evaluator, members string) []string {
	t.Helper()
	line := `{"resourceType":"Encounter","id":"a",` + members + `}`
	r, err := eval.Eval(t.Context(), []byte(line), func(int, [][]byte) error { return nil })
	if err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	out := []string{}
	for _, d := range r.Differences {
		out = append(out,
			fmt.Sprintf("%s:%s", d.Name, []string{"unknown", "list", "no list", "other"}[d.Kind]))
	}
	slices.Sort(out)
	return out
}

func encounterEvaluator(t *testing.T) *Evaluator {
	t.Helper()
	v, err := sof.Compile("e", []byte(encounters))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := New([]*sof.View{v})
	if err != nil {
		t.Fatal(err)
	}
	return engine.Evaluator()
}

func TestMembersThatR4DoesNotHaveAreTold(t *testing.T) {
	t.Parallel()
	eval := encounterEvaluator(t)
	for members, want := range map[string]string{
		// members that the view reads
		`"class":{"code":"AMB"},"type":[{"text":"x"}],"status":"finished"`: "",
		`"class":[{"coding":[{"code":"AMB"}]}]`:                            "class:list",
		`"class" : [ ]`:                                                    "class:list",
		`"class":"AMB"`:                                                    "class:other",
		`"status":{"code":"x"}`:                                            "status:other",
		`"status":["x"]`:                                                   "status:list",
		`"type":{"text":"x"}`:                                              "type:no list",
		`"type":"x"`:                                                       "type:no list",
		`"type":[null,"x"]`:                                                "type:other",
		`"type":[],"class":null`:                                           "",
		// members that the view does not read
		`"period":{"start":"2026"},"language":"en","implicitRules":"x","text":{"div":"x"}`: "",

		`"identifier":[{"value":"x"}],"contained":[{"id":"x"}],"extension":[{}],"modifierExtension":[ { } ]`: "",

		`"_status":{"id":"x"},"_language":{"id":"x"},"actualPeriod":null`: "",
		`"period":[{"start":"2026"}]`:                                     "period:list",
		`"language":{}`:                                                   "language:other",
		`"language":5,"length":5`:                                         "length:other",
		`"identifier":{"value":"x"}`:                                      "identifier:no list",
		`"identifier":[ "x"]`:                                             "identifier:other",
		`"identifier":[],"account":[null]`:                                "",
		`"\u0070eriod":[{}],"identifie\u0072":[{}]`:                       "period:list",
		`"actualPeriod":{},"admission" : {},"x":1,"y":true`:               "actualPeriod:unknown admission:unknown x:unknown y:unknown",
		// names that may be health data
		`"Jane Doe":1,"1990":{},"":2,"fhir_comments":["x"],"é":"x","\u0041nna":5`: ":unknown :unknown :unknown :unknown :unknown :unknown",
		`"` + strings.Repeat("a", 65) + `":1,"` + strings.Repeat("b", 64) +
			`":1`: ":unknown " + strings.Repeat("b", 64) + ":unknown",
	} {
		if got := strings.Join(differencesOf(t, eval, members), " "); got != want {
			t.Errorf("%s: %q, want %q", members, got, want)
		}
	}
}

func TestALineTellsAHundredDifferences(t *testing.T) {
	t.Parallel()
	var members []string
	for i := range 5000 {
		members = append(members, fmt.Sprintf(`"x%d":1`, i))
	}
	eval := encounterEvaluator(t)
	if got := differencesOf(t, eval, `"class":[],`+strings.Join(members, ",")); len(got) != 100 {
		t.Errorf("%d differences", len(got))
	}
	if got := differencesOf(t, eval, `"period":{}`); len(got) != 0 {
		t.Errorf("the next line has %v", got)
	}
}

func TestALargeLineTellsItsDifferences(t *testing.T) {
	t.Parallel()
	got := differencesOf(t, encounterEvaluator(t),
		`"class":[],"admission":{},"length":"`+strings.Repeat("x", jsontape.Keep)+`"`)
	if d := cmp.Diff([]string{"admission:unknown", "class:list", "length:other"}, got); d != "" {
		t.Error(d)
	}
}

func TestResourcesOfOtherTypesAreNotCompared(t *testing.T) {
	t.Parallel()
	none, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	eval := encounterEvaluator(t)
	for _, line := range []string{
		`{"resourceType":"Patient","id":"a","gender":[],"x":1}`,
		`{"resourceType":"Encounter","id":"a","x":1,"meta":{"extension":[{"url":"` + deletedURL +
			`","valueString":"` + deletedValue + `"}]}}`,
	} {
		for _, v := range []*Evaluator{eval, none.Evaluator()} {
			if r, err := v.Eval(t.Context(), []byte(line), func(int, [][]byte) error {
				return nil
			}); err != nil || len(r.Differences) > 0 {
				t.Errorf("%s: %v, %v", line, r.Differences, err)
			}
		}
	}
}

func TestLinesWithDifferencesTakeNoMemory(t *testing.T) {
	eval := encounterEvaluator(t)
	line := []byte(
		`{"resourceType":"Encounter","id":"a","class":[{"coding":[]}],"period":{},"actualPeriod":{},"identifier":[{}]}`)
	emit := func(int, [][]byte) error { return nil }
	run := func() {
		if r, err := eval.Eval(t.Context(), line, emit); err != nil || len(r.Differences) != 2 {
			t.Fatalf("%v, %v", r.Differences, err)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a line", n)
	}
}

// nestedOf returns the differences inside the elements of an Encounter with these members.
func nestedOf(t *testing.T, n *jsontape.Nested, eval *Evaluator, members string) []string {
	t.Helper()
	line := `{"id":"a",` + members + `,"resourceType":"Encounter"}`
	if _, err := eval.Eval(t.Context(), []byte(line), func(int, [][]byte) error {
		return nil
	}); err != nil {
		t.Fatalf("%s: %v", members, err)
	}
	out := []string{}
	for _, d := range n.Compare([]byte(line)) {
		out = append(out,
			fmt.Sprintf("%s:%s", d.Name, []string{"unknown", "list", "no list", "other"}[d.Kind]))
	}
	return out
}

func TestMembersInsideElementsAreTold(t *testing.T) {
	t.Parallel()
	eval, nested := encounterEvaluator(t), jsontape.NewNested()
	for members, want := range map[string]string{
		// by Eval
		`"admission":{"x":1},"class":[{"x":1}]`:                                           "",
		`"participant":[{"actor":{"reference":"Practitioner/1"}}, {"individual":{}}]`:     "participant.actor:unknown",
		` "participant" : [ null, { "type" : { "text" : "x" } , "period" : [ { } ] } ] `:  "participant.type:no list participant.period:list",
		`"hospitalization":{"dischargeDisposition":{"coding":[{"userSelected":"x\"}"}]}}`: "",
		`"hospitalization":{"origin":5,"destination":["x"]}`:                              "hospitalization.origin:other hospitalization.destination:list",
		`"diagnosis":[{"condition":[{"concept":{}}],"rank":1.0e0,"_rank":{"y":[]}}]`:      "diagnosis.condition:list",
		`"extension":[{"url":"x","extension":[{"url":"y","valueX":1}]}]`:                  "extension.extension.valueX:unknown",
		`"contained":[{"x":1,"name":{"text":"x"},"resourceType":"Patient"}]`:              "contained.x:unknown contained.name:no list",
		`"contained":[{"x":1,"resourceType":"Other"},{"x":1},[{}],[]]`:                    "",
		`"meta":{"Jane Doe":1,"":{},"\u0074ag":[{"\u0078":true}]}`:                        ":unknown :unknown meta.tag.x:unknown",
		`"reasonCode":[{"text":null,"codings":[],"id":"x"},"x",[],{"coding":{}}]`:         "reasonCode.codings:unknown reasonCode.coding:no list",
		`"text":{"status":"generated","div":"<div>\\\\"}`:                                 "",
	} {
		if got := strings.Join(nestedOf(t, nested, eval, members), " "); got != want {
			t.Errorf("%s: %q, want %q", members, got, want)
		}
	}
	if got := nestedOf(t, nested, eval,
		`"participant":[`+strings.Repeat(`{"x":1},`, 200)+`{"x":1}]`); len(got) != 100 {
		t.Errorf("%d differences", len(got))
	}
}

// Compare must end for every line that Eval accepts.
func FuzzNested(f *testing.F) {
	for _, line := range []string{
		`{"resourceType":"Encounter","id":"a","participant":[{"actor":{}}]}`,
		` {"id":"a\\","contained":[{"resourceType":"Encounter","contained":[{}]}],"resourceType" : "Encounter" } `,
		`{"resourceType":"Encounter","id":"a","length":-1.5e+3,"text":[[],[{}],true,null]}`,
	} {
		f.Add([]byte(line))
	}
	v, err := sof.Compile("e", []byte(encounters))
	if err != nil {
		f.Fatal(err)
	}
	engine, err := New([]*sof.View{v})
	if err != nil {
		f.Fatal(err)
	}
	eval, nested := engine.Evaluator(), jsontape.NewNested()
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, err := eval.Eval(t.Context(), line, func(int, [][]byte) error {
			return nil
		}); err != nil {
			return
		}
		for _, d := range nested.Compare(line) {
			if d.Name != nil && strings.ContainsAny(string(d.Name), " \"\n") {
				t.Errorf("%q", d.Name)
			}
		}
	})
}
