package store

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// childOf maps a type to the list from which an update may remove rows.
var childOf = map[string]string{
	"Encounter":            "diagnosis",
	"ExplanationOfBenefit": "item",
	"Observation":          "component",
	"Patient":              "name",
	"Practitioner":         "name",
}

// statusAfter maps a type to a code of its required value set.
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

// edit returns the n-th update of one Change. For types with child rows, the rows disappear,
// shrink, grow and stay in turn.
func edit(typ string, line []byte, n int, at time.Time) ([]byte, error) {
	if child := childOf[typ]; child != "" {
		if first := gjson.GetBytes(line, child+".0"); first.Exists() {
			switch n % 4 {
			case 0:
				return sjson.DeleteBytes(line, child)
			case 1:
				return sjson.SetRawBytes(line, child, []byte("["+first.Raw+"]"))
			case 2:
				return sjson.SetRawBytes(line, child+".-1", []byte(first.Raw))
			}
		}
	}
	has := func(member string) string { return gjson.GetBytes(line, member).String() }
	switch typ {
	case "Patient", "Practitioner":
		gender := "female"
		if has("gender") == gender {
			gender = "other"
		}
		return sjson.SetBytes(line, "gender", gender)
	case "Organization", "Group":
		name := fmt.Appendf(nil, `"Renamed in %s, \u00c9tage %d"`, at.UTC().Format("2006"), n)
		return sjson.SetRawBytes(line, "name", name)
	case "Condition", "AllergyIntolerance":
		return sjson.SetBytes(line, "recordedDate", at.UTC().Format("2006-01"))
	case "Goal":
		return sjson.SetBytes(line, "statusDate", at.UTC().Format("2006-01-02"))
	case "PractitionerRole":
		return sjson.SetBytes(line, "active", has("active") != "true")
	case "Provenance":
		return sjson.SetBytes(line, "recorded", Instant(at))
	}
	if status := statusAfter[typ]; status != "" && has("status") != status {
		return sjson.SetBytes(line, "status", status)
	}
	return sjson.SetBytes(line, "language", fmt.Sprintf("x-%d", n))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
