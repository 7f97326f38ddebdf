package schema

import (
	_ "embed" // the Patient compartment
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed patient-compartment.tsv
var patientCompartment string

// Membership is a search parameter that puts resources of a type into the Patient compartment.
type Membership struct {
	Param string
	// Path is the FHIRPath of the references to patients, relative to the resource. It may also
	// find references to other types.
	Path string
}

// PatientCompartment returns how resources of a type belong to patients in R4, in the order of
// their parameters' names. It is empty for types outside of the compartment. A Patient is also in
// its own compartment, by its id.
func PatientCompartment(resource string) []Membership { return memberships()[resource] }

// PatientTypes lists the types of the Patient compartment.
func PatientTypes() []string { return slices.Sorted(maps.Keys(memberships())) }

var memberships = sync.OnceValue(func() map[string][]Membership {
	out := map[string][]Membership{}
	for _, line := range strings.Split(strings.TrimSpace(patientCompartment), "\n")[1:] {
		f := strings.Split(line, "\t")
		path := strings.TrimPrefix(strings.TrimSpace(f[2]), f[0]+".")
		path = strings.TrimSuffix(path, ".where(resolve() is Patient)")
		out[f[0]] = append(out[f[0]], Membership{Param: f[1], Path: path})
	}
	return out
})
