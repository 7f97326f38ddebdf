package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestElementsHaveTheirTypesAndCardinality(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		owner, element string
		many, choice   bool
		first          string // path of the first type
		count          int
	}{
		{"Patient", "name", true, false, "HumanName", 1},
		{"Patient", "birthDate", false, false, "date", 1},
		{"Patient", "id", false, false, "System.String", 1},
		{"Patient", "contact", true, false, "Patient.contact", 1},
		{"Patient.contact", "name", false, false, "HumanName", 1},
		{"Patient", "deceased", false, true, "boolean", 2},
		{"Observation", "value", false, true, "Quantity", 11},
		{"Questionnaire.item", "item", true, false, "Questionnaire.item", 1},
		{"Observation.component", "referenceRange", true, false, "Observation.referenceRange", 1},
		{"Bundle.entry", "resource", false, false, "Resource", 1},
	} {
		owner, ok := R4().Type(c.owner)
		if !ok {
			t.Fatalf("no type %s", c.owner)
		}
		e, ok := owner.Element(c.element)
		if !ok {
			t.Fatalf("no element %s.%s", c.owner, c.element)
		}
		if e.Many != c.many || e.Choice != c.choice || len(e.Types) != c.count ||
			e.Types[0].Path != c.first {
			t.Errorf("%s.%s: many %v choice %v types %d first %s", c.owner, c.element, e.Many,
				e.Choice, len(e.Types), e.Types[0].Path)
		}
	}
}

func TestSystemTypesFollowTheBaseTypes(t *testing.T) {
	t.Parallel()
	want := map[string]System{
		"code": String, "uuid": String, "canonical": String, "positiveInt": Integer,
		"unsignedInt": Integer,
		"instant":     DateTime, "date": Date, "time": Time, "decimal": Decimal, "boolean": Boolean,
		"base64Binary": String, "HumanName": None, "Patient": None,
	}
	got := map[string]System{}
	for name := range want {
		typ, ok := R4().Type(name)
		if !ok {
			t.Fatalf("no type %s", name)
		}
		got[name] = typ.System
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDerivedTypes(t *testing.T) {
	t.Parallel()
	at := func(name string) *Type {
		typ, ok := R4().Type(name)
		if !ok {
			t.Fatalf("no type %s", name)
		}
		return typ
	}
	if !at("Age").Is(at("Quantity")) || !at("Patient").Is(at("DomainResource")) ||
		at("Quantity").Is(at("Age")) {
		t.Error("Age is a Quantity, Patient is a DomainResource, a Quantity is no Age")
	}
}

func TestAChoicePropertyNamesItsType(t *testing.T) {
	t.Parallel()
	obs, _ := R4().Type("Observation")
	value, _ := obs.Element("value")
	dateTime, _ := R4().Type("dateTime")
	if got := value.Property(dateTime); got != "valueDateTime" {
		t.Errorf("got %s", got)
	}
}
