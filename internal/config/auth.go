package config

import (
	"net/url"
	"slices"
	"strings"
)

// AuthKind is a kind of sign-in to a FHIR server.
type AuthKind string

// The kinds of sign-in.
const (
	AuthNone             AuthKind = "none"
	AuthManagedIdentity  AuthKind = "managed-identity"
	AuthWorkloadIdentity AuthKind = "workload-identity"
	AuthClientCredential AuthKind = "client-credential"
	AuthSMART            AuthKind = "smart"
	AuthClientSecret     AuthKind = "client-secret"
	AuthBearer           AuthKind = "bearer"
)

// Auth describes the sign-in to a FHIR server.
type Auth struct {
	Kind AuthKind
	// Audience is the audience of a Microsoft Entra ID token. The scope is Audience + "/.default"
	// unless Scope is given.
	Audience string
	Scope    string
	// ClientID belongs to the client, or to a user-assigned or workload identity. Empty means the
	// system-assigned identity.
	ClientID string
	TenantID string
	// TokenURL is the sign-in server's token endpoint. Empty means to look it up at the FHIR
	// server.
	TokenURL string
	// KeyID is our key's kid at the server.
	KeyID string
	// Secret is the secret, the private key or the token from the environment. SecretFile names a
	// file that holds it instead.
	Secret     Secret
	SecretFile string
}

// authForm lists the keys of one kind of sign-in.
type authForm struct {
	kind     AuthKind
	required []string
	optional []string
	// secret names the key of the secret; with "File" appended it names its file. One of the two is
	// required.
	secret string
}

var authForms = []authForm{
	{kind: AuthNone},
	{kind: AuthManagedIdentity, optional: []string{"audience", "scope", "clientId"}},
	{kind: AuthWorkloadIdentity, optional: []string{"audience", "scope", "clientId", "tenantId"}},
	{
		kind: AuthClientCredential, required: []string{"tenantId", "clientId"},
		optional: []string{"audience", "scope"}, secret: "secret",
	},
	{
		kind: AuthSMART, required: []string{"clientId"},
		optional: []string{"keyId", "tokenUrl", "scope"}, secret: "key",
	},
	{
		kind: AuthClientSecret, required: []string{"clientId"},
		optional: []string{"tokenUrl", "scope"}, secret: "secret",
	},
	{kind: AuthBearer, secret: "token"},
}

var authKeys = []string{
	"kind", "audience", "scope", "clientId", "tenantId", "tokenUrl", "keyId", "secret",
	"secretFile", "key", "keyFile", "token", "tokenFile",
}

func authKinds() []string {
	var kinds []string
	for _, f := range authForms {
		kinds = append(kinds, string(f.kind))
	}
	return kinds
}

func (r *reader) auth(a object, base *url.URL) Auth {
	auth := Auth{Kind: AuthKind(a.text("kind", ""))}
	i := slices.IndexFunc(authForms, func(f authForm) bool { return f.kind == auth.Kind })
	switch {
	case auth.Kind == "":
		a.fault("kind", "is missing: write one of %s", strings.Join(authKinds(), ", "))
		return auth
	case i < 0:
		a.fault("kind", "unknown kind %q%s", string(auth.Kind),
			hint(string(auth.Kind), authKinds()))
		return auth
	}
	form := authForms[i]
	for _, name := range authKeys[1:] {
		known := slices.Contains(form.required, name) || slices.Contains(form.optional, name) ||
			(form.secret != "" && (name == form.secret || name == form.secret+"File"))
		if a.has(name) && !known {
			a.fault(name, "has no meaning with kind %s", auth.Kind)
			delete(a.fields, name)
		}
	}
	for _, name := range form.required {
		if !a.has(name) {
			a.fault(name, "is missing: kind %s needs it", auth.Kind)
		}
	}
	auth.ClientID, auth.TenantID = r.expanded(a, "clientId"), r.expanded(a, "tenantId")
	auth.Scope, auth.KeyID = r.expanded(a, "scope"), r.expanded(a, "keyId")
	auth.TokenURL = r.expanded(a, "tokenUrl")
	if auth.TokenURL != "" {
		r.tokenURL(a, auth.TokenURL)
	}
	if slices.Contains(form.optional, "audience") {
		auth.Audience = strings.TrimRight(r.expanded(a, "audience"), "/")
		if auth.Audience == "" && base != nil {
			auth.Audience = base.Scheme + "://" + base.Host
		}
		if a.has("audience") && a.has("scope") {
			a.fault("scope",
				"and audience are both given: the scope is the audience with /.default; remove one")
		}
	}
	if form.secret != "" {
		r.secret(a, form.secret, &auth)
	}
	return auth
}

func (r *reader) tokenURL(a object, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" ||
		(u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
		a.fault("tokenUrl",
			"is not a URL that begins with https://: secrets do not leave this machine unencrypted")
	}
}

// secret reads a secret from the environment, or the name of its file. The secret itself may not be
// in the file of plans.
func (r *reader) secret(a object, name string, auth *Auth) {
	file := name + "File"
	text := a.text(name, "")
	switch {
	case a.has(name) && a.has(file):
		a.fault(name, "and %s are both given: remove one", file)
	case a.has(file):
		auth.SecretFile = r.expanded(a, file)
	case !a.has(name):
		a.fault(name, "is missing: write %s: ${NAME} for a setting that has it, or %s with a path",
			name, file)
	case reference.FindString(text) != text || text == "":
		a.fault(name, "may not stand in this file: write ${NAME} for a setting that has it, or %s with a path", file)
	default:
		auth.Secret = NewSecret(r.expanded(a, name))
	}
}
