package bulkfhir

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// KickOff implements pipeline.Source. Deletes are asked for where the server tells
// them, and left out elsewhere. After a Transient error the job may have started
// all the same, unless the server's own answer declined it.
func (s *Source) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	k, err := s.dialect.kickOff(r, s.o)
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	var a answer
	var sent request
	for i, method := range s.methods() {
		sent = s.kickOffRequest(method, k)
		if a, err = s.exchange(ctx, s.kick, sent); err != nil {
			return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
		}
		// Only these say that the server has no such method. Anything else may be
		// an answer to a job that runs.
		if i > 0 || !slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, a.status) {
			break
		}
	}
	accepted, err := s.accepted(a)
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	accepted.Exchange = s.verbatim(sent, k, a)
	return accepted, nil
}

// methods are those of the kick-off, in the order in which they are tried.
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
	r := request{method: method, url: s.base.String() + k.path, accept: fhirJSON, prefer: "respond-async", limit: maxErrorBody}
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
			Err: fmt.Errorf("the server answered HTTP %d (%s) where 202 was due: it seems not to export in bulk at this URL", a.status, a.excerpt()),
		}
	default:
		err := s.refused(a)
		if a.status == http.StatusTooManyRequests {
			return pipeline.Accepted{}, &fault.Error{Class: fault.Transient, After: fault.After(err), Err: fmt.Errorf("%w: %w", pipeline.ErrDeclined, err)}
		}
		return pipeline.Accepted{}, err
	}
	broken := func(what string) error {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("%s, so %w", what, pipeline.ErrUnfollowed),
			Remedy: "look whether a proxy between here and the server drops or changes the header; the job may be running",
		}
	}
	location := strings.TrimSpace(a.header.Get("Content-Location"))
	if location == "" {
		return pipeline.Accepted{}, broken("the server answered 202 without Content-Location")
	}
	status, err := a.url.Parse(location)
	if err != nil || status.Host == "" || (status.Scheme != "http" && status.Scheme != "https") {
		return pipeline.Accepted{}, broken("the server answered 202 with a Content-Location that is no URL")
	}
	// An absolute URL is kept byte for byte: to write it anew is to change it.
	out := pipeline.Accepted{StatusURL: location}
	if scheme := strings.ToLower(location); !strings.HasPrefix(scheme, "http://") && !strings.HasPrefix(scheme, "https://") {
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

// Bounds of what is kept of an exchange: it lies in a journal document.
const (
	maxKeptHeaders = 40
	maxKeptValue   = 500
	maxKeptBody    = 8 << 10
)

// verbatim is the exchange for the record, without tokens and cookies, and without
// the ids of patients, which belong to the FHIR server alone.
func (s *Source) verbatim(r request, k kickOff, a answer) pipeline.Exchange {
	x := pipeline.Exchange{
		Method: r.method, URL: clip(r.url, maxKeptBody), Status: a.status,
		Request: map[string]string{"Accept": r.accept, "Prefer": r.prefer}, Answer: map[string]string{},
	}
	if r.body != nil {
		x.Request["Content-Type"] = fhirJSON
		x.Body = clip(string(k.resource("patient")), maxKeptBody)
	}
	for name, values := range a.header {
		switch name {
		case "Set-Cookie", "Authorization", "Www-Authenticate", "Proxy-Authenticate":
			continue
		}
		if len(x.Answer) < maxKeptHeaders {
			x.Answer[clip(name, 100)] = clip(a.scrub(strings.Join(values, ", ")), maxKeptValue)
		}
	}
	if known := s.software.Load(); known != nil {
		x.Software = known.name
	}
	return x
}
