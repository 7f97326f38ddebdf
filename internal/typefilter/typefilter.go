// Package typefilter holds the rules of _typeFilter for plans and for requests. It depends on no
// configuration and no server.
package typefilter

import (
	"fmt"
	"slices"
	"strings"
)

// Rules are the limits of a kind of server in addition to the guide's rules.
type Rules struct {
	// Naive servers split the parameter at "," and "=" before they decode it: microsoft/fhir-server
	// issue 1780.
	Naive bool
	// WantTypes: filters are refused without a list of types.
	WantTypes bool
	// ExcludesDeletes: filters are refused together with deletes.
	ExcludesDeletes bool
}

// Azure holds the rules of microsoft/fhir-server, Bulk the rules of the Bulk Data guide.
var (
	Azure = Rules{Naive: true, WantTypes: true, ExcludesDeletes: true}
	Bulk  = Rules{}
)

// Check returns all faults of an export's filters, as messages for people. The caller checks
// whether a type exists.
func (r Rules) Check(filters, types []string, deletes bool) []error {
	if len(filters) == 0 {
		return nil
	}
	var errs []error
	if deletes && r.ExcludesDeletes {
		errs = append(errs,
			fmt.Errorf("this server cannot report deletes of a filtered export: leave out the filters, or accept that deletes are not seen (deleted: false)"))
	}
	if len(types) == 0 && r.WantTypes {
		errs = append(errs, fmt.Errorf("this server takes filters only with types: list them"))
	}
	for _, f := range filters {
		for _, what := range r.faults(f, types) {
			errs = append(errs, fmt.Errorf("%q: %s", f, what))
		}
	}
	return errs
}

// Type returns the resource type of a filter; false if the filter is malformed.
func Type(filter string) (string, bool) {
	t, search, ok := strings.Cut(filter, "?")
	letters := func(c rune) bool { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') }
	return t, ok && search != "" && t != "" && !strings.ContainsFunc(t, func(c rune) bool {
		return !letters(c)
	})
}

// resultParameters shape a search's answer instead of narrowing it. The guide does not allow them
// in a _typeFilter.
var resultParameters = []string{
	"_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained",
	"_containedType", "_score", "_format", "_pretty", "_maxresults",
}

func (r Rules) faults(filter string, types []string) []string {
	t, ok := Type(filter)
	if !ok {
		return []string{"it is not of the form Type?name=value, such as Observation?code=1234-5"}
	}
	var faults []string
	refuse := func(format string, args ...any) {
		faults = append(faults, fmt.Sprintf(format, args...))
	}
	if len(types) > 0 && !slices.Contains(types, t) {
		refuse("it is for %s, which is not among the types", t)
	}
	for part := range strings.SplitSeq(filter[len(t)+1:], "&") {
		name, value, ok := strings.Cut(part, "=")
		switch plain, _, _ := strings.Cut(name, ":"); {
		case !ok || name == "":
			refuse("the part %q is not of the form name=value", part)
		case slices.Contains(resultParameters, plain):
			refuse("%s shapes an answer and does not narrow an export: remove it", name)
		case r.Naive && strings.Contains(value, "="):
			refuse(`this server cannot take a second "=" in the part %q`, part)
		}
	}
	if r.Naive && strings.Contains(filter, ",") {
		refuse("this server cannot take a comma in a filter: write one filter for each value")
	}
	return faults
}
