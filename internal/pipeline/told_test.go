package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// everything returns all documents of the journal as one text.
func everything(t *testing.T, w *world) string {
	t.Helper()
	var all strings.Builder
	for key, err := range w.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		e, err := w.journal.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(key + ": " + string(e.Data) + "\n")
	}
	return all.String()
}

// A server's text may name a patient: it goes to the quarantine area, and the journal has its
// path.
func TestAServersWordsStayOutOfTheJournal(t *testing.T) {
	t.Parallel()
	const words = "Mx Example, born 1970-01-01, has no index"
	for name, class := range map[string]fault.Class{
		"it fails": fault.Permanent, "it is tried again": fault.Transient,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.server.put("Patient", "p1", "first", 1, false)
			w.clock = w.clock.Add(time.Minute)
			failing := true
			w.server.status = func() error {
				if !failing {
					return nil
				}
				return &fault.Error{
					Class: class, Err: fault.WithServerText(errors.New("HTTP 500: processing"),
						words),
				}
			}
			text := ""
			for range 200 {
				w.step()
				e := listed(t, w)
				if e.Failure != nil {
					text = e.Failure.Text
				}
				if e.Retry != nil {
					text = e.Retry.Text
					if !strings.Contains(e.Notice, "HTTP 500: processing") ||
						!strings.Contains(e.Notice, "is tried again at") {
						t.Fatalf("notice %q", e.Notice)
					}
				}
				if text != "" {
					break
				}
			}
			if !strings.HasPrefix(text, "nightly-000001/nightly-000001.1/") {
				t.Fatalf("the text is said to be in %q", text)
			}
			r, err := w.lake.Open(t.Context(), pipeline.Quarantine, text, "")
			if err != nil {
				t.Fatal(err)
			}
			if kept, err := io.ReadAll(r); err != nil || strings.TrimSpace(string(kept)) != words {
				t.Errorf("kept: %q, %v", kept, err)
			}
			if strings.Contains(everything(t, w), "Example") {
				t.Error("the server's words are in the journal")
			}
			if failing = false; class == fault.Transient {
				w.loaded(nightly(1))
				if e := listed(t, w); e.Retry != nil || e.Notice != "" {
					t.Errorf("after the end: %+v, %q", e.Retry, e.Notice)
				}
			}
		})
	}
}

// The server's last text is kept when its job is given up.
func TestAServersLastWordsAreKeptWhenItsJobIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.pollsBeforeDone = 1 << 30
	began := w.clock
	w.server.status = func() error {
		if w.clock.Sub(began) < 23*time.Hour+30*time.Minute {
			return nil
		}
		return &fault.Error{
			Class: fault.Transient,
			Err:   fault.WithServerText(errors.New("HTTP 500"), "Mx Example has no index"),
		}
	}
	e := w.run(nightly(1))
	if e.State != records.Failed ||
		!strings.Contains(e.Failure.Cause,
			"has not finished it within 24h0m0s; at last: HTTP 500; it was cancelled") ||
		e.Failure.Text == "" {
		t.Errorf("%s: %+v", e.State, e.Failure)
	}
	if strings.Contains(everything(t, w), "Example") {
		t.Error("the server's words are in the journal")
	}
}

func TestALongCauseIsClipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.status = func() error { return fault.Permanentf("%s", strings.Repeat("x", 10<<20)) }
	w.server.put("Patient", "p1", "first", 1, false)
	e := w.run(nightly(1))
	if e.State != records.Failed || len(e.Failure.Cause) > fault.MaxCause {
		t.Errorf("%s, a cause of %d bytes", e.State, len(e.Failure.Cause))
	}
}

// The list of exports reports a warehouse that cannot be opened, and no export is requested
// until it can be opened.
func TestAWarehouseThatIsAwayIsToldAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	away := true
	w.gate.before = func(_ int, call string) error {
		if away && portOf(call) == "warehouse" {
			return fault.Permanentf("the file is locked by process 4711")
		}
		return nil
	}
	w.step()
	if w.tickErr == nil || w.server.kickOffs != 0 {
		t.Errorf("tick: %v, %d kick-offs", w.tickErr, w.server.kickOffs)
	}
	e := listed(t, w)
	if !strings.Contains(e.Notice, "locked by process 4711") ||
		!strings.Contains(e.Notice, "next tick") {
		t.Errorf("notice %q", e.Notice)
	}
	if e.Retry == nil || !strings.Contains(e.Retry.Cause, "locked by process 4711") {
		t.Errorf("the retry is %+v", e.Retry)
	}
	away = false
	w.loaded(nightly(1))
	for range 20 { // the record of the failed tick is removed
		w.step()
	}
	if notice := listed(t, w).Notice; notice != "" {
		t.Errorf("notice %q", notice)
	}
}

// A step that kills the handler every time is given up and reported.
func TestAStepThatKillsTheHandlerIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"warehouse commit", "source download"} {
		w, _ := newKeeperWorld(t)
		w.deliveries = map[string]int{}
		w.server.put("Patient", "p1", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		kills := 0
		w.gate.before = func(_ int, name string) error {
			if name == call {
				kills++
				panic(crash{})
			}
			return nil
		}
		e := w.run(nightly(1))
		if e.State != records.Failed || kills > 12 ||
			!strings.Contains(e.Failure.Cause, "in the middle of this step") ||
			!strings.Contains(e.Failure.Cause, nightly(1)) || e.Failure.Remedy == "" {
			t.Errorf("%s: %d kills, %s: %+v", call, kills, e.State, e.Failure)
		}
		w.gate.before = nil
		w.clock = w.clock.Add(time.Minute)
		w.loaded(nightly(2))
	}
}

// Deliveries that fail because the queue is away do not count as deaths.
func TestDeliveriesThatFailAreNoDeaths(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	w.deliveries = map[string]int{}
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	failures := 0
	w.gate.before = func(_ int, name string) error {
		if failures < 8 && (name == "source download" || name == "queue send" && failures > 0) {
			failures++
			return errOutage
		}
		return nil
	}
	w.loaded(nightly(1))
}

// Signed links stay in the journal only while the export runs.
func TestSignedLinksLeaveTheJournal(t *testing.T) {
	t.Parallel()
	for _, state := range []records.State{records.Loaded, records.Failed, records.Incomplete} {
		w, k := newKeeperWorld(t)
		k.signature = "?sig=secret4"
		w.server.put("Patient", "p1", "first", 1, false)
		w.clock = w.clock.Add(time.Minute)
		k.meddle = func(m *pipeline.Manifest) {
			m.Raw = []byte(
				`{"output":[{"type":"Patient","url":"https:\/\/files.example\/a?sig=secret1"}],"error":[]}`)
			m.Pages = [][]byte{[]byte(`{"next":"https://files.example/b#secret2","text":"a?b"}`)}
			for i := range m.Output {
				m.Output[i].URL += "&x=secret3"
				k.content[m.Output[i].URL] = k.content[strings.TrimSuffix(m.Output[i].URL,
					"&x=secret3")]
			}
		}
		k.download = func(f pipeline.OutputFile) error {
			if state == records.Failed {
				return fault.Permanentf("HTTP 403")
			}
			return nil
		}
		if state == records.Incomplete {
			w.server.reports = []string{"error/exception Patient"}
		}
		if e := w.run(nightly(1)); e.State != state {
			t.Fatalf("%s, want %s: %+v", e.State, state, e.Failure)
		}
		if !strings.Contains(everything(t, w), "secret1") {
			t.Error("the manifest was not kept")
		}
		for range 20 { // until the next tick
			w.step()
		}
		all := everything(t, w)
		for _, secret := range []string{"secret1", "secret2", "secret3", "secret4", "sig="} {
			if strings.Contains(all, secret) {
				t.Errorf("%s: %s is in the journal", state, secret)
			}
		}
		if !strings.Contains(all, `a?removed`) || !strings.Contains(all, `a?b`) {
			t.Errorf("%s: the rest of the manifest is gone", state)
		}
		for url, job := range w.server.jobs {
			if strings.HasSuffix(url, "secret4") && !job.ended {
				t.Errorf("%s: job %s was not given back at the server", state, url)
			}
		}
	}
}

// An impossible watermark in the journal is reported, and the plan continues.
func TestAnAbsurdWatermarkIsCorrected(t *testing.T) {
	t.Parallel()
	for _, year := range []int{-1, 1, 1900, 9000, 9999} {
		w := newWorld(t)
		w.plans[0].OpenEnd = true
		w.boot()
		w.nextLoaded(1)
		d, err := w.journal.Read(t.Context(), "jobs/nightly-000001.1")
		if err != nil {
			t.Fatal(err)
		}
		var j map[string]any
		must(t, json.Unmarshal(d.Data, &j))
		j["transactionTime"] = fmt.Sprintf("%04d-06-01T00:00:00Z", max(year, 1))
		data, err := json.Marshal(j)
		must(t, err)
		if _, err := w.journal.Write(t.Context(), "jobs/nightly-000001.1", d.ETag,
			data); err != nil {
			t.Fatal(err)
		}
		w.boot()
		w.nextLoaded(2)
		e, _ := w.export(nightly(2))
		if full := e.Jobs[0].Since.IsZero(); full != (year < 2000) {
			t.Errorf("year %d: since %v", year, e.Jobs[0].Since)
		}
		if notice := listed(t, w).Notice; !strings.Contains(notice, "which cannot be") {
			t.Errorf("year %d: notice %q", year, notice)
		}
	}
}
