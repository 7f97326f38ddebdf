// Package search holds what the FHIR server stand-in knows of FHIR search: a few
// parameters over the text of a resource, the patient compartment, and the
// members of a Group.
package search

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/rawjson"
)

// Query is one search on a type; all of its terms must match.
type Query struct {
	Type  string
	terms []term
}

type term struct {
	match  func(line []byte, t token) bool
	tokens []token // any of them
}

type token struct {
	system    string
	anySystem bool
	code      string
}

// UnknownParameterError names a search parameter that the type has not got.
type UnknownParameterError struct{ Type, Name string }

func (e *UnknownParameterError) Error() string {
	return fmt.Sprintf("The search parameter '%s' is not supported for resource type '%s'.", e.Name, e.Type)
}

// New makes an empty query, which matches everything.
func New(typ string) *Query { return &Query{Type: typ} }

// Where adds a term: a parameter and its values, any of which may match.
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

// Match tells whether a resource, given as text, meets every term.
func (q *Query) Match(line []byte) bool {
	for _, t := range q.terms {
		if !slices.ContainsFunc(t.tokens, func(tok token) bool { return t.match(line, tok) }) {
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

func parameter(typ, name string) func([]byte, token) bool {
	switch name {
	case "_id":
		return text("id")
	case "code":
		if slices.Contains([]string{"AllergyIntolerance", "Condition", "DiagnosticReport", "Observation", "Procedure"}, typ) {
			return coding("code")
		}
		if typ == "MedicationRequest" {
			return coding("medicationCodeableConcept")
		}
	case "value-concept":
		if typ == "Observation" {
			return coding("valueCodeableConcept")
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
	"CarePlan": {}, "CareTeam": {}, "Claim": {}, "Device": {}, "DiagnosticReport": {}, "DocumentReference": {},
	"Encounter": {}, "ExplanationOfBenefit": {}, "ImagingStudy": {}, "Immunization": {}, "MedicationRequest": {},
	"Observation": {}, "Procedure": {},
}

func text(member string) func([]byte, token) bool {
	return func(line []byte, t token) bool {
		for _, v := range rawjson.At(line, member) {
			if plain(v) == t.code {
				return true
			}
		}
		return false
	}
}

func coding(member string) func([]byte, token) bool {
	return func(line []byte, t token) bool {
		for _, c := range rawjson.At(line, member, "coding") {
			o, err := rawjson.Parse(c)
			if err != nil {
				continue
			}
			if (t.anySystem || o.String("system") == t.system) && (t.code == "" || o.String("code") == t.code) {
				return true
			}
		}
		return false
	}
}

func patient() func([]byte, token) bool {
	return func(line []byte, t token) bool {
		want := strings.TrimPrefix(t.code, "Patient/")
		for _, member := range []string{"subject", "patient"} {
			for _, ref := range rawjson.At(line, member, "reference") {
				if id, ok := referenced(ref, "Patient"); ok && id == want {
					return true
				}
			}
		}
		return false
	}
}

// plain is a scalar as a search value spells it.
func plain(value []byte) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}
