package bulkfhir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Bounds of one request. A manifest of 100 million resources has a few megabytes.
const (
	requestTimeout = 2 * time.Minute
	maxManifest    = 256 << 20
	maxErrorBody   = 1 << 20
	maxDrain       = 1 << 20
)

// Options say which server, and how it knows us.
type Options struct {
	// BaseURL is the FHIR base, for example https://x.fhir.azurehealthcareapis.com.
	BaseURL string
	// HTTP sends the requests; nil takes a client of its own. Its redirects must
	// not carry Authorization to other hosts, as net/http's do not.
	HTTP *http.Client
	// Token gives a bearer token, from its cache while it is good; nil for servers
	// that want none.
	Token func(context.Context) (string, error)
	// Container is the storage container that the server writes into.
	Container string
	// MaxCount is the number of resources per query of the server; 0 leaves the
	// choice to it.
	MaxCount int
	// Landing tells whether a file's URL is a blob of our landing area, and where;
	// nil means that none is.
	Landing func(url string) (path string, ok bool)
	// Now is our clock: a Retry-After may be a date, in an answer without one.
	Now func() time.Time
}

// Source is a FHIR server of dialect azure. It is safe for concurrent use.
type Source struct {
	dialect     dialect
	base        *url.URL
	client      *http.Client
	kick        *http.Client // never sends a request twice
	token       func(context.Context) (string, error)
	container   string
	maxCount    int
	landing     func(string) (string, bool)
	now         func() time.Time
	maxManifest int64
}

var _ pipeline.Source = (*Source)(nil)

// New checks the options, all of them at once, and does no I/O.
func New(o Options) (*Source, error) {
	s := &Source{
		dialect: azure, client: o.HTTP, token: o.Token, container: o.Container,
		maxCount: o.MaxCount, landing: o.Landing, now: o.Now, maxManifest: maxManifest,
	}
	var errs []error
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	switch {
	case err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http"):
		errs = append(errs, errors.New("the FHIR base URL must look like https://HOST/PATH"))
	case base.RawQuery != "" || base.Fragment != "" || base.User != nil:
		errs = append(errs, errors.New("the FHIR base URL has a query, a fragment or a user: give scheme, host and path only"))
	case o.Token != nil && !mayCarryToken(base):
		errs = append(errs, fmt.Errorf("the FHIR server %s is reached without TLS: a token may travel over https only", base.Host))
	}
	if s.dialect.container != "" && o.Container == "" {
		errs = append(errs, errors.New("the container for the exported files is missing: without one the server makes a new container for every export"))
	}
	if o.MaxCount < 0 || o.MaxCount > 10_000 {
		errs = append(errs, fmt.Errorf("%d resources per query: the server takes 1 to 10000", o.MaxCount))
	}
	if o.Now == nil {
		errs = append(errs, errors.New("a clock is missing"))
	}
	if len(errs) > 0 {
		return nil, &fault.Error{Class: fault.Permanent, Err: errors.Join(errs...)}
	}
	s.base = base
	if s.client == nil {
		s.client = &http.Client{}
	}
	if s.landing == nil {
		s.landing = func(string) (string, bool) { return "", false }
	}
	s.kick = onceOnly(s.client)
	return s, nil
}

// onceOnly is a client whose requests go out once. net/http sends a GET again when
// the server closes an idle link under it, and a kick-off that is sent twice is
// two exports; a link of its own is never idle before.
func onceOnly(c *http.Client) *http.Client {
	rt := c.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return c
	}
	fresh := t.Clone()
	fresh.DisableKeepAlives = true
	once := *c
	once.Transport = fresh
	return &once
}

// mayCarryToken says that a token sent to u cannot be read on the way.
func mayCarryToken(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

// Now implements pipeline.Source: the Date header of the server's CapabilityStatement,
// which needs no token. It is the beginning of the second it is in, and so never
// later than the truth.
func (s *Source) Now(ctx context.Context) (time.Time, error) {
	a, err := s.exchange(ctx, s.client, request{method: http.MethodGet, url: s.base.String() + "/metadata", accept: fhirJSON, noBody: true})
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the FHIR server for its time: %w", err)
	}
	if a.status != http.StatusOK {
		return time.Time{}, fmt.Errorf("ask the FHIR server for its time: %w", s.refused(a))
	}
	now, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return time.Time{}, fault.Permanentf("ask the FHIR server for its time: its answers carry no Date: a proxy may drop it")
	}
	return now.UTC(), nil
}

const (
	fhirJSON  = "application/fhir+json"
	plainJSON = "application/json"
)

type request struct {
	method, url, accept, prefer string
	limit                       int64 // of a body with status 200
	noBody                      bool  // the body does not matter
}

// answer is a response whose body was read and closed.
type answer struct {
	status int
	header http.Header
	url    *url.URL // of the request that was answered
	body   []byte
	// tooLong says that the body went on after its limit.
	tooLong bool
}

// exchange sends a request and reads its answer. A token that is refused is asked
// for once more: it may have ended since it was cached.
func (s *Source) exchange(ctx context.Context, c *http.Client, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	token, err := s.bearer(ctx, r.url)
	if err != nil {
		return answer{}, err
	}
	a, err := s.send(ctx, c, r, token)
	if err != nil || a.status != http.StatusUnauthorized || token == "" {
		return a, err
	}
	fresh, err := s.bearer(ctx, r.url)
	if err != nil {
		return answer{}, err
	}
	if fresh == token {
		return a, nil
	}
	return s.send(ctx, c, r, fresh)
}

// bearer is the token for a URL, or nothing where it would travel in the clear.
func (s *Source) bearer(ctx context.Context, target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", fault.Permanentf("the URL does not parse")
	}
	if s.token == nil || !mayCarryToken(u) {
		return "", nil
	}
	token, err := s.token(ctx)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	return token, nil
}

func (s *Source) send(ctx context.Context, c *http.Client, r request, token string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		return answer{}, fault.Permanentf("the URL does not parse")
	}
	req.Header.Set("Accept", r.accept)
	req.Header.Set("User-Agent", "fhirsynapse")
	if r.prefer != "" {
		req.Header.Set("Prefer", r.prefer)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, transportError(req, err)
	}
	defer func() { _ = resp.Body.Close() }() // the body was read as far as it matters
	a := answer{status: resp.StatusCode, header: resp.Header, url: resp.Request.URL}
	limit := int64(maxErrorBody)
	if resp.StatusCode == http.StatusOK {
		limit = r.limit
	}
	if !r.noBody || resp.StatusCode != http.StatusOK {
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
		// Only a manifest must be whole. A job that was accepted is in the headers,
		// and would be lost with them.
		if err != nil && resp.StatusCode == http.StatusOK {
			return answer{}, transportError(req, err)
		}
		a.tooLong = int64(len(a.body)) > limit
	}
	// A link whose body was read to its end can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	return a, nil
}

// transportError leaves out the URL: a status URL's query may be a capability.
func transportError(req *http.Request, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return &fault.Error{Class: fault.Transient, Err: fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, err)}
}
