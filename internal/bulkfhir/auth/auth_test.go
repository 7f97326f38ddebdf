package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fhirsynapse/internal/fault"
)

// clock is a clock that the test drives.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// keys returns keys that are made once, because generating RSA keys is slow.
var keys = sync.OnceValues(func() (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return r, e
})

func pemOf(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf(t, "PRIVATE KEY", der, err)
}

func jwk(t *testing.T, id string, private any) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: private, KeyID: id})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signIn is a sign-in server with a FHIR server that names it.
type signIn struct {
	*httptest.Server
	conf     string // TOKEN stands for the token endpoint
	asked    atomic.Int32
	looked   atomic.Int32
	lifetime string
	check    func(r *http.Request) error
	status   int
	body     string
}

func newSignIn(t *testing.T) *signIn {
	t.Helper()
	s := &signIn{lifetime: "300", conf: `{"token_endpoint":"TOKEN"}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fhir/.well-known/smart-configuration" {
			s.looked.Add(1)
			_, _ = w.Write([]byte(strings.ReplaceAll(s.conf, "TOKEN", s.URL+"/token")))
			return
		}
		if err := s.check(r); err != nil {
			t.Error(err)
		}
		if s.status != 0 {
			w.WriteHeader(s.status)
			_, _ = w.Write([]byte(s.body))
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%s}`,
			s.asked.Add(1), s.lifetime)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *signIn) client(now func() time.Time) Client {
	return Client{BaseURL: s.URL + "/fhir", ClientID: "me", HTTP: s.Client(), Now: now}
}

// checkAssertion checks a token request against SMART Backend Services.
func (s *signIn) checkAssertion(
	c *clock, public crypto.PublicKey, alg jose.SignatureAlgorithm,
) func(*http.Request) error {
	seen := map[string]bool{}
	return func(r *http.Request) error {
		if err := r.ParseForm(); err != nil {
			return err
		}
		if r.Method != http.MethodPost || r.PostForm.Get("grant_type") != "client_credentials" ||
			r.PostForm.Get("client_assertion_type") != assertionType ||
			r.PostForm.Get("scope") != "system/*.read" || r.Header.Get("Authorization") != "" {
			return fmt.Errorf("asked %s with %v", r.Method, r.PostForm)
		}
		token, err := jwt.ParseSigned(r.PostForm.Get("client_assertion"),
			[]jose.SignatureAlgorithm{alg})
		if err != nil {
			return err
		}
		var claims jwt.Claims
		if err := token.Claims(public, &claims); err != nil {
			return err
		}
		h := token.Headers[0]
		if h.KeyID != "kid-1" || h.ExtraHeaders[jose.HeaderType] != "JWT" ||
			claims.Issuer != "me" || claims.Subject != "me" ||
			len(claims.Audience) != 1 || claims.Audience[0] != s.URL+"/token" || claims.ID == "" ||
			seen[claims.ID] {
			return fmt.Errorf("header %+v, claims %+v", h, claims)
		}
		if left := claims.Expiry.Time().Sub(c.now()); left <= 0 || left > 5*time.Minute {
			return fmt.Errorf("the assertion ends in %v", left)
		}
		seen[claims.ID] = true
		return nil
	}
}

func TestSMARTBackendServices(t *testing.T) {
	t.Parallel()
	r, e := keys()
	pkcs1 := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil)
	sec1, err := x509.MarshalECPrivateKey(e)
	set := fmt.Appendf(nil, `{"keys":[%s,%s]}`, jwk(t, "kid-1", r), jwk(t, "kid-2", e))
	for name, c := range map[string]struct {
		text   []byte
		id     string
		public crypto.PublicKey
		alg    jose.SignatureAlgorithm
	}{
		"RS384, PKCS #8":      {pkcs8(t, r), "kid-1", &r.PublicKey, jose.RS384},
		"RS384, PKCS #1":      {pkcs1, "kid-1", &r.PublicKey, jose.RS384},
		"RS384, JWK":          {jwk(t, "kid-1", r), "", &r.PublicKey, jose.RS384},
		"RS384, of a JWK set": {set, "kid-1", &r.PublicKey, jose.RS384},
		"ES384, PKCS #8":      {pkcs8(t, e), "kid-1", &e.PublicKey, jose.ES384},
		"ES384, SEC 1": {
			pemOf(t, "EC PRIVATE KEY", sec1, err), "kid-1", &e.PublicKey,
			jose.ES384,
		},
		"ES384, JWK": {jwk(t, "kid-1", e), "", &e.PublicKey, jose.ES384},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := ParseKey(c.text, c.id)
			if err != nil {
				t.Fatal(err)
			}
			clock, s := newClock(), newSignIn(t)
			s.check = s.checkAssertion(clock, c.public, c.alg)
			tokens, err := SMART(s.client(clock.now), key)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, tokens.Token, "token-1")
			expect(t, tokens.Token, "token-1")
			clock.pass(4*time.Minute + time.Second) // 59 s before it expires
			expect(t, tokens.Token, "token-2")
			renew := func(ctx context.Context) (string, error) {
				return tokens.Renew(ctx, "token-2")
			}
			expect(t, renew, "token-3")
			expect(t, renew, "token-3") // another caller has renewed it already
			if n := s.looked.Load(); n != 1 {
				t.Errorf("the sign-in server was looked up %d times", n)
			}
		})
	}
}

func expect(t *testing.T, get func(context.Context) (string, error), want string) {
	t.Helper()
	if got, err := get(t.Context()); err != nil || got != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func TestScopeFollowsTheServer(t *testing.T) {
	t.Parallel()
	c := Client{}
	v2 := configuration{Capabilities: []string{"client-confidential-asymmetric", "permission-v2"}}
	if got := c.scope(v2); got != "system/*.rs" {
		t.Errorf("version 2: %q", got)
	}
	c.Scope = "system/Patient.read"
	if got := c.scope(v2); got != c.Scope {
		t.Errorf("given: %q", got)
	}
}

func TestClientSecretAsBasic(t *testing.T) {
	t.Parallel()
	clock, s := newClock(), newSignIn(t)
	s.lifetime = `"1200"` // BCDA writes the lifetime as text
	s.check = func(r *http.Request) error {
		id, secret, ok := r.BasicAuth()
		if !ok || id != "me%3A" || secret != "s%2Bcret" ||
			r.FormValue("grant_type") != "client_credentials" {
			return fmt.Errorf("signed in as %q, %v", id, ok)
		}
		return nil
	}
	c := s.client(clock.now)
	c.ClientID, c.TokenURL = "me:", s.URL+"/token"
	tokens, err := ClientSecret(c, "s+cret")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, tokens.Token, "token-1")
	clock.pass(18 * time.Minute)
	expect(t, tokens.Token, "token-1")
	clock.pass(61 * time.Second)
	expect(t, tokens.Token, "token-2")
	if s.looked.Load() != 0 {
		t.Error("a token URL that is given was looked up")
	}
}

func TestStaticIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	s := Static("given")
	expect(t, s.Token, "given")
	expect(t, func(ctx context.Context) (string, error) { return s.Renew(ctx, "given") }, "given")
}

func TestRefusalsOfTheSignInServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		class  fault.Class
		whose  fault.Party
		text   string
	}{
		"wrong key": {
			400, `{"error":"invalid_client","error_description":"assertion eyJ"}`,
			fault.Permanent, fault.OurSetting, "HTTP 400 invalid_client",
		},
		"no right": {
			400,
			`{"error":"invalid_scope","error_description":"the key hunter has expired"}`,
			fault.Permanent, fault.OurPermission, "scope",
		},
		"401, a page": {401, "<html>", fault.Permanent, fault.OurSetting, "HTTP 401"},
		"an odd code": {
			400, `{"error":"hunter"}`, fault.Permanent, fault.OurSetting,
			"HTTP 400:",
		},
		"out of order":   {503, "", fault.Transient, fault.TheirServer, "HTTP 503"},
		"busy":           {429, "", fault.Transient, fault.TheirServer, "HTTP 429"},
		"no token in it": {200, "{}", fault.Transient, fault.TheirServer, "without a token"},
		"no JSON":        {200, "hello", fault.Transient, fault.TheirServer, "without a token"},
		"a broken token": {
			200, `{"access_token":"a\nb"}`, fault.Transient, fault.TheirServer,
			"without a token",
		},
		"another kind": {
			200, `{"access_token":"x","token_type":"mac"}`, fault.Permanent,
			fault.TheirServer, "not bearer",
		},
		"a redirect": {302, "", fault.Permanent, fault.OurSetting, "HTTP 302"},
	} {
		s := newSignIn(t)
		s.check = func(*http.Request) error { return nil }
		s.status, s.body = c.status, c.body
		tokens, err := ClientSecret(s.client(newClock().now), "hunter")
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.Token(t.Context())
		if err == nil || fault.Of(err) != c.class || fault.Whose(err) != c.whose ||
			!strings.Contains(err.Error(), c.text) ||
			strings.Contains(fault.ServerText(err), "hunter") {
			t.Errorf("%s: %v (%v, %s), want %v of %s with %q", name, err, fault.Of(err),
				fault.Whose(err), c.class, c.whose, c.text)
		}
		if err != nil &&
			(strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "eyJ")) {
			t.Errorf("%s: the answer came into the error: %v", name, err)
		}
	}
}

func TestDiscoveryThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	r, _ := keys()
	key, err := ParseKey(pkcs8(t, r), "kid-1")
	if err != nil {
		t.Fatal(err)
	}
	for conf, want := range map[string]string{
		"{}":     "names no token_endpoint",
		"<html>": "names no token_endpoint",
		`{"token_endpoint":"http://localhost:1/t"}`:                                               "without TLS on another host",
		`{"token_endpoint":"http://example.org/t"}`:                                               "without TLS",
		`{"token_endpoint":"TOKEN","token_endpoint_auth_signing_alg_values_supported":["ES384"]}`: "RS384",
	} {
		s := newSignIn(t)
		s.check = func(*http.Request) error { return fmt.Errorf("%s: a token was asked for", conf) }
		s.conf = conf
		tokens, err := SMART(s.client(newClock().now), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Token(t.Context()); fault.Of(err) != fault.Permanent ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a permanent error with %q", conf, err, want)
		}
	}
}

func TestNothingIsPrinted(t *testing.T) {
	t.Parallel()
	r, _ := keys()
	key, err := ParseKey(pkcs8(t, r), "kid-1")
	if err != nil {
		t.Fatal(err)
	}
	tokens := Static("hunter2")
	asJSON, err := json.Marshal([]any{key, tokens})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key, "tokens", tokens)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %x", key, key, key, tokens, tokens), string(asJSON),
		log.String(),
	} {
		if strings.Contains(text, "hunter2") ||
			strings.Contains(text, fmt.Sprintf("%x", "hunter2")) ||
			strings.Contains(text, r.D.String()) || !strings.Contains(text, "[redacted]") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestManyAskAtOnceAndOneSignsIn(t *testing.T) {
	t.Parallel()
	s := newSignIn(t)
	s.check = func(*http.Request) error { return nil }
	tokens, err := ClientSecret(s.client(newClock().now), "x")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := tokens.Token(t.Context()); err != nil || got != "token-1" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tokens.Renew(ctx, "token-1"); err == nil || fault.Of(err) != fault.Transient {
		t.Errorf("an ended context: %v", err)
	}
}
