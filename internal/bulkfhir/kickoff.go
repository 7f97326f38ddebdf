package bulkfhir

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// KickOff implements pipeline.Source. Deletes are asked for where the server tells
// them, and left out elsewhere. After a Transient error the job may have started
// all the same, unless the server's own answer declined it.
func (s *Source) KickOff(ctx context.Context, r pipeline.Request) (pipeline.Accepted, error) {
	path, query, err := s.dialect.query(r, s.container, s.maxCount)
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	u := s.base.String() + path
	if query != "" {
		u += "?" + query
	}
	a, err := s.exchange(ctx, s.kick, request{method: s.dialect.method, url: u, accept: fhirJSON, prefer: "respond-async", limit: maxErrorBody})
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	accepted, err := s.accepted(a)
	if err != nil {
		return pipeline.Accepted{}, fmt.Errorf("start an export: %w", err)
	}
	return accepted, nil
}

func (s *Source) accepted(a answer) (pipeline.Accepted, error) {
	switch {
	case a.status == http.StatusAccepted:
	case a.status < 300:
		return pipeline.Accepted{}, fault.Permanentf("the server answered HTTP %d (%s) where 202 was due: it seems not to export in bulk at this URL",
			a.status, a.excerpt())
	default:
		return pipeline.Accepted{}, s.refused(a)
	}
	location := strings.TrimSpace(a.header.Get("Content-Location"))
	if location == "" {
		return pipeline.Accepted{}, &fault.Error{
			Class:  fault.Permanent,
			Err:    fmt.Errorf("the server answered 202 without Content-Location, so its job cannot be followed"),
			Remedy: "look whether a proxy between here and the server drops the header; the job may be running",
		}
	}
	status, err := a.url.Parse(location)
	if err != nil || status.Host == "" || (status.Scheme != "http" && status.Scheme != "https") {
		return pipeline.Accepted{}, fault.Permanentf("the server answered 202 with a Content-Location that is no URL, so its job cannot be followed")
	}
	out := pipeline.Accepted{StatusURL: location}
	if !strings.Contains(location, "://") {
		out.StatusURL = status.String()
	}
	if s.dialect.folder == nil {
		return out, nil
	}
	if out.Folder = s.dialect.folder(status); out.Folder == "" {
		return pipeline.Accepted{}, fault.Permanentf("the server's Content-Location ends without a job id, so its files cannot be told from others")
	}
	return out, nil
}
