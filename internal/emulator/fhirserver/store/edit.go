package store

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"fhirsynapse/internal/emulator/fhirserver/rawjson"
)

// childOf is the list of a type whose rows an update may take away.
var childOf = map[string]string{
	"Encounter":            "diagnosis",
	"ExplanationOfBenefit": "item",
	"Observation":          "component",
	"Patient":              "name",
	"Practitioner":         "name",
}

// statusAfter is a code that the type's required value set has.
var statusAfter = map[string]string{
	"CarePlan":                 "revoked",
	"CareTeam":                 "inactive",
	"Claim":                    "cancelled",
	"Coverage":                 "cancelled",
	"Device":                   "inactive",
	"DiagnosticReport":         "amended",
	"DocumentReference":        "superseded",
	"Encounter":                "cancelled",
	"ExplanationOfBenefit":     "cancelled",
	"ImagingStudy":             "cancelled",
	"Immunization":             "entered-in-error",
	"Location":                 "suspended",
	"Medication":               "inactive",
	"MedicationAdministration": "stopped",
	"MedicationDispense":       "stopped",
	"MedicationRequest":        "stopped",
	"Observation":              "amended",
	"Procedure":                "stopped",
	"QuestionnaireResponse":    "stopped",
	"ServiceRequest":           "revoked",
}

// edit is the n-th update of a stretch: for the types with child rows they
// vanish, shrink, grow and stay in turn.
func edit(typ string, o *rawjson.Object, n int, at time.Time) error {
	if child := childOf[typ]; child != "" && o.Get(child) != nil {
		switch n % 4 {
		case 0:
			return o.Remove(child)
		case 1:
			return o.Set(child, list(rawjson.Elements(o.Get(child))[:1]))
		case 2:
			all := rawjson.Elements(o.Get(child))
			return o.Set(child, list(append(all, all[0])))
		}
	}
	switch typ {
	case "Patient", "Practitioner":
		gender := "female"
		if o.String("gender") == gender {
			gender = "other"
		}
		return o.Set("gender", []byte(strconv.Quote(gender)))
	case "Organization", "Group":
		return o.Set("name", fmt.Appendf(nil, `"Renamed in %s, \u00c9tage %d"`, at.UTC().Format("2006"), n))
	case "Condition", "AllergyIntolerance":
		return o.Set("recordedDate", []byte(strconv.Quote(at.UTC().Format("2006-01"))))
	case "Goal":
		return o.Set("statusDate", []byte(strconv.Quote(at.UTC().Format("2006-01-02"))))
	case "PractitionerRole":
		return o.Set("active", strconv.AppendBool(nil, string(o.Get("active")) != "true"))
	case "Provenance":
		return o.Set("recorded", []byte(strconv.Quote(Instant(at))))
	}
	if status := statusAfter[typ]; status != "" && o.String("status") != status {
		return o.Set("status", []byte(strconv.Quote(status)))
	}
	return o.Set("language", fmt.Appendf(nil, `"x-%d"`, n))
}

func list(elements [][]byte) []byte {
	out := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, e...)
	}
	return append(out, ']')
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
