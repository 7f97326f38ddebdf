package bulkfhir

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/pipeline"
)

// resultParameters shape a search's answer instead of narrowing it. The guide has
// no place for them in a _typeFilter.
var resultParameters = []string{
	"_sort", "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained", "_containedType", "_score", "_format", "_pretty", "_maxresults",
}

func (d dialect) filtersFaults(r pipeline.Request) []error {
	if len(r.TypeFilter) == 0 {
		return nil
	}
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.Deleted && d.deletedExcludesFilter {
		refuse("type filters and deletes exclude each other at this server: leave out one of the two")
	}
	if len(r.Types) == 0 && d.filtersWantTypes {
		refuse("type filters need a list of types")
	}
	for _, f := range r.TypeFilter {
		errs = append(errs, d.filterFaults(f, r.Types)...)
	}
	return errs
}

func (d dialect) filterFaults(filter string, types []string) []error {
	var errs []error
	refuse := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("type filter %q "+format, append([]any{filter}, args...)...))
	}
	t, search, ok := strings.Cut(filter, "?")
	switch {
	case !ok || !isTypeName(t) || search == "":
		refuse("must look like Observation?code=...")
		return errs
	case len(types) > 0 && !slices.Contains(types, t):
		refuse("is for %s, which is not among the types", t)
	}
	for p := range strings.SplitSeq(search, "&") {
		name, value, ok := strings.Cut(p, "=")
		switch plain, _, _ := strings.Cut(name, ":"); {
		case !ok || name == "":
			refuse("has the part %q: write name=value", p)
		case slices.Contains(resultParameters, plain):
			refuse("has %s, which shapes an answer and does not narrow an export", name)
		case d.naiveFilters && strings.Contains(value, "="):
			refuse("has the part %q: this server takes name=value, without a further \"=\"", p)
		}
	}
	// microsoft/fhir-server issue 1780.
	if d.naiveFilters && strings.Contains(filter, ",") {
		refuse("has a comma, at which this server would cut it: write one filter for each value")
	}
	return errs
}
