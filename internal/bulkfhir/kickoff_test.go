package bulkfhir

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// ofBulk returns a client of dialect bulk for a handler.
func ofBulk(t *testing.T, h http.HandlerFunc) *Source {
	t.Helper()
	s, _ := serve(t, h)
	s.dialect = bulk
	s.dialect.till = ""
	return s
}

var wanted = pipeline.Request{Level: "system"}

func TestAServerOfAnotherFHIRVersionIsRefused(t *testing.T) {
	t.Parallel()
	for statement, version := range map[string]string{
		`{"resourceType":"CapabilityStatement","fhirVersion":"5.0.0"}`:                            "5.0.0",
		`{"resourceType":"CapabilityStatement","rest":[{"mode":"server"}],"fhirVersion":"3.0.2"}`: "3.0.2",
		`{"resourceType":"Conformance","fhirVersion":"1.0.2"}`:                                    "1.0.2",
		`{"resourceType":"CapabilityStatement","software":7,"fhirVersion":"4.1.0"}`:               "4.1.0",
		`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1"}`:                            "",

		`{"resourceType":"CapabilityStatement","fhirVersion":"4.3.0","software":{"name":"A server"}}`: "",

		`{"resourceType":"CapabilityStatement"}`: "",
		`<html>`:                                 "",
	} {
		asked := 0
		s := ofBulk(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/metadata") {
				asked++
				answers(200, statement)(w, r)
				return
			}
			answers(202, "", "Content-Location", "/fhir/status/1")(w, r)
		})
		for range 2 {
			_, err := s.KickOff(t.Context(), wanted)
			if refused := fault.Of(err) == fault.Permanent &&
				strings.Contains(err.Error(),
					"speaks FHIR "+version+","); refused != (version != "") ||
				(err != nil) != refused {
				t.Errorf("%s: %v", statement, err)
			}
		}
		if asked != 1 {
			t.Errorf("%s: asked for it %d times, want once", statement, asked)
		}
	}
}

func TestKickOffReportsTheAnswerThatTellsMost(t *testing.T) {
	t.Parallel()
	notFound := answers(404, issueBody("not-found", "Group not found"))
	for name, c := range map[string]struct {
		get, post http.HandlerFunc
		want      string
	}{
		"the Group is unknown, no POST": {notFound, answers(405, ""), "HTTP 404: not-found"},
		"no GET, the Group is unknown":  {answers(405, ""), notFound, "HTTP 404: not-found"},
		"no GET, the request is wrong": {
			answers(405, ""),
			answers(400, issueBody("invalid", "no")), "HTTP 400: invalid",
		},
		"the Group is unknown, POST is 400": {notFound, answers(400, ""), "HTTP 404: not-found"},
		"POST is out of order":              {notFound, answers(503, ""), "HTTP 503"},
	} {
		s := ofBulk(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/metadata"):
				answers(404, "")(w, r)
			case r.Method == http.MethodPost:
				c.post(w, r)
			default:
				c.get(w, r)
			}
		})
		if _, err := s.KickOff(t.Context(), wanted); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAServerThatIsNotAvailableHasStartedNoJob(t *testing.T) {
	t.Parallel()
	for status, unavailable := range map[int]bool{
		500: true, 503: true, 502: false, 504: false, 429: false,
	} {
		s := ofBulk(t, answers(status, "", "Retry-After", "7"))
		_, err := s.KickOff(t.Context(), wanted)
		if fault.Of(err) != fault.Transient || fault.After(err) != 7*time.Second ||
			errors.Is(err, pipeline.ErrUnavailable) != unavailable {
			t.Errorf("HTTP %d: %v after %v", status, err, fault.After(err))
		}
	}
	// A port without a listener.
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	_ = l.Close()
	s, err := open(Options{
		Dialect: DialectBulk, BaseURL: "http://" + free + "/fhir", Now: func() time.Time {
			return today
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.KickOff(t.Context(), wanted); !errors.Is(err, pipeline.ErrUnavailable) ||
		fault.Of(err) != fault.Transient {
		t.Errorf("connection refused: %v", err)
	}
}

func TestAStatusURLStaysAtTheServer(t *testing.T) {
	t.Parallel()
	for location, ok := range map[string]bool{
		"/fhir/status/1": true, "BASE/elsewhere/1": true,
		"http://localhost:PORT/fhir/status/1": true, "http://127.0.0.2:PORT/status/1": false,
		"http://hapi.invalid:8080/fhir/status/1": false, "https://HOST/fhir/status/1": false,
		"http://user.invalid/status": false, "//other.invalid/status": false,
	} {
		s := ofBulk(t, func(w http.ResponseWriter, r *http.Request) {
			answers(202, "", "Content-Location",
				strings.NewReplacer("BASE", "http://"+r.Host, "HOST", r.Host, "PORT",
					r.Host[strings.LastIndexByte(r.Host, ':')+1:]).Replace(location))(w, r)
		})
		_, err := s.KickOff(t.Context(), wanted)
		if (err == nil) != ok ||
			(!ok && (fault.Of(err) != fault.Permanent ||
				!strings.Contains(err.Error(), "--status-host"))) {
			t.Errorf("%s: %v", location, err)
		}
	}
	// An allowed host that does not resolve is reported by the first poll.
	s := ofBulk(t, answers(404, ""))
	_, err := s.Status(t.Context(), "http://hapi.internal.invalid:8080/fhir/status/1")
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound && fault.Of(err) != fault.Permanent {
		t.Errorf("a host that does not resolve: %v (%v), want a permanent error", err,
			fault.Of(err))
	}
}
