package auth

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// assertionLifetime is below SMART's limit of five minutes, so that a slightly fast clock does no
// harm.
const assertionLifetime = 4 * time.Minute

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Client holds the sign-in server and our identity there.
type Client struct {
	// BaseURL is the FHIR server. It names the sign-in server if TokenURL is empty.
	BaseURL  string
	TokenURL string
	ClientID string
	// Scope is empty for system/*.read, or for system/*.rs if the server supports SMART version 2.
	Scope string
	// HTTP sends the requests. It must not reach private addresses that the FHIR server names: see
	// bulkfhir.Guarded.
	HTTP *http.Client
	Now  func() time.Time
}

// SMART signs in by SMART Backend Services, with a JWT signed by our key.
func SMART(c Client, key *Key) (*Tokens, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	e, d := newEndpoint(c.HTTP), &discovered{}
	return newTokens(c.Now, func(ctx context.Context) (string, time.Duration, error) {
		conf, err := c.configuration(ctx, d, e)
		if err != nil {
			return "", 0, err
		}
		if len(conf.Algorithms) > 0 && !slices.Contains(conf.Algorithms, key.algorithm()) {
			return "", 0, setting(
				"the server does not accept %s, the algorithm of our key: register an RSA key of 2048 bits or more, or one on P-384", key.algorithm())
		}
		assertion, err := key.assertion(c.ClientID, conf.TokenEndpoint, c.Now())
		if err != nil {
			return "", 0, err
		}
		return e.token(ctx, conf.TokenEndpoint, url.Values{
			"grant_type":            {"client_credentials"},
			"scope":                 {c.scope(conf)},
			"client_assertion_type": {assertionType},
			"client_assertion":      {assertion},
		}, nil, assertion)
	}), nil
}

// ClientSecret signs in with a client id and its secret, as HTTP Basic.
func ClientSecret(c Client, secret string) (*Tokens, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if secret == "" {
		return nil, setting("the client secret is empty")
	}
	e, d := newEndpoint(c.HTTP), &discovered{}
	return newTokens(c.Now, func(ctx context.Context) (string, time.Duration, error) {
		conf, err := c.configuration(ctx, d, e)
		if err != nil {
			return "", 0, err
		}
		return e.token(ctx, conf.TokenEndpoint, url.Values{
			"grant_type": {"client_credentials"},
			"scope":      {c.scope(conf)},
		}, func(r *http.Request) {
			// Both are form-encoded first (RFC 6749 §2.3.1).
			r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(secret))
		}, secret, url.QueryEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ClientID)+":"+
				url.QueryEscape(secret))))
	}), nil
}

func (c Client) check() error {
	switch {
	case c.ClientID == "":
		return setting("the client id is missing")
	case c.Now == nil:
		return setting("a clock is missing")
	case c.HTTP == nil:
		return setting("an HTTP client is missing")
	case c.TokenURL != "":
		return confidential(c.TokenURL)
	}
	return confidential(c.BaseURL)
}

// configuration returns the token endpoint, given or discovered.
func (c Client) configuration(
	ctx context.Context, d *discovered, e endpoint,
) (configuration, error) {
	if c.TokenURL != "" {
		return configuration{TokenEndpoint: c.TokenURL}, nil
	}
	return d.discover(ctx, e, c.BaseURL)
}

func (c Client) scope(conf configuration) string {
	scope := "system/*.read"
	if slices.Contains(conf.Capabilities, "permission-v2") {
		scope = "system/*.rs"
	}
	return cmp.Or(c.Scope, scope)
}

// assertion returns the signed JWT that identifies us.
func (k *Key) assertion(clientID, tokenURL string, now time.Time) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: k.alg, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id},
	}, options)
	if err != nil {
		return "", setting("the key cannot sign: %w", err)
	}
	text, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: clientID, Subject: clientID, Audience: jwt.Audience{tokenURL},
		Expiry: jwt.NewNumericDate(now.Add(assertionLifetime)), IssuedAt: jwt.NewNumericDate(now),
		ID: uuid.NewString(),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	return text, nil
}
