package schema

import (
	"strings"
	"testing"
)

// Every path of the compartment leads through elements of its type to references.
func TestThePatientCompartmentNamesReferences(t *testing.T) {
	t.Parallel()
	in := 0
	for _, resource := range R4().Names(Resource) {
		for _, m := range PatientCompartment(resource) {
			in++
			at, _ := R4().Type(resource)
			for _, name := range strings.Split(m.Path, ".") {
				e, ok := at.Element(name)
				if !ok {
					t.Fatalf("%s.%s: no element %s", resource, m.Path, name)
				}
				at = e.Types[0]
			}
			if at.Name != "Reference" {
				t.Errorf("%s.%s is %s, not a Reference", resource, m.Path, at.Name)
			}
		}
	}
	if want := strings.Count(strings.TrimSpace(patientCompartment), "\n"); in != want {
		t.Errorf("%d memberships belong to resource types, %d are in the table", in, want)
	}
	for resource, want := range map[string]Membership{
		"Specimen":    {"subject", "subject"},
		"Appointment": {"actor", "participant.actor"},
		"Task":        {"patient", "for"},
	} {
		if got := PatientCompartment(resource); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v, want first %v", resource, got, want)
		}
	}
	if got := PatientCompartment("Organization"); got != nil {
		t.Errorf("Organization is in no compartment: %v", got)
	}
}
