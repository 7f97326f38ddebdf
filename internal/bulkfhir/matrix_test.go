package bulkfhir_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// cell is one cell of the failure matrix: a server's behaviour and the export's outcome.
type cell struct {
	name    string
	dialect string // empty means both
	change  func(*rig)
	// fails is text of the export's failure; empty means that it is loaded.
	fails string
	whose fault.Party
	// requests is the expected number of requests by kind, where it matters.
	requests map[string]int
	// atLeast and atMost bound the time that the export takes.
	atLeast, atMost time.Duration
}

var (
	kickOffCells = []cell{
		{
			name: "202 without Content-Location", change: always("kick-off", says(202, "")),
			fails: "without Content-Location", whose: fault.TheirServer,
			requests: map[string]int{"kick-off": 1},
		},
		{
			name:   "200 with a body",
			change: always("kick-off", says(200, `{"resourceType":"Bundle"}`)),
			fails:  "instead of 202", whose: fault.TheirServer,
			requests: map[string]int{"kick-off": 1},
		},
		{
			name:   "400 with an outcome",
			change: always("kick-off", says(400, outcome("invalid", "unknown parameter"))),
			fails:  "HTTP 400: invalid", whose: fault.OurSetting,
			requests: map[string]int{"kick-off": 1},
		},
		{
			name: "401, and a fresh token is taken", change: expiredToken,
			requests: map[string]int{"kick-off": 2},
		},
		{
			name: "401 to every token", change: func(r *rig) {
				withToken(r)
				always("kick-off", says(401, ""))(r)
			},
			fails: "HTTP 401", whose: fault.OurPermission, requests: map[string]int{"kick-off": 1},
		},
		{
			name: "403", change: always("kick-off", says(403, "")), fails: "HTTP 403",
			whose: fault.OurPermission, requests: map[string]int{"kick-off": 1},
		},
		{
			name:     "429 with seconds",
			change:   firstly("kick-off", 1, says(429, "", "Retry-After", "120")),
			requests: map[string]int{"kick-off": 2}, atLeast: 2 * time.Minute,
		},
		{
			name: "429 with a date",
			change: firstly("kick-off", 1,
				says(429, "", "Retry-After", begin.Add(150*time.Second).Format(http.TimeFormat))),
			requests: map[string]int{"kick-off": 2}, atLeast: 2 * time.Minute,
		},
		{
			name: "429 with an epoch",
			change: firstly("kick-off", 1,
				says(429, "", "Retry-After", fmt.Sprint(begin.Add(150*time.Second).Unix()))),
			requests: map[string]int{"kick-off": 2}, atLeast: 2 * time.Minute,
		},
		{
			name:     "429 with a negative number",
			change:   firstly("kick-off", 1, says(429, "", "Retry-After", "-30")),
			requests: map[string]int{"kick-off": 2}, atMost: 15 * time.Minute,
		},
		{
			name: "503", change: firstly("kick-off", 2, says(503, "")),
			requests: map[string]int{"kick-off": 3}, atLeast: 8 * time.Minute,
			atMost: 30 * time.Minute,
		},
		{
			name: "a timeout after the job was accepted", change: firstly("kick-off", 1, cut),
			requests: map[string]int{"kick-off": 2}, atLeast: 4 * time.Minute,
		},
		{
			name: "out of order", change: always("kick-off", says(503, "")),
			fails: "HTTP 503", whose: fault.TheirServer, atLeast: 20 * time.Minute,
			atMost: 40 * time.Minute,
		},
	}
	pollCells = []cell{
		{name: "202, often", change: func(r *rig) {
			r.server.polls = 20
		}, requests: map[string]int{"status": 21}},
		{
			name: "202 for ever, and no file is written", dialect: bulkfhir.DialectAzure,
			change: always("status", says(202, "")),
			fails:  "shows no progress since", whose: fault.TheirServer, atLeast: 12 * time.Hour,
			atMost: 13 * time.Hour, requests: map[string]int{"cancel": 1},
		},
		{
			name: "202 for ever, with the same progress", dialect: bulkfhir.DialectBulk,
			change: always("status", says(202, "", "X-Progress", "7%")),
			fails:  "shows no progress since", whose: fault.TheirServer, atLeast: 12 * time.Hour,
			atMost: 13 * time.Hour, requests: map[string]int{"cancel": 1},
		},
		{
			name: "202 for ever, without a word", dialect: bulkfhir.DialectBulk,
			change: always("status", says(202, "")), fails: "has not finished it within 24h",
			whose: fault.TheirServer, atLeast: 24 * time.Hour, atMost: 25 * time.Hour,
		},
		{
			name: "404 at first, of a replica", change: firstly("status", 3, says(404, "")),
			requests: map[string]int{"status": 6},
		},
		{
			name: "404 for good", change: always("status", says(404, "")),
			fails: "the server does not know this job", whose: fault.TheirServer,
			atLeast: time.Minute, atMost: 5 * time.Minute,
		},
		{
			name:     "500, transient",
			change:   firstly("status", 3, says(500, outcome("transient", "x"))),
			requests: map[string]int{"status": 6},
		},
		{
			name:     "500 with a page",
			change:   firstly("status", 3, says(500, "<html>", "Content-Type", "text/html")),
			requests: map[string]int{"status": 6},
		},
		{
			name:   "500 with a page for ever",
			change: always("status", says(500, "<html>", "Content-Type", "text/html")),
			fails:  "tried 31 times, at last: ", whose: fault.TheirServer,
			requests: map[string]int{"status": 31}, atLeast: time.Hour, atMost: 4 * time.Hour,
		},
		{
			name: "429, the job's end", dialect: bulkfhir.DialectAzure,
			change: always("status",
				says(429, outcome("throttled", gaveUp+"busy"), "Retry-After", "5")),
			fails: "the export failed at the server with HTTP 429", whose: fault.TheirServer,
			requests: map[string]int{"status": 1},
		},
		{
			name: "429, the poll's", dialect: bulkfhir.DialectAzure,
			change: firstly("status", 3,
				says(429, outcome("throttled", "busy"), "Retry-After", "30")),
			requests: map[string]int{"status": 6}, atLeast: 90 * time.Second,
		},
		{
			name: "403, the job's end", dialect: bulkfhir.DialectAzure,
			change: always("status", says(403, outcome("forbidden", gaveUp+"storage"))),
			fails:  "Storage Blob Data Contributor", whose: fault.TheirStorage,
			requests: map[string]int{"status": 1},
		},
		{
			name: "404, the job's end", dialect: bulkfhir.DialectAzure,
			change: always("status", says(404, outcome("not-found", gaveUp+"container"))),
			fails:  "Storage Blob Data Contributor", whose: fault.TheirStorage,
			requests: map[string]int{"status": 1},
		},
		{
			name: "413, the job's end", dialect: bulkfhir.DialectAzure,
			change: always("status", says(413, outcome("too-costly", gaveUp+"memory"))),
			fails:  "maxCount", whose: fault.OurSetting, requests: map[string]int{"status": 1},
		},
		{
			name: "400, the job's end", dialect: bulkfhir.DialectAzure,
			change: always("status", says(400, outcome("invalid", gaveUp+"group"))),
			fails:  "the Group may be missing", whose: fault.OurSetting,
			requests: map[string]int{"status": 1},
		},
		{
			name: "500, the job's end", dialect: bulkfhir.DialectAzure,
			change: always("status", says(500, outcome("exception", gaveUp+"x"))),
			fails:  "the export failed at the server with HTTP 500", whose: fault.TheirServer,
			requests: map[string]int{"status": 1},
		},
		{
			name: "500 with an outcome that does not pass", dialect: bulkfhir.DialectBulk,
			change: always("status", says(500, outcome("processing", "no"))),
			fails:  "the export failed at the server with HTTP 500: processing",
			whose:  fault.TheirServer, requests: map[string]int{"status": 1},
		},
		{
			name: "the link breaks", change: firstly("status", 2, cut),
			requests: map[string]int{"status": 5},
		},
		{
			name: "200 and nothing in it", change: firstly("status", 3, says(200, "")),
			requests: map[string]int{"status": 6},
		},
		{
			name:     "200 with a page",
			change:   firstly("status", 3, says(200, "<html>", "Content-Type", "text/html")),
			requests: map[string]int{"status": 6},
		},
		{
			name:   "200 with a page for ever",
			change: always("status", says(200, "<html>", "Content-Type", "text/html")),
			fails:  "without a manifest (text/html, 6 bytes)", whose: fault.TheirServer,
			requests: map[string]int{"status": 31},
		},
		{
			name: "a manifest of more than 5 MB", change: longManifest,
			requests: map[string]int{"status": 3},
		},
		{
			name: "pages in a loop", dialect: bulkfhir.DialectBulk, change: func(r *rig) {
				r.server.edit = func(m map[string]any, _ int) {
					m["link"] = []any{map[string]any{"relation": "next", "url": "1?page=1"}}
				}
			},
			fails: "leads back to a page before it", whose: fault.TheirServer,
		},
		{
			name: "pages where there are none", dialect: bulkfhir.DialectAzure,
			change: func(r *rig) {
				r.server.edit = func(m map[string]any, _ int) {
					m["link"] = []any{map[string]any{"relation": "next", "url": "1?page=1"}}
				}
			},
			fails: "servers of dialect azure do not have", whose: fault.TheirServer,
		},
		{name: "200 with an empty output", change: func(r *rig) { r.server.output = nil }},
		{
			name: "410", change: always("status", says(410, "")), fails: "does not know this job",
			whose: fault.TheirServer,
		},
		{
			name: "a redirect without end",
			change: always("status", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, r.RequestURI, http.StatusTemporaryRedirect)
			}), fails: "redirects more than 10 times",
		},
	}
	fileCells = []cell{
		{
			name: "404, then 200", change: firstly("file", 3, says(404, "")),
			requests: map[string]int{"file": 5},
		},
		{
			name: "404 for good", change: always("file", says(404, "")), fails: "HTTP 404",
			whose: fault.TheirServer, atLeast: time.Hour, atMost: 4 * time.Hour,
		},
		{
			name: "410", change: always("file", says(410, "")),
			fails: "the server has deleted the file", whose: fault.TheirServer,
		},
		{
			name: "401, and a fresh token is taken", change: expiredFileToken,
			requests: map[string]int{"file": 3},
		},
		{
			name: "401", change: always("file", says(401, "")), fails: "HTTP 401",
			whose: fault.OurSetting,
		},
		{
			name: "403", change: always("file", says(403, "")), fails: "HTTP 403",
			whose: fault.TheirServer,
		},
		{
			name: "429", change: firstly("file", 3, says(429, "", "Retry-After", "60")),
			requests: map[string]int{"file": 5}, atLeast: 3 * time.Minute,
		},
		{
			name: "502 under load", change: firstly("file", 3, says(502, "<html>")),
			requests: map[string]int{"file": 5},
		},
		{name: "307 to another host", change: toAnotherHost},
		{
			name: "truncated once", change: firstly("file", 1, truncated),
			requests: map[string]int{"file": 3},
		},
		{
			name: "truncated always", change: always("file", truncated),
			fails: "breaking off", whose: fault.BetweenServers, atLeast: time.Hour,
		},
		{name: "gzip", change: zipped},
		{
			name: "gzip, truncated once",
			change: firstly("file", 1,
				says(200, zip(patient("p1"))[:20], "Content-Encoding", "gzip")),
			requests: map[string]int{"file": 3},
		},
		{
			name: "the wrong count once", change: firstly("file", 1, says(200, patient("p1")+"\n")),
			requests: map[string]int{"file": 3},
		},
		{
			name: "the wrong count", change: always("file", says(200, patient("p1")+"\n")),
			fails: "counts otherwise", whose: fault.TheirServer,
		},
		{name: "the wrong type", change: func(r *rig) {
			r.server.output[0].content, r.server.output[0].count = observation("o1", "Patient/p1")+
				"\n", 1
		}, fails: "lines are bad"},
		{
			name:   "another content type",
			change: always("file", says(200, "<html>", "Content-Type", "text/html")),
			fails:  "a web page", whose: fault.TheirServer,
		},
		{name: "an empty file", change: func(r *rig) {
			r.server.output = append(r.server.output, scriptFile{"Patient", "", 0})
		}},
		{
			name: "no file at all", change: always("file", cut), fails: "EOF",
			whose: fault.BetweenServers,
		},
	}
)

func TestFailureMatrix(t *testing.T) {
	t.Parallel()
	for part, cells := range map[string][]cell{
		"kick-off": kickOffCells, "poll": pollCells, "file": fileCells,
	} {
		for _, c := range cells {
			dialects := []string{c.dialect}
			switch {
			case part == "file":
				dialects = []string{bulkfhir.DialectBulk}
			case c.dialect == "":
				dialects = []string{bulkfhir.DialectAzure, bulkfhir.DialectBulk}
			}
			for _, dialect := range dialects {
				t.Run(part+"/"+c.name+"/"+dialect, func(t *testing.T) {
					t.Parallel()
					c.run(t, dialect)
				})
			}
		}
	}
}

func (c cell) run(t *testing.T, dialect string) {
	r := newRig(t, dialect, func(r *rig) { r.options.Method = http.MethodGet }, c.change)
	e := r.run(firstExport)
	took := e.FinishedAt.Sub(e.RequestedAt)
	switch {
	case c.fails == "" && e.State != records.Loaded:
		t.Errorf("%s: %+v\n%s", e.State, e.Failure, r.tail())
	case c.fails != "" &&
		(e.State != records.Failed || !strings.Contains(e.Failure.Cause, c.fails)):
		t.Errorf("%s: %+v, want it failed by %q\n%s", e.State, e.Failure, c.fails, r.tail())
	case c.fails != "" && c.whose != "" && e.Failure.Whose != string(c.whose):
		t.Errorf("of %q, want %q: %s", e.Failure.Whose, c.whose, e.Failure.Cause)
	}
	for kind, want := range c.requests {
		if n := len(r.server.requests(kind)); n != want {
			t.Errorf("%d requests of kind %s, want %d", n, kind, want)
		}
	}
	if took < c.atLeast || (c.atMost > 0 && took > c.atMost) {
		t.Errorf("it took %v, want %v to %v", took, c.atLeast, c.atMost)
	}
	if dead := r.queue.Dead(); len(dead) > 0 {
		t.Errorf("%d dead letters", len(dead))
	}
	if e.State == records.Loaded && len(r.server.output) > 0 {
		r.expectRows("patient", 2)
	}
}
