package bulkfhir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// wireManifest is a manifest of any version of the guide: members that we do not
// know are skipped, and the two names of the error files are both read.
type wireManifest struct {
	TransactionTime     *string     `json:"transactionTime"`
	Request             wireText    `json:"request"`
	RequiresAccessToken wireBool    `json:"requiresAccessToken"`
	OutputOrganizedBy   wireText    `json:"outputOrganizedBy"`
	Output              *[]wireFile `json:"output"`
	Error               []wireFile  `json:"error"`
	Outcome             []wireFile  `json:"outcome"`
	Deleted             []wireFile  `json:"deleted"`
	Link                []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
}

type wireFile struct {
	Type  string    `json:"type"`
	URL   string    `json:"url"`
	Count wireCount `json:"count"`
}

// wireCount is a number that some servers write as text, and many leave out.
type wireCount struct {
	n     int64
	known bool
}

// UnmarshalJSON takes what is no count for one that was left out.
func (c *wireCount) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < 1<<53 && f == float64(int64(f)) {
		c.n, c.known = int64(f), true
	}
	return nil
}

// wireText is a text; what is none counts as left out.
type wireText string

// UnmarshalJSON forgives other types.
func (t *wireText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = wireText(s)
	}
	return nil
}

// wireBool is a boolean that some servers write as text.
type wireBool bool

// UnmarshalJSON forgives other types.
func (t *wireBool) UnmarshalJSON(b []byte) error {
	*t = wireBool(strings.EqualFold(strings.Trim(string(b), `"`), "true"))
	return nil
}

func (w wireManifest) next() string {
	for _, l := range w.Link {
		if l.Relation == "next" {
			return l.URL
		}
	}
	return ""
}

// maxPages bounds how often a manifest may go on.
const maxPages = 10_000

// collect reads a manifest that goes on in further pages: each page once, and all
// of them of the same export.
func (s *Source) collect(ctx context.Context, first answer) (*pipeline.Manifest, error) {
	w, err := s.page(first)
	if err != nil {
		return nil, err
	}
	m := &pipeline.Manifest{Raw: first.body, Expires: s.expires(first)}
	var errs []error
	s.head(m, w, first, &errs)
	s.add(m, w, &errs)
	size, at, seen := int64(len(first.body)), first.url, map[string]bool{first.url.String(): true}
	for next := w.next(); next != "" && len(errs) == 0; next = w.next() {
		u, err := at.Parse(next)
		switch {
		case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
			return nil, unusable(errors.New("the link to its next page is no URL"))
		case seen[u.String()]:
			return nil, unusable(fmt.Errorf("its page %d leads back to a page before it", len(seen)))
		case len(seen) >= maxPages:
			return nil, unusable(fmt.Errorf("it has more than %d pages", maxPages))
		}
		seen[u.String()], at = true, u
		a, err := s.exchange(ctx, s.client, request{method: http.MethodGet, url: u.String(), accept: plainJSON, limit: s.maxManifest - size})
		if err != nil {
			return nil, fmt.Errorf("read page %d of the manifest: %w", len(seen), err)
		}
		if a.status != http.StatusOK {
			return nil, fmt.Errorf("read page %d of the manifest: %w", len(seen), s.refused(a))
		}
		before := w
		if w, err = s.page(a); err != nil {
			return nil, fmt.Errorf("read page %d of the manifest: %w", len(seen), err)
		}
		if w.TransactionTime != nil && before.TransactionTime != nil && *w.TransactionTime != *before.TransactionTime {
			errs = append(errs, fmt.Errorf("its page %d is of another transactionTime", len(seen)))
		}
		if w.TransactionTime == nil {
			w.TransactionTime = before.TransactionTime
		}
		if w.RequiresAccessToken != before.RequiresAccessToken {
			errs = append(errs, fmt.Errorf("its page %d says otherwise of requiresAccessToken", len(seen)))
		}
		size += int64(len(a.body))
		m.Pages = append(m.Pages, a.body)
		s.add(m, w, &errs)
	}
	if len(errs) > 0 {
		return nil, unusable(errors.Join(errs...))
	}
	return m, nil
}

func unusable(err error) error {
	return &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("the manifest cannot be used: %w", err)}
}

// page reads a 200. What is no manifest at all is Transient: gateways answer 200
// with pages of their own, and servers with an empty body before the file is
// there. A manifest that we would have to misread is Permanent.
func (s *Source) page(a answer) (wireManifest, error) {
	var w wireManifest
	if a.tooLong {
		return w, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting,
			Err:    fmt.Errorf("the manifest has more than %d bytes", s.maxManifest),
			Remedy: "export fewer types or a shorter time at once",
		}
	}
	body := bytes.TrimPrefix(a.body, []byte("\xef\xbb\xbf"))
	if err := json.Unmarshal(body, &w); err != nil || (w.Output == nil && w.TransactionTime == nil) {
		return w, &fault.Error{
			Class: fault.Transient, Whose: fault.TheirServer, Err: fmt.Errorf("the server answered 200 with what is no manifest (%s)", a.excerpt()),
		}
	}
	return w, nil
}

// clockSlack is how far a transactionTime may be ahead of the server's own clock.
const clockSlack = 5 * time.Minute

// head reads what concerns the export as a whole.
func (s *Source) head(m *pipeline.Manifest, w wireManifest, a answer, errs *[]error) {
	m.RequiresToken, m.Request = bool(w.RequiresAccessToken), clip(a.scrub(string(w.Request)), maxKeptBody)
	if v := a.header.Get("X-Export-Status"); v != "" {
		*errs = append(*errs, errors.New("it comes with X-Export-Status, for which nobody asked: this client reads the status of HTTP"))
	}
	switch t, err := w.instant(); {
	case err != nil:
		*errs = append(*errs, err)
	default:
		m.TransactionTime = t
		if now, err := http.ParseTime(a.header.Get("Date")); err == nil && t.After(now.Add(clockSlack)) {
			*errs = append(*errs, errors.New("its transactionTime is ahead of the server's own clock: the next export would leave out what happens until then"))
		}
	}
}

func (w wireManifest) instant() (time.Time, error) {
	if w.TransactionTime == nil {
		return time.Time{}, errors.New("it has no transactionTime")
	}
	return parseInstant(*w.TransactionTime)
}

// add appends the files of one page.
func (s *Source) add(m *pipeline.Manifest, w wireManifest, errs *[]error) {
	if w.OutputOrganizedBy != "" {
		*errs = append(*errs, fmt.Errorf("its files are organised by %q, for which nobody asked: files of one type each are due", clip(string(w.OutputOrganizedBy), 60)))
	}
	if w.Output != nil {
		m.Output = append(m.Output, s.files("output", *w.Output, errs)...)
	}
	m.Errors = append(m.Errors, s.files("error", w.Error, errs)...)
	m.Errors = append(m.Errors, s.files("outcome", w.Outcome, errs)...)
	if s.dialect.keepsFiles {
		m.Deleted = append(m.Deleted, s.files("deleted", w.Deleted, errs)...)
		return
	}
	if len(w.Deleted) > 0 {
		*errs = append(*errs, fmt.Errorf("it lists %d files of deletes, which servers of dialect %s do not have", len(w.Deleted), s.dialect.name))
	}
	if w.next() != "" {
		*errs = append(*errs, fmt.Errorf("it goes on in a further page, which servers of dialect %s do not have", s.dialect.name))
	}
}

func (s *Source) files(member string, in []wireFile, errs *[]error) []pipeline.OutputFile {
	var out []pipeline.OutputFile
	for i, f := range in {
		if f.URL == "" || (f.Type == "" && member == "output") {
			*errs = append(*errs, fmt.Errorf("%s[%d] lacks its type or its url", member, i))
			continue
		}
		o := pipeline.OutputFile{Type: f.Type, URL: f.URL, Count: -1}
		if f.Count.known {
			o.Count = f.Count.n
		}
		if s.dialect.keepsFiles {
			if member == "output" && !isTypeName(f.Type) {
				*errs = append(*errs, fmt.Errorf("output[%d] is of type %q, which is no resource type", i, clip(f.Type, 60)))
			}
			if u, err := url.Parse(f.URL); err != nil || (u.IsAbs() && u.Scheme != "http" && u.Scheme != "https") {
				*errs = append(*errs, fmt.Errorf("%s[%d] is at no http or https URL: this client fetches files over HTTP only", member, i))
			}
			o.Foreign = true
		} else if path, ok := s.landing(f.URL); ok {
			o.Path = path
		}
		out = append(out, o)
	}
	return out
}

// expires is the Expires header; zero when there is none that makes sense.
func (s *Source) expires(a answer) time.Time {
	t, err := http.ParseTime(a.header.Get("Expires"))
	if err != nil || !t.After(s.now()) {
		return time.Time{}
	}
	return t.UTC()
}

// parseInstant reads a FHIR instant, and forgives a zone that is missing.
func parseInstant(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("its transactionTime %q is no instant", clip(text, 40))
}
