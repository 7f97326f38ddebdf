package flatten_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/flatten"
)

func TestIDsOutsideTheRuleAreLoadedAndCounted(t *testing.T) {
	t.Parallel()
	line := func(id string) string {
		return `{"resourceType":"Patient","id":"` + id + `",` + meta + "}\n"
	}
	lake := newLake()
	in := line("plain-1.a") + line("under_score") + line(strings.Repeat("x", 64)) +
		line(strings.Repeat("x", 65)) + line(strings.Repeat("x", 128)) +
		line(strings.Repeat("x", 129)) + line("a b") + line("a/b")
	done, err := flattener(t, flatten.Options{Lake: lake}).Flatten(t.Context(), patients("s/p@1"),
		strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{"Patient": 3}, done.OddIDs); d != "" || done.Heads != 5 ||
		done.Quarantined != 3 {
		t.Errorf("%d heads, %d bad lines, %s", done.Heads, done.Quarantined, d)
	}
}
