package native

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// engineOf compiles one view of Patient from its select.
func engineOf(tb testing.TB, selects string) *Engine {
	tb.Helper()
	v, err := sof.Compile("v.json",
		[]byte(`{"resource":"Patient","name":"v","select":[`+selects+`]}`))
	if err != nil {
		tb.Fatal(err)
	}
	e, err := New([]*sof.View{v})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// manyNames returns a Patient with n different names, each written in two ways.
func manyNames(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Patient","id":"1","name":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"family":"f%d","given":["g"]},{"given": ["g"],"family":"f%d"}`, i, i)
	}
	return []byte(b.String() + `]}`)
}

func TestSetsOfObjectsAreLinear(t *testing.T) {
	t.Parallel()
	const names = 20_000
	line := manyNames(names)
	for path, want := range map[string]string{
		"name.distinct().count()":              "20000",
		"(name | name).count()":                "20000",
		"name.isDistinct()":                    "false",
		"name.intersect(name).count()":         "20000",
		"name.exclude(name).count()":           "0",
		"name.subsetOf(name)":                  "true",
		"name.supersetOf(name)":                "true",
		"name.family.distinct().count()":       "20000",
		"name ~ name":                          "true",
		"name.combine(name).count()":           "80000",
		"name.intersect(name.first()).count()": "1",
	} {
		e := engineOf(t, `{"column":[{"name":"a","path":`+quoted(path)+`}]}`)
		eval := e.Evaluator()
		_, err := eval.Eval(t.Context(), line, func(_ int, row [][]byte) error {
			if string(row[0]) != want {
				t.Errorf("%s = %s, want %s", path, row[0], want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if most := int64(40 * 2 * names); eval.budget.steps > most {
			t.Errorf("%s: %d steps for %d names, want at most %d", path, eval.budget.steps, 2*names,
				most)
		}
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// A hashed set must agree with a comparison of every item.
func TestSetsAgreeWithComparingEachItem(t *testing.T) {
	t.Parallel()
	eval := engineOf(t, `{"column":[{"name":"a","path":"id"}]}`).Evaluator()
	pool := []item{
		boolItem(true), boolItem(false), literal(stringType, "true"), literal(integerType, "1"),
		literal(decimalType, "1.0"), literal(decimalType, "1.00e0"),
		literal(decimalType, "1e5000"), literal(stringType, "2020-01-01"),
		literal(schema.Date.Type(), "2020-01-01"), literal(schema.Date.Type(), "2020-01"),
		literal(schema.DateTime.Type(), "2020-01-01T00:00:00Z"),
		literal(schema.DateTime.Type(), "2020-01-01T01:00:00.000+01:00"),
		literal(schema.DateTime.Type(), "2020-01-01T00:00Z"),
		literal(schema.DateTime.Type(), "2020-01-01T00:00:00"),
		literal(schema.Time.Type(), "12:00"),
		literal(schema.Time.Type(), "12:00:00"), literal(schema.DateTime.Type(), "not a date"),
		literal(stringType, "not a date"),
	}
	for _, text := range []string{
		`{"a":1,"b":"x"}`, `{ "b" : "\u0078", "a" : 1.0 }`, `{"a":1}`, `{"a":[1,2]}`, `{"a":[2,1]}`,
		`{"a":{"b":{"c":1e1,"d":null}}}`, `{"a":{"b":{"d":null,"c":10}}}`, `{}`,
	} {
		pool = append(pool, item{text: []byte(text), node: -1, kind: jsontape.KindObject})
	}
	for _, text := range []string{`[]`, `[1,[2.0]]`, `[ 1, [ 2 ] ]`} {
		pool = append(pool, item{text: []byte(text), node: -1, kind: jsontape.KindArray})
	}
	eval.reset(t.Context())
	random := rand.New(rand.NewPCG(1, 2))
	equals := 0
	for range 300 {
		items := make([]item, minHashed+random.IntN(10))
		for i := range items {
			items[i] = pool[random.IntN(len(pool))]
		}
		s := eval.setOf(items)
		for i := range pool {
			want := eval.has(items, &pool[i])
			if got := s.has(&pool[i]); got != want {
				t.Fatalf("item %d of the pool: the set says %t, comparing says %t", i, got, want)
			}
			if want {
				equals++
			}
		}
		eval.budget.steps, eval.budget.made = 0, 0
	}
	if equals == 0 {
		t.Error("nothing was equal")
	}
}

func TestALineBeyondALimitIsBad(t *testing.T) {
	t.Parallel()
	long := `{"resourceType":"Patient","id":"1","birthDate":"2020","name":[{"text":"` +
		strings.Repeat("x", 60_000) + `\n"}]}`
	limits := Limits{
		Values: 8 << 20, Memory: 4 << 20, Items: 100_000, Text: 1 << 20, Row: 1 << 20,
		Rows: 100_000, Output: 8 << 20, Steps: 3_000_000,
	}
	names := manyNames(1000)
	for name, c := range map[string]struct {
		selects string
		line    []byte
		reason  string
	}{
		"rows of a product": {
			`{"forEach":"name","column":[{"name":"a","path":"family"}]},{"forEach":"name","column":[{"name":"b","path":"family"}]},{"forEach":"name","column":[{"name":"c","path":"family"}]}`,
			names, "view v: the line is too large: it makes more than 100000 rows",
		},
		"a chain of replacements": {
			`{"column":[{"name":"a","path":"id.replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789').replace('', '0123456789')"}]}`,
			names[:0:0], "view v, column a: the line is too large: an expression makes a text of more than 1 MB",
		},
		"a chain of patterns": {
			`{"column":[{"name":"a","path":"id.replaceMatches('', '0123456789').replaceMatches('.', '$0$0$0$0$0$0$0$0$0$0').replaceMatches('.', '$0$0$0$0$0$0$0$0$0$0').replaceMatches('.', '$0$0$0$0$0$0$0$0$0$0').replaceMatches('.', '$0$0$0$0$0$0$0$0$0$0').replaceMatches('.', '$0$0$0$0$0$0$0$0$0$0')"}]}`,
			nil, "view v, column a: the line is too large: an expression makes a text of more than 1 MB",
		},
		"a joined text": {
			`{"column":[{"name":"a","path":"name.select(%resource.name.family.join(%resource.name.family.join(''))).first()"}]}`,
			names, "view v, column a: the line is too large: an expression makes a text of more than 1 MB",
		},
		"a list": {
			`{"column":[{"name":"a","path":"name.select(%resource.name.family).select($this & 'x')","collection":true}]}`,
			names, "view v, column a: the line is too large: its expressions hold more than 100000 items at a time",
		},
		"text for one row": {
			`{"column":[{"name":"a","path":"name.select(%resource.name.first().text.upper()).count()"}]}`,
			[]byte(strings.Replace(long, `"name":[`,
				`"name":[{"text":"`+strings.Repeat("y", 60_000)+`"},`+
					strings.Repeat(`{"text":"z"},`, 100), 1)),
			"view v, column a: the line is too large: its expressions make more than 4 MB of text and collections for one row",
		},
		"bytes of all rows": {
			`{"column":[{"name":"a","path":"name.text.first()"}]},{"forEach":"contact","column":[{"name":"b","path":"gender"}]}`,
			[]byte(strings.Replace(long, `"name":[`,
				`"contact":[{}`+strings.Repeat(`,{}`, 1000)+`],"name":[`, 1)),
			"view v: the line is too large: its rows have more than 8 MB",
		},
		"a cell": {
			`{"column":[{"name":"b","path":"gender"},{"name":"a","path":"name.text.first()"}]}`,
			[]byte(`{"resourceType":"Patient","id":"1","name":[{"text":"` +
				strings.Repeat("x", 1<<20+1) + `"}]}`),
			"view v, column a: the line is too large: a value of more than 1 MB",
		},
		"a row": {
			`{"column":[{"name":"a","path":"name.text.first()"},{"name":"b","path":"name.text.first()"}]}`,
			[]byte(`{"resourceType":"Patient","id":"1","name":[{"text":"` +
				strings.Repeat("x", 700_000) + `"}]}`),
			"view v: the line is too large: a row of more than 1 MB",
		},
		"values": {
			`{"column":[{"name":"a","path":"name.given.count()"}]}`,
			[]byte(`{"resourceType":"Patient","id":"1","name":[{"given":[1` +
				strings.Repeat(",1", 500_000) + `]}]}`),
			"the line is too large: the values that views read take more than 8 MB of memory",
		},
		"steps": {
			`{"column":[{"name":"a","path":"name.where(%resource.name.where(family = 'f').exists()).count()"}]}`,
			names, "view v, column a: the line is too large: its expressions visit more than 3000000 items",
		},
		"a comparison of every pair": {
			`{"column":[{"name":"a","path":"name.all(%resource.name.family contains 'x')"}]}`,
			names, "view v, column a: the line is too large: its expressions visit more than 3000000 items",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := c.line
			if len(line) == 0 {
				line = []byte(long)
			}
			_, err := engineOf(t, c.selects).Evaluator(limits).Eval(t.Context(), line,
				func(int, [][]byte) error { return nil })
			var bad *LineError
			if !errors.As(err, &bad) || !bad.Limit || fault.Of(err) != fault.BadData ||
				bad.Error() != c.reason {
				t.Errorf("got %v, want %s", err, c.reason)
			}
		})
	}
}

func TestALineWithinTheDefaultLimitsIsGood(t *testing.T) {
	t.Parallel()
	rows := 0
	e := engineOf(t,
		`{"forEach":"name","column":[{"name":"a","path":"family.upper()"},{"name":"i","path":"%rowIndex"}]}`)
	_, err := e.Evaluator().Eval(t.Context(), manyNames(300_000), func(int, [][]byte) error {
		rows++
		return nil
	})
	if err != nil || rows != 600_000 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestAnEvaluationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	e := engineOf(t,
		`{"column":[{"name":"a","path":"name.where(%resource.name.where(family = 'f').exists()).count()"}]}`)
	eval := e.Evaluator()
	cancel()
	_, err := eval.Eval(ctx, manyNames(10_000), func(int, [][]byte) error { return nil })
	if !errors.Is(err, context.Canceled) || fault.Of(err) == fault.BadData {
		t.Errorf("got %v", err)
	}
	if eval.budget.steps > 4*stepsPerLook {
		t.Errorf("%d steps after the end of the context", eval.budget.steps)
	}
}
