package statuspage

import (
	"testing"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// A file that landed in the second of the request, by a clock of seconds, comes after it.
func TestStepsOfOneSecond(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := records.Export{
		RequestedAt: at.Add(300 * time.Millisecond), FinishedAt: at.Add(time.Minute),
		State: records.Loaded,
	}
	v := exportView{landedFrom: at, landedTo: at}
	v.Sum.Landed = 1
	var got []string
	for _, s := range steps(e, nil, v) {
		got = append(got, s.What)
	}
	if len(got) != 3 || got[0] != "requested" || got[1] != "1 file has landed" {
		t.Errorf("got %q", got)
	}
}
