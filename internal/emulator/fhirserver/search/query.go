// Package search implements the part of FHIR search that the FHIR server emulator needs: a few
// parameters over the text of a resource, the patient compartment, and the members of a Group.
package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Query is one search on a type. All of its terms must match.
type Query struct {
	Type  string
	terms []term
}

type term struct {
	match  func(resource gjson.Result, t token) bool
	tokens []token // any of them
}

type token struct {
	system    string
	anySystem bool
	code      string
}

// UnknownParameterError names a search parameter that the type does not have.
type UnknownParameterError struct{ Type, Name string }

func (e *UnknownParameterError) Error() string {
	return fmt.Sprintf("The search parameter '%s' is not supported for resource type '%s'.", e.Name,
		e.Type)
}

// New returns an empty query, which matches everything.
func New(typ string) *Query { return &Query{Type: typ} }

// Where adds a term: a parameter and its values. The term matches if one of the values matches.
func (q *Query) Where(name string, values ...string) error {
	match := parameter(q.Type, name)
	if match == nil {
		return &UnknownParameterError{Type: q.Type, Name: name}
	}
	t := term{match: match}
	for _, v := range values {
		t.tokens = append(t.tokens, parseToken(v))
	}
	q.terms = append(q.terms, t)
	return nil
}

// Match reports whether a resource, passed as text, matches every term.
func (q *Query) Match(line []byte) bool {
	resource := gjson.ParseBytes(line)
	for _, t := range q.terms {
		if !slices.ContainsFunc(t.tokens, func(tok token) bool { return t.match(resource, tok) }) {
			return false
		}
	}
	return true
}

func parseToken(value string) token {
	system, code, found := strings.Cut(value, "|")
	if !found {
		return token{anySystem: true, code: value}
	}
	return token{system: system, code: code}
}

func parameter(typ, name string) func(gjson.Result, token) bool {
	switch name {
	case "_id":
		return text("id")
	case "code":
		if slices.Contains([]string{
			"AllergyIntolerance", "Condition", "DiagnosticReport", "Observation", "Procedure",
		}, typ) {
			return coding("code")
		}
		if typ == "MedicationRequest" {
			return coding("medicationCodeableConcept")
		}
	case "value-concept":
		if typ == "Observation" {
			return coding("valueCodeableConcept")
		}
	case "date":
		if typ == "Observation" {
			return date("effectiveDateTime")
		}
	case "identifier":
		if typ == "Patient" || typ == "Group" {
			return identifier()
		}
	case "status":
		if _, has := withStatus[typ]; has {
			return text("status")
		}
	case "gender":
		if typ == "Patient" || typ == "Practitioner" {
			return text("gender")
		}
	case "active":
		if typ == "Patient" || typ == "Practitioner" || typ == "Organization" {
			return text("active")
		}
	case "patient", "subject":
		if InCompartment(typ) && typ != "Patient" {
			return patient()
		}
	}
	return nil
}

var withStatus = map[string]struct{}{
	"CarePlan": {}, "CareTeam": {}, "Claim": {}, "Device": {}, "DiagnosticReport": {},
	"DocumentReference": {},
	"Encounter":         {}, "ExplanationOfBenefit": {}, "ImagingStudy": {}, "Immunization": {},
	"MedicationRequest": {},
	"Observation":       {}, "Procedure": {},
}

func text(member string) func(gjson.Result, token) bool {
	return func(resource gjson.Result, t token) bool {
		v := resource.Get(member)
		return v.Exists() && v.String() == t.code
	}
}

// date compares a date and time with a prefix: eq, ge, gt, le or lt. It compares the text, which is
// exact for dates of the same precision and time zone.
func date(member string) func(gjson.Result, token) bool {
	return func(resource gjson.Result, t token) bool {
		have, prefix, want := resource.Get(member).Str, "eq", t.code
		if len(want) > 2 && want[0] >= 'a' && want[0] <= 'z' {
			prefix, want = want[:2], want[2:]
		}
		if have == "" {
			return false
		}
		order := strings.Compare(have[:min(len(have), len(want))], want)
		switch prefix {
		case "ge":
			return order >= 0
		case "gt":
			return order > 0
		case "le":
			return order <= 0
		case "lt":
			return order < 0
		}
		return order == 0
	}
}

func identifier() func(gjson.Result, token) bool {
	return func(resource gjson.Result, t token) bool {
		return slices.ContainsFunc(at(resource, "identifier"), func(i gjson.Result) bool {
			return (t.anySystem || i.Get("system").Str == t.system) &&
				(t.code == "" || i.Get("value").Str == t.code)
		})
	}
}

func coding(member string) func(gjson.Result, token) bool {
	return func(resource gjson.Result, t token) bool {
		return slices.ContainsFunc(at(resource, member, "coding"), func(c gjson.Result) bool {
			return (t.anySystem || c.Get("system").Str == t.system) &&
				(t.code == "" || c.Get("code").Str == t.code)
		})
	}
}

func patient() func(gjson.Result, token) bool {
	return func(resource gjson.Result, t token) bool {
		want := strings.TrimPrefix(t.code, "Patient/")
		refs := append(at(resource, "subject", "reference"),
			at(resource, "patient", "reference")...)
		return slices.ContainsFunc(refs, func(ref gjson.Result) bool {
			id, ok := referenced(ref, "Patient")
			return ok && id == want
		})
	}
}

// at follows member names downward from a value, and through lists: FHIR's paths do not distinguish
// a single value from a list of one.
func at(value gjson.Result, path ...string) []gjson.Result {
	if len(path) == 0 {
		return value.Array()
	}
	var out []gjson.Result
	for _, e := range value.Array() {
		out = append(out, at(e.Get(path[0]), path[1:]...)...) //nolint:gosec // the path has a first name
	}
	return out
}
