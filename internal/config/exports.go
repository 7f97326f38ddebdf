package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"

	"github.com/goccy/go-yaml/ast"
)

// Dialects of $export: azure for Azure Health Data Services and the open source Microsoft FHIR
// server, bulk for servers that follow the Bulk Data guide.
const (
	DialectAzure = "azure"
	DialectBulk  = "bulk"
)

var dialects = []string{DialectAzure, DialectBulk}

// Source is a FHIR server in exports.yaml.
type Source struct {
	Name    string
	URL     string // the base URL, without trailing slash
	Dialect string
	Auth    Auth
	// Until is set if the server supports _until (dialect bulk).
	Until bool
	// Method is the kick-off's method, GET or POST; empty means to detect it (dialect bulk).
	Method string
	// ReferenceBase is the base URL at which absolute references have a key; empty means URL.
	ReferenceBase string
	// Lenient asks the server to ignore unknown parameters.
	Lenient bool
	// FileToken is always or never; empty means to follow the manifest.
	FileToken string
	// PrivateFiles allows private addresses for files and for other hosts that the server names.
	PrivateFiles bool
	// StatusHosts are further hosts that status URLs may name.
	StatusHosts []string
	// Downloads limits concurrent downloads; 0 means the default.
	Downloads int
	// MaxCount and IsParallel apply to dialect azure. 0 and "" mean the server's default.
	MaxCount   int
	IsParallel string
}

// Exports is the content of exports.yaml.
type Exports struct {
	Plans   []pipeline.Plan // in the order of the file
	Sources map[string]Source
	Cohorts []Cohort
	// SourceOf maps each plan to its source's name.
	SourceOf map[string]string
	// PatientsOf lists the patients of plans that are limited to some. They are not part of the
	// plan, because plans are written to the journal.
	PatientsOf map[string][]string
	// ReferencesOf maps each plan to the way its views read references.
	ReferencesOf map[string]sof.References
	// StorageOf maps each plan to the way its tables are stored.
	StorageOf map[string]storage.Options
	// Warnings are for the log: valid settings that are probably mistakes.
	Warnings []string
}

// Source returns the source of a plan; false for an unknown plan.
func (e Exports) Source(plan string) (Source, bool) {
	name, ok := e.SourceOf[plan]
	if !ok {
		return Source{}, false
	}
	s, ok := e.Sources[name]
	return s, ok
}

// HasMembers reports whether the files of a plan have the ids of a cohort's members. The ids of
// de-identified resources may be others.
func (e Exports) HasMembers(plan string) bool {
	return slices.ContainsFunc(e.Plans, func(p pipeline.Plan) bool {
		return p.Name == plan && p.Cohort != "" && p.Deidentify == nil
	})
}

// References returns how the views of a plan read references. Absolute ones have a key at the base
// URL of the plan's source, unless the source names another.
func (e Exports) References(plan string) sof.References {
	r := e.ReferencesOf[plan]
	s, _ := e.Source(plan)
	r.Base = cmp.Or(s.ReferenceBase, s.URL)
	return r
}

// CheckStorage refuses plans whose tables a warehouse cannot store in their way. Transforms is set
// if the warehouse computes the rows of views.
func (e Exports) CheckStorage(warehouse string, transforms bool) error {
	var faults []error
	for _, p := range e.Plans {
		if err := storage.Join(e.StorageOf[p.Name].Check(warehouse, transforms)); err != nil {
			faults = append(faults, fmt.Errorf("plan %s: %w", p.Name, err))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &fault.Error{Class: fault.Permanent, Err: errors.Join(faults...)}
}

// ParseExports parses exports.yaml. Faults call the file name; getenv resolves ${NAME} in the
// values of sources. The error joins all faults and is Permanent.
func ParseExports(name string, data []byte, getenv func(string) string) (Exports, error) {
	r := reader{document: &document{name: name}, getenv: getenv}
	e := r.read(data)
	if len(r.faults) > 0 {
		return Exports{}, &fault.Error{Class: fault.Permanent, Err: errors.Join(r.faults...)}
	}
	return e, nil
}

// reader parses a document with the keys of exports.yaml.
type reader struct {
	*document
	getenv func(string) string
}

func (r *reader) read(data []byte) Exports {
	e := Exports{
		Sources: map[string]Source{}, SourceOf: map[string]string{},
		PatientsOf: map[string][]string{}, ReferencesOf: map[string]sof.References{},
		StorageOf: map[string]storage.Options{},
	}
	root := r.parse(data)
	if root == nil {
		return e
	}
	file, ok := r.object(root, "the file", "version", "sources", "cohorts", "plans")
	if !ok {
		return e
	}
	if v := file.text("version", ""); v != "1" {
		file.fault("version", "must be 1, the only known version")
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
	if file.has("cohorts") {
		if list, ok := file.fields["cohorts"].(*ast.SequenceNode); ok {
			r.cohorts(&e, list)
		} else {
			file.fault("cohorts", "must be a list, not %s", kind(file.fields["cohorts"]))
		}
	}
	list, ok := file.fields["plans"].(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		file.fault("plans", "must be a list of at least one plan")
		return e
	}
	r.plans(&e, list)
	return e
}

// hostName matches a host name or an address, with or without a port.
var hostName = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// source reads one entry of sources. It returns the source even with faults in its values, so that
// its plans report no further fault.
func (r *reader) source(f field) (Source, bool) {
	what := "source " + f.name
	if !sourceName.MatchString(f.name) {
		r.fault(f.key, "%s: a name has lower-case letters, digits and hyphens, starts with a letter and has at most 40 characters", what)
	}
	s := Source{Name: f.name}
	o, ok := r.object(f.value, what, sourceKeys...)
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
	s.ways(o)
	if !o.has("auth") {
		o.fault("auth",
			"is missing: write auth: {kind: none} for a server without sign-in, or auth: {kind: managed-identity}")
		return s, true
	}
	if a, ok := r.object(o.fields["auth"], what+": auth", authKeys...); ok {
		s.Auth = r.auth(a, base)
	}
	return s, true
}

var (
	commonKeys = []string{
		"url", "dialect", "auth", "lenient", "privateFiles", "statusHosts", "referenceBase",
	}
	azureKeys  = []string{"maxCount", "isParallel"}
	bulkKeys   = []string{"until", "method", "fileToken", "downloads"}
	sourceKeys = slices.Concat(commonKeys, azureKeys, bulkKeys)
)

const (
	mostPerQuery  = 10_000 // of Microsoft's server
	mostDownloads = 64
)

// ways reads the settings that depend on the dialect.
func (s *Source) ways(o object) {
	foreign := bulkKeys
	if s.Dialect == DialectBulk {
		foreign = azureKeys
	}
	for _, name := range foreign {
		if o.has(name) {
			o.fault(name, "has no meaning with dialect %s", s.Dialect)
			delete(o.fields, name)
		}
	}
	s.Lenient = o.boolean("lenient", false)
	base, err := ParseReferenceBase(o.text("referenceBase", ""))
	if err != nil {
		o.fault("referenceBase", "%w", err)
	}
	s.ReferenceBase = base
	s.MaxCount = o.number("maxCount", 1, mostPerQuery)
	if o.has("isParallel") {
		s.IsParallel = fmt.Sprint(o.boolean("isParallel", true))
	}
	s.Until = o.boolean("until", false)
	s.PrivateFiles = o.boolean("privateFiles", false)
	s.StatusHosts = o.texts("statusHosts")
	for _, host := range s.StatusHosts {
		if !hostName.MatchString(host) {
			o.fault("statusHosts",
				"%q: write a host name, with a port unless it is the default, such as jobs.example.org:8443", host)
		}
	}
	s.Downloads = o.number("downloads", 1, mostDownloads)
	if s.Method = o.text("method", ""); s.Method != "" && s.Method != "GET" && s.Method != "POST" {
		o.fault("method", "%q: write GET or POST", s.Method)
	}
	switch s.FileToken = o.text("fileToken", ""); s.FileToken {
	case "", "always", "never":
	default:
		o.fault("fileToken", "%q: write always or never, or leave it to the manifest", s.FileToken)
	}
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
		// The text is left out, because a URL may hold a password.
		o.fault("url", "is not a URL that begins with https:// or http://")
		return nil
	}
	switch {
	case u.User != nil:
		o.fault("url", "may not carry a user or password: use auth")
	case u.RawQuery != "" || u.Fragment != "":
		o.fault("url", "may not carry a query or fragment: write the base URL only")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		// The Bulk Data guide requires TLS 1.2 or better on every request.
		o.fault("url", "must be https: health data does not leave this machine unencrypted")
	}
	return u
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// expanded returns a text with ${NAME} replaced from the environment, so that one file serves the
// test and the production app.
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
