package cohort

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	typePatient     = "Patient"
	typeObservation = "Observation"
)

// query is a FHIR search on one type.
type query struct {
	typ        string
	parameters []parameter
}

// parameter is one criterion. The value is decoded.
type parameter struct{ name, value string }

// base returns the name without its modifier and its chain.
func (p parameter) base() string { return p.name[:strings.IndexAny(p.name+":", ":.")] }

// refused maps parameters that a search may not have to the reason.
var refused = map[string]string{
	"_include":    "adds resources of other kinds and selects no patient: remove it",
	"_revinclude": "adds resources of other kinds and selects no patient: write _has, as in Patient?_has:Observation:patient:code=…",
	"_elements":   "is set by the program: remove it",
	"_summary":    "would leave out the patient: remove it",
	"_count":      "is set by the program, which reads all pages: remove it",
	"_sort":       "can break pages on servers that sort as they go, and a set has no order: remove it",
	"_total":      "is set by the program: remove it",
	"_offset":     "would leave out pages: remove it",
	"_page":       "would leave out pages: remove it",
	"_contained":  "returns contained resources, which have no id of their own: remove it",
	"_format":     "is set by the program: remove it",
	"_query":      "names an operation of one server, whose result is unknown: write the criteria",
}

var typeForm = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)

// parseQuery parses Type?name=value&.... It returns all errors together; they repeat names, not
// values.
func parseQuery(text string) (q query, errs []error) {
	typ, rest, found := strings.Cut(text, "?")
	if !found || rest == "" || !typeForm.MatchString(typ) {
		return q, []error{
			errors.New("must look like Type?name=value, for example Patient?gender=female"),
		}
	}
	q.typ = typ
	if _, known := elements[typ]; !known {
		errs = append(errs, fmt.Errorf(
			"%s gives no patient: search Patient, or a type with a patient or a subject, such as Observation, Condition or Encounter", typ))
	}
	for pair := range strings.SplitSeq(rest, "&") {
		name, value, _ := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(value)
		p := parameter{name, decoded}
		reason, no := refused[p.base()]
		switch {
		case name == "" || value == "":
			errs = append(errs, errors.New(
				"has a criterion without a name or a value: a server may ignore it and answer with everybody"))
		case strings.TrimSpace(name) != name || strings.TrimSpace(decoded) != decoded:
			errs = append(errs, fmt.Errorf("%s has a space or a line break at its begin or end",
				strings.TrimSpace(name)))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: its value has a %% that begins no character: write %%25", name))
		case no:
			errs = append(errs, fmt.Errorf("%s %s", p.base(), reason))
		default:
			q.parameters = append(q.parameters, p)
		}
	}
	return q, errs
}

// withoutValue returns the query without its criteria on the value, and whether it had any.
func (q query) withoutValue() (out query, dropped bool) {
	out = query{typ: q.typ}
	for _, p := range q.parameters {
		if strings.HasPrefix(p.base(), "value-") {
			dropped = true
			continue
		}
		out.parameters = append(out.parameters, p)
	}
	return out, dropped
}

// search returns the search for a server. Without the element, resources are whole.
func (q query) search(whole bool) Search {
	s := Search{Type: q.typ, Element: elements[q.typ].patient}
	var parts []string
	add := func(name, value string) {
		parts = append(parts, strings.ReplaceAll(url.QueryEscape(name), "%3A", ":")+"="+
			strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	for _, p := range q.parameters {
		add(p.name, p.value)
		if !slices.Contains(s.Names, p.name) {
			s.Names = append(s.Names, p.name)
		}
	}
	if !whole {
		add("_elements", strings.Join(elements[q.typ].names(), ","))
	}
	add("_count", "1000")
	s.Text = q.typ + "?" + strings.Join(parts, "&")
	return s
}
