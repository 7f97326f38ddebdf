package bulkfhir

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// ErrUnknownJob reports that the server does not know a job: it was cancelled, has expired, or is
// too new for a server with replicas. Its class is Permanent; the caller knows the job's age.
var ErrUnknownJob = pipeline.ErrUnknownJob

// Status implements pipeline.Server.
func (s *Source) Status(ctx context.Context, statusURL string) (pipeline.Status, error) {
	r := s.newManifest()
	var first page
	var pageErr error
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodGet, url: statusURL, accept: plainJSON,
		consume: func(b *unpackedBody, a answer) { first, pageErr = r.page(b, a) },
	})
	if err == nil && a.status == http.StatusOK {
		err = pageErr
	}
	if err != nil {
		return pipeline.Status{},
			fmt.Errorf("ask for the export's status: %w", s.unreachable(statusURL, err))
	}
	st, err := s.status(ctx, a, first, r)
	if err != nil {
		return pipeline.Status{}, fmt.Errorf("ask for the export's status: %w", err)
	}
	return st, nil
}

func (s *Source) status(
	ctx context.Context, a answer, first page, r *manifestReader,
) (pipeline.Status, error) {
	switch a.status {
	case http.StatusAccepted:
		return s.running(a), nil
	case http.StatusOK:
		m, err := s.collect(ctx, first, a, r)
		if err != nil {
			return pipeline.Status{}, err
		}
		return pipeline.Status{Manifest: m}, nil
	}
	// The HTTP status may belong to the poll or to the job. In some dialects the OperationOutcome's
	// text distinguishes them.
	o := outcomeOf(a)
	if o.begins(s.dialect.failure) ||
		(s.dialect.outcomeEnds && a.status == http.StatusInternalServerError && o.present &&
			!o.transient()) {
		f := &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: fault.WithServerText(fmt.Errorf("the export failed at the server with HTTP %d: %s",
				a.status, o.summary()), a.prose(o)),
		}
		s.jobRemedy(f, a.status)
		return pipeline.Status{}, f
	}
	switch a.status {
	case http.StatusNotFound, http.StatusGone:
		return pipeline.Status{}, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: fault.WithServerText(fmt.Errorf("%w (HTTP %d)", ErrUnknownJob, a.status),
				a.prose(o)),
			Remedy: "it was cancelled at the server, or has expired there: the next export starts a new job",
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if in := s.retryIn(a); in > 0 {
			return s.running(a), nil
		}
	}
	err := s.refused(a)
	if a.header.Get("X-Export-Status") != "" {
		return pipeline.Status{},
			fault.Permanentf(
				"the server answers with X-Export-Status, which was not requested: this client reads the HTTP status: %w", err)
	}
	if a.status >= 400 && a.status != http.StatusUnauthorized && a.status != http.StatusForbidden &&
		o.transient() {
		// The guide allows a client to retry these codes.
		return pipeline.Status{}, &fault.Error{
			Class: fault.Transient, After: s.retryIn(a), Err: err,
		}
	}
	return pipeline.Status{}, err
}

// jobRemedy sets remedy and owner for a failed job.
func (s *Source) jobRemedy(f *fault.Error, status int) {
	f.Remedy = "remove the cause first; the next export starts a new job"
	switch {
	case s.dialect.container == "":
	case status == http.StatusForbidden, status == http.StatusNotFound:
		f.Whose = fault.TheirStorage
		f.Remedy = "let the FHIR service's own identity write the export container (role Storage Blob Data Contributor), and check that its export storage account is set"
	case status == http.StatusRequestEntityTooLarge:
		f.Whose = fault.OurSetting
		f.Remedy = "ask for fewer resources per query: write maxCount for this source"
	case status == http.StatusBadRequest:
		f.Whose = fault.OurSetting
		f.Remedy = "check the plan: the Group may be missing, or the configuration of deidentify"
	}
}

// running returns the status of a job that has not ended.
func (s *Source) running(a answer) pipeline.Status {
	progress, mark := progressOf(a)
	return pipeline.Status{RetryIn: s.retryIn(a), Progress: progress, ProgressMark: mark}
}

var (
	share = regexp.MustCompile(`(?:^|[^\d.,])(\d{1,3}(?:\.\d+)?) ?%`)
	part  = regexp.MustCompile(`^\d{1,9} of \d{1,9}$`)
)

// progressWords are harmless texts about a job's progress.
var progressWords = []string{
	"accepted", "active", "completed", "done", "exporting", "in progress", "in-progress",
	"inprogress", "pending", "preparing", "processing",
	"queued", "running", "started", "submitted", "waiting", "working",
}

// progressOf parses X-Progress. The server's text may name a patient, so only a percentage, a count
// or a known word is shown; mark changes with the text.
func progressOf(a answer) (progress, mark string) {
	text := strings.TrimSpace(a.header.Get("X-Progress"))
	if text == "" {
		return "", ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // documented to never fail
	mark = strconv.FormatUint(uint64(h.Sum32()), 16)
	if m := share.FindStringSubmatch(text); m != nil {
		return m[1] + "%", mark
	}
	if part.MatchString(text) || slices.Contains(progressWords, strings.ToLower(text)) {
		return text, mark
	}
	return "", mark
}

// Cancel implements pipeline.Server.
func (s *Source) Cancel(ctx context.Context, statusURL string) error {
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodDelete, url: statusURL, accept: plainJSON, limit: maxErrorBody,
	})
	if err != nil {
		return fmt.Errorf("cancel the export: %w", err)
	}
	switch a.status {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent,
		http.StatusNotFound, http.StatusGone, // unknown
		http.StatusConflict: // already ended, on servers before February 2026
		return nil
	}
	return fmt.Errorf("cancel the export: %w", s.refused(a))
}
