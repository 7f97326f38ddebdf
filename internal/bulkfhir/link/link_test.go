package link_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"fhirsynapse/internal/bulkfhir/link"
	"fhirsynapse/internal/fault"
)

// talk sends a request to a socket server that answers with these bytes.
func talk(t *testing.T, answer string) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the test is over
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }() // the test is over
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, answer)
		}
	}()
	resp, err := http.Get("http://" + l.Addr().String() + "/?sig=secret")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func TestNothingOfAnAnswerIsRepeated(t *testing.T) {
	t.Parallel()
	const data = `{"resourceType":"Patient","name":"secret"}`
	for name, answer := range map[string]string{
		"data for an answer": data + "\n",
		"data for a status":  "HTTP/1.1 secret OK\r\n\r\n",
		"data for a header":  "HTTP/1.1 200 OK\r\n" + data + "\r\n\r\n",
		"data for a length":  "HTTP/1.1 200 OK\r\nContent-Length: secret\r\n\r\n",
		"data for a chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
		"an odd encoding":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: secret\r\n\r\n",
		"nothing":            "",
		"half":               "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsecret",
	} {
		err := link.Error(talk(t, answer))
		if err == nil || strings.Contains(err.Error(), "secret") || err.Error() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsKnownIsSaid(t *testing.T) {
	t.Parallel()
	refused := func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		_, err = http.Get("http://" + l.Addr().String() + "/?sig=secret")
		return err
	}()
	for want, err := range map[string]error{
		"connection refused":        refused,
		"context deadline exceeded": context.DeadlineExceeded,
		"EOF":                       fmt.Errorf("secret: %w", io.EOF),
		"no such thing":             fault.Permanentf("no such thing"),
		"HTTP response to HTTPS":    http.ErrSchemeMismatch,
		"not HTTP":                  errors.New("malformed secret"),
	} {
		got := link.Error(err)
		if !strings.Contains(got.Error(), want) || strings.Contains(got.Error(), "secret") {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
		if !errors.Is(got, err) && want != "connection refused" {
			t.Errorf("%v is lost", err)
		}
	}
	if link.Error(nil) != nil {
		t.Error("no error is one")
	}
}
