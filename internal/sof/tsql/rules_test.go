package tsql_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/tsqleval"
)

// compiled returns a view of selects in JSON.
func compiled(t *testing.T, resource, selects, where string) *sof.View {
	t.Helper()
	return compiledText(t,
		fmt.Sprintf(`{"name":"v","resource":%q,"select":[%s],"where":[%s]}`, resource, selects,
			where))
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
		if got, err := run(t, v, e,
			`{"resourceType":"Patient","name":[{"given":["a"]}]}`); err != nil || len(got) != 1 ||
			got[0] != "a" {
			t.Errorf("%s: one item gives %v, %v", e, got, err)
		}
		_, err := run(t, v, e, twoNames)
		if !eval.IsDataError(err) ||
			!strings.Contains(err.Error(), "view v, column v: more than one item: 3") ||
			!tsql.IsVerdict(err.Error()) {
			t.Errorf("%s: three items give %v", e, err)
		}
	}
}

func TestRepeatBelowTheDeepestLevelFailsByACast(t *testing.T) {
	t.Parallel()
	v := compiled(t, "QuestionnaireResponse",
		`{"repeat":["item"],"column":[{"name":"v","path":"linkId"}]}`, "")
	nested := func(levels int) string {
		return `{"resourceType":"QuestionnaireResponse"` +
			strings.Repeat(`,"item":[{"linkId":"x"`, levels) + strings.Repeat("}]", levels) + "}"
	}
	if got, err := run(t, v, tsql.SQLServer, nested(10)); err != nil || len(got) != 10 {
		t.Errorf("ten levels give %d rows, %v", len(got), err)
	}
	if got, err := run(t, v, tsql.SQLServer, nested(11)); !eval.IsDataError(err) ||
		!tsql.IsVerdict(err.Error()) {
		t.Errorf("eleven levels give %d rows, %v", len(got), err)
	}
}

func TestRefusalsSayThePlace(t *testing.T) {
	t.Parallel()
	v := compiled(t, "Patient",
		`{"column":[{"name":"a","path":"gender"},{"name":"b","path":"name.where(\n  family.matches('x')).exists()"},{"name":"c","path":"id.split('-').first()"},{"name":"d","path":"multipleBirth.ofType(integer) / 2","collection":true}]}`, "")
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
