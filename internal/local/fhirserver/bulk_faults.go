package fhirserver

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"

	"fhirsynapse/internal/local/fhirserver/jobs"
	"fhirsynapse/internal/local/fhirserver/signin"
)

// Faults are what a server of dialect bulk does wrong. The zero value is nothing.
//
// The lists of answers are for the first requests of their kind, in this order;
// the zero Answer in a list is the true answer. When a list is used up, the true
// answers follow.
type Faults struct {
	KickOffs []Answer
	Polls    []Answer // of all jobs
	Cancels  []Answer
	Tokens   []Answer // of the token endpoint
	Metadata []Answer
	// Files are for the first downloads of each file, File for those of one file of
	// the output, by its place in the manifest. ListenFiles heeds neither.
	Files []Answer
	File  map[int][]Answer
	// AllFiles answers every download; nil lets them through.
	AllFiles *Answer

	// ParallelDownloads answers with 429 what goes beyond so many; zero means any.
	ParallelDownloads int
	// Garbage, when it is not zero, is the seed of answers that are of no protocol.
	Garbage uint64

	// NeverDone keeps every new job running for ever.
	NeverDone bool
	// Failure ends every new job; its reason is the diagnostics as they stand.
	Failure *jobs.Failure
	// ErrorFile is the number of OperationOutcomes that every new job reports.
	ErrorFile int
	// StrayLine is a line behind the last of the first file of every new job.
	StrayLine string

	// NoDeletes: the server tells no deletes, and has no member for them.
	NoDeletes bool
	// WrongCount is added to the count of every file of the output; NoCounts
	// leaves them all out.
	WrongCount int
	NoCounts   bool
	// WrongType is told instead of the type of every file of the output.
	WrongType string
	// SameNames gives all files of a type the same last part of their URL.
	SameNames bool
	// FileHost is the base of the files' URLs; empty means the server's own.
	FileHost string
	// TokenForFiles wants a token for files, whatever requiresAccessToken says.
	TokenForFiles bool
	// TransactionTime is told instead of the true one.
	TransactionTime string
	// NoErrorMember leaves the empty list of errors out, OutcomeMember calls it
	// outcome, as the draft of version 4 does.
	NoErrorMember, OutcomeMember bool
	// LinkLoop: the last page of the manifest is followed by the first.
	LinkLoop bool
	// OrganizedBy says that the output is organized, though nobody asked.
	OrganizedBy string
	// Padding makes every page of the manifest longer by so many bytes.
	Padding int
}

// Answer is what becomes of one request.
type Answer struct {
	// Status and Body are an answer in place of the true one; a zero Status lets
	// the true answer through.
	Status int
	Body   string
	// Header is set over the answer's own; an empty value takes one away.
	Header map[string]string
	// Acted: the server does what it was asked first. With a Status or Hang the
	// client does not hear of it.
	Acted bool
	// Hang gives no answer, until the client goes away or the server is closed.
	Hang bool
	// Reset cuts the connection without an answer.
	Reset bool
	// CutAfter cuts the connection after so many bytes of the true answer's body.
	CutAfter int
	// Half ends the body in the middle although the answer is complete: a file that
	// was cut before it was sent, or truncated gzip.
	Half bool
	// Redirect answers 307 to the same path and query at another base URL.
	Redirect string
}

// Throttled is 429 with a Retry-After as it stands, empty for none.
func Throttled(retryAfter string) Answer { return refusal(http.StatusTooManyRequests, retryAfter) }

// Unavailable is 503 with a Retry-After as it stands, empty for none.
func Unavailable(retryAfter string) Answer {
	return refusal(http.StatusServiceUnavailable, retryAfter)
}

// Refused is a status with an OperationOutcome.
func Refused(status int) Answer { return refusal(status, "") }

func refusal(status int, retryAfter string) Answer {
	return Answer{
		Status: status,
		Header: map[string]string{"Content-Type": fhirJSON, "Retry-After": retryAfter},
		Body:   fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"diagnostics":"Refused on purpose."}]}`, codeOf(status)),
	}
}

// Page is a status with a page of a gateway.
func Page(status int) Answer {
	return Answer{Status: status, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html><body><h1>Gateway</h1></body></html>"}
}

// Asked counts the requests that a server of dialect bulk got, those that Faults
// answered included.
type Asked struct{ KickOffs, Polls, Cancels, Tokens, Metadata, Files int }

// Asked tells what the server was asked so far.
func (s *Server) Asked() Asked {
	if s.bulk == nil {
		return Asked{}
	}
	s.bulk.mu.Lock()
	defer s.bulk.mu.Unlock()
	return s.bulk.total
}

// SetFaults changes the faults of dialect bulk and begins their lists anew.
func (s *Server) SetFaults(f Faults) {
	if s.bulk == nil {
		return
	}
	s.bulk.mu.Lock()
	defer s.bulk.mu.Unlock()
	s.bulk.faults = f
	clear(s.bulk.asked)
}

func (b *bulk) faultsNow() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

// trouble is what a new job shall suffer.
func (b *bulk) trouble(t *jobs.Trouble) {
	f := b.faultsNow()
	if f.NeverDone {
		t.Hold = make(chan struct{})
	}
	if f.Failure != nil {
		t.Failure = f.Failure
	}
	if f.StrayLine != "" {
		t.Stray = []byte(f.StrayLine)
	}
	for i := range f.ErrorFile {
		t.Outcomes = append(t.Outcomes, fmt.Appendf(nil,
			`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"exception","diagnostics":"Resource %d could not be exported."}]}`, i))
	}
}

// extension pads the manifest with what a client does not know.
func (f Faults) extension() map[string]any {
	if f.Padding == 0 {
		return nil
	}
	return map[string]any{"http://example.org/padding": strings.Repeat("x", f.Padding)}
}

// next finds the answer for a request and counts it.
func (b *bulk) next(r *http.Request) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind, list := b.script(r)
	n := b.asked[kind]
	b.asked[kind]++
	b.total.count(kind)
	if kind == "file" && b.faults.AllFiles != nil {
		return *b.faults.AllFiles
	}
	if n < len(list) {
		return list[n]
	}
	return Answer{}
}

func (a *Asked) count(kind string) {
	switch kind {
	case "kick-off":
		a.KickOffs++
	case "poll":
		a.Polls++
	case "cancel":
		a.Cancels++
	case "token":
		a.Tokens++
	case "metadata":
		a.Metadata++
	case "other":
	default: // each file is of a kind of its own
		a.Files++
	}
}

// script is the list for a request, and what its requests are counted by.
func (b *bulk) script(r *http.Request) (kind string, list []Answer) {
	_, status := b.jobID(r)
	switch path := r.URL.Path; {
	case status && r.Method == http.MethodDelete:
		return "cancel", b.faults.Cancels
	case status:
		return "poll", b.faults.Polls
	case strings.HasSuffix(path, "$export"):
		return "kick-off", b.faults.KickOffs
	case strings.HasPrefix(path, bulkFilesPath):
		if b.faults.AllFiles != nil {
			return "file", nil
		}
		part := strings.Split(path, "/")
		if n, err := strconv.Atoi(part[len(part)-2]); err == nil && part[len(part)-3] == listOutput && b.faults.File[n] != nil {
			return path, b.faults.File[n]
		}
		return path, b.faults.Files
	case path == signin.TokenPath:
		return "token", b.faults.Tokens
	case path == "/metadata":
		return "metadata", b.faults.Metadata
	}
	return "other", nil
}

// scripted puts the faults in front of the true answers.
func (b *bulk) scripted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := b.next(r)
		if seed := b.faultsNow().Garbage; seed != 0 {
			a = garbage(seed, b.count("garbage"))
		}
		if strings.HasPrefix(r.URL.Path, bulkFilesPath) {
			if !b.enter() {
				Throttled("1").serve(w, r, next)
				return
			}
			defer b.leave()
		}
		a.serve(w, r, next)
	})
}

func (b *bulk) count(kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[kind]++
	return b.asked[kind]
}

func (b *bulk) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if most := b.faults.ParallelDownloads; most > 0 && b.downloads >= most {
		return false
	}
	b.downloads++
	return true
}

func (b *bulk) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.downloads--
}

func (a Answer) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if a.Acted {
		next.ServeHTTP(&recorder{header: http.Header{}, status: http.StatusOK}, r)
	}
	switch {
	case a.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case a.Reset:
		reset(w)
	case a.Redirect != "":
		a.Status, a.Header = http.StatusTemporaryRedirect, maps.Clone(a.Header)
		w.Header().Set("Location", a.Redirect+r.URL.RequestURI())
		fallthrough
	case a.Status != 0:
		a.headers(w.Header())
		w.WriteHeader(a.Status)
		_, _ = w.Write([]byte(a.Body)) // a client that went away is its own fault
	case a.Half:
		whole := &recorder{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(whole, r)
		a.headers(w.Header())
		half := whole.body.Bytes()[:whole.body.Len()/2]
		w.Header().Set("Content-Length", strconv.Itoa(len(half)))
		w.WriteHeader(whole.status)
		_, _ = w.Write(half) // the same
	case a.CutAfter > 0 || len(a.Header) > 0:
		next.ServeHTTP(&shaper{ResponseWriter: w, a: a, left: cmp.Or(a.CutAfter, -1)}, r)
	default:
		next.ServeHTTP(w, r)
	}
}

func (a Answer) headers(h http.Header) {
	for name, value := range a.Header {
		if value == "" {
			h.Del(name)
		} else {
			h.Set(name, value)
		}
	}
}

// reset ends the connection in the hardest way there is.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then it is closed less hard
	}
	_ = conn.Close()
}

// shaper changes the headers of the true answer and cuts it after some bytes.
type shaper struct {
	http.ResponseWriter
	a      Answer
	left   int // bytes until the cut; negative means none
	headed bool
}

// WriteHeader implements http.ResponseWriter.
func (s *shaper) WriteHeader(status int) {
	if !s.headed {
		s.headed = true
		s.a.headers(s.Header())
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (s *shaper) Write(text []byte) (int, error) {
	if !s.headed {
		s.WriteHeader(http.StatusOK)
	}
	if s.left < 0 || len(text) < s.left {
		if s.left > 0 {
			s.left -= len(text)
		}
		return s.ResponseWriter.Write(text)
	}
	_, _ = s.ResponseWriter.Write(text[:s.left])
	_ = http.NewResponseController(s.ResponseWriter).Flush() // what a recorder of a test cannot flush, it has
	panic(http.ErrAbortHandler)
}

// garbage is an answer that keeps no protocol, the same for a seed and a number.
func garbage(seed uint64, n int) Answer {
	rng := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // made-up answers that must repeat by seed
	body := make([]byte, rng.IntN(4096))
	for i := range body {
		body[i] = byte(rng.Uint32() & 0xff)
	}
	bodies := []string{string(body), "{", "[]", "null", `{"output":[{}]}`, `{"transactionTime":7,"output":"x"}`, `{"issue":3}`, ""}
	statuses := []int{200, 200, 202, 204, 206, 299, 302, 304, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 599, 700, 999}
	types := []string{"", "application/json", fhirJSON, fhirNDJSON, "text/html", ";;;"}
	waits := []string{"", "-1", "soon", "99999999999999999999", "Mon, 99 Foo 2026", "1e9", "3.5"}
	places := []string{"", "http://[::1", "::", "/", "ftp://127.0.0.1/x", "http://127.0.0.1:1/x", strings.Repeat("a", 5000)}
	encodings := []string{"", "", "", "gzip", "br"}
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	return Answer{
		Status: statuses[rng.IntN(len(statuses))],
		Body:   pick(bodies),
		Header: map[string]string{
			"Content-Type": pick(types), "Retry-After": pick(waits), "Content-Location": pick(places), "Location": pick(places),
			"Content-Encoding": pick(encodings), "X-Progress": pick(bodies[1:]), "Expires": pick(waits), "Content-Range": pick(waits),
		},
	}
}
