package bulkfhir

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h       http.HandlerFunc
		class   fault.Class
		expired bool
		text    string
	}{
		"404": {answers(404, ""), fault.Transient, true, "HTTP 404"},
		"410": {answers(410, ""), fault.Permanent, true, "the next export lists new files"},
		"403": {answers(403, "<Error>signature</Error>"), fault.Permanent, true, "HTTP 403"},
		"401": {answers(401, ""), fault.Permanent, true, "fileToken: always"},
		"503": {answers(503, ""), fault.Transient, false, "HTTP 503"},
		"500": {
			answers(500, issueBody("exception", "x")), fault.Transient, false,
			"HTTP 500: exception",
		},
		"400": {answers(400, ""), fault.Permanent, false, "HTTP 400"},
		"a page": {
			answers(200, "<html>", "Content-Type", "text/html; charset=utf-8"),
			fault.Transient, false, "a web page",
		},
		"a part":  {answers(206, "{}"), fault.Permanent, false, "HTTP 206"},
		"the end": {answers(304, ""), fault.Permanent, false, "HTTP 304"},
	} {
		k, url := keeping(t, c.h)
		_, err := k.text(t.Context(), url+"?sig=secret")
		if err == nil || fault.Of(err) != c.class ||
			errors.Is(err, pipeline.ErrExpired) != c.expired ||
			!strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v (%v), want %v with %q", name, err, fault.Of(err), c.class, c.text)
		}
		if strings.Contains(fmt.Sprint(err), "secret") ||
			strings.Contains(fmt.Sprint(err), "signature") {
			t.Errorf("%s: %v", name, err)
		}
	}
	k, url := keeping(t, answers(204, ""))
	if got, err := k.text(t.Context(), url); err != nil || got != "" {
		t.Errorf("204: %q, %v, want an empty file", got, err)
	}
}

func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	for address, private := range map[string]bool{
		"127.0.0.1:80": true, "10.1.2.3:443": true, "172.16.0.1:443": true, "192.168.1.1:443": true,
		"169.254.169.254:80": true,
		"168.63.129.16:80":   true, "100.64.0.1:443": true, "0.0.0.0:80": true,
		"224.0.0.1:80": true, "255.255.255.255:80": true,
		"[::1]:80": true, "[fe80::1]:80": true, "[fd00:ec2::254]:80": true,
		"[::ffff:10.0.0.1]:80": true, "[::]:80": true, "[ff02::1]:80": true,
		"20.62.1.2:443": false, "[2603:1030::1]:443": false, "nonsense": true,
	} {
		if err := refusePrivate(address); (err != nil) != private {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestLinksOfDownloadsAreUsedAgain(t *testing.T) {
	t.Parallel()
	var links atomic.Int32
	srv := httptest.NewUnstartedServer(answers(200, "{}\n"))
	srv.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			links.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	s, err := open(Options{Dialect: DialectBulk, BaseURL: srv.URL, Now: func() time.Time {
		return today
	}})
	if err != nil {
		t.Fatal(err)
	}
	k := &servesFiles{s}
	for range 20 {
		if _, err := k.text(t.Context(), srv.URL+"/files/1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := links.Load(); n != 1 {
		t.Errorf("%d links for twenty files, want 1", n)
	}
}

// A long line of deletes must not take many times its length in memory.
func TestManyDeletesOfOneLineTakeLittleMemory(t *testing.T) {
	t.Parallel()
	const entries = 400_000
	line := `{"entry":[{"request":{"method":"DELETE","url":"Patient/p"}}` +
		strings.Repeat(`,{"request":{"method":"DELETE","url":"Patient/p"}}`, entries-1) +
		`],"resourceType":"Bundle"}`
	k := &servesFiles{&Source{caller: caller{o: Options{LineLimit: 64 << 20}}}}
	n := 0
	for _, err := range k.Deletes(strings.NewReader(line + "\n")) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != entries {
		t.Errorf("%d deletes, want %d", n, entries)
	}
	for name, text := range map[string]string{
		"a Bundle cut short": line[:len(line)/2],
		"one bad entry":      strings.Replace(line, `],"res`, `,{}],"res`, 1),
		"no Bundle":          strings.Replace(line, "Bundle", "Basket", 1),
	} {
		for tombstone, err := range k.Deletes(strings.NewReader(text)) {
			if err == nil {
				t.Errorf("%s: a delete of %s was given", name, tombstone.Type)
				break
			}
		}
	}
}

func FuzzDeletes(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"/"}}]}` +
		"\n\n{"))
	k := &servesFiles{&Source{caller: caller{o: Options{LineLimit: 1 << 16}}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		for tombstone, err := range k.Deletes(bytes.NewReader(data)) {
			if err != nil {
				if fault.Of(err) != fault.Permanent {
					t.Fatalf("%v", err)
				}
				continue
			}
			if bytes.ContainsAny(tombstone.Line, "\n\r") || !isTypeName(tombstone.Type) {
				t.Fatalf("a tombstone that is none: %q of %q", tombstone.Line, tombstone.Type)
			}
		}
		if _, err := k.Issues(pipeline.OutputFile{}, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDeletesOfAnotherServerDeleteNothing(t *testing.T) {
	t.Parallel()
	k := &servesFiles{&Source{caller: caller{o: Options{
		LineLimit: 1 << 16, BaseURL: "https://h/fhir/", ReferenceBase: "https://outer/r4",
	}}}}
	for url, want := range map[string]string{
		"Patient/a_b": `"id":"a_b"`, "https://h/fhir/Patient/1": `"id":"1"`,
		"https://outer/r4/Patient/1": `"id":"1"`, "/Patient/1": `"id":"1"`,
		"https://other/fhir/Patient/1": "", "https://h/fhir2/Patient/1": "",
		"https://h/Patient/1": "",
	} {
		for tombstone, err := range k.Deletes(
			strings.NewReader(
				`{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"` + url +
					`"}}]}`)) {
			if err != nil || tombstone.Type != "Patient" || tombstone.Foreign != (want == "") ||
				!strings.Contains(string(tombstone.Line), want) {
				t.Errorf("%s: %+v, %v", url, tombstone.Foreign, err)
			}
		}
	}
}
