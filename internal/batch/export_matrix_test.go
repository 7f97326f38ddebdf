package batch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/pipeline/records"
)

// cell is one cell of the failure matrix: a fault of the server and the expected result, over HTTP,
// on a controlled clock.
type cell struct {
	name   string
	bulk   fhirserver.Bulk
	faults fhirserver.Faults
	// files is the number of files per type; zero means one.
	files int
	// setUp changes a world before it runs.
	setUp func(*testing.T, *bulkWorld)
	// fails is a text that the error must contain; empty means that everything is loaded.
	fails string
	// kickOffs is the number of kick-offs that the server must receive, if not zero. polls is the
	// minimum number of polls, because the speed of the server's jobs varies.
	kickOffs, polls int
	// told is a text that Watch must receive.
	told string
	// takes is the minimum duration, by the clock.
	takes time.Duration
	// atMost is the maximum duration; zero means no limit.
	atMost time.Duration
	// notice is a text that the result's notice must contain.
	notice string
}

type (
	answer  = fhirserver.Answer
	answers = []fhirserver.Answer
)

func repeat(n int, a answer) (all answers) {
	for range n {
		all = append(all, a)
	}
	return all
}

var (
	throttled   = fhirserver.Throttled
	unavailable = fhirserver.Unavailable
	refused     = fhirserver.Refused
	page        = fhirserver.Page
)

func matrix() []cell {
	return []cell{
		// The kick-off.
		{
			name: "kick-off: 202 without Content-Location",
			faults: fhirserver.Faults{
				KickOffs: answers{{Header: map[string]string{"Content-Location": ""}}},
			}, fails: "Content-Location", kickOffs: 1, notice: "kick-offs without an answer: 1",
		},
		{
			name:   "kick-off: 200 with a body",
			faults: fhirserver.Faults{KickOffs: answers{{Status: 200, Body: "{}"}}}, fails: "200",
			kickOffs: 1,
		},
		{
			name: "kick-off: 400", faults: fhirserver.Faults{KickOffs: answers{refused(400)}},
			fails: "HTTP 400: invalid", kickOffs: 1,
		},
		signedIn(cell{
			name:   "kick-off: 401, the token is renewed",
			faults: fhirserver.Faults{KickOffs: answers{refused(401)}}, kickOffs: 2,
		}),
		{
			name:   "kick-off: 401 without a sign-in",
			faults: fhirserver.Faults{KickOffs: answers{refused(401)}}, fails: "401", kickOffs: 1,
		},
		{
			name: "kick-off: 403", faults: fhirserver.Faults{KickOffs: answers{refused(403)}},
			fails: "403", kickOffs: 1,
		},
		{
			name: "kick-off: 429, a date",
			faults: fhirserver.Faults{
				KickOffs: answers{throttled("Sun, 01 Mar 2026 12:02:00 GMT")},
			}, kickOffs: 2, takes: 2 * time.Minute,
			told: "kick-off: the server did not start the job: the FHIR server answered HTTP 429",
		},
		{
			name:   "kick-off: 429, seconds",
			faults: fhirserver.Faults{KickOffs: answers{throttled("30")}}, kickOffs: 2,
			takes: 30 * time.Second,
		},
		{
			name:   "kick-off: 429, seconds of the epoch",
			faults: fhirserver.Faults{KickOffs: answers{throttled("1772366460")}}, kickOffs: 2,
			takes: time.Minute,
		},
		{
			name:   "kick-off: 429, less than nothing",
			faults: fhirserver.Faults{KickOffs: answers{throttled("-5")}}, kickOffs: 2,
		},
		{
			name:   "kick-off: 429 twenty times",
			faults: fhirserver.Faults{KickOffs: repeat(20, throttled("1"))}, kickOffs: 21,
		},
		{
			name: "kick-off: 503", faults: fhirserver.Faults{KickOffs: answers{unavailable("60")}},
			kickOffs: 2, takes: time.Minute, atMost: 2 * time.Minute,
		},
		{
			name:   "kick-off: 503 for ever",
			faults: fhirserver.Faults{KickOffs: repeat(1000, answer{Status: 503})},
			fails:  "HTTP 50", takes: 5 * time.Minute, atMost: 15 * time.Minute,
		},
		{
			name:   "kick-off: the answer is lost",
			faults: fhirserver.Faults{KickOffs: answers{{Acted: true, Reset: true}}}, kickOffs: 2,
			takes: 10 * time.Second, atMost: time.Minute, told: "kick-off: ",
			notice: "kick-offs without an answer: 1",
		},

		{
			name:   "kick-off: the server is away at first",
			faults: fhirserver.Faults{Metadata: answers{unavailable("10"), page(502)}}, kickOffs: 1,
		},
		{name: "kick-off: POST only", bulk: fhirserver.Bulk{Methods: []string{"POST"}}},
		{name: "kick-off: version 1 of the guide", bulk: fhirserver.Bulk{Guide: 1}},
		{
			name: "kick-off: a place that is a path",
			bulk: fhirserver.Bulk{Location: fhirserver.LocationPath},
		},
		{
			name: "kick-off: a place that is relative",
			bulk: fhirserver.Bulk{Location: fhirserver.LocationRelative},
		},
		{
			name: "kick-off: a place in a query, with pages",
			bulk: fhirserver.Bulk{QueryStatus: true, PageSize: 1},
		},

		// The poll.
		{
			name: "poll: 202 for a while",
			faults: fhirserver.Faults{Polls: repeat(9, answer{
				Status: 202, Header: map[string]string{"Retry-After": "5", "X-Progress": "50 %"},
			})}, polls: 10, takes: 45 * time.Second, told: "50%",
		},
		{
			name: "poll: 202 with hours to wait",
			faults: fhirserver.Faults{Polls: answers{{
				Status: 202, Header: map[string]string{"Retry-After": "7200"},
			}}}, polls: 2, takes: time.Minute,
		},
		{
			name:   "poll: 404 of a replica that lags",
			faults: fhirserver.Faults{Polls: repeat(2, refused(404))}, polls: 3,
		},
		{
			name: "poll: 404 for ever", faults: fhirserver.Faults{Polls: repeat(100, refused(404))},
			fails: "404",
		},
		{
			name:   "poll: 500 of the transient family",
			faults: fhirserver.Faults{Polls: answers{refused(500)}}, polls: 2,
		},
		{
			name:   "poll: 500 and 502 with a page",
			faults: fhirserver.Faults{Polls: answers{page(500), page(502)}}, polls: 3,
		},
		{
			name: "poll: 429", faults: fhirserver.Faults{Polls: repeat(40, throttled("1"))},
			polls: 41,
		},
		{
			name: "poll: the job failed",
			faults: fhirserver.Faults{Failure: &jobs.Failure{
				Status: 400, Reason: "the index is broken",
			}}, fails: "HTTP 400: invalid", polls: 1,
		},
		{name: "poll: reset", faults: fhirserver.Faults{Polls: answers{{Reset: true}}}, polls: 2},
		{
			name: "poll: 200 and nothing", faults: fhirserver.Faults{Polls: answers{{Status: 200}}},
			polls: 2,
		},
		{
			name: "poll: 200 and a page", faults: fhirserver.Faults{Polls: answers{page(200)}},
			polls: 2,
		},
		{
			name:   "poll: a manifest that is cut",
			faults: fhirserver.Faults{Polls: answers{{CutAfter: 50}}}, polls: 2,
		},
		{
			name: "poll: a manifest of six megabytes", faults: fhirserver.Faults{Padding: 6 << 20},
			polls: 1,
		},
		{name: "poll: pages", bulk: fhirserver.Bulk{PageSize: 1}, files: 3, polls: 6},
		{
			name: "poll: pages that end in the first", bulk: fhirserver.Bulk{PageSize: 1},
			faults: fhirserver.Faults{LinkLoop: true}, fails: "page",
		},
		{
			name: "poll: the job never ends", faults: fhirserver.Faults{NeverDone: true},
			fails: "has not finished",
			setUp: func(_ *testing.T, w *bulkWorld) {
				w.exporter.Pipeline.ExportTimeout = time.Hour
			}, takes: time.Hour,
		},
		{
			name:   "poll: no time that can be read",
			faults: fhirserver.Faults{TransactionTime: "yesterday"},
			notice: "transactionTime cannot be used",
		},
		{
			name: "poll: organized unasked", faults: fhirserver.Faults{OrganizedBy: "Patient"},
			fails: "organi",
		},
		{name: "poll: no list of errors", faults: fhirserver.Faults{NoErrorMember: true}},
		{
			name:   "poll: errors are called outcome",
			faults: fhirserver.Faults{OutcomeMember: true, ErrorFile: 1},
			notice: "1 × error/exception",
		},
		{name: "poll: nothing was found", setUp: func(_ *testing.T, w *bulkWorld) {
			w.exporter.Plan.Types = []string{"Device"}
		}, polls: 1},

		// The files.
		{name: "files: 404 at first", faults: fhirserver.Faults{Files: repeat(2, refused(404))}},
		{
			name: "files: 410 for ever", faults: fhirserver.Faults{AllFiles: &answer{Status: 410}},
			fails: "410",
		},
		signedIn(cell{
			name:   "files: 401, the token is renewed",
			faults: fhirserver.Faults{Files: answers{refused(401)}},
		}),
		signedIn(cell{name: "files: 307 to another host, without the token", setUp: elsewhere}),
		{
			name: "files: cut in the middle", bulk: fhirserver.Bulk{NoGzip: true},
			faults: fhirserver.Faults{Files: answers{{CutAfter: 30}, {CutAfter: 60}}},
		},
		{
			name:   "files: cut in the middle, no ranges",
			bulk:   fhirserver.Bulk{NoGzip: true, NoRanges: true},
			faults: fhirserver.Faults{Files: answers{{CutAfter: 30}}},
		},
		{
			name: "files: cut before they were sent", bulk: fhirserver.Bulk{NoGzip: true},
			faults: fhirserver.Faults{Files: answers{{Half: true}}},
		},
		{name: "files: truncated gzip", faults: fhirserver.Faults{Files: answers{{Half: true}}}},
		{
			name: "files: 429", faults: fhirserver.Faults{Files: repeat(3, throttled("10"))},
			takes: 10 * time.Second,
		},
		{name: "files: 503 and a page", faults: fhirserver.Faults{Files: answers{page(503)}}},
		{
			name: "files: too many at once", files: 3,
			faults: fhirserver.Faults{ParallelDownloads: 1},
			setUp:  func(_ *testing.T, w *bulkWorld) { w.exporter.Workers = 4 },
		},
		{
			name: "files: the count is wrong", faults: fhirserver.Faults{WrongCount: 1},
			fails: "count",
		},
		{name: "files: no count", faults: fhirserver.Faults{NoCounts: true}},
		{
			name: "files: of another type", faults: fhirserver.Faults{WrongType: "Device"},
			fails: "bad",
		},
		{name: "files: all of one name", files: 3, faults: fhirserver.Faults{SameNames: true}},
		{
			name: "files: their addresses end", bulk: fhirserver.Bulk{FileLife: 20 * time.Second},
			faults: fhirserver.Faults{Files: answers{throttled("60")}}, takes: time.Minute,
		},
		{
			name: "files: a token although none is due", setUp: func(_ *testing.T, w *bulkWorld) {
				w.source.FileToken = "always"
			},
			bulk: fhirserver.Bulk{OpenFiles: true}, faults: fhirserver.Faults{TokenForFiles: true},
		},
		{
			name:   "files: at an address that is not dialled",
			setUp:  func(_ *testing.T, w *bulkWorld) { w.source.AllowPrivate = false },
			faults: fhirserver.Faults{FileHost: "https://169.254.169.254"}, fails: "private",
		},
		{
			name: "files: errors that the server reports", faults: fhirserver.Faults{ErrorFile: 3},
			notice: "3 × error/exception",
		},
	}
}

func TestFailureMatrix(t *testing.T) {
	t.Parallel()
	for _, c := range matrix() {
		if c.name == "files: a token although none is due" {
			c = signedIn(c)
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newBulkWorld(t, c)
			began := w.clock.Now()
			got, err := w.exporter.Export(t.Context())
			took, asked := w.clock.Now().Sub(began), w.Asked()
			switch {
			case c.fails == "" && err != nil:
				t.Fatalf("it failed after %v, %+v: %v", took, asked, err)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Fatalf("error %v, want one that says %q", err, c.fails)
			case c.fails == "":
				c.loaded(t, w, got)
			}
			if c.kickOffs > 0 && asked.KickOffs != c.kickOffs {
				t.Errorf("%d kick-offs, want %d", asked.KickOffs, c.kickOffs)
			}
			if asked.Polls < c.polls {
				t.Errorf("%d polls, want at least %d", asked.Polls, c.polls)
			}
			if took < c.takes {
				t.Errorf("it took %v, want at least %v", took, c.takes)
			}
			if c.atMost > 0 && took > c.atMost {
				t.Errorf("it took %v, want at most %v", took, c.atMost)
			}
			if (c.notice == "") != (got.Notice == "") || !strings.Contains(got.Notice, c.notice) {
				t.Errorf("notice %q, want %q", got.Notice, c.notice)
			}
			heard := false
			for _, p := range w.told {
				heard = heard || strings.Contains(p.Server, c.told) ||
					p.Trouble != nil && strings.Contains(p.Trouble.String(), c.told)
			}
			if !heard {
				t.Errorf("nobody was told %q", c.told)
			}
		})
	}
}

// loaded compares a result with the server's data.
func (c cell) loaded(t *testing.T, w *bulkWorld, got batch.ExportResult) {
	t.Helper()
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if incomplete := got.State == records.Incomplete; incomplete != (c.faults.ErrorFile > 0) {
		t.Errorf("the export is %s", got.State)
	}
	want := int64(2 * matrixPatients)
	if len(w.exporter.Plan.Types) > 0 {
		want = 0
	}
	var applied int64
	for _, r := range got.Types {
		applied += r.Applied
	}
	if applied != want {
		t.Errorf("%d resources applied, want %d", applied, want)
	}
	if n := got.Issues["error/exception"]; n != int64(c.faults.ErrorFile) {
		t.Errorf("issues %v, want %d", got.Issues, c.faults.ErrorFile)
	}
}

// A server that returns garbage, at once or half way, ends a run, but not the process.
func TestGarbageEndsARun(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		for _, since := range []records.State{
			records.Requested, records.Exporting, records.Loading,
		} {
			t.Run(fmt.Sprintf("seed %d since %s", seed+1, since), func(t *testing.T) {
				t.Parallel()
				w := newBulkWorld(t, cell{files: 3})
				w.exporter.Patience = 6 * time.Hour
				w.exporter.Watch = func(p batch.ExportProgress) {
					if p.State == since {
						w.SetFaults(fhirserver.Faults{Garbage: seed + 1})
					}
				}
				got, err := w.exporter.Export(t.Context())
				if loaded := got.State == records.Loaded; (err == nil) != loaded {
					t.Errorf("%s with error %v", got.State, err)
				}
				if err == nil && got.Check() != nil {
					t.Errorf("loaded, and the sums do not hold: %v", got.Check())
				}
			})
		}
	}
}
