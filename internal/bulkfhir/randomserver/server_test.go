package randomserver_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// marker is part of every text that describes a patient. It must never reach a log or the journal.
const marker = "Zzsecret"

// respond answers one request.
type respond func(w http.ResponseWriter, r *http.Request)

// file is one entry of the manifest with its content.
type file struct {
	member string // its member of the manifest
	typ    string
	lines  []string
	entry  map[string]any // additional or changed members of the entry
	first  []respond      // answers before the content
	always respond        // answer in place of the content
	change func(content []byte) []byte
	zipped bool
	suffix string
	spoilt int // lines with an unreadable resource
}

// server is a randomly generated bulk server.
type server struct {
	base    string // URL of the server
	now     func() time.Time
	types   []string
	has     map[string][]string // ids by type
	quirks  []string
	harmful bool // an export may fail or be incomplete
	// withheld is the number of resources that the server has but cannot export.
	withheld int

	metadata, kickOff, poll, second []respond // before the usual answer
	files                           []*file
	manifest                        []func(m map[string]any)
	text                            []func(manifest string) string
	header                          http.Header // for every answer; a nil value removes a header
	location                        string
	next                            string // URL of the second manifest page, or empty
	packed                          bool   // the manifest is compressed

	mu    sync.Mutex
	asked map[string]int
}

// draw generates the server of a seed, without the quirks whose number is in skip.
func draw(seed uint64, skip map[int]bool) *server {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &server{
		has: map[string][]string{}, asked: map[string]int{}, header: http.Header{},
		location: "BASE/status/1",
	}
	for _, typ := range []string{"Patient", "Observation", "Encounter"} {
		if r.IntN(4) == 0 {
			continue
		}
		s.types = append(s.types, typ)
		for part := range 1 + r.IntN(2) {
			f := &file{member: "output", typ: typ, entry: map[string]any{}}
			for range r.IntN(5) {
				id := fmt.Sprintf("%s-%d-%03d", strings.ToLower(typ), part, len(s.has[typ]))
				s.has[typ] = append(s.has[typ], id)
				f.lines = append(f.lines, resource(typ, id, r.IntN(2) == 0))
			}
			s.files = append(s.files, f)
		}
	}
	for i := range r.IntN(4) {
		q := quirks[r.IntN(len(quirks))]
		own := rand.New(rand.NewPCG(seed, uint64(i)+2))
		if !skip[i] {
			s.quirks = append(s.quirks, q.name)
			s.harmful = s.harmful || !q.harmless
			q.apply(s, own)
		}
	}
	return s
}

func resource(typ, id string, dated bool) string {
	m := map[string]any{
		"resourceType": typ, "id": id,
		"text": map[string]any{"status": "generated", "div": "<div>" + marker + "</div>"},
	}
	if dated {
		m["meta"] = map[string]any{"lastUpdated": "2026-01-01T00:00:00Z", "versionId": "1"}
	}
	return encode(m)
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// ServeHTTP serves paths below /<number of the server>/.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	maps.Copy(w.Header(), s.header)
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	kind, rest, _ := strings.Cut(path, "/")
	if kind == "fhir" {
		kind = rest
	}
	switch {
	case kind == "metadata":
		s.answer(w, r, "metadata", s.metadata, func(w http.ResponseWriter, _ *http.Request) {
			write(w, 200, `{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"random"}}`)
		})
	case kind == "$export":
		s.answer(w, r, "kick-off", s.kickOff, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Location", strings.Replace(s.location, "BASE", s.base, 1))
			w.WriteHeader(http.StatusAccepted)
		})
	case kind == "status" && r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusAccepted)
	case kind == "status" && rest == "2":
		s.answer(w, r, "second page", s.second, func(w http.ResponseWriter, _ *http.Request) {
			s.write(w, s.page(2))
		})
	case kind == "status":
		s.answer(w, r, "poll", s.poll, func(w http.ResponseWriter, _ *http.Request) {
			s.write(w, s.page(1))
		})
	case kind == "files":
		n, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(n); err == nil && i < len(s.files) {
			f := s.files[i]
			s.answer(w, r, "file "+n, f.first, f.serve)
			return
		}
		write(w, 404, "")
	default:
		write(w, 404, "")
	}
}

func (s *server) answer(
	w http.ResponseWriter, r *http.Request, kind string, first []respond, then respond,
) {
	s.mu.Lock()
	n := s.asked[kind]
	s.asked[kind]++
	s.mu.Unlock()
	if n < len(first) {
		first[n](w, r)
		return
	}
	then(w, r)
}

func write(w http.ResponseWriter, status int, body string) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// page returns the manifest or half of it.
func (s *server) page(n int) string {
	m := map[string]any{
		"transactionTime":     s.now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"request":             s.base + "/fhir/$export",
		"requiresAccessToken": false, "output": []any{}, "error": []any{},
	}
	for i, f := range s.files {
		if s.next != "" && (i%2 == 0) != (n == 1) {
			continue
		}
		e := map[string]any{
			"type": f.typ, "url": fmt.Sprintf("%s/files/%d.ndjson%s", s.base, i, f.suffix),
		}
		for k, v := range f.entry {
			if e[k] = v; v == nil {
				delete(e, k)
			}
		}
		list, _ := m[f.member].([]any)
		m[f.member] = append(list, e)
	}
	if s.next != "" && n == 1 {
		m["link"] = []any{map[string]any{
			"relation": "next", "url": strings.Replace(s.next, "BASE", s.base, 1),
		}}
	}
	if s.next != "" {
		m["transactionTime"] = "2026-03-01T12:00:00Z"
	}
	for _, edit := range s.manifest {
		edit(m)
	}
	text := encode(m)
	for _, edit := range s.text {
		text = edit(text)
	}
	return text
}

// write sends the manifest.
func (s *server) write(w http.ResponseWriter, manifest string) {
	if s.packed {
		w.Header().Set("Content-Encoding", "gzip")
		manifest = string(pack([]byte(manifest)))
	}
	write(w, 200, manifest)
}

func pack(content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(content)
	_ = z.Close()
	return b.Bytes()
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	if f.always != nil {
		f.always(w, r)
		return
	}
	content := []byte(strings.Join(f.lines, "\n"))
	if len(f.lines) > 0 {
		content = append(content, '\n')
	}
	if f.zipped {
		content = pack(content)
		if f.suffix != ".gz" {
			w.Header().Set("Content-Encoding", "gzip")
		}
	}
	if f.change != nil {
		content = f.change(content)
	}
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(content)
}

// output returns a random output file that holds a resource; nil if there is none.
func (s *server) output(r *rand.Rand) *file {
	var filled []*file
	for _, f := range s.files {
		if f.member == "output" && len(f.lines) > 0 {
			filled = append(filled, f)
		}
	}
	if len(filled) == 0 {
		return nil
	}
	return filled[r.IntN(len(filled))]
}

// withhold removes the last line of a file. The server still has the resource.
func (s *server) withhold(r *rand.Rand) (typ string, ok bool) {
	f := s.output(r)
	if f == nil {
		return "", false
	}
	f.lines = slices.Clone(f.lines[:len(f.lines)-1])
	s.withheld++
	return f.typ, true
}
