package native

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/sof"
)

// table runs a view over one line. A row is its cells joined by a bar.
func table(tb testing.TB, src, line string) ([]string, error) {
	tb.Helper()
	v, err := sof.Compile("v.json", []byte(src))
	if err != nil {
		tb.Fatal(err)
	}
	e, err := New([]*sof.View{v})
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	_, err = e.Evaluator().Eval(tb.Context(), []byte(line), func(_ int, row [][]byte) error {
		var cells []string
		for _, c := range row {
			if c == nil {
				cells = append(cells, "NULL")
				continue
			}
			cells = append(cells, string(c))
		}
		out = append(out, strings.Join(cells, "|"))
		return nil
	})
	return out, err
}

func TestRows(t *testing.T) {
	t.Parallel()
	const line = `{"resourceType":"Patient","id":"1","active":true,"name":[{"family":"A","given":["x","y"]},{"family":"B"}],
		"contact":[{"name":{"family":"C1"}},{"gender":"male"}]}`
	for name, c := range map[string]struct {
		selects string
		want    []string
	}{
		"the whole path of forEachOrNull is empty or it is not": {
			`{"forEachOrNull":"contact.name","column":[{"name":"a","path":"family"}]}`,
			[]string{"C1"},
		},
		"a row of nulls, the index 0": {
			`{"forEachOrNull":"address.line","column":[{"name":"i","path":"%rowIndex"},{"name":"a","path":"$this"},{"name":"e","path":"$this.exists()"},{"name":"l","path":"'x'"},{"name":"c","path":"$this","collection":true}]}`,
			[]string{"0|NULL|NULL|NULL|NULL"},
		},
		"a row of nulls covers what is nested": {
			`{"forEachOrNull":"address","column":[{"name":"a","path":"city"}],"select":[{"forEach":"line","column":[{"name":"b","path":"$this"},{"name":"i","path":"%rowIndex"}]}]}`,
			[]string{"NULL|NULL|NULL"},
		},
		"the index 0 at every depth of forEachOrNull": {
			`{"forEachOrNull":"address","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEachOrNull":"period","column":[{"name":"j","path":"%rowIndex"}],"select":[{"forEachOrNull":"extension","column":[{"name":"k","path":"%rowIndex"},{"name":"u","path":"url"}]}]}]}`,
			[]string{"0|0|0|NULL"},
		},
		"the index 0 in a branch behind one that iterates": {
			`{"forEachOrNull":"address","unionAll":[{"forEach":"line","column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"i","path":"%rowIndex"}]}]}`,
			[]string{"0"},
		},
		"the index 0 in branches of branches": {
			`{"forEachOrNull":"address","column":[{"name":"a","path":"city"}],"select":[{"unionAll":[{"forEach":"line","column":[{"name":"i","path":"%rowIndex"},{"name":"b","path":"$this"}]},{"unionAll":[{"forEachOrNull":"line","column":[{"name":"i","path":"%rowIndex"},{"name":"b","path":"$this"}]}]}]}]}`,
			[]string{"NULL|0|NULL"},
		},
		"the index 0 in a list": {
			`{"forEachOrNull":"address","column":[{"name":"i","path":"%rowIndex","collection":true}]}`,
			[]string{"[0]"},
		},
		"a row of nulls in one branch of a union": {
			`{"unionAll":[{"forEachOrNull":"address","column":[{"name":"a","path":"city"}]},{"forEach":"name","column":[{"name":"a","path":"family"}]}]}`,
			[]string{"NULL", "A", "B"},
		},
		"one row of nulls for a union below": {
			`{"forEachOrNull":"address","unionAll":[{"column":[{"name":"a","path":"city"}]},{"column":[{"name":"a","path":"state"}]}]}`,
			[]string{"NULL"},
		},
		"siblings multiply, the first outermost": {
			`{"forEach":"name","column":[{"name":"a","path":"family"}]},{"forEach":"contact","column":[{"name":"i","path":"%rowIndex"}]},{"column":[{"name":"r","path":"%rowIndex"}]}`,
			[]string{"A|0|0", "A|1|0", "B|0|0", "B|1|0"},
		},
		"each level has its index": {
			`{"forEach":"name","column":[{"name":"i","path":"%rowIndex"}],"select":[{"forEachOrNull":"given","column":[{"name":"j","path":"%rowIndex"},{"name":"g","path":"$this"}]},{"column":[{"name":"k","path":"%rowIndex"}]}]}`,
			[]string{"0|0|x|0", "0|1|y|0", "1|0|NULL|1"},
		},
		"an index inside where() is that of the row": {
			`{"forEach":"name","column":[{"name":"a","path":"%resource.name.where($index = %rowIndex).family"}]}`, []string{"A", "B"},
		},
		"cells of one row do not leak into the next": {
			`{"forEach":"name","column":[{"name":"a","path":"given.first()"}]}`,
			[]string{"x", "NULL"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := table(t, fmt.Sprintf(`{"resource":"Patient","select":[%s]}`, c.selects),
				line)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// FHIR allows one type of a choice. Data with two types still has a first.
func TestTheFirstOfTwoTypesOfAChoice(t *testing.T) {
	t.Parallel()
	const line = `{"resourceType":"Patient","id":"1","deceasedBoolean":true,"deceasedDateTime":"2020"}`
	const view = `{"resource":"Patient","select":[{"column":[{"name":"a","path":"%s"}]}]}`
	for path, want := range map[string]string{
		"deceased.first()": "true", "deceased.exists()": "true", "deceased[1]": "2020",
	} {
		got, err := table(t, fmt.Sprintf(view, path), line)
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	if _, err := table(t, fmt.Sprintf(view, "deceased"), line); err == nil ||
		!strings.Contains(err.Error(), "more than one item") {
		t.Errorf("got %v", err)
	}
}

func TestWhereKeepsWhatIsTrue(t *testing.T) {
	t.Parallel()
	for where, rows := range map[string]int{
		"active": 1, "active.not()": 0, "deceased.ofType(boolean)": 0, "name.exists()": 0, "{}": 0,
	} {
		got, err := table(t,
			fmt.Sprintf(`{"resource":"Patient","where":[{"path":%q}],"select":[{"column":[{"name":"a","path":"id"}]}]}`, where),
			`{"resourceType":"Patient","id":"1","active":true}`)
		if err != nil || len(got) != rows {
			t.Errorf("%s: %d rows, %v", where, len(got), err)
		}
	}
}

func TestRepeatWalksDownOnly(t *testing.T) {
	t.Parallel()
	const view = `{"resource":"QuestionnaireResponse","select":[{"repeat":[%s],"column":[{"name":"i","path":"%%rowIndex"},{"name":"l","path":"linkId"}]}]}`
	const line = `{"resourceType":"QuestionnaireResponse","id":"1","item":[{"linkId":"a","answer":[{"item":[{"linkId":"a.x"}]}],"item":[{"linkId":"a.1"},{"linkId":"a.2"}]},{"linkId":"b"}]}`
	for paths, want := range map[string][]string{
		`"item"`:                              {"0|a", "1|a.1", "2|a.2", "3|b"},
		`"item","answer.item"`:                {"0|a", "1|a.1", "2|a.2", "3|a.x", "4|b"},
		`"item.where(linkId != 'a.1')"`:       {"0|a", "1|a.2", "2|b"},
		`"item.where(%resource.id = linkId)"`: nil,
	} {
		got, err := table(t, fmt.Sprintf(view, paths), line)
		if err != nil {
			t.Errorf("%s: %v", paths, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", paths, d)
		}
	}
	for _, paths := range []string{
		`"$this"`, `"%resource.item"`, `"item | $this"`, `"item.first() | %resource.item"`,
	} {
		view := strings.Replace(view, "linkId", "id", 1)
		if _, err := table(t, fmt.Sprintf(view, paths), line); err == nil ||
			!strings.Contains(err.Error(), "leads back") {
			t.Errorf("%s: got %v", paths, err)
		}
	}
}

func TestNumbersKeepTheirText(t *testing.T) {
	t.Parallel()
	for _, n := range []string{
		"1.00", "0.1000000000000000055", "123456789012345678901234567890.5", "-0.0", "1e-7",
	} {
		got, err := table(t,
			`{"resource":"Observation","select":[{"column":[{"name":"v","path":"value.ofType(Quantity).value"}]}]}`,
			`{"resourceType":"Observation","id":"1","valueQuantity":{"value":`+n+`}}`)
		if err != nil || len(got) != 1 || got[0] != n {
			t.Errorf("%s: %v, %v", n, got, err)
		}
	}
}

// Members come in any order, may be missing and have names of all lengths. Guesses from the line
// before must do no harm.
func TestMembersAreFoundWhateverCameBefore(t *testing.T) {
	t.Parallel()
	const view = `{"resource":"Patient","select":[{"column":[{"name":"a","path":"x"},{"name":"b","path":"eightlet"},{"name":"c","path":"multipleBirthInteger"},
		{"name":"d","path":"multipleBirthBoolean"},{"name":"e","path":"` + "`\\\\u0000`" + `"},{"name":"f","path":"` + "`q\\\"`" + `"}]}]}`
	v, err := sof.Compile("v.json", []byte(view), sof.Lenient())
	if err != nil {
		t.Fatal(err)
	}
	e, err := New([]*sof.View{v}, IDOptional())
	if err != nil {
		t.Fatal(err)
	}
	eval := e.Evaluator()
	for range 2 {
		for line, want := range map[string]string{
			`"x":1,"eightlet":2,"multipleBirthInteger":3,"multipleBirthBoolean":true`: "[1 2 3 true - -]",
			`"multipleBirthBoolean":true,"x":1,"eightlet":2,"multipleBirthInteger":3`: "[1 2 3 true - -]",
			`"multipleBirthBanteger":3,"y":1,"eightLet":2,"eightlets":2`:              "[- - - - - -]",
			`"x" : 1 , "eightlet" : 2`:       "[1 2 - - - -]",
			`"\u0000":5,"z":6,"q\"":7,"x":8`: "[8 - - - 5 7]",
			`"z":6,"\u0078":1,"ei\u0067htlet":"` + strings.Repeat("long", 40) +
				`","x1":2`: "[1 " + strings.Repeat("long", 40) + " - - - -]",
		} {
			_, err := eval.Eval(t.Context(), []byte(`{"resourceType":"Patient",`+line+
				`}`), func(_ int, row [][]byte) error {
				var cells []string
				for _, c := range row {
					if c == nil {
						c = []byte("-")
					}
					cells = append(cells, string(c))
				}
				if got := fmt.Sprint(cells); got != want {
					t.Errorf("%s: %s, want %s", line, got, want)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}
