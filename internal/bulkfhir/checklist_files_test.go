package bulkfhir_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/bulkfhir"
	"fhirsynapse/internal/bulkfhir/auth"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

func withToken(r *rig) {
	r.options.Token = func(context.Context) (string, error) { return "our-token", nil }
}

func tokenForFiles(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
		r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	})
	r.loaded(firstExport)
	for _, f := range r.server.requests("file") {
		if f.header.Get("Authorization") != "Bearer our-token" {
			t.Errorf("a file was asked for with %q", f.header.Get("Authorization"))
		}
	}
}

func noTokenForFiles(t *testing.T) {
	for override, want := range map[string]string{
		"": "", "always": "Bearer our-token", "never": "",
	} {
		r := newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
			r.options.FileToken = override
			r.server.edit = func(m map[string]any, _ int) {
				m["requiresAccessToken"] = override == "never"
			}
		})
		r.loaded(firstExport)
		for _, f := range r.server.requests("file") {
			if got := f.header.Get("Authorization"); got != want {
				t.Errorf("setting %q: a file was asked for with %q, want %q", override, got, want)
			}
		}
	}
	// A server that needs the token answers 401. The error must name the setting.
	r := newRig(t, bulkfhir.DialectBulk, withToken)
	r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	if e := r.failed(firstExport, "HTTP 401",
		"fileToken: always"); e.Failure.Whose != string(fault.OurSetting) {
		t.Errorf("of %q", e.Failure.Whose)
	}
}

func zip(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func encodings(t *testing.T) {
	file := func(path, body, encoding string) func(*rig) {
		return func(r *rig) {
			r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("p2"))}
			r.server.edit = func(m map[string]any, _ int) {
				f := m["output"].([]map[string]any)[0]
				f["url"] = strings.Replace(f["url"].(string), "Patient.ndjson", path, 1)
			}
			r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
				if !strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") {
					t.Errorf("Accept-Encoding: %q", req.Header.Get("Accept-Encoding"))
				}
				if encoding != "" {
					w.Header().Set("Content-Encoding", encoding)
				}
				_, _ = io.WriteString(w, body)
				return true
			}
		}
	}
	plain := patient("p1") + "\n" + patient("p2") + "\n"
	half := zip(patient("p1")+"\n") + zip(patient("p2")+"\n")
	for name, c := range map[string]struct{ path, body, encoding string }{
		"plain":                       {"Patient.ndjson", plain, ""},
		"identity":                    {"Patient.ndjson", plain, "identity"},
		"gzip":                        {"Patient.ndjson", zip(plain), "gzip"},
		"GZIP":                        {"Patient.ndjson", zip(plain), "GZIP"},
		"gzip in two members":         {"Patient.ndjson", half, "gzip"},
		"a .gz that says nothing":     {"Patient.ndjson.gz", zip(plain), ""},
		"a .gz that is none":          {"Patient.ndjson.gz", plain, ""},
		"a .gz with Content-Encoding": {"Patient.ndjson.gz", zip(plain), "gzip"},
	} {
		r := newRig(t, bulkfhir.DialectBulk, file(c.path, c.body, c.encoding))
		if e := r.run(firstExport); e.State != records.Loaded {
			t.Errorf("%s: %+v", name, e.Failure)
		}
		r.expectRows("patient", 2)
	}
	newRig(t, bulkfhir.DialectBulk, file("Patient.ndjson", plain, "br")).failed(firstExport,
		`encoding is "br"`)
	newRig(t, bulkfhir.DialectBulk,
		file("Patient.ndjson", zip(plain)[:30], "gzip")).failed(firstExport,
		"gzip is cut short or damaged")
	newRig(t, bulkfhir.DialectBulk, file("Patient.ndjson", plain, "gzip")).failed(firstExport,
		"gzip is cut short or damaged")
	// A manifest may be compressed as well.
	r := newRig(t, bulkfhir.DialectBulk)
	r.server.on["status"] = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, zip(`{"transactionTime":"2026-11-23T08:00:00Z","output":[]}`))
		return true
	}
	r.loaded(firstExport)
}

func filesAccept(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk)
	r.loaded(firstExport)
	if n := len(r.server.requests("file")); n != 2 {
		t.Errorf("%d requests for 2 files", n)
	}
	for _, f := range r.server.requests("file") {
		if f.header.Get("Accept") != "application/fhir+ndjson" {
			t.Errorf("Accept: %q", f.header.Get("Accept"))
		}
	}
}

func redirects(t *testing.T) {
	other := func(t *testing.T, h http.HandlerFunc) *httptest.Server {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s
	}
	r := newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
		r.options.AllowPrivate = true
		r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	})
	elsewhere := other(t, func(w http.ResponseWriter, req *http.Request) {
		if a := req.Header.Get("Authorization"); a != "" {
			t.Errorf("the other host was given %q", a)
		}
		r.server.file(w, req)
	})
	r.server.on["file"] = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.Header.Get("Authorization") != "Bearer our-token" {
			t.Error("the server itself was not given the token")
		}
		http.Redirect(w, req, elsewhere.URL+req.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	r.loaded(firstExport)
	r.expectRows("patient", 2)

	// A redirect that turns the kick-off's POST into a GET is not followed.
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.options.Method = http.MethodPost
		r.always("kick-off", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "/fhir/status/1", http.StatusFound)
		})
	})
	r.failed(firstExport, "HTTP 302")
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("file", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, req.URL.Path, http.StatusTemporaryRedirect)
		})
	})
	r.failed(firstExport, "redirects more than 10 times")
}

func counts(t *testing.T) {
	for name, c := range map[string]struct {
		bad  int // truncated downloads
		ok   bool
		want int
	}{"once": {1, true, 2}, "always": {1 << 30, false, 2}} {
		r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
			r.server.output = []scriptFile{ndjson("Patient", patient("p1"), patient("p2"),
				patient("p3"))}
			r.firstly("file", c.bad, says(200, patient("p1")+"\n"))
		})
		if c.ok {
			r.loaded(firstExport)
			r.expectRows("patient", 3)
		} else if e := r.failed(firstExport,
			"the manifest counts otherwise: 3 resources, the file has 1"); e.Failure.Whose !=
			string(fault.TheirServer) {
			t.Errorf("of %q", e.Failure.Whose)
		}
		if n := len(r.server.requests("file")); n != c.want {
			t.Errorf("%s: %d downloads, want %d", name, n, c.want)
		}
	}
	newRig(t, bulkfhir.DialectAzure, func(r *rig) {
		r.server.output[0].count = 5
	}).failed(firstExport, "the manifest counts 5 resources, the file has 2")
}

func references(t *testing.T) {
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output[1] = ndjson("Observation", observation("o1", "Patient/p1"),
			observation("o2", r.server.URL+"/fhir/Patient/p1"))
	})
	r.loaded(firstExport)
	for _, row := range r.rows("observation") {
		// This test's views have no base URL, so an absolute reference yields no key.
		if strings.Contains(row, `patient_id="p1"`) != strings.Contains(row, `_id="o1"`) {
			t.Errorf("row %s", row)
		}
	}
	r.expectRows("observation", 2)
}

func transportSecurity(t *testing.T) {
	old := httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	old.Config.ErrorLog = nil
	s, err := bulkfhir.New(bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: old.URL, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Now(t.Context()); !strings.Contains(textOf(err), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	token := func(context.Context) (string, error) { return "t", nil }
	if _, err := bulkfhir.New(bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: "http://ehr.example/fhir", Token: token,
		Now: time.Now,
	}); !strings.Contains(textOf(err), "https only") {
		t.Errorf("a token over http: %v", err)
	}
	// A server with TLS whose manifest lists file URLs without TLS.
	var files int
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		files++
	}))
	t.Cleanup(plain.Close)
	safe := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(safe.Close)
	s, err = bulkfhir.New(bulkfhir.Options{
		Dialect: bulkfhir.DialectBulk, BaseURL: safe.URL, HTTP: safe.Client(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Files.Download(t.Context(), pipeline.OutputFile{URL: "http://files.example/x"},
		false); !strings.Contains(textOf(err), "without TLS") {
		t.Errorf("a file over http: %v", err)
	}
}

func tokenRenewed(t *testing.T) {
	var r *rig
	issued, valid := 0, map[string]time.Time{}
	signIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		issued++
		token := fmt.Sprintf("token-%d", issued)
		valid[token] = r.now().Add(5 * time.Minute)
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"expires_in":300}`, token)
	}))
	t.Cleanup(signIn.Close)
	refused, revoke := 0, false
	r = newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		tokens, err := auth.ClientSecret(auth.Client{
			TokenURL: signIn.URL, ClientID: "me", Now: r.now, HTTP: signIn.Client(),
		}, "x")
		if err != nil {
			t.Fatal(err)
		}
		r.options.Token, r.options.Renew = tokens.Token, tokens.Renew
		r.server.polls = 30
		check := func(w http.ResponseWriter, req *http.Request, n int) bool {
			token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
			if n == 5 && revoke {
				delete(valid, token)
			}
			if !r.now().Before(valid[token]) {
				refused++
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}
		r.server.on["status"], r.server.on["file"] = check, check
		r.server.edit = func(m map[string]any, _ int) { m["requiresAccessToken"] = true }
	})
	r.loaded(firstExport)
	if refused != 0 || issued < 5 {
		t.Errorf("%d refusals with %d tokens, want none: tokens are renewed before their end",
			refused, issued)
	}
	refused, revoke = 0, true
	r.server.mu.Lock()
	r.server.seen["status"] = 0
	r.server.mu.Unlock()
	r.loaded(secondExport)
	if refused != 1 {
		t.Errorf("%d refusals of a token that was revoked, want 1", refused)
	}
	r = newRig(t, bulkfhir.DialectBulk, withToken, func(r *rig) {
		r.always("status", says(401, ""))
	})
	if e := r.failed(firstExport, "HTTP 401"); e.Failure.Whose != string(fault.OurPermission) ||
		len(r.server.requests("status")) != 1 {
		t.Errorf("of %q after %d polls", e.Failure.Whose, len(r.server.requests("status")))
	}
}

func privateAddresses(t *testing.T) {
	inside := 0
	internal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inside++
		_, _ = io.WriteString(w, patient("p1")+"\n"+patient("p2")+"\n")
	}))
	t.Cleanup(internal.Close)
	port := internal.URL[strings.LastIndexByte(internal.URL, ':'):]
	to := func(host string) func(*rig) {
		return func(r *rig) {
			r.server.output = r.server.output[:1]
			r.server.edit = func(m map[string]any, _ int) {
				m["output"].([]map[string]any)[0]["url"] = "http://" + host + port + "/x"
			}
		}
	}
	// A host name that resolves to a private address is refused like the address.
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		e := newRig(t, bulkfhir.DialectBulk, to(host)).failed(firstExport, "in a private network",
			"privateFiles: true")
		if e.Failure.Whose != string(fault.OurSetting) {
			t.Errorf("%s: of %q", host, e.Failure.Whose)
		}
	}
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.always("file", func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, internal.URL+"/x", http.StatusTemporaryRedirect)
		})
	})
	r.failed(firstExport, "in a private network")
	if inside != 0 {
		t.Errorf("the internal server was asked %d times", inside)
	}
	r = newRig(t, bulkfhir.DialectBulk, to("127.0.0.1"), func(r *rig) {
		r.options.AllowPrivate = true
	})
	r.loaded(firstExport)
	r.expectRows("patient", 2)
}

func rowOrder(t *testing.T) {
	version := func(id, updated, number, gender string) string {
		return patient(id, `"meta":{"lastUpdated":"`+updated+`","versionId":"`+number+`"}`,
			`"gender":"`+gender+`"`)
	}
	r := newRig(t, bulkfhir.DialectBulk, func(r *rig) {
		r.server.output = []scriptFile{
			ndjson("Patient", version("p1", "2026-11-23T07:00:00+02:00", "9", "male"),
				version("p1", "2026-11-23T06:00:00Z", "2", "female")),
			ndjson("Patient", version("p2", "2026-11-23T05:00:00Z", "10", "female"),
				version("p2", "2026-11-23T05:00:00Z", "9", "male")),
		}
	})
	r.loaded(firstExport)
	for _, row := range r.rows("patient") {
		if !strings.Contains(row, `gender="female"`) {
			t.Errorf("an older version won: %s", row)
		}
	}
	before := r.rows("patient")
	r.loaded(secondExport) // the same again
	if after := r.rows("patient"); !slices.Equal(before, after) {
		t.Errorf("equal versions changed rows:\n%v\n%v", before, after)
	}
}
