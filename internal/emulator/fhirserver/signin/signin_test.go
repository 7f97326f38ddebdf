package signin_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fhirsynapse/internal/emulator/fhirserver/signin"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

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

type desk struct {
	t    *testing.T
	sign *signin.SignIn
	base string
	now  time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, now: now}
	r, e := keys()
	var err error
	d.sign, err = signin.New(signin.Options{
		Now: func() time.Time { return d.now },
		Clients: map[string]signin.Client{
			"app": {
				Keys:   map[string]crypto.PublicKey{"rsa": &r.PublicKey, "ec": &e.PublicKey},
				Scopes: []string{"system/*.rs"},
			},
			"secret": {Secret: "p:ss w%rd"},
		},
		Basic: map[string]string{"user": "pass"}, Bearer: []string{"fixed"},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == signin.TokenPath:
			d.sign.Token(w, r, d.base+signin.TokenPath)
		case r.URL.Path == signin.ConfigurationPath:
			d.sign.Configuration(w, d.base)
		case d.sign.Authorize(r) != nil:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	d.base = server.URL
	t.Cleanup(server.Close)
	return d
}

func (d *desk) send(req *http.Request) (int, map[string]any) {
	d.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body := map[string]any{}
	_ = json.NewDecoder(res.Body).Decode(&body) // an empty body is an empty map
	return res.StatusCode, body
}

func (d *desk) token(form url.Values, basic ...string) (int, map[string]any) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(d.t.Context()), http.MethodPost,
		d.base+signin.TokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		req.SetBasicAuth(basic[0], basic[1])
	}
	return d.send(req)
}

func (d *desk) may(authorize func(*http.Request)) int {
	d.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(d.t.Context()), http.MethodGet,
		d.base+"/Patient", http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	authorize(req)
	status, _ := d.send(req)
	return status
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// assertion returns a good assertion, except for the changes that change makes.
func (d *desk) assertion(
	alg, kid string, change func(claims map[string]any, o *jose.SignerOptions),
) url.Values {
	d.t.Helper()
	r, e := keys()
	claims := map[string]any{
		"iss": "app", "sub": "app", "aud": d.base + signin.TokenPath,
		"exp": d.now.Add(4 * time.Minute).Unix(), "jti": rand.Text(),
	}
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid)
	if change != nil {
		change(claims, o)
	}
	var key any = r
	switch {
	case strings.HasPrefix(alg, "ES"):
		key = e
	case strings.HasPrefix(alg, "HS"):
		key = []byte("a public key as a secret, which must be of forty eight bytes or more")
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(alg), Key: key,
	}, o)
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		d.t.Fatal(err)
	}
	return url.Values{
		"grant_type": {"client_credentials"}, "scope": {"system/*.rs"}, "client_assertion": {text},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	type change = func(map[string]any, *jose.SignerOptions)
	set := func(name string, value any) change {
		return func(c map[string]any, _ *jose.SignerOptions) { c[name] = value }
	}
	for _, tt := range []struct {
		name, alg, kid string
		change         change
		form           func(url.Values)
		refused        string // the OAuth error
	}{
		{name: "RS384", alg: "RS384", kid: "rsa"},
		{name: "ES384", alg: "ES384", kid: "ec"},
		{name: "RS256 is not SMART's", alg: "RS256", kid: "rsa", refused: "invalid_client"},
		{name: "a symmetric algorithm", alg: "HS384", kid: "rsa", refused: "invalid_client"},
		{name: "the key of another algorithm", alg: "RS384", kid: "ec", refused: "invalid_client"},
		{name: "an unknown kid", alg: "RS384", kid: "old", refused: "invalid_client"},
		{
			name: "an unknown client", alg: "RS384", kid: "rsa", change: set("iss", "other"),
			refused: "invalid_client",
		},
		{
			name: "sub is someone else", alg: "RS384", kid: "rsa", change: set("sub", "other"),
			refused: "invalid_client",
		},
		{
			name: "aud is someone else", alg: "RS384", kid: "rsa",
			change: set("aud", "http://127.0.0.1/"), refused: "invalid_client",
		},
		{
			name: "expired", alg: "RS384", kid: "rsa",
			change: set("exp", now.Add(-time.Second).Unix()), refused: "invalid_client",
		},
		{
			name: "too far ahead", alg: "RS384", kid: "rsa",
			change: set("exp", now.Add(6*time.Minute).Unix()), refused: "invalid_client",
		},
		{
			name: "no exp", alg: "RS384", kid: "rsa",
			change: func(c map[string]any, _ *jose.SignerOptions) {
				delete(c, "exp")
			}, refused: "invalid_client",
		},
		{
			name: "no jti", alg: "RS384", kid: "rsa", change: set("jti", ""),
			refused: "invalid_client",
		},
		{
			name: "no typ", alg: "RS384", kid: "rsa",
			change: func(_ map[string]any, o *jose.SignerOptions) {
				delete(o.ExtraHeaders, "typ")
			}, refused: "invalid_client",
		},
		{name: "another scope", alg: "RS384", kid: "rsa", form: func(f url.Values) {
			f.Set("scope", "system/Patient.cruds")
		}, refused: "invalid_scope"},
		{name: "no scope", alg: "RS384", kid: "rsa", form: func(f url.Values) {
			f.Del("scope")
		}, refused: "invalid_scope"},
		{name: "another grant", alg: "RS384", kid: "rsa", form: func(f url.Values) {
			f.Set("grant_type", "password")
		}, refused: "unsupported_grant_type"},
		{name: "another type of assertion", alg: "RS384", kid: "rsa", form: func(f url.Values) {
			f.Set("client_assertion_type", "saml")
		}, refused: "invalid_request"},
		{name: "a signature that was touched", alg: "RS384", kid: "rsa", form: func(f url.Values) {
			a := f.Get("client_assertion")
			i := strings.LastIndexByte(a, '.') + 5
			f.Set("client_assertion", a[:i]+string('A'+(a[i]-'A'+1)%26)+a[i+1:])
		}, refused: "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			form := d.assertion(tt.alg, tt.kid, tt.change)
			if tt.form != nil {
				tt.form(form)
			}
			status, body := d.token(form)
			if tt.refused != "" {
				if body["error"] != tt.refused || status == http.StatusOK {
					t.Fatalf("answered %d %v, want %s", status, body, tt.refused)
				}
				return
			}
			token, _ := body["access_token"].(string)
			if status != http.StatusOK || body["token_type"] != "bearer" ||
				body["expires_in"] != 300.0 || d.may(bearer(token)) != http.StatusOK {
				t.Errorf("answered %d %v", status, body)
			}
			if status, body := d.token(form); body["error"] != "invalid_client" {
				t.Errorf("the same assertion again: %d %v", status, body)
			}
		})
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	fresh := func() string {
		_, body := d.token(d.assertion("ES384", "ec", nil))
		token, _ := body["access_token"].(string)
		return token
	}
	token := fresh()
	d.now = d.now.Add(5*time.Minute - time.Second)
	if got := d.may(bearer(token)); got != http.StatusOK {
		t.Errorf("before its end: %d", got)
	}
	d.now = d.now.Add(time.Second)
	if got := d.may(bearer(token)); got != http.StatusUnauthorized {
		t.Errorf("at its end: %d", got)
	}
	token = fresh()
	d.sign.Revoke()
	if got := d.may(bearer(token)); got != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got)
	}
	if d.sign.Issued() != 2 {
		t.Errorf("%d tokens issued, want 2", d.sign.Issued())
	}
}

func TestSecretsAndFixedTokens(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.read"}}
	if status, _ := d.token(form, "secret", url.QueryEscape("p:ss w%rd")); status != http.StatusOK {
		t.Errorf("client_secret_basic: %d", status)
	}
	if status, _ := d.token(form, "secret", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d", status)
	}
	if status, _ := d.token(form, "app", ""); status != http.StatusUnauthorized {
		t.Errorf("a client without a secret: %d", status)
	}
	form.Set("client_id", "secret")
	form.Set("client_secret", "p:ss w%rd")
	if status, _ := d.token(form); status != http.StatusOK {
		t.Errorf("client_secret_post: %d", status)
	}
	basic := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	for name, tt := range map[string]struct {
		authorize func(*http.Request)
		status    int
	}{
		"a name and its password": {basic("user", "pass"), http.StatusOK},
		"a wrong password":        {basic("user", "fixed"), http.StatusUnauthorized},
		"an unknown name":         {basic("other", ""), http.StatusUnauthorized},
		"a fixed token":           {bearer("fixed"), http.StatusOK},
		"another token":           {bearer("other"), http.StatusUnauthorized},
		"nothing":                 {func(*http.Request) {}, http.StatusUnauthorized},
	} {
		if got := d.may(tt.authorize); got != tt.status {
			t.Errorf("%s: %d, want %d", name, got, tt.status)
		}
	}
}
