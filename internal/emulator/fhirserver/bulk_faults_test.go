package fhirserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

// said returns a short form of the answer to one request: the parts on which a client would act.
func (w *world) said(method, target string, headers ...string) string {
	w.t.Helper()
	r, err := w.ask(method, target, "", headers...)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Sprintf("%d cut after %d", r.status, len(r.body))
	case err != nil:
		return "no answer"
	}
	said := fmt.Sprint(r.status)
	for _, name := range []string{"Content-Location", "Retry-After"} {
		if v := r.header.Get(name); v != "" {
			said += " " + name + " " + v
		}
	}
	switch {
	case strings.HasPrefix(r.header.Get("Content-Type"), "text/html"):
		said += " html"
	case strings.Contains(r.body, `"OperationOutcome"`):
		said += " outcome"
	case r.body == "":
		said += " empty"
	}
	return said
}

// TestFailureMatrixOfKickOffsAndPolls sends each cell the first answers of its fault and then the
// true answer.
func TestFailureMatrixOfKickOffsAndPolls(t *testing.T) {
	t.Parallel()
	const accepted = "202 Content-Location BASE/bulk-status/N empty"
	number := regexp.MustCompile(`bulk-status/\d+`)
	for _, tt := range []struct {
		name   string
		faults fhirserver.Faults
		kicks  []string
		polls  []string
	}{
		{
			name: "202 without Content-Location",
			faults: fhirserver.Faults{
				KickOffs: []fhirserver.Answer{{Header: map[string]string{"Content-Location": ""}}},
			}, kicks: []string{"202 empty"},
		},
		{
			name: "200 with a body",
			faults: fhirserver.Faults{KickOffs: []fhirserver.Answer{{
				Status: 200, Body: `{"resourceType":"Bundle"}`,
			}}}, kicks: []string{"200", accepted},
		},
		{
			name: "400", faults: fhirserver.Faults{
				KickOffs: []fhirserver.Answer{fhirserver.Refused(400)},
			}, kicks: []string{"400 outcome", accepted},
		},
		{
			name: "401, 403",
			faults: fhirserver.Faults{KickOffs: []fhirserver.Answer{
				fhirserver.Refused(401), fhirserver.Refused(403),
			}}, kicks: []string{"401 outcome", "403 outcome", accepted},
		},
		{name: "429 in every spelling", faults: fhirserver.Faults{KickOffs: []fhirserver.Answer{
			fhirserver.Throttled("Sun, 01 Mar 2026 12:00:30 GMT"), fhirserver.Throttled("30"),
			fhirserver.Throttled("1772366430"), fhirserver.Throttled("-5"),
			fhirserver.Throttled("soon"), fhirserver.Throttled(""),
		}}, kicks: []string{
			"429 Retry-After Sun, 01 Mar 2026 12:00:30 GMT outcome", "429 Retry-After 30 outcome",
			"429 Retry-After 1772366430 outcome", "429 Retry-After -5 outcome",
			"429 Retry-After soon outcome", "429 outcome", accepted,
		}},
		{
			name: "503", faults: fhirserver.Faults{
				KickOffs: []fhirserver.Answer{fhirserver.Unavailable("7200")},
			}, kicks: []string{"503 Retry-After 7200 outcome", accepted},
		},
		{
			name:   "the answer is lost after the job began",
			faults: fhirserver.Faults{KickOffs: []fhirserver.Answer{{Acted: true, Reset: true}}},
			kicks:  []string{"no answer", accepted},
		},

		{
			name: "still running", faults: fhirserver.Faults{NeverDone: true},
			polls: []string{"202 empty", "202 empty", "202 empty"},
		},
		{
			name:   "404 of a replica that lags",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{fhirserver.Refused(404)}},
			polls:  []string{"404 outcome", "200"},
		},
		{
			name: "500 that passes",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{
				fhirserver.Refused(500), fhirserver.Page(500), fhirserver.Page(502),
			}}, polls: []string{"500 outcome", "500 html", "502 html", "200"},
		},
		{
			name: "a failed job",
			faults: fhirserver.Faults{Failure: &jobs.Failure{
				Status: 500, Reason: "the disk is full",
			}}, polls: []string{"500 outcome", "500 outcome"},
		},
		{
			name:   "a throttled poll",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{fhirserver.Throttled("9")}},
			polls:  []string{"429 Retry-After 9 outcome", "200"},
		},
		{
			name:   "connection reset",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{{Reset: true}}},
			polls:  []string{"no answer", "200"},
		},
		{
			name: "200 and nothing, 200 and a page",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{
				{Status: 200}, fhirserver.Page(200),
			}}, polls: []string{"200 empty", "200 html", "200"},
		},
		{
			name:   "a manifest that is cut",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{{CutAfter: 20}}},
			polls:  []string{"200 cut after 20", "200"},
		},
		{
			name:   "the true answer in between",
			faults: fhirserver.Faults{Polls: []fhirserver.Answer{{}, fhirserver.Page(503)}},
			polls:  []string{"200", "503 html", "200"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBulk(t, fhirserver.Bulk{Faults: tt.faults}, patient("a"))
			for i, want := range tt.kicks {
				got := strings.ReplaceAll(w.said(http.MethodGet, w.base+"/$export", asyncly...),
					w.base, "BASE")
				if got = number.ReplaceAllString(got, "bulk-status/N"); got != want {
					t.Errorf("kick-off %d: %s, want %s", i+1, got, want)
				}
			}
			if len(tt.polls) == 0 {
				return
			}
			status := w.start("/$export")
			if !tt.faults.NeverDone {
				w.wait(status)
			}
			for i, want := range tt.polls {
				if got := w.said(http.MethodGet, status); got != want {
					t.Errorf("poll %d: %s, want %s", i+1, got, want)
				}
			}
		})
	}
}

func TestFailureMatrixOfFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		faults  fhirserver.Faults
		answers []string
	}{
		{
			"404 at first",
			fhirserver.Faults{Files: []fhirserver.Answer{
				fhirserver.Refused(404), fhirserver.Refused(404),
			}},
			[]string{"404 outcome", "404 outcome", "200"},
		},
		{
			"410 later",
			fhirserver.Faults{Files: []fhirserver.Answer{{}, fhirserver.Refused(410)}},
			[]string{"200", "410 outcome"},
		},
		{
			"401",
			fhirserver.Faults{Files: []fhirserver.Answer{fhirserver.Refused(401)}},
			[]string{"401 outcome", "200"},
		},
		{
			"cut in the middle",
			fhirserver.Faults{Files: []fhirserver.Answer{{CutAfter: 10}}},
			[]string{"200 cut after 10", "200"},
		},
		{
			"one file only",
			fhirserver.Faults{File: map[int][]fhirserver.Answer{1: {fhirserver.Refused(500)}}},
			[]string{"200", "200"},
		},
		{
			"every file, always",
			fhirserver.Faults{AllFiles: &fhirserver.Answer{Status: 503}},
			[]string{"503 empty", "503 empty", "503 empty"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newBulk(t, fhirserver.Bulk{Faults: tt.faults}, patient("a"),
				observation("o", "a", "1"))
			target := w.page(w.start("/$export")).Output[0].URL
			for i, want := range tt.answers {
				if got := w.said(http.MethodGet, target); got != want {
					t.Errorf("download %d: %s, want %s", i+1, got, want)
				}
			}
		})
	}
}

func TestTruncatedGzip(t *testing.T) {
	t.Parallel()
	w := newBulk(t,
		fhirserver.Bulk{Faults: fhirserver.Faults{Files: []fhirserver.Answer{{Half: true}}}},
		patient("a"))
	target := w.page(w.start("/$export")).Output[0].URL
	r := w.mustAsk(http.MethodGet, target, "", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(strings.NewReader(r.body))
	if err == nil {
		_, err = io.ReadAll(z)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading half a gzip file: %v", err)
	}
}

func TestFilesAtAnotherHostRefuseTokens(t *testing.T) {
	t.Parallel()
	w := newBulk(t, fhirserver.Bulk{}, patient("a"))
	elsewhere, err := w.srv.ListenFiles("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.srv.SetFaults(fhirserver.Faults{Files: []fhirserver.Answer{{Redirect: elsewhere}}})
	target := w.page(w.start("/$export")).Output[0].URL
	r := w.mustAsk(http.MethodGet, target, "")
	if r.status != http.StatusTemporaryRedirect ||
		!strings.HasPrefix(r.header.Get("Location"), elsewhere+"/") {
		t.Fatalf("answered %d %s", r.status, r.header.Get("Location"))
	}
	w.lines(r.header.Get("Location"))
	if r := w.mustAsk(http.MethodGet, r.header.Get("Location"), "", "Authorization",
		"Bearer x"); r.status != http.StatusBadRequest {
		t.Errorf("with a token it answered %d", r.status)
	}
	if r := w.mustAsk(http.MethodGet, elsewhere+"/metadata", ""); r.status != http.StatusNotFound {
		t.Errorf("the other host is a FHIR server: %d", r.status)
	}
	w.srv.SetFaults(fhirserver.Faults{FileHost: elsewhere})
	if target = w.page(w.start("/$export")).Output[0].URL; !strings.HasPrefix(target,
		elsewhere+"/") {
		t.Errorf("the file is at %s", target)
	}
	w.lines(target)
}

func TestManifestsThatAreWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *fhirserver.Options) {
		o.Bulk, o.MaxCount = &fhirserver.Bulk{PageSize: 2}, 1
	}, patient("a"), patient("b"), patient("c"))
	status := w.start("/$export")
	w.wait(status)
	text := func(f fhirserver.Faults) string {
		w.srv.SetFaults(f)
		return w.mustAsk(http.MethodGet, status+"?page=2", "").body
	}
	for _, tt := range []struct {
		faults fhirserver.Faults
		has    string
		hasNot string
	}{
		{fhirserver.Faults{}, `"count":1`, `"link"`},
		{fhirserver.Faults{WrongCount: 2}, `"count":3`, ""},
		{fhirserver.Faults{NoCounts: true}, `"url"`, "count"},
		{fhirserver.Faults{WrongType: "Observation"}, `"type":"Observation"`, `"Patient"`},
		{fhirserver.Faults{SameNames: true}, `/2/Patient.ndjson"`, ""},
		{fhirserver.Faults{TransactionTime: "yesterday"}, `"transactionTime":"yesterday"`, ""},
		{fhirserver.Faults{NoErrorMember: true, NoDeletes: true}, `"output"`, `"error"`},
		{fhirserver.Faults{NoDeletes: true}, `"error":[]`, `"deleted"`},
		{fhirserver.Faults{OutcomeMember: true}, `"outcome":[]`, `"error"`},
		{fhirserver.Faults{LinkLoop: true}, `"relation":"next","url":"` + status + `?page=1"`, ""},
		{fhirserver.Faults{OrganizedBy: "Patient"}, `"outputOrganizedBy":"Patient"`, ""},
		{fhirserver.Faults{Padding: 5 << 20}, `"extension"`, ""},
	} {
		got := text(tt.faults)
		if !strings.Contains(got, tt.has) || tt.hasNot != "" && strings.Contains(got, tt.hasNot) {
			t.Errorf("%+v: manifest %.300s, want %s and not %s", tt.faults, got, tt.has, tt.hasNot)
		}
		if len(got) < tt.faults.Padding {
			t.Errorf("the manifest has %d bytes, want more than %d", len(got), tt.faults.Padding)
		}
	}
}

func TestErrorFilesAndStrayLines(t *testing.T) {
	t.Parallel()
	const stray = `{"resourceType":"OperationOutcome","issue":[]}`
	w := newBulk(t, fhirserver.Bulk{Faults: fhirserver.Faults{ErrorFile: 3, StrayLine: stray}},
		patient("a"), observation("o", "a", "1"))
	m := w.page(w.start("/$export"))
	if len(m.Failed) != 1 || m.Failed[0].Type != "OperationOutcome" || m.Failed[0].Count != 3 ||
		len(w.lines(m.Failed[0].URL)) != 3 {
		t.Errorf("error files %+v", m.Failed)
	}
	strays := 0
	for _, o := range m.Output {
		lines := w.lines(o.URL)
		if len(lines) == o.Count+1 && lines[o.Count] == stray {
			strays++
		}
	}
	if strays != 1 {
		t.Errorf("%d files end with the stray line, want 1", strays)
	}
}

func TestHangingAnswersEndWithTheClient(t *testing.T) {
	t.Parallel()
	w := newBulk(t,
		fhirserver.Bulk{Faults: fhirserver.Faults{KickOffs: []fhirserver.Answer{{
			Acted: true, Hang: true,
		}}}}, patient("a"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r, err := w.send(ctx, http.MethodGet,
		w.base+"/$export"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("answered %d, %v", r.status, err)
	}
	// The job exists nevertheless: an orphan.
	w.page(w.base + "/bulk-status/1")
}
