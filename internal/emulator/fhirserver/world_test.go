package fhirserver_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/fhirserver"
	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

// world is a server with data in memory, a clock that the test advances, and the storage events
// that it would send.
type world struct {
	t     *testing.T
	srv   *fhirserver.Server
	store *store.Store
	blobs *jobs.Memory
	base  string

	mu     sync.Mutex
	now    time.Time
	events []event
}

type event struct {
	Container, Path, ETag string
	Size                  int64
	API                   string
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T, change func(*fhirserver.Options), lines ...string) *world {
	t.Helper()
	w := &world{t: t, now: start, blobs: &jobs.Memory{}}
	var err error
	if w.store, err = store.New(store.Options{Base: start.Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := w.store.Add([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	o := fhirserver.Options{Store: w.store, Blobs: w.blobs, Now: w.clock, OnCommit: w.hear}
	if change != nil {
		change(&o)
	}
	if w.srv, err = fhirserver.New(o); err != nil {
		t.Fatal(err)
	}
	if w.base, err = w.srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) hear(container, path, etag string, size int64, api string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event{container, path, etag, size, api})
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (w *world) send(ctx context.Context, method, target string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("Prefer", "respond-async")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(body)}, err
}

func (w *world) do(method, target string) reply {
	w.t.Helper()
	r, err := w.send(w.t.Context(), method, target)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) get(pathAndQuery string) reply {
	w.t.Helper()
	return w.do(http.MethodGet, w.base+pathAndQuery)
}

// kickOff starts an export and returns its status URL.
func (w *world) kickOff(path string, query ...string) string {
	w.t.Helper()
	q := url.Values{"_container": {"lake"}}
	for i := 0; i < len(query); i += 2 {
		q.Add(query[i], query[i+1])
	}
	r := w.get(path + "?" + q.Encode())
	if r.status != http.StatusAccepted || r.body != "" {
		w.t.Fatalf("kick-off answered %d %s", r.status, r.body)
	}
	return r.header.Get("Content-Location")
}

func (w *world) wait(status string) {
	w.t.Helper()
	if err := w.srv.Wait(w.t.Context(), jobID(status)); err != nil {
		w.t.Fatal(err)
	}
}

func jobID(status string) string { return status[strings.LastIndex(status, "/")+1:] }

type manifest struct {
	TransactionTime     time.Time        `json:"transactionTime"`
	Request             string           `json:"request"`
	RequiresAccessToken *bool            `json:"requiresAccessToken"`
	Output              []manifestOutput `json:"output"`
	Error               []any            `json:"error"`
}

type manifestOutput struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count int    `json:"count"`
}

// manifest waits for a job and returns its result.
func (w *world) manifest(status string) manifest {
	w.t.Helper()
	w.wait(status)
	r := w.do(http.MethodGet, status)
	if r.status != http.StatusOK {
		w.t.Fatalf("status answered %d %s", r.status, r.body)
	}
	var m manifest
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// export runs an export to its end. It returns type/id/versionId of its lines and the number of
// tombstones, in order of the manifest.
func (w *world) export(path string, query ...string) (rows []string) {
	w.t.Helper()
	for _, o := range w.manifest(w.kickOff(path, query...)).Output {
		got := w.rows(o.URL)
		if len(got) != o.Count {
			w.t.Errorf("%s has %d lines, the manifest says %d", o.URL, len(got), o.Count)
		}
		rows = append(rows, got...)
	}
	return rows
}

func (w *world) rows(blobURL string) (rows []string) {
	w.t.Helper()
	container, path, _ := strings.Cut(strings.TrimPrefix(blobURL, "memory://"), "/")
	text, ok := w.blobs.Content(container, path)
	if !ok {
		w.t.Fatalf("no blob %s", blobURL)
	}
	for line := range strings.Lines(string(text)) {
		var r struct {
			ResourceType, ID string
			Meta             struct {
				VersionID string
				Extension []struct{ ValueString string }
			}
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		row := r.ResourceType + "/" + r.ID + "/" + r.Meta.VersionID
		if len(r.Meta.Extension) > 0 {
			row += " " + r.Meta.Extension[0].ValueString
		}
		rows = append(rows, row)
	}
	return rows
}

func patient(id string) string {
	return `{"resourceType":"Patient","id":"` + id + `","name":[{"family":"Test"}]}`
}

func observation(id, subject, code string) string {
	return `{"resourceType":"Observation","id":"` + id +
		`","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"` + code +
		`"}]},"subject":{"reference":"Patient/` + subject + `"},"valueQuantity":{"value":1.10}}`
}

func (w *world) put(lines ...string) {
	w.t.Helper()
	for _, l := range lines {
		if _, err := w.store.Put([]byte(l), w.clock()); err != nil {
			w.t.Fatal(err)
		}
	}
}
