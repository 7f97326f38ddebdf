package cli_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// timed records when each line was written.
type timed struct {
	mu    sync.Mutex
	began time.Time
	text  strings.Builder
	last  time.Duration
	gap   time.Duration // the longest silence
}

func (w *timed) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := time.Since(w.began)
	w.gap, w.last = max(w.gap, at-w.last), at
	fmt.Fprintf(&w.text, "%3d %s", int(at.Seconds()),
		strings.TrimPrefix(string(b), "fhirsynapse: "))
	return len(b), nil
}

// journal plays an export. Each entry applies from a number of seconds on.
type journal []struct {
	from  int
	err   error
	state records.State
	set   func(*records.ExportSummary)
}

func (j journal) at(began time.Time) (records.ExportSummary, error) {
	e := summary(j[0].state, nil)
	var err error
	for _, s := range j {
		if time.Since(began) >= time.Duration(s.from)*time.Second {
			e.State, err = s.state, s.err
			if s.set != nil {
				s.set(&e)
			}
		}
	}
	return e, err
}

func TestWatchTellsWhatAnExportWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
		plays := journal{
			{from: 0, state: records.Requested},
			{from: 15, state: records.Requested, set: func(e *records.ExportSummary) {
				e.TouchedAt = at(15)
				e.Retry = &records.Retry{
					Step: "tick", Cause: "the server is busy", Tries: 2, Since: at(5),
				}
			}},
			{from: 40, state: records.Exporting, set: func(e *records.ExportSummary) {
				e.Retry = nil
			}},
			{from: 44, state: records.Exporting, set: func(e *records.ExportSummary) {
				e.Progress = "50%"
			}},
			{
				from: 50, err: errors.New("read journal: connection refused"),
				state: records.Exporting,
			},
			{from: 64, state: records.Loading, set: func(e *records.ExportSummary) {
				e.Files = 9
				e.Retry = &records.Retry{
					Step: "fetch nightly-000003.1 file 2", Cause: "HTTP 404", Tries: 5,
					Since: at(60), Next: at(70),
				}
			}},
			{from: 136, state: records.Loading, set: func(e *records.ExportSummary) {
				e.Retry, e.Committed = nil, map[string]string{"Patient": "x"}
			}},
			{from: 144, state: records.Loaded},
		}
		c := commands()
		c.Journal.(*operator).exports = func(
			context.Context, string, int,
		) ([]records.ExportSummary, error) {
			e, err := plays.at(began)
			if err != nil {
				return nil, err
			}
			return []records.ExportSummary{e}, nil
		}
		var out strings.Builder
		errs := &timed{began: began}
		code := cli.Run(t.Context(), []string{"exports", "watch", "nightly"}, func(string) string {
			return ""
		}, cli.Streams{Out: &out, Err: errs, Now: time.Now}, c)
		if code != 0 || out.String() != "export nightly-000003 is loaded: 9 files\n" {
			t.Errorf("exit code %d, %q", code, out.String())
		}
		if errs.gap > 10*time.Second || time.Since(began)-errs.last > 10*time.Second {
			t.Errorf("it was silent for %v", errs.gap)
		}
		if got := errs.text.String(); got != watchedLines {
			t.Errorf("lines:\n%s", got)
		}
	})
}

const watchedLines = `  0 export nightly-000003: the app starts it at its next tick
  6 export nightly-000003: the app starts it at its next tick, for 6s
 12 export nightly-000003: the app starts it at its next tick, for 12s
 16 tick: the server is busy; it is tried again
 16 export nightly-000003: asking the server for an export; tick: 2 tries failed in 11s, the next comes at the app's next tick; cause: the server is busy
 22 export nightly-000003: asking the server for an export, for 6s; tick: 2 tries failed in 17s, the next comes at the app's next tick; cause: the server is busy
 28 export nightly-000003: asking the server for an export, for 12s; tick: 2 tries failed in 23s, the next comes at the app's next tick; cause: the server is busy
 34 export nightly-000003: asking the server for an export, for 18s; tick: 2 tries failed in 29s, the next comes at the app's next tick; cause: the server is busy
 40 export nightly-000003: the server is exporting
 44 export nightly-000003: the server is exporting: 50%
 50 export nightly-000003: the journal cannot be read, 1 try in 0s, the next comes in 2s; cause: read journal: connection refused
 56 export nightly-000003: the journal cannot be read, 4 tries in 6s, the next comes in 2s; cause: read journal: connection refused
 62 export nightly-000003: the journal cannot be read, 7 tries in 12s, the next comes in 2s; cause: read journal: connection refused
 64 fetch nightly-000003.1 file 2: HTTP 404; it is tried again
 64 export nightly-000003: loading 9 files, 0 resource types committed; fetch nightly-000003.1 file 2: 5 tries failed in 4s, the next comes in 6s; cause: HTTP 404
 70 export nightly-000003: loading 9 files, 0 resource types committed, for 6s; fetch nightly-000003.1 file 2: 5 tries failed in 10s, the next is under way; cause: HTTP 404
 76 export nightly-000003: loading 9 files, 0 resource types committed, for 12s; fetch nightly-000003.1 file 2: 5 tries failed in 16s, the next is under way; cause: HTTP 404
 82 export nightly-000003: loading 9 files, 0 resource types committed, for 18s; fetch nightly-000003.1 file 2: 5 tries failed in 22s, the next is under way; cause: HTTP 404
 88 export nightly-000003: loading 9 files, 0 resource types committed, for 24s; fetch nightly-000003.1 file 2: 5 tries failed in 28s, the next is under way; cause: HTTP 404
 94 export nightly-000003: loading 9 files, 0 resource types committed, for 30s; fetch nightly-000003.1 file 2: 5 tries failed in 34s, the next is under way; cause: HTTP 404
100 export nightly-000003: loading 9 files, 0 resource types committed, for 36s; fetch nightly-000003.1 file 2: 5 tries failed in 40s, the next is under way; cause: HTTP 404
106 export nightly-000003: loading 9 files, 0 resource types committed, for 42s; fetch nightly-000003.1 file 2: 5 tries failed in 46s, the next is under way; cause: HTTP 404
112 export nightly-000003: loading 9 files, 0 resource types committed, for 48s; fetch nightly-000003.1 file 2: 5 tries failed in 52s, the next is under way; cause: HTTP 404
118 export nightly-000003: loading 9 files, 0 resource types committed, for 54s; fetch nightly-000003.1 file 2: 5 tries failed in 58s, the next is under way; cause: HTTP 404
124 export nightly-000003: loading 9 files, 0 resource types committed, for 1m0s; fetch nightly-000003.1 file 2: 5 tries failed in 1m4s, the next is under way; cause: HTTP 404
130 export nightly-000003: loading 9 files, 0 resource types committed, for 1m6s; fetch nightly-000003.1 file 2: 5 tries failed in 1m10s, the next was due 1m0s ago: it is under way, or the app does not run; cause: HTTP 404
136 export nightly-000003: loading 9 files, 1 resource type committed
142 export nightly-000003: loading 9 files, 1 resource type committed, for 6s
`

func TestWatchEndsWithTheCodeOfTheExport(t *testing.T) {
	t.Parallel()
	failed := summary(records.Failed, &records.Failure{
		Step: "poll", Cause: "HTTP 500", Whose: "the FHIR server", Text: "nightly-000003/x.txt",
	})
	incomplete := summary(records.Incomplete, nil)
	incomplete.Notice = "1 error of Encounter"
	old := summary(records.Loaded, nil)
	old.ID, old.Files = "nightly-000001", 1
	running, other := summary(records.Loading, nil), summary(records.Exporting, nil)
	other.ID, other.Plan = "weekly-000001", "weekly"
	for name, c := range map[string]struct {
		args []string
		list []records.ExportSummary
		want outcome
	}{
		"failed": {
			[]string{"nightly"},
			[]records.ExportSummary{failed},
			outcome{
				code: 1, err: "fhirsynapse: export nightly-000003 has failed: poll: HTTP 500 (the FHIR server); " +
					"the server's own words are in the quarantine container, in nightly-000003/x.txt\n",
			},
		},
		"cancelled": {
			nil,
			[]records.ExportSummary{summary(records.Cancelled, nil)},
			outcome{code: 1, err: "fhirsynapse: export nightly-000003 was cancelled\n"},
		},
		"incomplete": {
			[]string{"nightly"},
			[]records.ExportSummary{incomplete},
			outcome{
				code: 3, err: "fhirsynapse: export nightly-000003 is incomplete: 1 error of Encounter\n",
			},
		},
		"an old one by id": {
			[]string{"nightly-000001"},
			[]records.ExportSummary{running, old},
			outcome{out: "export nightly-000001 is loaded: 1 file\n"},
		},
		"one that is not": {
			[]string{"nightly-000009"},
			[]records.ExportSummary{running, old},
			outcome{code: 1, err: "fhirsynapse: the journal has no export nightly-000009\n"},
		},
		"several, none said": {
			nil,
			[]records.ExportSummary{running, other},
			outcome{
				code: 1, err: "fhirsynapse: several exports run, name one: nightly-000003, weekly-000001\n",
			},
		},
		"two names": {
			[]string{"a", "b"},
			nil,
			outcome{
				code: 2, err: "fhirsynapse: \"b\" is one argument too many: name one plan or export\nfhirsynapse: see fhirsynapse exports watch --help\n",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := commands()
			all.Journal.(*operator).exports = func(
				_ context.Context, plan string, most int,
			) ([]records.ExportSummary, error) {
				if plan != "" && plan != "nightly" {
					return nil, fmt.Errorf("list: %w", records.ErrNoPlan)
				}
				if plan == "" {
					return c.list, nil
				}
				return c.list[:min(most, len(c.list))], nil
			}
			got := run(t, all, nil, append([]string{"exports", "watch"}, c.args...)...)
			var ends []string // without the lines of the wait
			for line := range strings.Lines(got.err) {
				if !strings.Contains(line, "reading the journal") {
					ends = append(ends, line)
				}
			}
			got.err = strings.Join(ends, "")
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCtrlCEndsTheWatchAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := commands()
		c.Journal.(*operator).exports = func(
			context.Context, string, int,
		) ([]records.ExportSummary, error) {
			return []records.ExportSummary{summary(records.Loading, nil)}, nil
		}
		c.Journal.(*operator).cancel = func(
			context.Context, string,
		) (string, []pipeline.JobEnd, error) {
			t.Error("the export was cancelled")
			return "", nil, nil
		}
		ctx, stop := context.WithTimeout(t.Context(), 25*time.Second)
		defer stop()
		var errs strings.Builder
		code := cli.Run(ctx, []string{"exports", "watch"}, func(string) string {
			return ""
		}, cli.Streams{Out: &strings.Builder{}, Err: &errs, Now: time.Now}, c)
		const want = "fhirsynapse: the watch was interrupted; export nightly-000003 continues\n"
		if code != 1 || !strings.HasSuffix(errs.String(), want) {
			t.Errorf("exit code %d:\n%s", code, errs.String())
		}
	})
}
