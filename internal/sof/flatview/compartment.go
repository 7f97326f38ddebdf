package flatview

import (
	"encoding/json"
	"fmt"

	"fhirsynapse/internal/sof/schema"
)

// PatientColumn is the column of a compartment's view: the id of a patient.
const PatientColumn = "patient_id"

// CompartmentName returns the name of the view that [Compartment] returns for a type.
func CompartmentName(resource string) string { return "compartment_" + snake(resource) }

// Compartment returns a ViewDefinition with a row for each patient in whose compartment a resource
// is, as often as the resource refers to the patient. A Patient is in its own compartment, and in
// the compartments of the patients that it is linked to. It returns nil for types outside of the
// Patient compartment.
func Compartment(resource string) ([]byte, error) {
	memberships := schema.PatientCompartment(resource)
	if len(memberships) == 0 {
		return nil, nil
	}
	type column struct {
		Name string `json:"name"`
		Path string `json:"path"`
		Type string `json:"type"`
	}
	type part struct {
		ForEach string   `json:"forEach,omitempty"`
		Column  []column `json:"column"`
	}
	type union struct {
		UnionAll []part `json:"unionAll"`
	}
	var all union
	if resource == "Patient" {
		all.UnionAll = append(all.UnionAll,
			part{Column: []column{{PatientColumn, "getResourceKey()", "id"}}})
	}
	for _, m := range memberships {
		all.UnionAll = append(all.UnionAll, part{
			// A reference to another resource than a patient has no key here.
			ForEach: m.Path + ".where(getReferenceKey(Patient).exists())",
			Column:  []column{{PatientColumn, "getReferenceKey(Patient)", "id"}},
		})
	}
	text, err := json.Marshal(map[string]any{
		"resourceType": "ViewDefinition", "name": CompartmentName(resource), "status": "active",
		"fhirVersion": []string{"4.0.1"}, "resource": resource, "select": []union{all},
		"description": "The patients in whose compartments a " + resource + " is.",
	})
	if err != nil {
		return nil, fmt.Errorf("write the compartment of %s: %w", resource, err)
	}
	return text, nil
}
