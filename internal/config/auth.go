package config

import (
	"net/url"
	"slices"
	"strings"
)

// AuthKind says how we sign in to a FHIR server.
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

// Auth is how we sign in to a FHIR server.
type Auth struct {
	Kind AuthKind
	// Audience is what a token of Microsoft Entra ID is for; the scope is
	// Audience + "/.default", unless Scope is given.
	Audience string
	Scope    string
	// ClientID is that of a user-assigned or workload identity, empty for the
	// system-assigned one, or that of the client.
	ClientID string
	TenantID string
	// TokenURL of the sign-in server; empty looks it up at the FHIR server.
	TokenURL string
	// KeyID is the kid under which the server knows our key.
	KeyID string
	// Secret is the secret, the private key or the token, where it comes from the
	// environment, and SecretFile the file that has it otherwise.
	Secret     Secret
	SecretFile string
}

// authForm is what one kind of sign-in takes.
type authForm struct {
	kind     AuthKind
	required []string
	optional []string
	// secret names the key of the secret; the same with "File" names its file. One
	// of the two is required.
	secret string
}

var authForms = []authForm{
	{kind: AuthNone},
	{kind: AuthManagedIdentity, optional: []string{"audience", "scope", "clientId"}},
	{kind: AuthWorkloadIdentity, optional: []string{"audience", "scope", "clientId", "tenantId"}},
	{kind: AuthClientCredential, required: []string{"tenantId", "clientId"}, optional: []string{"audience", "scope"}, secret: "secret"},
	{kind: AuthSMART, required: []string{"clientId"}, optional: []string{"keyId", "tokenUrl", "scope"}, secret: "key"},
	{kind: AuthClientSecret, required: []string{"clientId"}, optional: []string{"tokenUrl", "scope"}, secret: "secret"},
	{kind: AuthBearer, secret: "token"},
}

var authKeys = []string{
	"kind", "audience", "scope", "clientId", "tenantId", "tokenUrl", "keyId", "secret", "secretFile", "key", "keyFile", "token", "tokenFile",
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
		a.fault("kind", "unknown kind %q%s", string(auth.Kind), hint(string(auth.Kind), authKinds()))
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
			a.fault("scope", "and audience are both given: the scope is the audience with /.default; remove one")
		}
	}
	if form.secret != "" {
		r.secret(a, form.secret, &auth)
	}
	return auth
}

func (r *reader) tokenURL(a object, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
		a.fault("tokenUrl", "is not a URL that begins with https://: secrets do not leave this machine unencrypted")
	}
}

// secret reads a secret: from the environment, or the name of the file that has it.
// The file of plans is no place for it.
func (r *reader) secret(a object, name string, auth *Auth) {
	file := name + "File"
	text := a.text(name, "")
	switch {
	case a.has(name) && a.has(file):
		a.fault(name, "and %s are both given: remove one", file)
	case a.has(file):
		auth.SecretFile = r.expanded(a, file)
	case !a.has(name):
		a.fault(name, "is missing: write %s: ${NAME} for a setting that has it, or %s with a path", name, file)
	case reference.FindString(text) != text || text == "":
		a.fault(name, "may not stand in this file: write ${NAME} for a setting that has it, or %s with a path", file)
	default:
		auth.Secret = NewSecret(r.expanded(a, name))
	}
}
