package bulkfhir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"fhirsynapse/internal/bulkfhir/link"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Limits for one request. A manifest of 100 million resources has a few megabytes.
const (
	requestTimeout = 2 * time.Minute
	idleTimeout    = 2 * time.Minute
	maxManifest    = 256 << 20
	maxMetadata    = 32 << 20
	maxErrorBody   = 1 << 20
	maxDrain       = 1 << 20
)

// Names of the dialects.
const (
	DialectAzure = "azure"
	DialectBulk  = "bulk"
)

// Options describe a server and how to sign in to it.
type Options struct {
	// Dialect is DialectAzure (the default) or DialectBulk.
	Dialect string
	// BaseURL is the FHIR base, for example https://x.fhir.azurehealthcareapis.com.
	BaseURL string
	// HTTP sends the requests. nil means a client that checks each address before it dials.
	HTTP *http.Client
	// Token returns a bearer token, cached while it is valid. nil means that the server needs none.
	Token func(context.Context) (string, error)
	// Renew replaces a token that the server has refused. nil means to call Token again.
	Renew func(ctx context.Context, refused string) (string, error)
	// Container is the storage container that dialect azure writes into.
	Container string
	// MaxCount is the number of resources per query of the server; 0 means the server's default.
	// Parallel is azure's _isParallel, "true" or "false"; empty means the server's default.
	MaxCount int
	Parallel string
	// Method is the kick-off's method, GET or POST. Empty means to choose by the
	// CapabilityStatement, and to try the other one if the server lacks the first.
	Method string
	// Until is set if the server supports _until (version 3 of the guide).
	Until bool
	// ReferenceBase is the base of the server's absolute references; empty means BaseURL.
	ReferenceBase string
	// Lenient asks the server to ignore unknown parameters.
	Lenient bool
	// Patients limits exports below system level to these ids (dialect bulk).
	Patients []string
	// FileToken controls the token on file requests: "always", "never", or "" to follow the
	// manifest.
	FileToken string
	// AllowPrivate allows file downloads from private addresses.
	AllowPrivate bool
	// StatusHosts are further hosts that status URLs may name, with the port unless it is the
	// default.
	StatusHosts []string
	// Downloads limits concurrent downloads; 0 means 8.
	Downloads int
	// LineLimit bounds a line of deletes and issues in bytes; 0 means 64 MB.
	LineLimit int
	// Landing reports whether a file's URL is a blob of our landing area, and returns its path. nil
	// means that no URL is.
	Landing func(url string) (path string, ok bool)
	// Pause waits before a page of a search is asked for again; nil means a timer.
	Pause func(ctx context.Context, d time.Duration) error
	// Now is this machine's clock. It is needed for a Retry-After date in an answer without a Date.
	Now func() time.Time
}

// Source is a client of one FHIR server. It is safe for concurrent use.
type Source struct {
	caller
	kick        *http.Client // never sends a request twice
	landing     func(string) (string, bool)
	maxManifest int64
	idle        time.Duration
	limiter     *limiter
	software    atomic.Pointer[software]
}

// caller sends requests to the server and tells what its answers mean.
type caller struct {
	dialect dialect
	base    *url.URL
	client  *http.Client
	token   func(context.Context) (string, error)
	renew   func(context.Context, string) (string, error)
	o       Options
	now     func() time.Time
}

var (
	_ pipeline.Server      = (*Source)(nil)
	_ pipeline.IssueReader = (*Source)(nil)
)

// New validates all options at once and does no I/O. The source of dialect azure has
// Traces, and the source of dialect bulk has Files.
func New(o Options) (pipeline.Source, error) {
	s, err := open(o)
	if err != nil {
		return pipeline.Source{}, err
	}
	source := pipeline.Source{Server: s, Issues: s}
	if s.dialect.keepsFiles {
		source.Files = &servesFiles{s}
	} else {
		source.Traces = &exportsToStorage{s}
	}
	return source, nil
}

// exportsToStorage is a server that writes its files into the lake.
type exportsToStorage struct{ *Source }

// servesFiles is a server that serves its files itself.
type servesFiles struct{ *Source }

var (
	_ pipeline.Tracer     = (*exportsToStorage)(nil)
	_ pipeline.Downloader = (*servesFiles)(nil)
)

func open(o Options) (*Source, error) {
	s := &Source{
		caller:  caller{client: o.HTTP, token: o.Token, renew: o.Renew, o: o, now: o.Now},
		landing: o.Landing, maxManifest: maxManifest, idle: idleTimeout,
	}
	var errs []error
	switch o.Dialect {
	case DialectAzure, "":
		s.dialect = azure
	case DialectBulk:
		s.dialect = bulk
	default:
		errs = append(errs, fmt.Errorf("dialect %q is unknown: use azure or bulk", o.Dialect))
	}
	base, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	switch {
	case err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http"):
		errs = append(errs, errors.New("the FHIR base URL must look like https://HOST/PATH"))
	case base.RawQuery != "" || base.Fragment != "" || base.User != nil:
		errs = append(errs,
			errors.New("the FHIR base URL has a query, a fragment or a user: give scheme, host and path only"))
	case o.Token != nil && !mayCarryToken(base):
		errs = append(errs,
			fmt.Errorf("the FHIR server %s is reached without TLS: a token may travel over https only", base.Host))
	}
	errs = append(errs, s.dialect.optionFaults(o)...)
	if o.Now == nil {
		errs = append(errs, errors.New("a clock is missing"))
	}
	if len(errs) > 0 {
		return nil, &fault.Error{
			Class: fault.Permanent, Whose: fault.OurSetting, Err: errors.Join(errs...),
		}
	}
	s.base = base
	if s.dialect.till == untilParameter && !o.Until {
		s.dialect.till = ""
	}
	most := o.Downloads
	if most == 0 {
		most = defaultDownloads
	}
	s.limiter = newLimiter(most, o.Now)
	if s.o.LineLimit == 0 {
		s.o.LineLimit = defaultLineLimit
	}
	if s.client == nil {
		configured := []*url.URL{base}
		for _, host := range o.StatusHosts {
			configured = append(configured, &url.URL{Scheme: base.Scheme, Host: host})
		}
		s.client = &http.Client{Transport: transport(newGuard(o.AllowPrivate, o.Now, configured...),
			most)}
	}
	strict := *s.client
	strict.CheckRedirect = redirect
	s.client = &strict
	if s.renew == nil && s.token != nil {
		s.renew = func(ctx context.Context, _ string) (string, error) { return s.token(ctx) }
	}
	if s.landing == nil {
		s.landing = func(string) (string, bool) { return "", false }
	}
	s.kick = onceOnly(s.client)
	return s, nil
}

const (
	fhirJSON   = "application/fhir+json"
	fhirNDJSON = "application/fhir+ndjson"
	plainJSON  = "application/json"
)

type request struct {
	method, url, accept, prefer string
	body                        []byte
	header                      map[string]string // further headers
	limit                       int64             // for the body of a 200
	partial                     bool              // a truncated body is acceptable
	// consume reads the body of a 200 in place of answer.body.
	consume func(b *unpackedBody, a answer)
}

// answer is a response whose body has been read and closed.
type answer struct {
	status int
	header http.Header
	url    *url.URL // of the answered request
	body   []byte
	// tooLong is set if the body exceeded its limit.
	tooLong bool
	// token is the request's token. A server may repeat it in its answer.
	token string
}

// clean removes our token from the answer before anything is parsed, shown or kept.
func (a *answer) clean() {
	if a.token == "" {
		return
	}
	a.body = bytes.ReplaceAll(a.body, []byte(a.token), []byte(redacted))
	for _, values := range a.header {
		for i, v := range values {
			values[i] = strings.ReplaceAll(v, a.token, redacted)
		}
	}
}

const redacted = "[redacted]"

// exchange sends a request and reads its answer. It renews a refused token once, because a cached
// token may have expired.
func (s *caller) exchange(ctx context.Context, c *http.Client, r request) (answer, error) {
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
	fresh, err := s.fresh(ctx, token)
	if err != nil || fresh == token {
		return a, err
	}
	return s.send(ctx, c, r, fresh)
}

// bearer returns the token for a URL, or "" if the token would travel without TLS.
func (s *caller) bearer(ctx context.Context, target string) (string, error) {
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

func (s *caller) fresh(ctx context.Context, refused string) (string, error) {
	token, err := s.renew(ctx, refused)
	if err != nil {
		return "", fmt.Errorf("renew the token: %w", err)
	}
	return token, nil
}

func (s *caller) send(
	ctx context.Context, c *http.Client, r request, token string,
) (answer, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return answer{}, fault.Permanentf("the URL does not parse")
	}
	req.Header.Set("Accept", r.accept)
	req.Header.Set("Accept-Encoding", "gzip")
	if r.body != nil {
		req.Header.Set("Content-Type", fhirJSON)
	}
	if r.prefer != "" {
		req.Header.Set("Prefer", r.prefer)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	sign(req, token)
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, transportError(req, err)
	}
	defer func() { _ = resp.Body.Close() }() // the needed part of the body has been read
	a := answer{status: resp.StatusCode, header: resp.Header, url: resp.Request.URL, token: token}
	link := &tracked{r: resp.Body}
	plain, err := unpacked(resp.Header.Get("Content-Encoding"), link)
	switch {
	case resp.StatusCode == http.StatusOK && r.consume != nil:
		if err == nil {
			a.clean()
			r.consume(plain, a)
			err = link.err
		}
	case err == nil:
		err = a.read(plain, r.limit)
	}
	// Only a manifest must be complete. For an accepted job the headers are enough, and an error
	// would lose them.
	if err != nil && resp.StatusCode == http.StatusOK && !r.partial {
		return answer{}, transportError(req, err)
	}
	// A drained connection can be reused.
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	return a, nil
}

// read keeps the body up to a limit.
func (a *answer) read(r io.Reader, limit int64) error {
	if a.status != http.StatusOK {
		limit = maxErrorBody
	}
	var err error
	a.body, err = io.ReadAll(io.LimitReader(r, limit+1))
	a.tooLong = int64(len(a.body)) > limit
	a.clean()
	return err
}

// tracked records the error that ended a body.
type tracked struct {
	r   io.Reader
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.err = err
	}
	return n, err
}

func sign(req *http.Request, token string) {
	req.Header.Set("User-Agent", "fhirsynapse")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
}

// transportError describes a request without an answer. It removes our token, which a redirect may
// have put into a host name.
func transportError(req *http.Request, err error) error {
	err = link.Error(err)
	if token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "); token != "" &&
		strings.Contains(err.Error(), token) {
		err = &scrubbed{text: strings.ReplaceAll(err.Error(), token, redacted), err: err}
	}
	f := &fault.Error{
		Class: fault.Transient, Whose: fault.BetweenServers,
		Err: fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, err),
	}
	var mine *fault.Error
	if errors.As(err, &mine) { // from our own transport
		f.Class, f.Whose = mine.Class, mine.Whose
	}
	return f
}

// scrubbed replaces the message of an error.
type scrubbed struct {
	text string
	err  error
}

func (s *scrubbed) Error() string { return s.text }
func (s *scrubbed) Unwrap() error { return s.err }
