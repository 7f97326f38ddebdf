package records_test

import (
	"os"
	"strings"
	"testing"

	"fhirsynapse/internal/pipeline/records"
)

func TestEveryPairOfStatesIsAllowedOrRefused(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{
		"requested exporting": true, "requested failed": true, "requested cancelled": true,
		"exporting loading": true, "exporting failed": true, "exporting cancelled": true,
		"loading loaded": true, "loading incomplete": true, "loading failed": true,
		"loading cancelled": true,
	}
	for _, from := range records.States {
		for _, to := range records.States {
			want := from == to || allowed[string(from)+" "+string(to)]
			if got := from.May(to); got != want {
				t.Errorf("%s to %s: got %v, want %v", from, to, got, want)
			}
		}
		wantFinal := from == records.Loaded || from == records.Incomplete ||
			from == records.Failed || from == records.Cancelled
		if from.Final() != wantFinal {
			t.Errorf("%s: final is %v", from, from.Final())
		}
	}
}

// The diagram in the documentation matches the table of moves.
func TestDiagramInTheDocumentation(t *testing.T) {
	t.Parallel()
	const path = "../../../docs/states.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), records.Diagram()) {
		t.Errorf("%s does not hold the diagram of the table of moves; it reads:\n%s", path,
			records.Diagram())
	}
}
