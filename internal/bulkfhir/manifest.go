package bulkfhir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

const (
	// maxPages bounds the pages of a manifest.
	maxPages = 10_000
	// maxEntries bounds the files of a manifest over all pages.
	maxEntries = 1_000_000
	// maxKeptManifest bounds the bytes that are kept of a received manifest.
	maxKeptManifest = 8 << 20
)

// faults collects the faults of a manifest. It keeps the first ones and counts the rest.
type faults struct {
	first []error
	n     int
}

const maxFaults = 20

func (f *faults) add(format string, args ...any) {
	if f.n++; f.n <= maxFaults {
		f.first = append(f.first, fmt.Errorf(format, args...))
	}
}

func (f *faults) err() error {
	if f.n == 0 {
		return nil
	}
	errs := f.first
	if more := f.n - len(errs); more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// manifestReader reads a manifest of one or more pages.
type manifestReader struct {
	s        *Source
	m        *pipeline.Manifest
	faults   faults
	issues   issueCounter
	left     int64 // bytes that may still follow
	entries  int
	spelling map[string]string // of the types, by their lower-case form
	kept     int64
	prose    bool // a page holds text that must not be kept
}

func (s *Source) newManifest() *manifestReader {
	return &manifestReader{
		s: s, m: &pipeline.Manifest{}, left: s.maxManifest, spelling: map[string]string{},
	}
}

// collect completes a manifest whose first page has been read. It follows the links to further
// pages, each once, and reports the faults of all pages.
func (s *Source) collect(
	ctx context.Context, first page, a answer, r *manifestReader,
) (*pipeline.Manifest, error) {
	if err := r.head(first, a); err != nil {
		return nil, err
	}
	before, at, seen := first, a.url, map[string]bool{a.url.String(): true}
	for next := first.next; next != "" && r.faults.n == 0; next = before.next {
		u, err := at.Parse(next)
		switch {
		case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
			return nil, unusable(errors.New("the link to its next page is not a URL"))
		case seen[u.String()]:
			return nil, unusable(fmt.Errorf("its page %d leads back to a page before it",
				len(seen)))
		case len(seen) >= maxPages:
			return nil, unusable(fmt.Errorf("it has more than %d pages", maxPages))
		}
		if err := s.ownAddress("the next page of the manifest", u); err != nil {
			return nil, unusable(err)
		}
		seen[u.String()] = true
		at = u
		if before, err = s.nextPage(ctx, u, len(seen), before, r); err != nil {
			return nil, fmt.Errorf("read page %d of the manifest: %w", len(seen), err)
		}
	}
	if err := r.faults.err(); err != nil {
		return nil, unusable(err)
	}
	r.m.Issues = r.issues.issues
	if r.prose || r.kept > maxKeptManifest {
		r.m.Raw, r.m.Pages = nil, nil
	}
	return r.m, nil
}

// nextPage reads a page after the first one. It must belong to the same export.
func (s *Source) nextPage(
	ctx context.Context, u *url.URL, n int, before page, r *manifestReader,
) (page, error) {
	var p page
	var pageErr error
	a, err := s.exchange(ctx, s.client, request{
		method: http.MethodGet, url: u.String(), accept: plainJSON,
		consume: func(b *unpackedBody, a answer) { p, pageErr = r.page(b, a) },
	})
	switch {
	case err != nil:
		return p, err
	case a.status != http.StatusOK:
		return p, s.refused(a)
	case pageErr != nil:
		return p, pageErr
	}
	r.m.Pages = append(r.m.Pages, p.raw)
	if p.time != nil && before.time != nil && *p.time != *before.time {
		r.faults.add("its page %d has another transactionTime", n)
	}
	if p.time == nil {
		p.time = before.time
	}
	if p.requiresToken != before.requiresToken {
		r.faults.add("its page %d has another requiresAccessToken", n)
	}
	return p, nil
}

func unusable(err error) error {
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err: fmt.Errorf("the manifest cannot be used: %w", err),
	}
}

// clockSlack bounds how far a transactionTime may be ahead of the server's clock. ourSlack applies
// to this machine's clock if the answer has no Date.
const (
	clockSlack = 5 * time.Minute
	ourSlack   = 24 * time.Hour
)

// earliest is before any FHIR export.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// head reads the members that concern the whole export.
func (r *manifestReader) head(p page, a answer) error {
	r.m.RequiresToken, r.m.Request = p.requiresToken, clip(a.scrub(p.request), maxKeptBody)
	r.m.Raw, r.m.Expires = p.raw, r.s.expires(a)
	if v := a.header.Get("X-Export-Status"); v != "" {
		r.faults.add("it has X-Export-Status, which was not requested: this client reads the HTTP status")
	}
	switch t, err := p.instant(); {
	case errors.Is(err, errNoYear):
		return unusable(err)
	case err != nil && p.time == nil && len(r.m.Output)+len(r.m.Deleted)+len(r.m.Errors) == 0:
		r.faults.add("it has no transactionTime and no files")
	case err != nil:
		r.prose = r.prose || p.time != nil // some text in the place of a time
		r.m.Notices = append(r.m.Notices,
			fmt.Sprintf("the manifest's transactionTime cannot be used (%v): the time of the kick-off is taken, so the next export asks for a little more", err))
	case t.Before(earliest):
		return unusable(fmt.Errorf("its transactionTime is in the year %d", t.Year()))
	case r.s.ahead(t, a):
		r.faults.add("its transactionTime is ahead of the server's own clock: the next export would miss the changes until then")
	default:
		r.m.TransactionTime = t
	}
	return nil
}

// ahead reports whether t is in the future, by the server's Date header or else by this machine's
// clock.
func (s *Source) ahead(t time.Time, a answer) bool {
	if now, ok := a.date(); ok {
		return t.After(now.Add(clockSlack))
	}
	return t.After(s.now().Add(ourSlack))
}

// date returns the time of the answer's Date header.
func (a answer) date() (time.Time, bool) {
	t, err := http.ParseTime(a.header.Get("Date"))
	if err != nil || t.Before(earliest) || t.Year() >= 2200 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

var (
	errNoTime = errors.New("it is missing")
	errNoZone = errors.New("it is not an instant with a time zone")
	errNoYear = errors.New("its transactionTime is in an impossible year")
)

// instant parses the transactionTime, a FHIR instant.
func (p page) instant() (time.Time, error) {
	if p.time == nil {
		return time.Time{}, errNoTime
	}
	text := strings.TrimSpace(*p.time)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	digits := strings.TrimLeft(text, "+-−")
	if n := strings.IndexFunc(digits, func(c rune) bool {
		return c < '0' || c > '9'
	}); n > 0 && digits[n] == '-' && (n != 4 || digits != text) {
		return time.Time{}, errNoYear
	}
	return time.Time{}, errNoZone
}

// file checks one entry and adds it to its list.
func (r *manifestReader) file(member string, i int, f wireFile) {
	o := pipeline.OutputFile{Type: f.typ, URL: f.url, Count: f.count}
	switch u, err := url.Parse(f.url); {
	case f.url == "" || (f.typ == "" && member == memberOutput):
		r.faults.add("%s[%d] lacks its type or its url", member, i)
		return
	case member == memberOutput && !isTypeName(f.typ):
		r.faults.add("%s[%d] has a type that is not a resource type", member, i)
		return
	case !r.s.dialect.keepsFiles:
		if path, ok := r.s.landing(f.url); ok {
			o.Path = path
		}
	case err != nil || (u.IsAbs() && u.Scheme != "http" && u.Scheme != "https"):
		r.faults.add("%s[%d] has a URL that is not http or https: this client fetches files over HTTP only", member, i)
		return
	default:
		o.Foreign = true
	}
	if known, ok := r.spelling[strings.ToLower(f.typ)]; ok && known != f.typ {
		r.faults.add("%s[%d] has a type that differs from another one in upper and lower case only",
			member, i)
		return
	}
	r.spelling[strings.ToLower(f.typ)] = f.typ
	switch member {
	case memberOutput:
		r.m.Output = append(r.m.Output, o)
	case memberDeleted:
		r.m.Deleted = append(r.m.Deleted, o)
	default:
		r.m.Errors = append(r.m.Errors, o)
	}
}

// expires parses the Expires header. It returns zero if the header is missing or implausible.
func (s *Source) expires(a answer) time.Time {
	t, err := http.ParseTime(a.header.Get("Expires"))
	if err != nil || !t.After(s.now()) || t.After(s.now().Add(maxExpires)) {
		return time.Time{}
	}
	return t.UTC()
}

// maxExpires is the longest plausible lifetime of a file.
const maxExpires = 366 * 24 * time.Hour
