package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/pipeline/records"
)

var dawn = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// trouble returns a kick-off failure with a number of tries, the last of which failed at a number
// of seconds.
func trouble(tries, at int) *batch.Trouble {
	now := dawn.Add(time.Duration(at) * time.Second)
	return &batch.Trouble{
		Doing: "kick-off", Err: errors.New("the server is busy"), Tries: tries,
		Since: dawn.Add(time.Second), Next: now.Add(15 * time.Second),
	}
}

var steps = []struct {
	at int // seconds
	p  batch.ExportProgress
}{
	{0, batch.ExportProgress{State: records.Requested, Files: -1}},
	{1, batch.ExportProgress{State: records.Requested, Files: -1, Trouble: trouble(1, 1)}},
	{16, batch.ExportProgress{State: records.Requested, Files: -1, Trouble: trouble(2, 16)}},
	{31, batch.ExportProgress{
		State: records.Exporting, Files: -1, Job: "https://h/job/1",
		NextPoll: dawn.Add(41 * time.Second),
	}},
	{32, batch.ExportProgress{
		State: records.Exporting, Files: -1, Job: "https://h/job/1", Server: "50 %\x1b[2J",
	}},
	{33, batch.ExportProgress{
		State: records.Exporting, Files: -1, Job: "https://h/job/1", Server: "50 %\x1b[2J",
	}},
	{34, batch.ExportProgress{State: records.Loading, Files: 9, Job: "https://h/job/1"}},
	{35, batch.ExportProgress{
		State: records.Loading, Files: 9, Landed: 1, Bytes: 1e6, Job: "https://h/job/1",
	}},
	{40, batch.ExportProgress{
		State: records.Loading, Files: 9, Landed: 5, Prepared: 3, Bytes: 5e6,
		Job: "https://h/job/1",
	}},
	{61, batch.ExportProgress{
		State: records.Loaded, Files: 9, Landed: 9, Prepared: 9, Bytes: 9e6, Job: "https://h/job/1",
	}},
}

// watched plays the steps, with a tick every second.
func watched(draws bool) string {
	out := &screen{}
	clock := dawn
	w := &watch{n: &narrator{w: out, draws: draws, now: func() time.Time {
		return clock
	}, stop: make(chan struct{}), at: clock}, since: clock}
	for _, s := range steps {
		for at := dawn.Add(time.Duration(s.at) * time.Second); clock.Before(at); {
			clock = clock.Add(time.Second)
			if clock.Before(at) {
				w.n.tick()
			}
		}
		w.tell(s.p)
	}
	w.end()
	return out.String()
}

func TestALogGetsPlainLinesOfAnExport(t *testing.T) {
	t.Parallel()
	const want = `fhirsynapse: asking the server for an export
fhirsynapse: kick-off: the server is busy; it is tried again
fhirsynapse: asking the server for an export; kick-off: 1 try has failed, the next comes in 6s; cause: the server is busy
fhirsynapse: asking the server for an export; kick-off: 2 tries have failed in 15s, the next comes in 15s; cause: the server is busy
fhirsynapse: asking the server for an export; kick-off: 2 tries have failed in 24s, the next comes in 6s; cause: the server is busy
fhirsynapse: the server has accepted the export; its job is https://h/job/1
fhirsynapse: the server is exporting
fhirsynapse: the server is exporting: 50 % [2J
fhirsynapse: 0 of 9 files have arrived, 0.0 MB, 0 prepared
fhirsynapse: 5 of 9 files have arrived, 5.0 MB, 3 prepared
fhirsynapse: 5 of 9 files have arrived, 5.0 MB, 3 prepared, for 9s
fhirsynapse: 5 of 9 files have arrived, 5.0 MB, 3 prepared, for 18s
fhirsynapse: loaded: 9 files, 9.0 MB
`
	if diff := cmp.Diff(want, watched(false)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestATerminalGetsOneLineThatChanges(t *testing.T) {
	t.Parallel()
	got := watched(true)
	for _, want := range []string{
		"asking the server for an export\r\x1b[K" +
			"fhirsynapse: kick-off: the server is busy; it is tried again\n",
		"asking the server for an export; kick-off: 1 try has failed, the next comes i…\r\x1b[K",
		"\r\x1b[Kfhirsynapse: the server has accepted the export; its job is https://h/job/1\n",
		"\r\x1b[Kthe server is exporting: 50 % [2J\r\x1b[K",
		"\r\x1b[K1 of 9 files have arrived, 1.0 MB, 0 prepared\r\x1b[K",
		"\r\x1b[K5 of 9 files have arrived, 5.0 MB, 3 prepared, for 20s\r\x1b[Kloaded: 9 files, 9.0 MB\r\x1b[K",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}
