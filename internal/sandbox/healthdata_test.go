package sandbox_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage"
	"fhirsynapse/internal/telemetry"
	"fhirsynapse/internal/testkit/otlptest"
)

// marker is in every text of the resources and of the server's answers. Only the lake and the
// tables may have it.
const marker = "ZQX4711"

// broken answers requests in the place of the emulated service.
type broken struct {
	name string
	// answer returns the status and the body, or 0 for the service's own answer.
	answer func(r *http.Request) (status int, body string)
	// spoil changes the data or the lake before the export.
	spoil func(w *parts)
	// loads is set if the export loads all the same, and state if it ends otherwise than failed.
	loads bool
	state records.State
}

// errorFile writes the file of errors of a manifest.
func errorFile(w *parts) {
	if _, err := w.lake.Put(w.t.Context(), pipeline.Landing, "errors/OperationOutcome-1.ndjson",
		strings.NewReader(outcome+"\n"+marker+"\n")); err != nil {
		w.t.Fatal(err)
	}
}

const outcome = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","diagnostics":"` + marker + `","details":{"text":"` + marker + `"}}]}`

func at(path string, status int, body string) func(*http.Request) (int, string) {
	return func(r *http.Request) (int, string) {
		if strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, path) {
			return status, body
		}
		return 0, ""
	}
}

func brokenServers() []broken {
	const status = "/_operations/export/"
	return []broken{
		{name: "nothing fails", loads: true},
		{name: "bad lines", spoil: badLines, loads: true},
		{name: "the kick-off is refused", answer: at("$export", 400, outcome)},
		{name: "the kick-off is not allowed", answer: at("$export", 403, outcome)},
		{name: "the kick-off fails", answer: at("$export", 500, marker)},
		{name: "the status is refused", answer: at(status, 400, outcome)},
		{name: "the status fails", answer: at(status, 500, outcome)},
		{name: "the job is unknown", answer: at(status, 404, outcome)},
		{name: "the manifest is no JSON", answer: at(status, 200, marker)},
		{name: "the manifest has a foreign type", answer: at(status, 200,
			`{"transactionTime":"2026-03-01T03:00:00Z","output":[{"type":"`+marker+`","url":"https://account.blob.core.windows.net/lake/x/`+marker+`-1.ndjson"}]}`)},
		{name: "the manifest has a foreign file", answer: at(status, 200,
			`{"transactionTime":"2026-03-01T03:00:00Z","output":[{"type":"Patient","url":"https://other.example/`+marker+`"}]}`)},
		{name: "the manifest has a time of no kind", answer: at(status, 200,
			`{"transactionTime":"`+marker+`","output":[]}`), loads: true},
		{
			name: "the manifest has errors", spoil: errorFile, state: records.Incomplete,
			answer: at(status, 200, `{"transactionTime":"2026-03-01T03:00:00Z","output":[],"error":[{"type":"OperationOutcome","url":"`+
				blobsURL+partsContainer+`/errors/OperationOutcome-1.ndjson"}]}`),
		},
		{
			name: "the manifest has extensions", loads: true, answer: at(status, 200,
				`{"transactionTime":"2026-03-01T03:00:00Z","output":[],"error":[],"extension":{"`+
					marker+`":["`+marker+`"]},"issues":[{"severity":"information","diagnostics":"`+
					marker+`"}]}`),
		},
		{
			name: "the capability statement is refused", loads: true,
			answer: at("/metadata", 400, outcome),
		},
		{
			name: "the capability statement is no JSON", loads: true,
			answer: at("/metadata", 200, marker),
		},
		{
			name: "the capability statement tells much", loads: true, answer: at("/metadata", 200,
				`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","publisher":"`+marker+
					`","description":"`+marker+`","implementation":{"description":"`+marker+
					`","url":"`+marker+`"},"rest":[{"documentation":"`+marker+
					`","operation":[{"name":"`+marker+`","definition":"`+marker+`"}]}]}`),
		},
		{name: "the search is refused", answer: at("/Observation?", 400, outcome)},
		{name: "the search fails", answer: at("/Observation?", 500, marker)},
		{name: "the search gives no Bundle", answer: at("/Observation?", 200, outcome)},
		{name: "the search gives no JSON", answer: at("/Observation?", 200, marker)},
		{name: "the search goes on elsewhere", answer: at("/Observation?", 200,
			`{"resourceType":"Bundle","entry":[],"link":[{"relation":"next","url":"https://other.example/`+marker+`?x=`+marker+`"}]}`)},
		{name: "the Group is refused", answer: at("/Group/", 422, outcome)},
		{name: "the Group is another one", answer: at("/Group/", 200,
			`{"resourceType":"Group","id":"`+marker+
				`","type":"person","actual":true,"name":"`+marker+`"}`)},
	}
}

// badLines writes lines into the landing area that no view can read, in the place of others.
func badLines(w *parts) {
	w.rewrite = func(path string, data []byte) []byte {
		if !strings.Contains(path, "Observation") {
			return data
		}
		lines := strings.SplitAfter(string(data), "\n")
		for n, line := range []string{
			marker, `{"resourceType":"` + marker + `","id":"` + marker + `"}`,
			`{"resourceType":"Observation","id":"` + marker + ` with blanks"}`,
			`{"resourceType":"Observation","id":"` + marker + `","meta":{"lastUpdated":"` +
				marker + `"}}`,
			`{"resourceType":"Observation","id":"` + marker + `","subject":{"reference":"Patient/` +
				strings.Repeat(marker, 30) + `"}}`,
			`{"resourceType":"Observation","id":"` + marker + `","status":["` + marker + `"]}`,
			`{"resourceType":"Observation","id":"` + marker + `","effectiveDateTime":"` + marker + `"}`,
		} {
			lines[n] = line + "\n"
		}
		return []byte(strings.Join(lines, ""))
	}
}

// No text of a resource or of the server's answers gets into logs, errors, traces, metrics, the
// journal, messages, the status page or what the commands print.
func TestNoHealthDataLeaveTheLakeAndTheTables(t *testing.T) {
	collector := otlptest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	sent := telemetry.Start(t.Context(), os.Environ(), "test", time.Now,
		slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Run("servers", func(t *testing.T) { eachServer(t, sent.Observer()) })
	sent.Stop(t.Context())
	if n := collector.Numbers()["fhirsynapse.exports{plan=study,state=failed}"]; n == 0 {
		t.Errorf("no failed export was counted: %v", collector.Numbers())
	}
	failed := 0
	for _, span := range collector.Spans() {
		if told := fmt.Sprint(span); strings.Contains(told, marker) {
			t.Errorf("span: %s", told)
		}
		if span.Failed {
			failed++
		}
	}
	if failed == 0 || collector.Contains(marker) {
		t.Errorf("%d failed spans; telemetry has the marker: %t", failed,
			collector.Contains(marker))
	}
}

func eachServer(t *testing.T, observer pipeline.Observer) {
	for _, b := range brokenServers() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			g := &guarded{}
			w := newParts(t, pipeline.ModeGroupFull, 3, func(o *partsOptions) {
				o.log = slog.New(slog.NewJSONHandler(g,
					&slog.HandlerOptions{Level: slog.LevelDebug}))
				o.trouble, o.observer = g.trouble, observer
				o.answer = func(r *http.Request) (int, string) {
					if b.answer == nil || g.off {
						return 0, ""
					}
					return b.answer(r)
				}
				o.queue = g.send
			})
			for i := range 4 {
				id := fmt.Sprintf("%s-p%d", marker, i)
				w.put(`{"resourceType":"Patient","id":%[1]q,"name":[{"family":%[1]q}],"identifier":[{"system":%[1]q,"value":%[1]q}]}`, id)
				for n := range 6 {
					w.observe(id, n)
				}
				w.smokes(id, true)
			}
			if b.spoil != nil {
				b.spoil(w)
			}
			want := cmp.Or(b.state, records.Failed)
			if b.loads {
				want = records.Loaded
			}
			e := w.tryExport(records.Window{})
			if e.State != want {
				t.Errorf("the export is %s, want %s: %+v", e.State, want, e.Failure)
			}
			if b.name == "bad lines" {
				w.hasBadLines(e.ID)
			}
			foreignMessages(w)
			g.commands(t, w)
			g.silent(t, w)
		})
	}
}

// guarded collects what a run tells.
type guarded struct {
	mu   sync.Mutex
	text strings.Builder
	off  bool
}

func (g *guarded) Write(line []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(line)
}

func (g *guarded) trouble(in pipeline.Trouble) {
	fmt.Fprintln(g, "trouble:", in.Step, in.Err, fault.Remedy(in.Err))
}

func (g *guarded) send(messages []pipeline.Message) {
	for _, m := range messages {
		fmt.Fprintln(g, "message:", m.ID, string(m.Body))
	}
}

// silent fails if the marker is anywhere.
func (g *guarded) silent(t *testing.T, w *parts) {
	t.Helper()
	for key, err := range w.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		// Of a manifest as the server sent it, manifests/*.raw, the client keeps none with other
		// text than types and addresses. Addresses stay: they name the server's files, the guide
		// wants no health data in them, and their queries are removed at the export's end.
		doc, err := w.journal.Read(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(g, "journal:", key, string(doc.Data))
	}
	fmt.Fprintln(g, "ticks:", errors.Join(w.tickErrors...))
	site := statuspage.New(statuspage.Options{
		Journal: w.journal, Lake: w.lake, Ledger: w.tables, Plans: onePlan{w.plan},
		Counter: onePlan{}, Now: w.now,
		Log: slog.New(slog.NewJSONHandler(g, nil)),
	}).Status()
	for _, page := range []string{
		"", "/exports", "/exports/study-000001", "/exports/study-000001/files",
		"/exports/study-000001/quarantine", "/quarantine", "/cohorts", "/tables", "/activity",
	} {
		for _, form := range []string{"", "?format=json"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet,
				"http://127.0.0.1/"+strings.TrimPrefix(page, "/")+form, nil)
			answer := httptest.NewRecorder()
			site.ServeHTTP(answer, r)
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(g, "page:", page+form, answer.Code, string(body))
		}
	}
	for line := range strings.Lines(g.text.String()) {
		if strings.Contains(line, marker) {
			t.Errorf("told: %s", strings.TrimSpace(line))
		}
	}
	if !strings.Contains(g.text.String(), "page:") {
		t.Error("no page was looked at")
	}
}

type onePlan struct{ pipeline.Plan }

func (p onePlan) Plans(context.Context) ([]pipeline.Plan, error) {
	return []pipeline.Plan{p.Plan}, nil
}

func (onePlan) Tables(context.Context, pipeline.Plan) (statuspage.Tables, error) {
	return statuspage.Tables{}, nil
}

// hasBadLines fails if the export has no quarantined lines.
func (w *parts) hasBadLines(export string) {
	w.t.Helper()
	entries, err := w.tables.Ledger(w.t.Context(), w.plan.Schema, export)
	if err != nil {
		w.t.Fatal(err)
	}
	var bad int64
	for _, l := range entries {
		bad += l.Quarantined
	}
	if bad < 5 {
		w.t.Errorf("%d lines are bad", bad)
	}
}
