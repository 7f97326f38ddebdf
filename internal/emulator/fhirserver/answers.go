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
)

// Answer describes the server's reaction to one request.
type Answer struct {
	// Status and Body replace the true answer. A zero Status sends the true answer.
	Status int
	Body   string
	// Header replaces headers of the answer; an empty value removes a header.
	Header map[string]string
	// Acted makes the server perform the request first. With a Status or Hang, the client does not
	// learn of it.
	Acted bool
	// Hang sends no answer until the client disconnects or the server is closed.
	Hang bool
	// Reset cuts the connection without an answer.
	Reset bool
	// CutAfter cuts the connection after this number of bytes of the true answer's body.
	CutAfter int
	// Half sends the first half of the body as a complete answer, like a file that was cut before
	// it was sent, or truncated gzip.
	Half bool
	// Redirect answers 307 to the same path and query at another base URL.
	Redirect string
}

// Throttled returns 429 with the given Retry-After, unchanged; empty for none.
func Throttled(retryAfter string) Answer { return refusal(http.StatusTooManyRequests, retryAfter) }

// Unavailable returns 503 with the given Retry-After, unchanged; empty for none.
func Unavailable(retryAfter string) Answer {
	return refusal(http.StatusServiceUnavailable, retryAfter)
}

// Refused returns a status with an OperationOutcome.
func Refused(status int) Answer { return refusal(status, "") }

func refusal(status int, retryAfter string) Answer {
	return Answer{
		Status: status,
		Header: map[string]string{"Content-Type": fhirJSON, "Retry-After": retryAfter},
		Body: fmt.Sprintf(
			`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"diagnostics":"Refused on purpose."}]}`, codeOf(status)),
	}
}

// Page returns a status with the HTML page of a gateway.
func Page(status int) Answer {
	return Answer{
		Status: status, Header: map[string]string{"Content-Type": "text/html"},
		Body: "<html><body><h1>Gateway</h1></body></html>",
	}
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
		_, _ = w.Write([]byte(a.Body)) // the client may be gone
	case a.Half:
		whole := &recorder{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(whole, r)
		a.headers(w.Header())
		half := whole.body.Bytes()[:whole.body.Len()/2]
		w.Header().Set("Content-Length", strconv.Itoa(len(half)))
		w.WriteHeader(whole.status)
		_, _ = w.Write(half) // the client may be gone
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

// reset ends the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it, the close is a normal close
	}
	_ = conn.Close()
}

// shaper changes the headers of the true answer and cuts it after a number of bytes.
type shaper struct {
	http.ResponseWriter
	a      Answer
	left   int // bytes until the cut; negative: none
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
	_ = http.NewResponseController(s.ResponseWriter).Flush() // a test's recorder need not flush
	panic(http.ErrAbortHandler)
}

// garbage returns an answer that follows no protocol. The same seed and number return the same
// answer.
func garbage(seed uint64, n int) Answer {
	rng := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // made-up answers that must repeat by seed
	body := make([]byte, rng.IntN(4096))
	for i := range body {
		body[i] = byte(rng.Uint32() & 0xff)
	}
	bodies := []string{
		string(body), "{", "[]", "null", `{"output":[{}]}`, `{"transactionTime":7,"output":"x"}`,
		`{"issue":3}`, "",
	}
	statuses := []int{
		200, 200, 202, 204, 206, 299, 302, 304, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503,
		599, 700, 999,
	}
	types := []string{"", "application/json", fhirJSON, fhirNDJSON, "text/html", ";;;"}
	waits := []string{"", "-1", "soon", "99999999999999999999", "Mon, 99 Foo 2026", "1e9", "3.5"}
	places := []string{
		"", "http://[::1", "::", "/", "ftp://127.0.0.1/x", "http://127.0.0.1:1/x",
		strings.Repeat("a", 5000),
	}
	encodings := []string{"", "", "", "gzip", "br"}
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	return Answer{
		Status: statuses[rng.IntN(len(statuses))],
		Body:   pick(bodies),
		Header: map[string]string{
			"Content-Type": pick(types), "Retry-After": pick(waits),
			"Content-Location": pick(places), "Location": pick(places),
			"Content-Encoding": pick(encodings), "X-Progress": pick(bodies[1:]),
			"Expires": pick(waits), "Content-Range": pick(waits),
		},
	}
}
