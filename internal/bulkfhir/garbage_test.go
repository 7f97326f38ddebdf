package bulkfhir

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// secretToken must reach no one but the server.
const secretToken = "s3cr3t-t0k3n-of-ours"

// garbage is a raw socket server that answers each request with the next piece of a script. It
// counts its open connections.
type garbage struct {
	net.Listener
	open atomic.Int32
	mu   sync.Mutex
	rest []byte
	done chan struct{}
}

// newGarbage returns a server with a script: each piece of an answer follows its length.
func newGarbage(t testing.TB) *garbage {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &garbage{Listener: l, done: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.open.Add(1)
			go func() {
				defer g.open.Add(-1)
				defer func() { _ = c.Close() }() // the test is over
				g.talk(c)
			}()
		}
	}()
	return g
}

func (g *garbage) next() ([]byte, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.rest) < 2 {
		return nil, false
	}
	n := min(int(binary.BigEndian.Uint16(g.rest)), len(g.rest)-2)
	piece := g.rest[2 : 2+n]
	g.rest = g.rest[2+n:]
	return piece, true
}

func (g *garbage) talk(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		piece, more := g.next()
		if !more {
			return
		}
		piece = bytes.ReplaceAll(piece, []byte("SELF"), []byte("http://"+g.Addr().String()))
		// Some servers echo the request.
		piece = bytes.ReplaceAll(piece, []byte("ECHO"), []byte(req.Header.Get("Authorization")))
		if _, err := c.Write(piece); err != nil {
			return
		}
		if !bytes.Contains(piece, []byte("Content-Length")) &&
			!bytes.Contains(piece, []byte("chunked")) {
			return // closing the connection ends the body
		}
	}
}

// scriptOf writes each piece after its length.
func scriptOf(pieces ...string) []byte {
	var b []byte
	for _, p := range pieces {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
		b = append(b, p...)
	}
	return b
}

func response(status int, headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s", status, headers,
		len(body), body)
}

// FuzzGarbage lets a server answer garbage to every call. No call may hang, panic, leave a
// connection open or show the token in an error.
func FuzzGarbage(f *testing.F) {
	const manifest = `{"transactionTime":"2026-11-23T07:00:00Z","requiresAccessToken":true,"output":[{"type":"Patient","url":"SELF/f/1","count":1}],"link":[{"relation":"next","url":"/next"}]}`
	f.Add(scriptOf(
		response(200, "Date: Mon, 23 Nov 2026 08:00:00 GMT\r\n", `{"software":{"name":"ECHO"}}`),
		response(202, "Content-Location: SELF/status/1\r\nX-Progress: ECHO\r\n", ""),
		response(200, "Retry-After: 5\r\nExpires: 0\r\n", manifest),
		response(200, "",
			`{"transactionTime":"2026-11-23T07:00:00Z","requiresAccessToken":true,"output":[]}`),
		response(200, "Content-Encoding: gzip\r\nETag: \"x\"\r\n", "\x1f\x8b\x08\x00"),
		response(206, "Content-Range: bytes 2-3/4\r\n", "xx"),
	))
	f.Add(scriptOf(response(401, "", ""), response(500, "", issueBody("exception", "ECHO")),
		response(307, "Location: SELF/x\r\n", ""),
		response(429, "Retry-After: 99999999999999999999\r\n", "ECHO")))
	f.Add(scriptOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"garbage", "", "HTTP/1.0 200\r\n\r\n{",
		"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n"))
	f.Add(scriptOf(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20),
		response(200, "Content-Type: text/html; =\r\n", "ECHO"),
		response(202, "Content-Location: http://[::1\r\n", ""),
		response(308, "Location: http://10.0.0.1/\r\n", "")))
	f.Add(scriptOf(response(200, "", strings.Repeat(`{"output":[`, 500)),
		response(200, "", `{"transactionTime":"ECHO","output":[{"type":"ECHO","url":"ECHO"}]}`)))
	g := newGarbage(f)
	f.Cleanup(func() { _ = g.Close() })
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, dialect := range []string{DialectAzure, DialectBulk} {
			g.mu.Lock()
			g.rest = bytes.Clone(script)
			g.mu.Unlock()
			talkTo(t, g, dialect)
		}
	})
}

func talkTo(t *testing.T, g *garbage, dialect string) {
	base := "http://" + g.Addr().String()
	o := Options{
		Dialect: dialect, BaseURL: base, Now: func() time.Time { return today },
		Token: func(context.Context) (string, error) { return secretToken, nil },
	}
	if dialect == DialectAzure {
		o.Container = "lake"
	}
	s, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.idle = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	look := func(call string, err error) {
		if err == nil {
			return
		}
		if text := err.Error(); strings.Contains(text, secretToken) || len([]rune(text)) > 2000 {
			t.Fatalf("%s: the error is %q", call, text)
		}
		_ = fault.Of(err)
	}
	_, err = s.Now(ctx)
	look("Now", err)
	a, err := s.KickOff(ctx, pipeline.Request{Level: pipeline.LevelSystem})
	look("KickOff", err)
	if text := fmt.Sprintf("%+v", a.Exchange); strings.Contains(text, secretToken) {
		t.Fatalf("the record of the kick-off holds the token: %s", text)
	}
	if a.StatusURL == "" || !strings.HasPrefix(a.StatusURL, base) {
		a.StatusURL = base + "/status/1"
	}
	st, err := s.Status(ctx, a.StatusURL)
	look("Status", err)
	if strings.Contains(st.Progress, secretToken) {
		t.Fatal("the progress holds the token")
	}
	k := &servesFiles{s}
	file := pipeline.OutputFile{Type: "Patient", URL: base + "/f/1", Count: -1}
	if st.Manifest != nil && len(st.Manifest.Output) > 0 {
		file = st.Manifest.Output[0]
	}
	r, err := k.Download(ctx, file, true)
	look("Download", err)
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		look("a read", err)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	look("Cancel", s.Cancel(ctx, a.StatusURL))
	if took := time.Since(began); took > 10*time.Second {
		t.Fatalf("the calls took %v", took)
	}
	if s.limiter.running != 0 {
		t.Fatalf("%d downloads count as running", s.limiter.running)
	}
	s.client.CloseIdleConnections()
	s.kick.CloseIdleConnections()
	deadline := time.NewTimer(3 * time.Second)
	defer deadline.Stop()
	for g.open.Load() != 0 {
		tick := time.NewTimer(time.Millisecond)
		select {
		case <-deadline.C:
			t.Fatalf("%d links are still open", g.open.Load())
		case <-tick.C:
		}
	}
}
