package flatten_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
)

// keyed flattens lines into a table with columns of several classes.
func keyed(t *testing.T, lines string) (pipeline.Done, string) {
	t.Helper()
	lake := newLake()
	views := flattentest.Views{"nightly": {{Name: "p", Resource: "Patient", Columns: []sof.Column{
		{Name: "ref", Class: sof.Key},
		{Name: "text", Class: sof.ShortText},
		{Name: "seen", Class: sof.Moment},
		{Name: "n", Kind: sof.Integer},
		{Name: "own", Class: sof.Key, Length: 200},
	}}}}
	f, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	done, err := f.Flatten(t.Context(), patients("s/p@1"), strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if done.Quarantined == 0 {
		return done, ""
	}
	return done, string(read(t, lake, pipeline.Quarantine, "s/p@1.ndjson"))
}

func keyedLine(id, more string, rows ...string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,`+
		`"meta":{%s"lastUpdated":"2024-01-01T00:00:00Z"},"rows":{"p":[[%s]]}}`+"\n",
		id, more, strings.Join(rows, "],["))
}

func TestALongKeyMakesItsLineBad(t *testing.T) {
	t.Parallel()
	const rest = `,null,null,null,null`
	key := func(n int) string { return `"` + strings.Repeat("k", n) + `"` }
	long := `"` + strings.Repeat("t", 500) + `"`
	done, bad := keyed(t, keyedLine("a", "", key(128)+rest)+
		keyedLine("b", "", key(3)+rest, key(129)+`,`+long+`,null,null,null`)+
		keyedLine("c", "", `"k\u00e9"`+rest)+
		keyedLine("d", `"deleted":true,`, key(129)+rest)+
		keyedLine("e", `"subsetted":true,`, key(129)+rest)+
		keyedLine("f", "", `null,null,null,null,`+key(200))+
		keyedLine("g", "", `null,null,null,null,`+key(201)))
	want := pipeline.Done{
		Lines: 7, Quarantined: 3, Filtered: 1, Deleted: 1, Heads: 3, Rows: map[string]int64{"p": 2},
		Longest: map[string]pipeline.Extent{
			"p.ref": {Characters: 128, Bytes: 128}, "p.own": {Characters: 200, Bytes: 200},
		},
	}
	if d := cmp.Diff(want, done); d != "" {
		t.Errorf("done (-want +got):\n%s", d)
	}
	for _, reason := range []string{
		`"reason":"column p.ref: a key has 129 bytes, at most 128 are possible"`,
		`"reason":"column p.ref: a key of 3 bytes is not ASCII"`,
		`"reason":"column p.own: a key has 201 bytes, at most 200 are possible"`,
	} {
		if !strings.Contains(bad, reason) {
			t.Errorf("no %s in the quarantine", reason)
		}
	}
}

func TestTheLongestTextsAreMeasured(t *testing.T) {
	t.Parallel()
	// Blocks of lines are measured one by one, and so are the rows of a line that needs much room.
	large := `"k","` + strings.Repeat("x", 3<<20) + `",null,"1",null`
	for name, lines := range map[string]string{
		"small": keyedLine("a", "", `"k","\u6771\u4eac\ud83d\ude00","2024","1",null`) +
			keyedLine("b", "", `"key","abcdefghi","fr\u00fch","12345",null`),
		"blocks": keyedLine("a", "", `"k","\u6771\u4eac\ud83d\ude00","2024","1",null`) +
			strings.Repeat(keyedLine("c", "", `"k","t","2024","1",null`), 10_000) +
			keyedLine("b", "", `"key","abcdefghi","fr\u00fch","12345",null`),
	} {
		done, _ := keyed(t, lines)
		want := map[string]pipeline.Extent{
			"p.ref": {Characters: 3, Bytes: 3}, "p.text": {Characters: 9, Bytes: 10},
			"p.seen": {Characters: 4, Bytes: 5, Wide: true},
		}
		if d := cmp.Diff(want, done.Longest); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	done, _ := keyed(t, keyedLine("a", "", large, large, large))
	if got := done.Longest["p.text"]; got.Characters != 3<<20 {
		t.Errorf("a large line: %+v", got)
	}
}
