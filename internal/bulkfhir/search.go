package bulkfhir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/cohort"
	"fhirsynapse/internal/fault"
)

// Limits of a search.
const (
	// maxEntry bounds one resource of a page, in bytes.
	maxEntry = 16 << 20
	// maxPageEntries bounds the resources of a page; servers send at most 1,000 or a few more.
	maxPageEntries = 100_000
	maxSearchPages = 1_000_000
	// pageTries bounds the requests for one page while the server asks us to wait, and longestPause
	// bounds each wait.
	pageTries    = 6
	longestPause = time.Minute
)

// Searcher searches a FHIR server and writes its Groups. It is safe for concurrent use.
type Searcher struct{ *Source }

var _ cohort.Server = (*Searcher)(nil)

// NewSearcher checks all options at once and does no I/O.
func NewSearcher(o Options) (*Searcher, error) {
	s, err := open(o)
	if err != nil {
		return nil, err
	}
	if s.o.Pause == nil {
		s.o.Pause = pause
	}
	return &Searcher{s}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Search implements cohort.Server. It asks for strict handling, because a server that ignores a
// criterion answers with everybody.
func (s *Searcher) Search(
	ctx context.Context, q cohort.Search, each func(cohort.Entry) error,
) error {
	next := s.base.String() + "/" + q.Text
	asked := map[string]struct{}{}
	for n := 1; next != ""; n++ {
		if _, again := asked[next]; again || n > maxSearchPages {
			return s.badPage(n, errors.New("its link to the next page leads in a circle"))
		}
		asked[next] = struct{}{}
		p := searchPage{search: q}
		a, err := s.askPage(ctx, next, &p)
		if err != nil {
			return fmt.Errorf("page %d of the search: %w", n, err)
		}
		if p.err != nil {
			return s.badPage(n, p.err)
		}
		if n == 1 {
			if err := p.honoured(q); err != nil {
				return err
			}
		}
		for _, found := range p.found {
			if err := each(found); err != nil {
				return err
			}
		}
		if next, err = s.nextSearchPage(p, a); err != nil {
			return fmt.Errorf("page %d of the search: %w", n, err)
		}
	}
	return nil
}

// badPage returns the error of a page that cannot be used.
func (s *Searcher) badPage(n int, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return fmt.Errorf("page %d of the search: %w", n, err)
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("page %d of the search: %w", n, err),
	}
}

// askPage requests one page. While the server asks us to wait, it waits a little.
func (s *Searcher) askPage(ctx context.Context, target string, p *searchPage) (answer, error) {
	for try := 1; ; try++ {
		got := *p
		a, err := s.exchange(ctx, s.client, request{
			method: http.MethodGet, url: target, accept: fhirJSON, prefer: "handling=strict",
			limit: maxErrorBody,
			consume: func(b *unpackedBody, _ answer) {
				got.err = got.read(newStream(b))
			},
		})
		switch {
		case err == nil && a.status != http.StatusOK:
			err = s.searchRefused(a)
		case err == nil && fault.Of(got.err) == fault.Transient && got.err != nil:
			err = got.err // it broke off, or a gateway has answered
		case err == nil:
			*p = got
			return a, nil
		}
		if fault.Of(err) != fault.Transient || try == pageTries {
			return a, err
		}
		wait := max(fault.After(err), time.Second<<(try-1))
		if wait > longestPause {
			return a, err
		}
		if pauseErr := s.o.Pause(ctx, wait); pauseErr != nil {
			return a, err
		}
	}
}

// searchRefused is refused, with the remedies of a search.
func (s *Searcher) searchRefused(a answer) error {
	err := s.refused(a)
	var f *fault.Error
	if errors.As(err, &f) {
		switch a.status {
		case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotFound:
			f.Remedy = "check the search: the server may not have one of its criteria"
		case http.StatusForbidden:
			f.Remedy = "let this app's identity read the type of the search and Patient (Azure: the role FHIR Data Reader)"
		}
	}
	return err
}

// searchPage is one page of a search.
type searchPage struct {
	search     cohort.Search
	found      []cohort.Entry
	next, self string
	isBundle   bool
	err        error
}

var errNoBundle = &fault.Error{
	Class: fault.Transient, Whose: fault.TheirServer,
	Err: errors.New("the server answered 200 without a Bundle"),
}

// read reads the Bundle entry by entry.
func (p *searchPage) read(s *stream) error {
	err := s.object(func(key string) error {
		switch key {
		case "resourceType":
			var typ string
			if err := s.value(&typ, maxValue); err != nil {
				return err
			}
			p.isBundle = typ == "Bundle"
			return nil
		case "link":
			_, err := s.array(maxLinks, func(int) error {
				var l struct{ Relation, URL string }
				if err := s.value(&l, maxValue); err != nil {
					return err
				}
				switch l.Relation {
				case "next":
					p.next = l.URL
				case "self":
					p.self = l.URL
				}
				return nil
			})
			return err
		case "entry":
			_, err := s.array(maxPageEntries, func(int) error { return p.entry(s) })
			return err
		}
		return s.skip()
	})
	var known *fault.Error
	var odd notObject
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &odd), err == nil && !p.isBundle:
		return errNoBundle
	case err != nil:
		return unreadablePage(err)
	}
	return nil
}

// unreadablePage returns an error without the content of the page, which a JSON error may quote.
func unreadablePage(err error) error {
	switch {
	case errors.Is(err, errValueTooLong), errors.Is(err, errTooMany), errors.Is(err, errTooDeep):
		return fault.Permanentf("it cannot be read: %w", err)
	}
	return fault.Transientf("it ends early, or is not JSON")
}

// wireResource has the elements of a resource that a cohort needs.
type wireResource struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Meta         struct {
		LastUpdated string `json:"lastUpdated"`
	} `json:"meta"`
	Subject            json.RawMessage `json:"subject"`
	Patient            json.RawMessage `json:"patient"`
	Status             json.RawMessage `json:"status"`
	LifecycleStatus    json.RawMessage `json:"lifecycleStatus"`
	VerificationStatus json.RawMessage `json:"verificationStatus"`
	EffectiveDateTime  string          `json:"effectiveDateTime"`
	EffectiveInstant   string          `json:"effectiveInstant"`
	EffectivePeriod    struct {
		Start string `json:"start"`
		End   string `json:"end"`
	} `json:"effectivePeriod"`
	Issue []issue `json:"issue"` // of an OperationOutcome
}

func (p *searchPage) entry(s *stream) error {
	var e struct {
		Resource wireResource `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
	}
	if err := s.value(&e, maxEntry); err != nil {
		return err
	}
	r := e.Resource
	switch {
	case r.ResourceType == "OperationOutcome":
		if slices.ContainsFunc(r.Issue, func(i issue) bool {
			return i.Severity == "error" || i.Severity == "fatal"
		}) {
			return fault.Permanentf("the server reports an error inside the result, which is then not complete: %s",
				outcome{present: true, issues: r.Issue}.summary())
		}
		return nil
	case e.Search.Mode == "include" || e.Search.Mode == "outcome",
		r.ResourceType != p.search.Type:
		return nil
	}
	found := cohort.Entry{
		Type: r.ResourceType, ID: r.ID, InError: r.inError(), At: r.at(),
		LastUpdated: instantOf(r.Meta.LastUpdated, false),
	}
	switch p.search.Element {
	case "subject":
		found.Patient = referenceOf(r.Subject)
	case "patient":
		found.Patient = referenceOf(r.Patient)
	}
	p.found = append(p.found, found)
	return nil
}

func referenceOf(raw json.RawMessage) string {
	var r struct {
		Reference string `json:"reference"`
	}
	_ = json.Unmarshal(raw, &r) // without a reference the entry is counted as one without a patient
	return r.Reference
}

const enteredInError = `"entered-in-error"`

// inError reports whether the resource was entered in error.
func (r wireResource) inError() bool {
	if string(r.Status) == enteredInError || string(r.LifecycleStatus) == enteredInError {
		return true
	}
	return bytes.Contains(r.VerificationStatus, []byte(enteredInError))
}

// at returns the time that an Observation is about. Of a period, the end decides.
func (r wireResource) at() time.Time {
	for _, text := range []string{
		r.EffectiveInstant, r.EffectiveDateTime, r.EffectivePeriod.End, r.EffectivePeriod.Start,
	} {
		if t := instantOf(text, true); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// instantOf reads a FHIR date or instant; a partial one begins its year, month or day. It returns
// zero for any other text.
func instantOf(text string, partial bool) time.Time {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC()
	}
	if partial {
		for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// honoured compares the criteria with the self link, which tells what the server has searched for.
// A link of another form tells nothing.
func (p searchPage) honoured(q cohort.Search) error {
	u, err := url.Parse(p.self)
	if err != nil {
		u = &url.URL{}
	}
	if !strings.HasSuffix(u.Path, q.Type) {
		return nil
	}
	used := u.Query()
	for _, name := range q.Names {
		if !used.Has(name) {
			return &fault.Error{
				Class: fault.Permanent, Whose: fault.TheirServer,
				Err: fmt.Errorf("the server has ignored the criterion %s of the search, and may have answered with everybody",
					clip(name, 100)),
				Remedy: "use a criterion that the server has; its CapabilityStatement lists them",
			}
		}
	}
	return nil
}

// nextSearchPage returns the URL of the next page; empty after the last one.
func (s *Searcher) nextSearchPage(p searchPage, a answer) (string, error) {
	if p.next == "" {
		return "", nil
	}
	u, err := url.Parse(p.next)
	if err != nil {
		return "", &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: errors.New("the link to the next page is not a URL"),
		}
	}
	u = s.sameServer(a.url.ResolveReference(u))
	if err := s.ownAddress("the next page", u); err != nil {
		return "", err
	}
	// Some servers do not escape what they repeat from the search.
	u.RawQuery = strings.NewReplacer(" ", "%20", "|", "%7C").Replace(u.RawQuery)
	u.Fragment = ""
	return u.String(), nil
}
