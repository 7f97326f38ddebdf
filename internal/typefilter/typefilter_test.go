package typefilter_test

import (
	"errors"
	"strings"
	"testing"

	"fhirsynapse/internal/typefilter"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]testCase{
		"none": {deletes: true},
		"well": {
			filters: []string{"Observation?code=http://loinc.org|72166-2&status=final"},
			types:   []string{"Observation"},
		},
		"an odd value": {
			filters: []string{"Observation?code:not="}, types: []string{"Observation"},
		},
		"a comma": {
			filters: []string{"Observation?code=a,b"}, types: []string{"Observation"},
			azure: []string{"cannot take a comma"},
		},
		"a second equals sign": {
			filters: []string{"Observation?code=a=b"}, types: []string{"Observation"},
			azure: []string{`second "="`},
		},
		"without types": {
			filters: []string{"Observation?code=a"}, azure: []string{"only with types"},
		},
		"with deletes": {
			filters: []string{"Observation?code=a"}, types: []string{"Observation"}, deletes: true,
			azure: []string{"deletes of a filtered export"},
		},
		"another type": both([]string{"Patient?name=a"},
			`"Patient?name=a": it is for Patient, which is not among the types`),
		"no search":   both([]string{"Observation?"}, "not of the form Type?name=value"),
		"no type":     both([]string{"?code=a"}, "not of the form Type?name=value"),
		"an odd type": both([]string{"Obs-1?code=a"}, "not of the form Type?name=value"),
		"no value": both([]string{"Observation?code"},
			`the part "code" is not of the form name=value`),
		"no name": both([]string{"Observation?=a"}, `the part "=a" is not of the form name=value`),
		"results": both([]string{"Observation?code=a&_count=5&_include:iterate=x"},
			"_count shapes an answer", "_include:iterate shapes an answer"),
		"all of them": {
			filters: []string{"x", "Patient?a=b=c,d&_sort"}, deletes: true,
			azure: []string{
				"deletes", "only with types", "not of the form", `second "="`,
				"not of the form name=value", "comma",
			},
			bulk: []string{"not of the form", "not of the form name=value"},
		},
	} {
		for rules, want := range map[typefilter.Rules][]string{
			typefilter.Azure: c.azure, typefilter.Bulk: c.bulk,
		} {
			got := rules.Check(c.filters, c.types, c.deletes)
			if len(got) != len(want) {
				t.Errorf("%s, %+v: %v, want %q", name, rules, errors.Join(got...), want)
				continue
			}
			for i, err := range got {
				if !strings.Contains(err.Error(), want[i]) {
					t.Errorf("%s, %+v: %v, want %q", name, rules, err, want[i])
				}
			}
		}
	}
}

type testCase struct {
	filters, types []string
	deletes        bool
	azure, bulk    []string // expected faults in order; empty if the filters are valid
}

// both is a case in which all servers report the same faults.
func both(filters []string, says ...string) testCase {
	return testCase{filters: filters, types: []string{"Observation"}, azure: says, bulk: says}
}
