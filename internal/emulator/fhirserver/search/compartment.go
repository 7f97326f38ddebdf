package search

import (
	_ "embed" // for the table of the compartment
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// patientCompartment holds the official R4 CompartmentDefinition with its search
// parameters' expressions (HL7 FHIR 4.0.1, CC0).
//
//go:embed patient-compartment.tsv
var patientCompartment string

var compartmentPaths = func() map[string][][]string {
	paths := map[string][][]string{}
	for row := range strings.Lines(patientCompartment) {
		cells := strings.Split(strings.TrimSpace(row), "\t")
		if len(cells) != 3 || cells[0] == "type" {
			continue
		}
		expression, _, _ := strings.Cut(cells[2], ".where(")
		paths[cells[0]] = append(paths[cells[0]], strings.Split(expression, ".")[1:])
	}
	return paths
}()

// InCompartment reports whether resources of the type can be in a patient's compartment at all.
func InCompartment(typ string) bool { return len(compartmentPaths[typ]) > 0 }

// Patients returns the ids of the patients with the resource in their compartment, each once. A
// Patient is in its own compartment.
func Patients(typ, id string, line []byte) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if typ == "Patient" {
		add(id)
	}
	resource := gjson.ParseBytes(line)
	for _, path := range compartmentPaths[typ] {
		for _, ref := range at(resource, slices.Concat(path, []string{"reference"})...) {
			if id, ok := referenced(ref, "Patient"); ok {
				add(id)
			}
		}
	}
	return ids
}

// referenced returns the id of a literal relative reference to a type.
func referenced(ref gjson.Result, typ string) (string, bool) {
	id, ok := strings.CutPrefix(ref.Str, typ+"/")
	id, _, _ = strings.Cut(id, "/") // a versioned reference
	return id, ok && id != ""
}
