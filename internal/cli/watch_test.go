package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/once"
	"fhirsynapse/internal/pipeline"
)

var steps = []struct {
	after time.Duration
	p     once.Progress
}{
	{0, once.Progress{State: pipeline.Requested, Files: -1}},
	{time.Second, once.Progress{State: pipeline.Requested, Files: -1, Trouble: "the server is busy"}},
	{time.Second, once.Progress{State: pipeline.Exporting, Files: -1}},
	{time.Second, once.Progress{State: pipeline.Exporting, Files: -1, Server: "50 %\x1b[2J"}},
	{time.Second, once.Progress{State: pipeline.Exporting, Files: -1, Server: "50 %\x1b[2J"}},
	{time.Second, once.Progress{State: pipeline.Loading, Files: 9}},
	{time.Second, once.Progress{State: pipeline.Loading, Files: 9, Landed: 1, Bytes: 1e6}},
	{5 * time.Second, once.Progress{State: pipeline.Loading, Files: 9, Landed: 5, Prepared: 3, Bytes: 5e6}},
	{time.Second, once.Progress{State: pipeline.Loaded, Files: 9, Landed: 9, Prepared: 9, Bytes: 9e6}},
}

func watched(draws bool) string {
	out := &screen{}
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newWatch(Streams{Err: out, ErrIsTerminal: draws, Now: func() time.Time { return clock }})
	for _, s := range steps {
		clock = clock.Add(s.after)
		w.tell(s.p)
	}
	w.end()
	return out.String()
}

func TestALogGetsPlainLinesOfAnExport(t *testing.T) {
	t.Parallel()
	const want = `fhirsynapse: asking the server for an export
fhirsynapse: asking the server for an export; trying again: the server is busy
fhirsynapse: the server is exporting
fhirsynapse: the server is exporting: 50 % [2J
fhirsynapse: 0 of 9 files landed, 0.0 MB, 0 prepared
fhirsynapse: 5 of 9 files landed, 5.0 MB, 3 prepared
fhirsynapse: loaded: 9 files, 9.0 MB
`
	if diff := cmp.Diff(want, watched(false)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestATerminalGetsOneLineThatChanges(t *testing.T) {
	t.Parallel()
	const back = "\r\x1b[K"
	want := back + "asking the server for an export" + back + "asking the server for an export; trying again: the server is busy" +
		back + "the server is exporting" + back + "the server is exporting: 50 % [2J" +
		back + "0 of 9 files landed, 0.0 MB, 0 prepared" + back + "1 of 9 files landed, 1.0 MB, 0 prepared" +
		back + "5 of 9 files landed, 5.0 MB, 3 prepared" + back + "loaded: 9 files, 9.0 MB" + back
	if diff := cmp.Diff(want, watched(true)); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
}
