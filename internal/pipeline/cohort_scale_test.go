package pipeline_test

import (
	"fmt"
	"testing"
	"time"
)

// The calls of an export grow with its Groups, and not with their square.
func TestACohortOfManyGroups(t *testing.T) {
	t.Parallel()
	calls := func(groups int) float64 {
		w := newCohortWorld(t)
		var ids []string
		for n := range groups {
			id := fmt.Sprintf("g%03d", n)
			ids = append(ids, id)
			w.server.groups[id] = id + "-"
			w.server.put("Patient", id+"-p", "first", 1, false)
			w.server.put("Observation", id+"-p", "first", 1, false)
		}
		w.cohorts = func() ([]string, error) { return ids, nil }
		w.clock = w.clock.Add(time.Minute)
		w.loaded("nightly-000001")
		return float64(w.gate.calls) / float64(groups)
	}
	few, many := calls(10), calls(100)
	t.Logf("%.0f calls for each of 10 Groups, %.0f for each of 100", few, many)
	if many > 2*few {
		t.Errorf("%.0f calls for each of 10 Groups, and %.0f for each of 100", few, many)
	}
}
