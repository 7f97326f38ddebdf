package statuspage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/statuspage"
	"fhirsynapse/internal/statuspage/history"
	"fhirsynapse/internal/testkit/pipelinetest"
)

// now is the time of all pages.
var now = time.Date(2026, 11, 30, 7, 30, 0, 0, time.UTC)

// hourly is a schedule.
type hourly struct{}

func (hourly) Next(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }

// world has the ports of a site in memory, and counts the requests to the storage.
type world struct {
	*statuspage.Site
	journal  *pipelinetest.MemoryJournal
	lake     *pipelinetest.MemoryLake
	ledger   map[string][]pipeline.LedgerEntry
	plans    []pipeline.Plan
	log      bytes.Buffer
	requests atomic.Int64
	landAt   time.Time // of the next file of the lake

	// asleep, if not nil, holds the answers of the warehouse until it is closed.
	asleep chan struct{}

	plansErr, ledgerErr, operatorErr error
	started, cancelled               []string
	window                           records.Window
}

// listPage is the number of names in one answer of the storage.
const listPage = 5000

func newWorld(t testing.TB, plans ...pipeline.Plan) *world {
	t.Helper()
	w := &world{
		journal: pipelinetest.NewMemoryJournal(), plans: plans,
		ledger: map[string][]pipeline.LedgerEntry{}, landAt: now.Add(-time.Hour),
	}
	w.lake = pipelinetest.NewMemoryLake(func() time.Time { return w.landAt })
	w.open()
	return w
}

// open makes a site that remembers nothing.
func (w *world) open() {
	w.requests.Store(0)
	patience := time.Minute
	if w.asleep != nil {
		patience = time.Millisecond
	}
	w.Site = statuspage.New(statuspage.Options{
		Journal: countedJournal{w.journal, &w.requests}, Lake: countedLake{w.lake, &w.requests},
		Ledger: ports{w}, Plans: ports{w}, Operator: ports{w}, Counter: ports{w},
		Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Version: "v1.2.3",
		Patience: patience,
	})
}

// fresh returns a world with the same storage and a site that remembers nothing.
func (w *world) fresh() *world {
	out := &world{journal: w.journal, lake: w.lake, ledger: w.ledger, plans: w.plans}
	out.open()
	return out
}

// without returns a world without the documents below a key.
func (w *world) without(t testing.TB, prefix string) *world {
	t.Helper()
	out := &world{
		journal: pipelinetest.NewMemoryJournal(), lake: w.lake, ledger: w.ledger, plans: w.plans,
	}
	for key, err := range w.journal.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(key, prefix) {
			continue
		}
		d, err := w.journal.Read(t.Context(), key)
		if err == nil {
			_, err = out.journal.Write(t.Context(), key, "", d.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// ports are the ports of a world that are not storage.
type ports struct{ *world }

func (w ports) Plans(context.Context) ([]pipeline.Plan, error) { return w.plans, w.plansErr }

func (w ports) Ledger(_ context.Context, _, export string) ([]pipeline.LedgerEntry, error) {
	return w.ledger[export], w.ledgerErr
}

func (w ports) Start(_ context.Context, plan string, window records.Window) (string, error) {
	w.started, w.window = append(w.started, plan), window
	if w.operatorErr != nil {
		return "", w.operatorErr
	}
	return plan + "-000099", nil
}

func (w ports) Cancel(_ context.Context, export string) error {
	w.cancelled = append(w.cancelled, export)
	return w.operatorErr
}

func (w ports) Tables(_ context.Context, plan pipeline.Plan) (statuspage.Tables, error) {
	if w.asleep != nil {
		<-w.asleep
	}
	rows := func(n int64) *int64 { return &n }
	if plan.Name != "nightly" {
		return statuspage.Tables{Uncounted: "the views read files", Rows: []statuspage.TableRows{
			{Table: "patient", Type: "Patient"},
		}}, nil
	}
	return statuspage.Tables{Rows: []statuspage.TableRows{
		{Table: "observation", Type: "Observation", Rows: rows(41_200)},
		{
			Table: "patient", Type: "Patient", Rows: rows(1_204),
			Drift: []string{"column family is varchar(10) and should be bit"},
		},
	}}, nil
}

// countedJournal counts the requests to a journal.
type countedJournal struct {
	records.Journal
	n *atomic.Int64
}

func (j countedJournal) Read(ctx context.Context, key string) (records.Entry, error) {
	j.n.Add(1)
	return j.Journal.Read(ctx, key)
}

func (j countedJournal) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return paged(j.Journal.List(ctx, prefix), j.n)
}

// countedLake counts the requests to a lake.
type countedLake struct {
	pipeline.Lake
	n *atomic.Int64
}

func (l countedLake) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	return paged(l.Lake.List(ctx, area, prefix), l.n)
}

func (l countedLake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	l.n.Add(1)
	return l.Lake.Open(ctx, area, path, etag)
}

// paged counts a request for each page of a listing.
func paged[T any](list iter.Seq2[T, error], n *atomic.Int64) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		n.Add(1)
		i := 0
		for v, err := range list {
			if i++; i > 1 && i%listPage == 1 {
				n.Add(1)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// put writes a document of the journal.
func (w *world) put(t testing.TB, key string, document any) {
	t.Helper()
	data, err := json.Marshal(document)
	if err == nil {
		_, err = w.journal.Write(t.Context(), key, "", data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// file writes a file of the lake.
func (w *world) file(t testing.TB, area pipeline.Area, path, text string) {
	t.Helper()
	if _, err := w.lake.Put(t.Context(), area, path, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// catch sums up the exports that have ended.
func (w *world) catch(t testing.TB) {
	t.Helper()
	k := history.Keeper{
		Accountant: &history.Accountant{Journal: w.journal, Lake: w.lake}, Ledger: ports{w},
	}
	if err := k.Catch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// get asks for a page, as a browser does.
func (w *world) get(t testing.TB, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return w.ask(t, w.Status(), http.MethodGet, path, "", headers...)
}

// post presses a button.
func (w *world) post(
	t testing.TB, to http.Handler, form url.Values, headers ...string,
) *httptest.ResponseRecorder {
	t.Helper()
	return w.ask(t, to, http.MethodPost, "/", form.Encode(), append([]string{
		"Content-Type", "application/x-www-form-urlencoded",
	}, headers...)...)
}

func (w *world) ask(
	t testing.TB, to http.Handler, method, path, body string, headers ...string,
) *httptest.ResponseRecorder {
	t.Helper()
	u, err := url.Parse("http://127.0.0.1:7071/" + strings.TrimPrefix(path, "/"))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, u.String(), strings.NewReader(body))
	if r.URL.Path = u.Path; path == "" || strings.HasPrefix(path, "?") {
		r.URL.Path = ""
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	to.ServeHTTP(answer, r)
	return answer
}

// example is a world with the cases that a person meets: two plans, an export that failed, one that
// runs, lines in quarantine, and a cohort.
func example(t testing.TB) *world {
	t.Helper()
	w := newWorld(t,
		pipeline.Plan{
			Name: "nightly", Level: records.LevelSystem, Schema: "fhir", Schedule: hourly{},
			Lag: time.Minute,
		},
		pipeline.Plan{
			Name: "smokers", Level: records.LevelGroup, Cohort: "former-smokers",
			Schema: "smokers", Types: []string{"Observation", "Patient"},
		})
	for n := 1; n <= 5; n++ {
		w.loaded(t, "nightly", n, now.Add(time.Duration(n-8)*time.Hour))
	}
	failed := now.Add(-2 * time.Hour)
	w.put(t, "exports/nightly/000006", records.Export{
		ID: "nightly-000006", Plan: "nightly", Schema: "fhir", State: records.Failed,
		RequestedAt: failed, TouchedAt: failed, FinishedAt: failed.Add(2 * time.Minute),
		Jobs: []records.Request{{
			Level: records.LevelSystem, Since: failed.Add(-time.Hour), Till: failed,
		}},
		Failure: &records.Failure{
			Step:   "poll",
			Cause:  "the server answered HTTP 403: <the FHIR service may not write to the storage account>",
			Whose:  string(fault.TheirStorage),
			Remedy: "give the FHIR service the role Storage Blob Data Contributor on the account",
			Text:   "nightly-000006/nightly-000006.1/server-poll.txt",
		},
	})
	w.put(t, "jobs/nightly-000006.1", records.Job{
		ID: "nightly-000006.1", Export: "nightly-000006", N: 1,
		KickOffAt: failed.Add(time.Second), AcceptedAt: failed.Add(2 * time.Second),
	})
	w.put(t, "plans/nightly", records.PlanRecord{
		Seq: 6, Current: "nightly-000006", RequestedAt: failed,
	})
	w.loaded(t, "smokers", 1, now.Add(-26*time.Hour))
	w.running(t, now.Add(-3*time.Minute))
	w.file(t, pipeline.Quarantine,
		"nightly-000003/Observation/v1/nightly-000003.1/Observation-000002.ndjson@e.ndjson",
		`{"line":7,"offset":700,"reason":"byte 12: not JSON","text":"SECRET"}`+"\n"+
			`{"line":9,"offset":900,"reason":"the resource has no id","text":"SECRET"}`+"\n")
	for id, body := range map[string]string{
		"0123456789abcdef01234567": `{"step":"dance","who":"SECRET"}`,
		"76543210fedcba9876543210": `{"step":"poll","export":"nightly-000007","job":1}`,
	} {
		w.file(t, pipeline.Quarantine, pipeline.MessagesFolder+id+".json", body)
	}
	w.file(t, pipeline.Quarantine, "nightly-000003/nightly-000003.1/file-0a.json",
		`{"step":"fetch","job":"nightly-000003.1","number":2,"cause":"its gzip is damaged"}`)
	w.put(t, "cohorts/former-smokers", map[string]any{
		"name": "former-smokers", "membership": "refreshed", "members": 1204,
		"groups":    []any{map[string]any{"group": "g1"}},
		"checkedAt": now.Add(-4 * time.Minute), "changedAt": now.Add(-4 * time.Minute),
		"joins": 3, "leaves": 1,
	})
	w.catch(t)
	return w
}

// loaded adds an export that was loaded, with one bad line in every third.
func (w *world) loaded(t testing.TB, plan string, n int, at time.Time) {
	t.Helper()
	id := records.ExportID(plan, n)
	e := records.Export{
		ID: id, Plan: plan, Schema: "fhir", State: records.Loaded, RequestedAt: at, TouchedAt: at,
		FinishedAt: at.Add(4 * time.Minute),
		Jobs: []records.Request{{
			Level: records.LevelSystem, Since: at.Add(-time.Hour), Till: at.Add(-time.Minute),
		}},
		Values: map[string]records.PreparedValues{"Observation": {
			ValueCounts: records.ValueCounts{NoTime: map[string]int64{
				"observation.effective_time_utc": 1_830,
			}},
			Rows: map[string]int64{"observation": 2_400},
		}},
	}
	if plan == "smokers" {
		e.Cohort, e.Members = "former-smokers", &records.Members{Count: 1_202}
		e.Jobs[0].Types = []string{"Observation", "Patient"}
		e.Jobs[0].Level, e.Jobs[0].Group = records.LevelGroup, "g1"
		e.End = &records.End{
			Joined: 5, Gone: 2, Left: map[string]int64{"Observation": 31, "Patient": 2},
			Missing: map[string]int64{"Observation": 4}, Kept: map[string]int64{"Patient": 9},
		}
	}
	if n == 1 {
		e.Jobs[0].Since = time.Time{}
	}
	w.put(t, fmt.Sprintf("exports/%s/%06d", plan, n), e)
	w.put(t, "jobs/"+id+".1", records.Job{
		ID: id + ".1", Export: id, N: 1, KickOffAt: at.Add(time.Second),
		AcceptedAt: at.Add(2 * time.Second), ManifestAt: at.Add(time.Minute), Files: 3,
	})
	w.landAt = at.Add(30 * time.Second)
	var bad int64
	if n%3 == 0 {
		bad = 2
	}
	w.manifest(t, id, 3, func(i int) pipeline.Counts {
		c := pipeline.Counts{Lines: 1_000, Applied: 990, Superseded: 10, Deleted: 4}
		if i == 2 {
			c.Applied, c.Quarantined = c.Applied-bad, bad
		}
		return c
	})
}

// manifest adds the manifest of an export's job with files, and their ledger unless counts is nil.
func (w *world) manifest(
	t testing.TB, id string, files int, counts func(i int) pipeline.Counts,
) {
	t.Helper()
	m := records.Manifest{TransactionTime: now}
	for i := 1; i <= files; i++ {
		w.landAt = w.landAt.Add(time.Second)
		typ := "Observation"
		if i == files {
			typ = "Patient"
		}
		path := fmt.Sprintf("%s.1/%s-%06d.ndjson", id, typ, i)
		m.Output = append(m.Output, records.OutputFile{
			Type: typ, Path: path, Count: 1_000,
			URL: "https://exampleaccount.blob.core.windows.net/fhir-landing/" + path,
		})
		w.file(t, pipeline.Landing, path, "{}\n")
		if counts != nil {
			w.ledger[id] = append(w.ledger[id], pipeline.LedgerEntry{
				Path: path, ETag: "e", Type: typ, Counts: counts(i),
			})
		}
	}
	if err := (records.Store{Journal: w.journal}).KeepManifest(t.Context(), id+".1",
		m); err != nil {
		t.Fatal(err)
	}
}

// running adds an export of the second plan that is being loaded.
func (w *world) running(t testing.TB, at time.Time) {
	t.Helper()
	const id = "smokers-000002"
	w.put(t, "exports/smokers/000002", records.Export{
		ID: id, Plan: "smokers", Schema: "smokers", State: records.Loading, RequestedAt: at,
		TouchedAt: now, Cohort: "former-smokers", Members: &records.Members{Count: 1_204},
		Jobs: []records.Request{{
			Level: records.LevelGroup, Group: "g1", Till: at,
			Types: []string{"Observation", "Patient"},
		}},
		Retry: &records.Retry{
			Step: "commit Patient", Cause: "the database is paused", Tries: 2,
			Since: at.Add(time.Minute), Next: now.Add(time.Minute),
			Remedy: "resume the pool",
		},
	})
	w.put(t, "jobs/"+id+".1", records.Job{
		ID: id + ".1", Export: id, N: 1, KickOffAt: at.Add(time.Second),
		AcceptedAt: at.Add(2 * time.Second), ManifestAt: at.Add(time.Minute), Files: 2,
	})
	w.landAt = at.Add(30 * time.Second)
	w.manifest(t, id, 2, nil)
	w.ledger[id] = []pipeline.LedgerEntry{{
		Path: id + ".1/Observation-000001.ndjson", ETag: "e", Type: "Observation",
		Counts: pipeline.Counts{Lines: 1_000, Applied: 1_000},
	}}
	w.put(t, "plans/smokers", records.PlanRecord{Seq: 2, Current: id, RequestedAt: at})
}

var errAway = fault.Transientf("the storage does not answer")

var errNoPlan = errors.New("plan x: there is no such plan")
