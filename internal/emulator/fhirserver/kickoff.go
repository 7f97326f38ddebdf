package fhirserver

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/search"
)

// maxMaxCount is the server's maximum and default of _maxCount.
const maxMaxCount = 10000

// knownParameters lists the parameters, which are case-sensitive.
var knownParameters = []string{
	"_outputFormat", "_since", "_till", "_type", "_container", "_format", "_typeFilter",
	"_isParallel",
	"includeAssociatedData", "_maxCount",
	anonymizationConfig, anonymizationCollection, anonymizationETag,
}

var outputFormats = []string{"application/fhir+ndjson", "application/ndjson", "ndjson"}

// kickOff reads an export request by the rules of the Azure server. It reports all faults; the real
// server reports only the first.
func kickOff(
	level, group string, r *http.Request, now time.Time, maxCount int,
) (jobs.Request, []issue) {
	p := &parameters{now: now, req: jobs.Request{Level: level, Group: group, MaxCount: maxCount}}
	p.headers(r.Header)
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p.fault("The query of the request cannot be read.")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(knownParameters, name) {
			p.fault("The query parameter '%s' is not supported for this request.", name)
		}
	}
	// The server joins repeated parameters by commas.
	p.value = func(name string) string { return strings.Join(query[name], ",") }
	p.types()
	p.times()
	p.sizes(level)
	p.associated(level)
	p.filters()
	p.output(query["_outputFormat"])
	return p.req, p.issues
}

type parameters struct {
	now     time.Time
	value   func(name string) string
	lenient bool
	req     jobs.Request
	issues  []issue
}

func (p *parameters) fault(format string, args ...any) {
	p.issues = append(p.issues, issue{"invalid", fmt.Sprintf(format, args...)})
}

func (p *parameters) headers(h http.Header) {
	if accept := h.Values("Accept"); len(accept) != 1 || !strings.EqualFold(accept[0], fhirJSON) {
		p.fault("The Accept header must have the one value %s.", fhirJSON)
	}
	async := false
	for token := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		switch token = strings.ToLower(strings.TrimSpace(token)); token {
		case "respond-async":
			async = true
		case "handling=lenient":
			p.lenient = true
		case "handling=strict", "":
		default:
			p.fault("The value '%s' in the Prefer header is not supported.", token)
		}
	}
	if !async {
		p.fault("The Prefer header must contain respond-async.")
	}
}

func (p *parameters) types() {
	if p.value("_type") == "" {
		return
	}
	for typ := range strings.SplitSeq(p.value("_type"), ",") {
		switch {
		case !resourceTypes[typ]:
			p.fault("The resource type '%s' in _type is not known.", typ)
		case !slices.Contains(p.req.Types, typ):
			p.req.Types = append(p.req.Types, typ)
		}
	}
}

func (p *parameters) times() {
	p.req.Since, p.req.Till = p.instant("_since"), p.instant("_till")
	if p.req.Till.After(p.now) {
		p.fault("_till must not be in the future.")
	}
	if p.req.Since.After(p.now) {
		p.fault("_since must not be in the future.")
	}
	if !p.req.Till.IsZero() && !p.req.Since.IsZero() && !p.req.Since.Before(p.req.Till) {
		p.fault("_since must be before _till.")
	}
}

var hasZone = regexp.MustCompile(`(Z|[+-]\d\d:\d\d)$`)

// instant reads a FHIR date or dateTime, truncated to milliseconds.
func (p *parameters) instant(name string) time.Time {
	text := p.value(name)
	if text == "" {
		return time.Time{}
	}
	layouts := []string{"2006", "2006-01", "2006-01-02"}
	if hasZone.MatchString(text) {
		layouts = append(layouts, "2006-01-02T15:04Z07:00", time.RFC3339)
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Millisecond)
		}
	}
	p.fault("The value '%s' of %s is not a date or an instant; a + must be sent as %%2B.", text,
		name)
	return time.Time{}
}

func (p *parameters) sizes(level string) {
	p.req.Container = p.value("_container")
	if text := p.value("_maxCount"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxMaxCount {
			p.fault("_maxCount must be a number from 1 to %d.", maxMaxCount)
		} else {
			p.req.MaxCount = n
		}
	}
	parallel := true
	if text := p.value("_isParallel"); text != "" {
		switch strings.ToLower(text) {
		case "true":
		case "false":
			parallel = false
		default:
			p.fault("_isParallel must be true or false.")
		}
	}
	p.req.Parallel = parallel && level != jobs.LevelGroup && p.value("_typeFilter") == "" ||
		level == jobs.LevelPatient
}

// associated reads includeAssociatedData, which the model binding of the two other levels ignores.
func (p *parameters) associated(level string) {
	text := p.value("includeAssociatedData")
	if text == "" || level != jobs.LevelSystem {
		return
	}
	for value := range strings.SplitSeq(text, ",") {
		switch value {
		case "_history":
			p.req.History = true
		case "_deleted":
			p.req.Deleted = true
		default:
			p.fault("The value '%s' of includeAssociatedData is not supported.", value)
		}
	}
	if p.value("_typeFilter") != "" {
		p.fault("includeAssociatedData cannot be combined with _typeFilter.")
	}
}

// filters splits _typeFilter as the server does, at every comma, ampersand and equals sign. It
// therefore supports no list of values, and no equals sign inside a value.
func (p *parameters) filters() {
	text := p.value("_typeFilter")
	if text == "" {
		return
	}
	if len(p.req.Types) == 0 {
		p.fault("_typeFilter needs _type.")
	}
	for filter := range strings.SplitSeq(text, ",") {
		typ, terms, found := strings.Cut(filter, "?")
		if !found || !resourceTypes[typ] || strings.Contains(terms, "?") {
			p.fault("The _typeFilter '%s' is not of the form Type?parameter=value.", filter)
			continue
		}
		if len(p.req.Types) > 0 && !slices.Contains(p.req.Types, typ) {
			p.fault("The _typeFilter '%s' is for a type that is not in _type.", filter)
		}
		p.filter(typ, filter, terms)
	}
}

func (p *parameters) filter(typ, filter, terms string) {
	q := search.New(typ)
	for term := range strings.SplitSeq(terms, "&") {
		parts := strings.Split(term, "=")
		if len(parts) != 2 || parts[0] == "" {
			p.fault("The _typeFilter '%s' is not of the form Type?parameter=value.", filter)
			continue
		}
		err := q.Where(parts[0], parts[1])
		var unknown *search.UnknownParameterError
		switch {
		case errors.As(err, &unknown) && p.lenient:
		case err != nil:
			p.fault("%s", err.Error())
		}
	}
	p.req.Filters = append(p.req.Filters, q)
}

func (p *parameters) output(formats []string) {
	for _, f := range formats {
		if f != "" && !slices.Contains(outputFormats, f) {
			p.fault("The _outputFormat '%s' is not supported; a + must be sent as %%2B.", f)
		}
	}
}
