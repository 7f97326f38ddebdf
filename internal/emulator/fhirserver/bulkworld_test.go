package fhirserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/fhirserver"
)

// newBulk returns a world with a server of dialect bulk.
func newBulk(t *testing.T, b fhirserver.Bulk, lines ...string) *world {
	t.Helper()
	return newWorld(t, func(o *fhirserver.Options) { o.Bulk = &b }, lines...)
}

// ask sends a request with headers, name and value in turn. It does not follow redirects.
func (w *world) ask(method, target, body string, headers ...string) (reply, error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(text)}, err
}

func (w *world) mustAsk(method, target, body string, headers ...string) reply {
	w.t.Helper()
	r, err := w.ask(method, target, body, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

var asyncly = []string{"Accept", "application/fhir+json", "Prefer", "respond-async"}

// start kicks an export off by GET and returns its status URL.
func (w *world) start(path string, query ...string) string {
	w.t.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Add(query[i], query[i+1])
	}
	return w.location(path, w.mustAsk(http.MethodGet, w.base+path+"?"+q.Encode(), "", asyncly...))
}

// post kicks an export off with a Parameters resource.
func (w *world) post(path, parameters string) string {
	w.t.Helper()
	body := `{"resourceType":"Parameters","parameter":[` + parameters + `]}`
	return w.location(path,
		w.mustAsk(http.MethodPost, w.base+path, body,
			append(asyncly, "Content-Type", "application/fhir+json")...))
}

func (w *world) location(path string, r reply) string {
	w.t.Helper()
	if r.status != http.StatusAccepted {
		w.t.Fatalf("kick-off answered %d %s", r.status, r.body)
	}
	at, err := url.Parse(w.base + path)
	if err != nil {
		w.t.Fatal(err)
	}
	status, err := at.Parse(r.header.Get("Content-Location"))
	if err != nil {
		w.t.Fatal(err)
	}
	return status.String()
}

type bulkManifest struct {
	manifest
	Deleted []manifestOutput `json:"deleted"`
	Outcome []manifestOutput `json:"outcome"`
	Failed  []manifestOutput `json:"error"`
	Link    []struct{ Relation, URL string }
}

// pages waits for a job and returns the pages of its manifest, ten at most.
func (w *world) pages(status string) (pages []bulkManifest) {
	w.t.Helper()
	id := jobID(status)
	if _, query, found := strings.Cut(status, "job=%24"); found {
		id, _, _ = strings.Cut(query, "%")
	}
	if err := w.srv.Wait(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
	for target := status; target != "" && len(pages) < 10; {
		r := w.mustAsk(http.MethodGet, target, "", "Accept", "application/json")
		if r.status != http.StatusOK {
			w.t.Fatalf("status answered %d %s", r.status, r.body)
		}
		var m bulkManifest
		if err := json.Unmarshal([]byte(r.body), &m); err != nil {
			w.t.Fatal(err)
		}
		pages = append(pages, m)
		target = ""
		for _, l := range m.Link {
			target = l.URL
		}
	}
	return pages
}

func (w *world) page(status string) bulkManifest {
	w.t.Helper()
	pages := w.pages(status)
	if len(pages) != 1 {
		w.t.Fatalf("%d pages, want 1", len(pages))
	}
	return pages[0]
}

// lines downloads a file.
func (w *world) lines(target string) (lines []string) {
	w.t.Helper()
	r := w.mustAsk(http.MethodGet, target, "", "Accept", "application/fhir+ndjson")
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/fhir+ndjson" {
		w.t.Fatalf("file answered %d %s %s", r.status, r.header.Get("Content-Type"), r.body)
	}
	for l := range strings.Lines(r.body) {
		lines = append(lines, strings.TrimSuffix(l, "\n"))
	}
	return lines
}

// exported returns Type/id/versionId of an export's lines, sorted, and Type/id of its deletes.
func (w *world) exported(status string) (rows, deleted []string) {
	w.t.Helper()
	for _, m := range w.pages(status) {
		for _, o := range m.Output {
			lines := w.lines(o.URL)
			if len(lines) != o.Count {
				w.t.Errorf("%s has %d lines, the manifest says %d", o.URL, len(lines), o.Count)
			}
			for _, l := range lines {
				var r struct {
					ResourceType, ID string
					Meta             struct{ VersionID string }
				}
				if err := json.Unmarshal([]byte(l), &r); err != nil || r.ResourceType != o.Type {
					w.t.Fatalf("a %s in a file of %s: %v", r.ResourceType, o.Type, err)
				}
				rows = append(rows, r.ResourceType+"/"+r.ID+"/"+r.Meta.VersionID)
			}
		}
		for _, o := range m.Deleted {
			for _, l := range w.lines(o.URL) {
				var b struct {
					ResourceType, Type string
					Entry              []struct{ Request struct{ Method, URL string } }
				}
				if err := json.Unmarshal([]byte(l), &b); err != nil || b.ResourceType != "Bundle" ||
					b.Type != "transaction" {
					w.t.Fatalf("%s is no transaction", l)
				}
				for _, e := range b.Entry {
					deleted = append(deleted, e.Request.Method+" "+e.Request.URL)
				}
			}
		}
	}
	slices.Sort(rows)
	return rows, deleted
}

func (w *world) remove(typ, id string) {
	w.t.Helper()
	if _, err := w.store.Delete(typ, id, w.clock()); err != nil {
		w.t.Fatal(err)
	}
}
