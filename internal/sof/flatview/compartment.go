package flatview

import (
	"encoding/json"
	"fmt"

	"fhirsynapse/internal/sof/schema"
)

// Compartment returns a ViewDefinition with a row for each patient in whose compartment a resource
// is: the id of the patient. For a Patient, which is in its own compartment by its id, they are the
// patients that it is linked to. It returns nil for types outside of the Patient compartment.
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
	type references struct {
		ForEach string   `json:"forEach"`
		Column  []column `json:"column"`
	}
	type union struct {
		UnionAll []references `json:"unionAll"`
	}
	var all union
	for _, m := range memberships {
		all.UnionAll = append(all.UnionAll, references{
			ForEach: m.Path,
			Column:  []column{{"patient", "getReferenceKey(Patient)", "id"}},
		})
	}
	text, err := json.Marshal(map[string]any{
		"resourceType": "ViewDefinition", "name": "compartment", "status": "active",
		"resource": resource, "select": []union{all},
	})
	if err != nil {
		return nil, fmt.Errorf("write the compartment of %s: %w", resource, err)
	}
	return text, nil
}
