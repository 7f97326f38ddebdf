package fhirserver

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/search"
)

// guideParameters maps each parameter of an export to the version of the guide that introduced it.
var guideParameters = map[string]int{
	"_outputFormat": 1, "_since": 1, "_type": 1,
	"_elements": 2, "patient": 2, "includeAssociatedData": 2, "_typeFilter": 2,
	"_until": 3, "organizeOutputBy": 3, "allowPartialManifests": 3,
}

// maxKickOffBody bounds the Parameters of a POST, in bytes.
const maxKickOffBody = 16 << 20

// kickOff implements requests by the rules of the guide.
func (b *bulk) kickOff(level, group string, r *http.Request) (jobs.Request, []issue) {
	p := &parameters{
		now: b.o.Now(),
		req: jobs.Request{Level: level, Group: group, MaxCount: b.o.MaxCount, ByGuide: true},
	}
	b.headers(p, r.Header)
	values := b.values(p, r)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		since, known := guideParameters[name]
		switch {
		case (!known || since > b.Guide || slices.Contains(b.Without, name)) && !p.lenient:
			p.issues = append(p.issues,
				issue{"not-supported", "The parameter '" + name + "' is not supported."})
		case len(values[name]) > 1 && b.NoRepeats:
			p.fault("The parameter '%s' must not be repeated.", name)
		}
		if !known || since > b.Guide || slices.Contains(b.Without, name) ||
			slices.Contains(b.Ignores, name) {
			delete(values, name)
		}
	}
	p.value = func(name string) string { return strings.Join(values[name], ",") }
	p.types()
	p.req.Since, p.req.Till = p.instant("_since"), p.instant("_until")
	if !b.SinceNotBefore.IsZero() && !p.req.Since.IsZero() && p.req.Since.Before(b.SinceNotBefore) {
		p.fault("_since must not be before %s.", b.SinceNotBefore.UTC().Format(time.RFC3339))
	}
	if p.req.Till.After(p.now) {
		p.req.Till = time.Time{}
	}
	b.filters(p, values["_typeFilter"])
	b.patients(p, r.Method, values["patient"])
	b.elements(p)
	b.associated(p)
	p.output(values["_outputFormat"])
	if p.value("organizeOutputBy") != "" && !p.lenient {
		p.issues = append(p.issues,
			issue{"not-supported", "The server does not organize its output."})
	}
	p.req.Parallel = level == jobs.LevelSystem && len(p.req.Filters) == 0
	// A server SHOULD report deletes for a request with _since.
	p.req.DeleteBundles = b.Guide >= 2 && !p.req.Since.IsZero() && !b.faultsNow().NoDeletes
	if _, there := b.o.Store.Current("Group", group); level == jobs.LevelGroup && !there {
		p.issues = append(p.issues, issue{"not-found", "The Group is not known."})
	}
	if b.OneAtATime && b.busy() {
		p.issues = append(p.issues,
			issue{"throttled", "One export at a time: delete the one before."})
	}
	return p.req, p.issues
}

func (b *rules) headers(p *parameters, h http.Header) {
	accept := strings.Join(h.Values("Accept"), ",")
	takes := accept == "" && !b.StrictHeaders
	for one := range strings.SplitSeq(accept, ",") {
		if t, _, err := mime.ParseMediaType(one); err == nil {
			takes = takes ||
				slices.Contains([]string{fhirJSON, "application/json", "application/*", "*/*"}, t)
		}
	}
	if !takes {
		p.fault("The Accept header must allow %s.", fhirJSON)
	}
	async := false
	for token := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		switch strings.ToLower(strings.TrimSpace(token)) { // RFC 7240: others are ignored
		case "respond-async":
			async = true
		case "handling=lenient":
			p.lenient = true
		}
	}
	if !async {
		p.fault("The Prefer header must contain respond-async.")
	}
}

// values returns the parameters of a query, or of the Parameters resource of a POST.
func (b *rules) values(p *parameters, r *http.Request) url.Values {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p.fault("The query of the request cannot be read.")
	}
	if r.Method != http.MethodPost {
		return query
	}
	if len(query) > 0 {
		p.fault("A kick-off by POST has its parameters in its body.")
	}
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != fhirJSON &&
		t != "application/json" {
		p.fault("The Content-Type of a kick-off must be %s.", fhirJSON)
	}
	values, err := readParameters(http.MaxBytesReader(nil, r.Body, maxKickOffBody))
	if err != nil {
		p.fault("The body is no Parameters resource: %s.", err)
	}
	return values
}

// readParameters returns the values of a Parameters resource in the form of a query.
func readParameters(body io.Reader) (url.Values, error) {
	var resource struct {
		ResourceType string
		Parameter    []map[string]json.RawMessage
	}
	if err := json.NewDecoder(body).Decode(&resource); err != nil {
		return nil, errors.New("it is not JSON")
	}
	if resource.ResourceType != "Parameters" {
		return nil, errors.New("it is of another type")
	}
	values := url.Values{}
	for _, parameter := range resource.Parameter {
		var name, text string
		if err := json.Unmarshal(parameter["name"], &name); err != nil {
			return nil, errors.New("a parameter has no name")
		}
		for member, value := range parameter {
			var reference struct{ Reference string }
			switch {
			case !strings.HasPrefix(member, "value"):
				continue
			case member == "valueReference":
				if err := json.Unmarshal(value, &reference); err != nil {
					return nil, errors.New("a valueReference is no Reference")
				}
				text = reference.Reference
			case json.Unmarshal(value, &text) != nil:
				text = string(value)
			}
		}
		values.Add(name, text)
	}
	return values, nil
}

// filters reads _typeFilter: one search per value, or several searches separated by commas. A comma
// inside a search is part of the search.
func (b *rules) filters(p *parameters, values []string) {
	for _, text := range values {
		for _, filter := range splitFilters(text) {
			typ, terms, found := strings.Cut(filter, "?")
			if !found || !resourceTypes[typ] {
				p.fault("The _typeFilter '%s' is not of the form Type?parameter=value.", filter)
				continue
			}
			if len(p.req.Types) > 0 && !slices.Contains(p.req.Types, typ) {
				p.fault("The _typeFilter '%s' is for a type that is not in _type.", filter)
			}
			b.filter(p, typ, terms)
		}
	}
}

func (b *rules) filter(p *parameters, typ, terms string) {
	query, err := url.ParseQuery(terms)
	if err != nil {
		p.fault("The search of a _typeFilter cannot be read.")
	}
	q := search.New(typ)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			var unknown *search.UnknownParameterError
			switch err := q.Where(name, strings.Split(value, ",")...); {
			case errors.As(err, &unknown) && p.lenient:
			case err != nil:
				p.fault("%s", err.Error())
			}
		}
	}
	p.req.Filters = append(p.req.Filters, q)
}

// splitFilters splits at commas before a type and a question mark.
func splitFilters(text string) []string {
	var filters []string
	for part := range strings.SplitSeq(text, ",") {
		typ, _, found := strings.Cut(part, "?")
		if begins := found && resourceTypes[typ]; len(filters) > 0 && !begins {
			filters[len(filters)-1] += "," + part
			continue
		}
		filters = append(filters, part)
	}
	return filters
}

func (b *rules) patients(p *parameters, method string, values []string) {
	if len(values) == 0 {
		return
	}
	if method != http.MethodPost {
		p.fault("The parameter 'patient' can be sent by POST only.")
	}
	if p.req.Level == jobs.LevelSystem {
		p.fault("The parameter 'patient' has no meaning at system level.")
	}
	for _, text := range values {
		for ref := range strings.SplitSeq(text, ",") {
			id, ok := strings.CutPrefix(ref, "Patient/")
			if _, there := b.o.Store.Current("Patient", id); !ok || !there {
				p.fault("The parameter 'patient' names a Patient that this server has not got.")
				return
			}
			p.req.Patients = append(p.req.Patients, id)
		}
	}
}

func (b *rules) elements(p *parameters) {
	for element := range strings.SplitSeq(p.value("_elements"), ",") {
		if element != "" {
			p.req.Elements = append(p.req.Elements, element)
		}
	}
}

// associated reads includeAssociatedData. Both values of the guide add the Provenance resources, of
// which the emulator has no history.
func (b *rules) associated(p *parameters) {
	for value := range strings.SplitSeq(p.value("includeAssociatedData"), ",") {
		switch value {
		case "":
		case "LatestProvenanceResources", "RelevantProvenanceResources":
			if len(p.req.Types) > 0 && !slices.Contains(p.req.Types, "Provenance") {
				p.req.Types = append(p.req.Types, "Provenance")
			}
		default:
			if !p.lenient {
				p.fault("The value '%s' of includeAssociatedData is not supported.", value)
			}
		}
	}
}
