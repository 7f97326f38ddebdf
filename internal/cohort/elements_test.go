package cohort

import (
	"testing"

	"fhirsynapse/internal/sof/schema"
)

// TestElements: a type of the Patient compartment gives patients if one reference named patient or
// subject leads to them, and the states that are read are elements of the type.
func TestElements(t *testing.T) {
	t.Parallel()
	for _, resource := range schema.R4().Names(schema.Resource) {
		typ, _ := schema.R4().Type(resource)
		patient := ""
		for _, m := range schema.PatientCompartment(resource) {
			e, ok := typ.Element(m.Path)
			if ok && !e.Many && (e.Name == "patient" || e.Name == "subject") {
				patient = e.Name
			}
		}
		if got := elements[resource].patient; patient != "" && got != patient {
			t.Errorf("%s: the patient is read from %q, not %q", resource, got, patient)
		}
	}
	for resource, of := range elements {
		typ, ok := schema.R4().Type(resource)
		if !ok {
			t.Fatalf("%s is no resource type", resource)
		}
		for _, name := range of.names() {
			if _, ok := typ.Element(name); !ok {
				t.Errorf("%s has no element %s", resource, name)
			}
		}
	}
}
