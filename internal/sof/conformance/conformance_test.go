package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
)

func TestNativeEnginePassesEveryOfficialCase(t *testing.T) {
	t.Parallel()
	files, err := Load(os.DirFS("testdata"))
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, f := range files {
		for _, c := range f.Cases {
			cases++
			t.Run(f.Name+"/"+c.Title, func(t *testing.T) {
				t.Parallel()
				if err := Run(f, c, Native); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if cases != 136 {
		t.Errorf("%d cases, want 136", cases)
	}
}

func rows(columns []sof.Column, cells ...[][]byte) Runner {
	return func([]byte, []json.RawMessage) (Table, error) { return Table{columns, cells}, nil }
}

func TestTheComparisonIsStrict(t *testing.T) {
	t.Parallel()
	text := []sof.Column{{Name: "a"}}
	number := []sof.Column{{Name: "a", Kind: sof.Decimal}}
	truth := []sof.Column{{Name: "a", Kind: sof.Boolean}}
	list := []sof.Column{{Name: "a", Collection: true}}
	cell := func(s string) [][]byte { return [][]byte{[]byte(s)} }
	for name, c := range map[string]struct {
		test string
		run  Runner
		pass bool
	}{
		"equal":                 {`{"expect":[{"a":"x"}]}`, rows(text, cell("x")), true},
		"other text":            {`{"expect":[{"a":"x"}]}`, rows(text, cell("X")), false},
		"number as text":        {`{"expect":[{"a":1}]}`, rows(text, cell("1")), false},
		"text as number":        {`{"expect":[{"a":"1"}]}`, rows(number, cell("1")), false},
		"one number, two texts": {`{"expect":[{"a":1.0}]}`, rows(number, cell("1")), true},
		"nearly the number": {
			`{"expect":[{"a":0.3}]}`,
			rows(number, cell("0.30000000000000004")), false,
		},
		"one for true":           {`{"expect":[{"a":true}]}`, rows(truth, cell("1")), false},
		"null":                   {`{"expect":[{"a":null}]}`, rows(text, [][]byte{nil}), true},
		"empty text is not null": {`{"expect":[{"a":null}]}`, rows(text, cell("")), false},
		"absent is null":         {`{"expect":[{}]}`, rows(text, [][]byte{nil}), true},
		"a row too many": {
			`{"expect":[{"a":"x"}]}`, rows(text, cell("x"), cell("x")),
			false,
		},
		"a row too few": {
			`{"expect":[{"a":"x"},{"a":"x"}]}`, rows(text, cell("x")),
			false,
		},
		"rows in another order": {
			`{"expect":[{"a":"x"},{"a":"y"}]}`,
			rows(text, cell("y"), cell("x")), true,
		},
		"list": {
			`{"expect":[{"a":["x",1]}]}`, rows(list, cell(`["x",1.0]`)),
			true,
		},
		"list in another order": {
			`{"expect":[{"a":["x","y"]}]}`,
			rows(list, cell(`["y","x"]`)), false,
		},
		"empty list is not null": {`{"expect":[{"a":[]}]}`, rows(list, [][]byte{nil}), false},
		"a column that is not there": {
			`{"expect":[{"a":"x","b":"y"}]}`, rows(text, cell("x")),
			false,
		},
		"columns":          {`{"expect":[],"expectColumns":["b"]}`, rows(text), false},
		"count":            {`{"expectCount":2}`, rows(text, cell("x")), false},
		"error expected":   {`{"expectError":true}`, rows(text), false},
		"nothing expected": {`{"expect":[]}`, rows(text, cell("x")), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var test Case
			if err := json.Unmarshal([]byte(c.test), &test); err != nil {
				t.Fatal(err)
			}
			if err := Run(File{}, test, c.run); (err == nil) != c.pass {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheReportHasTheFormOfTheRegistry(t *testing.T) {
	t.Parallel()
	results := []FileResult{{"a.json", []Result{{"one", nil}, {"two", errors.New("no")}}}}
	var report, lines strings.Builder
	if err := Report(&report, results); err != nil {
		t.Fatal(err)
	}
	if err := Print(&lines, results); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(report.String())); err != nil {
		t.Fatal(err)
	}
	want := `{"a.json":{"tests":[{"name":"one","result":{"passed":true}},{"name":"two","result":{"passed":false,"error":"no"}}]}}`
	if compact.String() != want {
		t.Errorf("got %s", compact.String())
	}
	if !strings.HasSuffix(lines.String(), "1 passed, 1 failed\n") {
		t.Errorf("got %s", lines.String())
	}
}

// Totals counts the cases that passed and that failed.
func Totals(results []FileResult) (passed, failed int) {
	for _, f := range results {
		n := f.Passed()
		passed += n
		failed += len(f.Results) - n
	}
	return passed, failed
}

// Print writes one line per file, the failures below it, and the closing line.
func Print(w io.Writer, results []FileResult) error {
	for _, f := range results {
		if _, err := fmt.Fprintf(w, "%-28s %d/%d\n", f.Name, f.Passed(),
			len(f.Results)); err != nil {
			return err
		}
		for _, r := range f.Results {
			if r.Err == nil {
				continue
			}
			if _, err := fmt.Fprintf(w, "  %s: %v\n", r.Title, r.Err); err != nil {
				return err
			}
		}
	}
	passed, failed := Totals(results)
	_, err := fmt.Fprintf(w, "%d passed, %d failed\n", passed, failed)
	return err
}
