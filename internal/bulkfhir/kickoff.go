package bulkfhir

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// KickOff implements pipeline.Server. Deletes are requested only from servers that report them.
// After a Transient error the job may have started, unless the server declined it.
func (s *Source) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	k, err := s.dialect.kickOff(r, s.o)
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	if err := s.checkVersion(ctx); err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	accepted, err := s.ask(ctx, k)
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	return accepted, nil
}

// ask sends the kick-off by each method that the server may support.
func (s *Source) ask(ctx context.Context, k kickOff) (pipeline.Accepted, error) {
	var first error
	firstStatus := 0
	for _, method := range s.methods() {
		sent := s.kickOffRequest(method, k)
		a, err := s.exchange(ctx, s.kick, sent)
		if err != nil {
			return pipeline.Accepted{}, notSent(err)
		}
		accepted, err := s.accepted(a)
		if err == nil {
			accepted.Exchange = s.verbatim(sent, k, a)
			accepted.ServerTime, _ = a.date()
			return accepted, nil
		}
		// Only these answers prove that the method is missing. After any other answer a job may be
		// running.
		if !noSuchMethod(a.status) &&
			(first == nil || fault.Of(err) == fault.Transient ||
				errors.Is(err, pipeline.ErrUnfollowed)) {
			return pipeline.Accepted{}, err
		}
		// After a 405 or 501 the second method's answer tells more; after any other answer the
		// first one's does.
		if first == nil || firstStatus == http.StatusMethodNotAllowed ||
			firstStatus == http.StatusNotImplemented {
			first, firstStatus = err, a.status
		}
	}
	return pipeline.Accepted{}, first
}

func noSuchMethod(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed ||
		status == http.StatusNotImplemented
}

// notSent marks errors of requests that never reached the server, so no job runs.
func notSent(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	if (errors.As(err, &op) && op.Op == "dial") || errors.As(err, &dns) ||
		errors.As(err, &certificate) {
		return &fault.Error{
			Class: fault.Of(err), Whose: fault.Whose(err),
			Err: fmt.Errorf("%w: %w", pipeline.ErrUnavailable, err),
		}
	}
	return err
}

// methods returns the kick-off's HTTP methods in the order of the tries.
func (s *Source) methods() []string {
	known := s.software.Load()
	switch {
	case s.o.Method != "":
		return []string{s.o.Method}
	case len(s.o.Patients) > 0:
		return []string{http.MethodPost}
	case known != nil && known.post && slices.Contains(s.dialect.methods, http.MethodPost):
		return []string{http.MethodPost, http.MethodGet}
	}
	return s.dialect.methods
}

func (s *Source) kickOffRequest(method string, k kickOff) request {
	r := request{
		method: method, url: s.base.String() + k.path, accept: fhirJSON, prefer: "respond-async",
		limit: maxErrorBody,
	}
	if s.o.Lenient {
		r.prefer += ", handling=lenient"
	}
	switch q := k.query(); {
	case method == http.MethodPost:
		r.body = k.resource()
	case q != "":
		r.url += "?" + q
	}
	return r
}

func (s *Source) accepted(a answer) (pipeline.Accepted, error) {
	switch {
	case a.status == http.StatusAccepted:
	case a.status < 300:
		return pipeline.Accepted{}, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: fmt.Errorf(
				"the server answered HTTP %d (%s) instead of 202: it seems not to support bulk export at this URL", a.status, a.excerpt()),
		}
	default:
		err := s.refused(a)
		// 502 and 504 come from a gateway, which does not know whether the job started.
		declined := map[int]error{
			http.StatusTooManyRequests:     pipeline.ErrDeclined,
			http.StatusInternalServerError: pipeline.ErrUnavailable,
			http.StatusServiceUnavailable:  pipeline.ErrUnavailable,
		}[a.status]
		if declined != nil {
			return pipeline.Accepted{}, &fault.Error{
				Class: fault.Transient, After: fault.After(err),
				Err: fmt.Errorf("%w: %w", declined, err),
			}
		}
		return pipeline.Accepted{}, err
	}
	broken := func(what string) error {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err:    fmt.Errorf("%s, so %w", what, pipeline.ErrUnfollowed),
			Remedy: "check whether a proxy between here and the server drops or changes the header; the job may be running",
		}
	}
	location := strings.TrimSpace(a.header.Get("Content-Location"))
	if location == "" {
		return pipeline.Accepted{}, broken("the server answered 202 without Content-Location")
	}
	status, err := a.url.Parse(location)
	if err != nil || status.Host == "" || (status.Scheme != "http" && status.Scheme != "https") {
		return pipeline.Accepted{},
			broken("the server answered 202 with a Content-Location that is not a URL")
	}
	absolute := strings.HasPrefix(strings.ToLower(location), "http://") ||
		strings.HasPrefix(strings.ToLower(location), "https://")
	if fixed := s.sameServer(status); fixed != status {
		status, absolute = fixed, false
	}
	if err := s.ownAddress("the export's status", status); err != nil {
		return pipeline.Accepted{}, unfollowed(err)
	}
	// An absolute URL is kept byte for byte, because re-encoding may change it.
	out := pipeline.Accepted{StatusURL: location}
	if !absolute {
		out.StatusURL = status.String()
	}
	if s.dialect.folder == nil {
		return out, nil
	}
	if out.Folder = s.dialect.folder(status); out.Folder == "" {
		return pipeline.Accepted{}, broken("the server's Content-Location ends without a job id")
	}
	return out, nil
}

// Limits for the recorded exchange, which is part of a journal document.
const (
	maxKeptValue = 500
	maxKeptBody  = 8 << 10
)

// keptHeaders are the response headers that help to diagnose a server. Others may hold secrets or
// patient data.
var keptHeaders = []string{
	"Cache-Control", "Content-Length", "Content-Location", "Content-Type", "Date", "Expires",
	"Location", "Request-Id", "Retry-After", "Server",
	"Via", "X-Correlation-Id", "X-Ms-Request-Id", "X-Powered-By", "X-Request-Id",
}

// unfollowed adds that a job is running which cannot be polled.
func unfollowed(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return fmt.Errorf("%w, so %w", err, pipeline.ErrUnfollowed)
	}
	return &fault.Error{
		Class: f.Class, Whose: f.Whose, Remedy: f.Remedy,
		Err: fmt.Errorf("%w, so %w", f.Err, pipeline.ErrUnfollowed),
	}
}

// plausible reports whether value fits a header that holds a time or a number.
func plausible(name, value string) bool {
	switch name {
	case "Content-Length", "Date", "Expires", "Retry-After":
		_, dateErr := http.ParseTime(value)
		_, numberErr := strconv.ParseInt(value, 10, 64)
		return dateErr == nil || numberErr == nil
	}
	return true
}

// verbatim returns the exchange for the record without tokens, cookies and patient ids.
func (s *Source) verbatim(r request, k kickOff, a answer) pipeline.Exchange {
	x := pipeline.Exchange{
		Method: r.method, URL: clip(r.url, maxKeptBody), Status: a.status,
		Request: map[string]string{"Accept": r.accept, "Prefer": r.prefer},
		Answer:  map[string]string{},
	}
	if r.body != nil {
		x.Request["Content-Type"] = fhirJSON
		x.Body = clip(string(k.resource("patient")), maxKeptBody)
	}
	for _, name := range keptHeaders {
		if value := strings.Join(a.header.Values(name), ", "); value != "" &&
			plausible(name, value) {
			x.Answer[name] = clip(a.scrub(value), maxKeptValue)
		}
	}
	if known := s.software.Load(); known != nil {
		x.Software = known.name
	}
	return x
}
