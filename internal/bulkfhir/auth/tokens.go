package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"fhirsynapse/internal/bulkfhir/link"
	"fhirsynapse/internal/fault"
)

// Limits for one request to a sign-in server.
const (
	requestTimeout = 30 * time.Second
	maxBody        = 1 << 20
)

// defaultLifetime is the lifetime that SMART Backend Services recommends, for servers that send
// none.
const defaultLifetime = 5 * time.Minute

// Tokens returns bearer tokens. It is safe for concurrent use: one goroutine signs in while the
// others wait.
type Tokens struct {
	now   func() time.Time
	fetch func(context.Context) (string, time.Duration, error) // returns a token and its lifetime

	turn  chan struct{} // held while the fields below are read or written
	token string
	ends  time.Time
	lead  time.Duration // a token is not used this long before it expires
}

func newTokens(
	now func() time.Time, fetch func(context.Context) (string, time.Duration, error),
) *Tokens {
	return &Tokens{now: now, fetch: fetch, turn: make(chan struct{}, 1)}
}

// Static returns a fixed token that is never renewed.
func Static(token string) *Tokens {
	t := newTokens(nil, nil)
	t.token = token
	return t
}

// Format never prints the token, whatever the verb.
// cannot fail
func (t *Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalJSON returns "[redacted]", never the token.
func (t *Tokens) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// Token returns a token that is valid for a while.
func (t *Tokens) Token(ctx context.Context) (string, error) { return t.get(ctx, "") }

// Renew replaces a token that the server refused. If another goroutine has renewed it already, that
// token is returned.
func (t *Tokens) Renew(ctx context.Context, refused string) (string, error) {
	return t.get(ctx, refused)
}

func (t *Tokens) get(ctx context.Context, refused string) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", &fault.Error{Class: fault.Transient, Err: ctx.Err()}
	}
	if t.fetch == nil ||
		(t.token != "" && t.token != refused && t.now().Before(t.ends.Add(-t.lead))) {
		return t.token, nil
	}
	token, lifetime, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	t.token, t.ends = token, t.now().Add(lifetime)
	// A request that starts with the token must end before the token expires.
	t.lead = min(time.Minute, lifetime/5)
	return token, nil
}

// endpoint is a client of a sign-in server.
type endpoint struct{ client *http.Client }

// newEndpoint follows no redirects, because the requests carry secrets.
func newEndpoint(c *http.Client) endpoint {
	strict := *c
	strict.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return endpoint{&strict}
}

// confidential returns an error unless TLS protects requests to u.
func confidential(u string) error {
	parsed, err := url.Parse(u)
	switch {
	case err != nil || parsed.Host == "":
		return setting("the address of the sign-in server is not a URL")
	case parsed.Scheme == "https":
		return nil
	case parsed.Scheme == "http" &&
		(parsed.Hostname() == "localhost" || parsed.Hostname() == "::1" ||
			strings.HasPrefix(parsed.Hostname(), "127.")):
		return nil
	}
	return setting("the sign-in server %s is reached without TLS: secrets travel over https only",
		parsed.Host)
}

// sameHost refuses a sign-in server without TLS that is on another host than the FHIR server.
func sameHost(base, endpoint string) error {
	b, baseErr := url.Parse(base)
	e, err := url.Parse(endpoint)
	if baseErr != nil || err != nil ||
		(e.Scheme != "https" && !strings.EqualFold(b.Hostname(), e.Hostname())) {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: errors.New(
				"find the sign-in server: .well-known/smart-configuration names one without TLS on another host"),
			Remedy: "write tokenUrl for this source if that is right",
		}
	}
	return nil
}

func setting(format string, args ...any) error {
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting, Err: fmt.Errorf(format, args...),
	}
}

func (e endpoint) do(req *http.Request) (status int, body []byte, err error) {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "fhirsynapse")
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, nil, broken(req, err)
	}
	defer func() { _ = resp.Body.Close() }() // the needed part has been read
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return 0, nil, broken(req, err)
	}
	return resp.StatusCode, body, nil
}

func broken(req *http.Request, err error) error {
	return &fault.Error{
		Class: fault.Transient, Whose: fault.BetweenServers,
		Err: fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, link.Error(err)),
	}
}

// token posts a form to the token endpoint and returns the access token with its lifetime. Errors
// never show secrets, even if the server repeats them.
func (e endpoint) token(
	ctx context.Context, u string, form url.Values, sign func(*http.Request), secrets ...string,
) (string, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u,
		strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, setting("the address of the sign-in server is not a URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if sign != nil {
		sign(req)
	}
	status, body, err := e.do(req)
	if err != nil {
		return "", 0, fmt.Errorf("sign in: %w", err)
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return "", 0, refused(status, body, secrets)
	}
	var a struct {
		Token   string  `json:"access_token"`
		Type    string  `json:"token_type"`
		Expires seconds `json:"expires_in"`
	}
	if json.Unmarshal(body, &a) != nil || !usable(a.Token) {
		return "", 0, &fault.Error{
			Class: fault.Transient, Whose: fault.TheirServer,
			Err: fmt.Errorf("sign in: %s answered without a token", req.URL.Host),
		}
	}
	if a.Type != "" && !strings.EqualFold(a.Type, "bearer") {
		return "", 0, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: fmt.Errorf("sign in: %s issues tokens that are not bearer tokens", req.URL.Host),
		}
	}
	lifetime := time.Duration(a.Expires) * time.Second
	if lifetime <= 0 {
		lifetime = defaultLifetime
	}
	return a.Token, lifetime, nil
}

// usable reports whether a token is valid in a header.
func usable(token string) bool {
	for _, c := range token {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return token != ""
}

// seconds is a number that some servers write as text.
type seconds int64

// UnmarshalJSON treats a value that is not a number as missing.
func (s *seconds) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64); err == nil && n > 0 &&
		n < 1e9 {
		*s = seconds(n)
	}
	return nil
}

// refused classifies an error answer (RFC 6749 §5.2). The message has the code only; the
// description travels as server text, with our secrets removed.
func refused(status int, body []byte, secrets []string) error {
	var a struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	code, text := "", string(body)
	if json.Unmarshal(body, &a) == nil {
		if text = a.Description; isCode(a.Error) {
			code = " " + a.Error
		}
	}
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	answered := fault.WithServerText(fmt.Errorf("sign in: the server answered HTTP %d%s", status,
		code), readable(text))
	f := &fault.Error{Class: fault.Permanent, Whose: fault.OurSetting, Err: answered}
	switch {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		f.Class, f.Whose = fault.Transient, fault.TheirServer
	case a.Error == "invalid_scope", a.Error == "unauthorized_client":
		f.Whose, f.Remedy = fault.OurPermission,
			"have our client registered for the scope, or write another scope for this source"
	default:
		f.Remedy = "check client id, key or secret, and the address of the sign-in server"
	}
	return f
}

// readable replaces control characters, because a terminal would act on them.
func readable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
}

// isCode reports whether s is a code of RFC 6749 §5.2. Any other text may be a secret that the
// server repeats.
func isCode(s string) bool {
	switch s {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
		"unsupported_grant_type", "invalid_scope":
		return true
	}
	return false
}

// discovered caches the configuration.
type discovered struct {
	mu   sync.Mutex
	conf *configuration
}

// configuration holds the needed members of .well-known/smart-configuration.
type configuration struct {
	TokenEndpoint string   `json:"token_endpoint"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Capabilities  []string `json:"capabilities"`
}

// discover fetches the configuration of a FHIR server once.
func (d *discovered) discover(ctx context.Context, e endpoint, base string) (configuration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conf != nil {
		return *d.conf, nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		strings.TrimRight(base, "/")+"/.well-known/smart-configuration", nil)
	if err != nil {
		return configuration{}, setting("the FHIR base URL is not a URL")
	}
	status, body, err := e.do(req)
	if err != nil {
		return configuration{}, fmt.Errorf("find the sign-in server: %w", err)
	}
	var c configuration
	switch {
	case status >= 500, status == http.StatusTooManyRequests:
		return c, &fault.Error{
			Class: fault.Transient, Whose: fault.TheirServer,
			Err: fmt.Errorf("find the sign-in server: the FHIR server answered HTTP %d", status),
		}
	case status != http.StatusOK:
		return c, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Remedy: "write tokenUrl for this source",
			Err: fmt.Errorf(
				"find the sign-in server: the FHIR server answered HTTP %d for .well-known/smart-configuration", status),
		}
	case json.Unmarshal(body, &c) != nil || c.TokenEndpoint == "":
		return c, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Remedy: "write tokenUrl for this source",
			Err: errors.New(
				"find the sign-in server: .well-known/smart-configuration names no token_endpoint"),
		}
	}
	if err := confidential(c.TokenEndpoint); err != nil {
		return c, err
	}
	if err := sameHost(base, c.TokenEndpoint); err != nil {
		return c, err
	}
	d.conf = &c
	return c, nil
}
