package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"

	"github.com/goccy/go-yaml/ast"
)

// DialectAzure is the $export of Azure Health Data Services and of the open
// source Microsoft FHIR server.
const DialectAzure = "azure"

// AuthKind says how we sign in to a FHIR server.
type AuthKind string

// The kinds of sign-in.
const (
	AuthNone            AuthKind = "none"
	AuthManagedIdentity AuthKind = "managed-identity"
)

var (
	dialects  = []string{DialectAzure}
	authKinds = []string{string(AuthNone), string(AuthManagedIdentity)}
)

// Auth is how we sign in to a FHIR server.
type Auth struct {
	Kind AuthKind
	// Audience is what a managed identity asks a token for; the scope is
	// Audience + "/.default".
	Audience string
	// ClientID is that of a user-assigned identity; empty for the
	// system-assigned one.
	ClientID string
}

// Source is a FHIR server as exports.yaml describes it.
type Source struct {
	Name    string
	URL     string // the base, without trailing slash
	Dialect string
	Auth    Auth
}

// Exports is the content of exports.yaml.
type Exports struct {
	Plans   []pipeline.Plan // in the order of the file
	Sources map[string]Source
	// SourceOf names the source of each plan.
	SourceOf map[string]string
	// Warnings are for the log: what works and is probably not meant.
	Warnings []string
}

// Source is that of a plan; the second result is false for an unknown plan.
func (e Exports) Source(plan string) (Source, bool) {
	name, ok := e.SourceOf[plan]
	if !ok {
		return Source{}, false
	}
	s, ok := e.Sources[name]
	return s, ok
}

// ParseExports reads exports.yaml. Name is how faults call the file; getenv
// answers ${NAME} in the values of sources. The error joins every fault of the
// file and is permanent.
func ParseExports(name string, data []byte, getenv func(string) string) (Exports, error) {
	r := reader{document: &document{name: name}, getenv: getenv}
	e := r.read(data)
	if len(r.faults) > 0 {
		return Exports{}, &fault.Error{Class: fault.Permanent, Err: errors.Join(r.faults...)}
	}
	return e, nil
}

// reader is a document that knows what exports.yaml may say.
type reader struct {
	*document
	getenv func(string) string
}

func (r *reader) read(data []byte) Exports {
	e := Exports{Sources: map[string]Source{}, SourceOf: map[string]string{}}
	root := r.parse(data)
	if root == nil {
		return e
	}
	file, ok := r.object(root, "the file", "version", "sources", "plans")
	if !ok {
		return e
	}
	if v := file.text("version", ""); v != "1" {
		file.fault("version", "must be 1, the only form there is")
	}
	if file.has("sources") {
		for _, f := range r.entries(file.fields["sources"], "sources") {
			if s, ok := r.source(f); ok {
				e.Sources[s.Name] = s
			}
		}
	}
	if len(e.Sources) == 0 && len(r.faults) == 0 {
		file.fault("sources", "there must be at least one")
	}
	list, ok := file.fields["plans"].(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		file.fault("plans", "must be a list of at least one plan")
		return e
	}
	r.plans(&e, list)
	return e
}

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// source reads one entry of sources. It comes back even when some of its
// values are at fault, so that its plans are not blamed for it.
func (r *reader) source(f field) (Source, bool) {
	what := "source " + f.name
	if !sourceName.MatchString(f.name) {
		r.fault(f.key, "%s: a name has small letters, digits and hyphens, starts with a letter and has at most 40 characters", what)
	}
	s := Source{Name: f.name}
	o, ok := r.object(f.value, what, "url", "dialect", "auth")
	if !ok {
		return s, true
	}
	s.Dialect = o.text("dialect", DialectAzure)
	if !slices.Contains(dialects, s.Dialect) {
		o.fault("dialect", "unknown dialect %q%s", s.Dialect, hint(s.Dialect, dialects))
	}
	s.URL = strings.TrimRight(r.expanded(o, "url"), "/")
	base := r.base(o, s.URL)
	s.Auth.Kind = AuthNone
	if !o.has("auth") {
		o.fault("auth", "is missing: write auth: {kind: none} for a server without sign-in, or auth: {kind: managed-identity}")
		return s, true
	}
	if a, ok := r.object(o.fields["auth"], what+": auth", "kind", "audience", "clientId"); ok {
		s.Auth = r.auth(a, base)
	}
	return s, true
}

// base checks a FHIR server's base URL.
func (r *reader) base(o object, text string) *url.URL {
	if text == "" {
		if !o.has("url") {
			o.fault("url", "is missing: write the base URL of the FHIR server")
		}
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		// The text itself stays out: a URL may carry a password.
		o.fault("url", "is not a URL that begins with https:// or http://")
		return nil
	}
	switch {
	case u.User != nil:
		o.fault("url", "may not carry a user or password: use auth")
	case u.RawQuery != "" || u.Fragment != "":
		o.fault("url", "may not carry a query or fragment: write the base URL only")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		// Bulk Data IG: TLS 1.2 or better on every request.
		o.fault("url", "must be https: health data does not leave this machine unencrypted")
	}
	return u
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

func (r *reader) auth(a object, base *url.URL) Auth {
	auth := Auth{Kind: AuthKind(a.text("kind", ""))}
	switch auth.Kind {
	case AuthNone:
		for _, name := range []string{"audience", "clientId"} {
			if a.has(name) {
				a.fault(name, "has no meaning with kind none")
			}
		}
	case AuthManagedIdentity:
		auth.ClientID = r.expanded(a, "clientId")
		auth.Audience = strings.TrimRight(r.expanded(a, "audience"), "/")
		if auth.Audience == "" && base != nil {
			auth.Audience = base.Scheme + "://" + base.Host
		}
	case "":
		a.fault("kind", "is missing: write one of %s", strings.Join(authKinds, ", "))
	default:
		a.fault("kind", "unknown kind %q%s", string(auth.Kind), hint(string(auth.Kind), authKinds))
	}
	return auth
}

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// expanded is a text with ${NAME} taken from the environment, so that one file
// serves the test and the production app.
func (r *reader) expanded(o object, name string) string {
	return reference.ReplaceAllStringFunc(o.text(name, ""), func(m string) string {
		variable := m[2 : len(m)-1]
		v := r.getenv(variable)
		if v == "" {
			o.fault(name, "refers to the setting %s, which is not set", variable)
		}
		return v
	})
}

// warn adds a line for the log.
func (e *Exports) warn(format string, args ...any) {
	e.Warnings = append(e.Warnings, fmt.Sprintf(format, args...))
}
