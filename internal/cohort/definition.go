package cohort

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Match selects which resources of a patient decide.
type Match string

// The ways to match.
const (
	// MatchEver takes every patient with a resource that the search finds.
	MatchEver Match = "ever"
	// MatchLatest takes a patient if the search finds the newest of the patient's Observations.
	MatchLatest Match = "latest"
)

// Membership selects when the search is evaluated.
type Membership string

// The kinds of membership.
const (
	// Fixed evaluates the search once and keeps the set of patients.
	Fixed Membership = "fixed"
	// Tracking evaluates the search before every export.
	Tracking Membership = "tracking"
)

// Limits and defaults of the size of a Group.
const (
	DefaultGroupSize = 1000
	// MaxGroupSize is below the number of members at which servers are known to fail.
	MaxGroupSize = 4000
	// DefaultMaxShrink is the share of members that may leave at once.
	DefaultMaxShrink = 0.2
)

// Definition defines a cohort, as exports.yaml has it.
type Definition struct {
	Name string
	// Search is the FHIR search that finds the patients: Type?name=value&....
	Search string
	// Among is the search for the Observations of which the newest decides, with MatchLatest.
	// Empty means Search without its criteria on values.
	Among string
	// Group is the id of a Group that others maintain. It takes the place of Search.
	Group      string
	Match      Match
	Membership Membership
	// GroupSize is the number of members of a Group when the cohort is made.
	GroupSize int
	// Groupless is set for a server that takes no Groups from us: the ids of the patients are in
	// the kick-offs, in shares.
	Groupless bool
	// MaxShrink is the share of members, 0 to 1, that may leave at once.
	MaxShrink float64
}

// Fault is one error of a definition, with the setting that causes it.
type Fault struct {
	Setting string
	Err     error
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// Faults returns all errors of a definition.
func (d Definition) Faults() (out []Fault) {
	fault := func(setting, format string, args ...any) {
		out = append(out, Fault{setting, fmt.Errorf(format, args...)})
	}
	if !nameForm.MatchString(d.Name) {
		fault("name",
			"%q: a name has lower-case letters, digits and hyphens, starts with a letter and has at most 40 characters", d.Name)
	}
	if d.Membership != Fixed && d.Membership != Tracking {
		fault("membership", "%q: write fixed or tracking", string(d.Membership))
	}
	if d.Match != MatchEver && d.Match != MatchLatest {
		fault("match", "%q: write ever or latest", string(d.Match))
	}
	if d.GroupSize < 1 || d.GroupSize > MaxGroupSize {
		fault("groupSize", "%d: write a number from 1 to %d", d.GroupSize, MaxGroupSize)
	}
	switch {
	case d.Search == "" && d.Group == "":
		fault("search", "is missing: write a FHIR search, or the id of an existing Group as group")
	case d.Search != "" && d.Group != "":
		fault("group", "is one way to name the patients, and search is another: remove one")
	case d.Group != "" && !idForm.MatchString(d.Group):
		fault("group",
			"must be the id of a Group: up to 128 letters, digits, hyphens, dots and underscores")
	case d.Search != "":
		out = append(out, d.searchFaults()...)
	}
	return out
}

// searchFaults returns the errors of the searches.
func (d Definition) searchFaults() (out []Fault) {
	q, errs := parseQuery(d.Search)
	for _, err := range errs {
		out = append(out, Fault{"search", err})
	}
	if d.Match != MatchLatest {
		if d.Among != "" {
			out = append(out, Fault{"among", errors.New("has a meaning only with match: latest")})
		}
		return out
	}
	if q.typ != "" && q.typ != typeObservation {
		out = append(out, Fault{
			"match", fmt.Errorf("latest compares Observations, not %s: write ever", q.typ),
		})
		return out
	}
	if d.Among == "" {
		if _, dropped := q.withoutValue(); !dropped && len(errs) == 0 {
			out = append(out, Fault{"match", errors.New(
				"latest needs a criterion on the value, such as value-concept: the newest of the Observations without it decides; or write that search as among")})
		}
		return out
	}
	among, errs := parseQuery(d.Among)
	for _, err := range errs {
		out = append(out, Fault{"among", err})
	}
	if len(errs) == 0 && among.typ != typeObservation {
		out = append(out, Fault{"among", fmt.Errorf("searches %s: write a search on Observation",
			among.typ)})
	}
	return out
}

// digest identifies what selects the patients. The size of Groups and the limits do not.
func (d Definition) digest() string {
	text := strings.Join([]string{
		d.Search, d.Among, d.Group, string(cmp.Or(d.Match, MatchEver)),
	}, "\n")
	if d.Groupless {
		text += "\ngroups: none"
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}
