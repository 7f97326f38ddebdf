package bulkfhir_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// script is a FHIR server on loopback that follows a test's instructions. By default it exports its
// data correctly, on the test's clock.
type script struct {
	*httptest.Server
	rig   *rig
	azure bool

	mu  sync.Mutex
	log []logged
	// seen counts requests by kind: metadata, kick-off, status, file, cancel.
	seen map[string]int
	// on replaces the server's answer to requests of a kind if it returns true. n counts the
	// requests from 1.
	on map[string]func(w http.ResponseWriter, r *http.Request, n int) bool
	// polls is the number of 202 answers before a job is done.
	polls   int
	output  []scriptFile
	deleted []scriptFile
	errors  []scriptFile
	// edit changes a manifest before it is sent.
	edit func(m map[string]any, page int)
	// perPage is the number of files per manifest page; 0 means one page.
	perPage int
	jobs    int
	asked   map[string]int // polls by job
	gone    map[string]bool
	request string // the last kick-off
}

type scriptFile struct {
	typ     string
	content string
	count   int // -1 leaves it out
}

type logged struct {
	kind, method, uri string
	header            http.Header
	body              string
	at                time.Time
}

// ndjson returns a file of lines with its count.
func ndjson(typ string, lines ...string) scriptFile {
	return scriptFile{typ, strings.Join(lines, "\n") + "\n", len(lines)}
}

func patient(id string, more ...string) string {
	return `{"resourceType":"Patient","id":"` + id + `"` +
		strings.Join(append([]string{""}, more...), ",") + `}`
}

func observation(id, subject string) string {
	return `{"resourceType":"Observation","id":"` + id +
		`","status":"final","code":{"text":"x"},"subject":{"reference":"` + subject + `"}}`
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	kind := kindOf(r)
	s.mu.Lock()
	s.seen[kind]++
	n := s.seen[kind]
	s.log = append(s.log,
		logged{kind, r.Method, r.RequestURI, r.Header.Clone(), string(body), s.rig.now()})
	on := s.on[kind]
	s.mu.Unlock()
	w.Header().Set("Date", s.rig.now().UTC().Format(http.TimeFormat))
	if on != nil && on(w, r, n) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind {
	case "metadata":
		_, _ = io.WriteString(w,
			`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"Script","version":"1.0"}}`)
	case "kick-off":
		s.jobs++
		s.request = s.URL + r.RequestURI
		at := "/fhir/status/"
		if s.azure {
			at = "/fhir/_operations/export/"
		}
		w.Header().Set("Content-Location", s.URL+at+strconv.Itoa(s.jobs))
		w.WriteHeader(http.StatusAccepted)
	case "status":
		s.status(w, r)
	case "cancel":
		s.gone[jobIn(r)] = true
		w.WriteHeader(http.StatusAccepted)
	case "file":
		s.file(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func kindOf(r *http.Request) string {
	switch p := r.URL.Path; {
	case strings.HasSuffix(p, "/metadata"):
		return "metadata"
	case strings.HasSuffix(p, "/$export"):
		return "kick-off"
	case r.Method == http.MethodDelete:
		return "cancel"
	case strings.Contains(p, "/status/"), strings.Contains(p, "/_operations/export/"):
		return "status"
	case strings.Contains(p, "/files/"):
		return "file"
	default:
		return "other"
	}
}

func jobIn(r *http.Request) string {
	_, id, _ := strings.Cut(r.URL.Path, "/status/")
	if id == "" {
		_, id, _ = strings.Cut(r.URL.Path, "/export/")
	}
	id, _, _ = strings.Cut(id, "/")
	return id
}

func (s *script) status(w http.ResponseWriter, r *http.Request) {
	id := jobIn(r)
	if s.gone[id] {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	if page == 0 {
		if s.asked[id]++; s.asked[id] <= s.polls {
			w.Header().Set("X-Progress", fmt.Sprintf("%d of %d", s.asked[id], s.polls))
			w.WriteHeader(http.StatusAccepted)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.manifest(id, page))
}

func (s *script) manifest(id string, page int) map[string]any {
	files := func(member string, list []scriptFile) []map[string]any {
		out := []map[string]any{}
		for i, f := range list {
			entry := map[string]any{"type": f.typ, "url": s.place(id, member, i, f)}
			if f.count >= 0 {
				entry["count"] = f.count
			}
			out = append(out, entry)
		}
		return out
	}
	output := files("output", s.output)
	m := map[string]any{
		"transactionTime":     s.rig.now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"request":             s.request,
		"requiresAccessToken": false, "output": output, "error": files("error", s.errors),
	}
	if !s.azure {
		m["deleted"] = files("deleted", s.deleted)
	}
	if s.perPage > 0 {
		m["transactionTime"] = begin.Format("2006-01-02T15:04:05.000Z")
		from := min(page*s.perPage, len(output))
		to := min(from+s.perPage, len(output))
		m["output"] = output[from:to]
		if page > 0 {
			m["deleted"], m["error"] = []any{}, []any{}
		}
		if to < len(output) {
			m["link"] = []map[string]any{{
				"relation": "next", "url": fmt.Sprintf("%s?page=%d", id, page+1),
			}}
		}
	}
	if s.edit != nil {
		s.edit(m, page)
	}
	return m
}

// place returns the URL of a file. For dialect azure it also writes the file.
func (s *script) place(id, member string, i int, f scriptFile) string {
	if !s.azure {
		return fmt.Sprintf("%s/fhir/files/%s/%s/%d/%s.ndjson", s.URL, id, member, i, f.typ)
	}
	path := fmt.Sprintf("%s-%s/%s-%s-%d.ndjson", begin.Format("20060102T150405"), id, f.typ, id,
		i+1)
	if _, err := s.rig.lake.Stat(context.Background(), pipeline.Landing, path); err != nil {
		if _, err := s.rig.lake.Put(context.Background(), pipeline.Landing, path,
			strings.NewReader(f.content)); err != nil {
			panic(err)
		}
	}
	return "https://lake.example/landing/" + path
}

func (s *script) file(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/") // /fhir/files/<job>/<member>/<i>/<name>
	list := map[string][]scriptFile{
		"output": s.output, "deleted": s.deleted, "error": s.errors,
	}[parts[4]]
	i, _ := strconv.Atoi(parts[5])
	if i >= len(list) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	w.Header().Set("Content-Length", strconv.Itoa(len(list[i].content)))
	_, _ = io.WriteString(w, list[i].content)
}

// requests returns the requests of a kind.
func (s *script) requests(kind string) []logged {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []logged
	for _, l := range s.log {
		if l.kind == kind {
			out = append(out, l)
		}
	}
	return out
}
