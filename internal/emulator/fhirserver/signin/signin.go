// Package signin is the authorization server of the FHIR server emulator: SMART Backend Services
// with a token endpoint that verifies RS384 and ES384 assertions, client secrets, HTTP Basic and
// fixed bearer tokens.
//
// It does not depend on exports. smart-configuration lists the methods that it accepts.
package signin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Paths below the server's base URL.
const (
	ConfigurationPath = "/.well-known/smart-configuration"
	TokenPath         = "/auth/token" //nolint:gosec // a path
)

// assertionType is the only defined client_assertion_type (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxAssertionLife is SMART's maximum lifetime of an assertion.
const maxAssertionLife = 5 * time.Minute

// Options configures the admitted clients. Now is required; without clients, nobody is admitted.
type Options struct {
	Now func() time.Time
	// Clients of the token endpoint, by client id.
	Clients map[string]Client
	// Basic maps names to passwords that are valid for every request.
	Basic map[string]string
	// Bearer lists tokens that are valid forever.
	Bearer []string
	// TokenLife is the lifetime of a token; zero means SMART's five minutes.
	TokenLife time.Duration
	// ForgetsExpiry omits expires_in from the answer.
	ForgetsExpiry bool
}

// Client is one registered client.
type Client struct {
	// Keys holds the client's public keys by kid: RSA for RS384, P-384 for ES384.
	Keys map[string]crypto.PublicKey
	// Secret admits the client without an assertion; empty turns this off.
	Secret string
	// Scopes lists the scopes that the client may request; nil means any.
	Scopes []string
}

// SignIn is the authorization server. It is safe for concurrent use.
type SignIn struct {
	o Options

	mu     sync.Mutex
	tokens map[string]time.Time // the time at which each token expires
	seen   map[string]time.Time // ids of assertions, by client
	issued int
}

// New returns an authorization server.
func New(o Options) (*SignIn, error) {
	if o.Now == nil {
		return nil, errors.New("signin needs a clock: Now")
	}
	if o.TokenLife == 0 {
		o.TokenLife = 5 * time.Minute
	}
	return &SignIn{o: o, tokens: map[string]time.Time{}, seen: map[string]time.Time{}}, nil
}

// Issued returns the number of tokens issued up to now.
func (s *SignIn) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

// Revoke ends every issued token before it expires.
func (s *SignIn) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// errRefused does not tell the client the reason.
var errRefused = errors.New("no token that is good, nor a name and password that are")

// Authorize admits a request, or refuses it with an error.
func (s *SignIn) Authorize(r *http.Request) error {
	if name, password, ok := r.BasicAuth(); ok {
		if want, known := s.o.Basic[name]; known && same(want, password) {
			return nil
		}
		return errRefused
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errRefused
	}
	if slices.ContainsFunc(s.o.Bearer, func(good string) bool { return same(good, token) }) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, known := s.tokens[token]; !known || !s.o.Now().Before(until) {
		return errRefused
	}
	return nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Configuration answers GET .well-known/smart-configuration.
func (s *SignIn) Configuration(w http.ResponseWriter, base string) {
	write(w, http.StatusOK, map[string]any{
		"issuer":                base,
		"token_endpoint":        base + TokenPath,
		"grant_types_supported": []string{"client_credentials"},
		"token_endpoint_auth_methods_supported": []string{
			"private_key_jwt", "client_secret_basic", "client_secret_post",
		},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported": []string{"system/*.rs", "system/*.read"},
		"capabilities": []string{
			"client-confidential-asymmetric", "permission-v1", "permission-v2",
		},
	})
}

// oauthError is a refusal in the form of RFC 6749 §5.2.
type oauthError struct{ code, description string }

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func refusef(code, format string, args ...any) *oauthError {
	return &oauthError{code, fmt.Sprintf(format, args...)}
}

// Token answers a request to the token endpoint at the given address.
func (s *SignIn) Token(w http.ResponseWriter, r *http.Request, address string) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	scope, err := s.grant(r, address)
	if err != nil {
		status := http.StatusBadRequest
		if err.code == "invalid_client" {
			status = http.StatusUnauthorized
		}
		write(w, status, map[string]string{"error": err.code, "error_description": err.description})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := rand.Text()
	s.tokens[token] = s.o.Now().Add(s.o.TokenLife)
	s.issued++
	body := map[string]any{
		"access_token": token, "token_type": "bearer", "scope": scope,
		"expires_in": int(s.o.TokenLife / time.Second),
	}
	if s.o.ForgetsExpiry {
		delete(body, "expires_in")
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusOK, body)
}

func (s *SignIn) grant(r *http.Request, address string) (scope string, refused *oauthError) {
	if r.Method != http.MethodPost ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return "", refusef("invalid_request", "the token endpoint takes a form by POST")
	}
	if err := r.ParseForm(); err != nil {
		return "", refusef("invalid_request", "the form cannot be read")
	}
	if grant := r.PostForm.Get("grant_type"); grant != "client_credentials" {
		return "", refusef("unsupported_grant_type", "grant_type must be client_credentials")
	}
	var client Client
	if r.PostForm.Has("client_assertion") {
		client, refused = s.asserted(r.PostForm, address)
	} else {
		client, refused = s.secret(r)
	}
	if refused != nil {
		return "", refused
	}
	scope = r.PostForm.Get("scope")
	if scope == "" {
		return "", refusef("invalid_scope", "scope is missing")
	}
	for one := range strings.FieldsSeq(scope) {
		if client.Scopes != nil && !slices.Contains(client.Scopes, one) {
			return "", refusef("invalid_scope", "the client may not have %s", one)
		}
	}
	return scope, nil
}

// secret authenticates a client by client_secret_basic or client_secret_post.
func (s *SignIn) secret(r *http.Request) (Client, *oauthError) {
	id, secret, ok := r.BasicAuth()
	if ok { // RFC 6749 §2.3.1: form encoded inside
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c, known := s.o.Clients[id]
	if !known || c.Secret == "" || !same(c.Secret, secret) {
		return Client{}, refusef("invalid_client", "the client is unknown, or its secret is wrong")
	}
	return c, nil
}

// asserted verifies a client's signed assertion, rule by rule of SMART's
// asymmetric client authentication.
func (s *SignIn) asserted(form url.Values, address string) (Client, *oauthError) {
	if form.Get("client_assertion_type") != assertionType {
		return Client{},
			refusef("invalid_request", "client_assertion_type must be %s", assertionType)
	}
	token, err := jwt.ParseSigned(form.Get("client_assertion"),
		[]jose.SignatureAlgorithm{jose.RS384, jose.ES384})
	if err != nil {
		return Client{},
			refusef("invalid_client", "the assertion is no JWT signed by RS384 or ES384")
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return Client{}, refusef("invalid_client", "the claims of the assertion cannot be read")
	}
	client, known := s.o.Clients[claims.Issuer]
	if !known || claims.Issuer == "" {
		return Client{}, refusef("invalid_client", "iss is no client of this server")
	}
	header := token.Headers[0]
	key, err := keyFor(header.Algorithm, client.Keys[header.KeyID])
	if err != nil {
		return Client{}, refusef("invalid_client", "%s", err)
	}
	if err := token.Claims(key, &claims); err != nil {
		return Client{},
			refusef("invalid_client",
				"the signature of the assertion is not that of the client's key")
	}
	return client, s.claims(claims, header, address)
}

// claims checks a verified assertion against SMART's rules.
func (s *SignIn) claims(claims jwt.Claims, header jose.Header, address string) *oauthError {
	now := s.o.Now()
	switch typ, _ := header.ExtraHeaders[jose.HeaderType].(string); {
	case typ != "JWT":
		return refusef("invalid_client", "typ must be JWT")
	case claims.Subject != claims.Issuer:
		return refusef("invalid_client", "iss and sub must both be the client id")
	case !claims.Audience.Contains(address):
		return refusef("invalid_client", "aud must be the token endpoint")
	case claims.Expiry == nil || !now.Before(claims.Expiry.Time()):
		return refusef("invalid_client", "exp is missing or has passed")
	case claims.Expiry.Time().After(now.Add(maxAssertionLife)):
		return refusef("invalid_client", "exp is more than five minutes ahead")
	case claims.ID == "":
		return refusef("invalid_client", "jti is missing")
	case !s.first(claims.Issuer+" "+claims.ID, claims.Expiry.Time()):
		return refusef("invalid_client", "jti was used before")
	}
	return nil
}

// keyFor checks that a key fits the algorithm that the assertion names.
func keyFor(alg string, key crypto.PublicKey) (any, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if alg == string(jose.RS384) {
			return k, nil
		}
	case *ecdsa.PublicKey:
		if alg == string(jose.ES384) {
			return k, nil
		}
	case nil:
		return nil, errors.New("kid is no key of the client")
	}
	return nil, fmt.Errorf("the key is not for %s", alg)
}

// first reports whether an assertion is new. It remembers an assertion while it could be replayed.
func (s *SignIn) first(id string, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for old, end := range s.seen {
		if !end.After(now) {
			delete(s.seen, old)
		}
	}
	if _, again := s.seen[id]; again {
		return false
	}
	s.seen[id] = until
	return true
}

func write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "the answer cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may be gone
}
