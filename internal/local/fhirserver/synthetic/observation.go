package synthetic

import (
	"fmt"
	"strings"
)

// decimals are texts that a trip through a float would change.
var decimals = []string{"1.10", "0.0", "98.60", "-0.50", "70.000", "1.5e2", "12345678901234.123456", "0.1", "37"}

// observation makes the n-th of a patient: blood pressures with components,
// quantities, texts, and some without a value.
func (g *generator) observation(patient, encounter string, n int) {
	switch n % 4 {
	case 0:
		component := func(code, display string, base int) string {
			return fmt.Sprintf(`{"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"%s"}]},"valueQuantity":{"value":%d.%02d,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}`,
				code, display, base+g.rng.IntN(60), 10*g.rng.IntN(10))
		}
		components := component("8462-4", "Diastolic Blood Pressure", 60) + "," + component("8480-6", "Systolic Blood Pressure", 100)
		if g.rng.IntN(5) == 0 { // nothing measured, and the reason
			components += `,{"code":{"coding":[{"system":"http://loinc.org","code":"8478-0"}]},"dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"not-performed"}]}}`
		}
		g.observed(patient, encounter, "85354-9", "Blood Pressure", `,"component":[`+components+"]")
	case 1:
		g.observed(patient, encounter, "29463-7", "Body Weight", fmt.Sprintf(
			`,"valueQuantity":{"value":%s,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}`, g.pick(decimals)))
	case 2:
		g.observed(patient, encounter, "8251-1", "Comment", fmt.Sprintf(
			`,"valueString":"%s says: \"fine\" \u2028\\ \ud83d\ude80 🚀 %s"`, g.pick(givens), g.pick(families)))
	default:
		g.observed(patient, encounter, "8302-2", "Body Height", `,"dataAbsentReason":{"text":"unknown"}`)
	}
}

var smokingStatus = [][2]string{
	{"266919005", "Never smoker"}, {"8517006", "Former smoker"}, {"449868002", "Smokes tobacco daily"},
}

// smoking makes the tobacco smoking status that cohorts are built on; every
// third patient is a former smoker.
func (g *generator) smoking(patient, encounter string, n int) {
	s := smokingStatus[n%3]
	g.observed(patient, encounter, "72166-2", "Tobacco smoking status NHIS", fmt.Sprintf(
		`,"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"%s","display":"%s"}],"text":"%s"}`, s[0], s[1], s[1]))
}

func (g *generator) bigObservation(patient, encounter string) {
	g.observed(patient, encounter, "34109-9", "Note", `,"note":[{"text":"`+
		strings.Repeat(`A long note, 長い注記, \"quoted\", escaped \u00e9\n, and so on 🙂. `, bigRepeats)+`"}]`)
}

func (g *generator) observed(patient, encounter, code, display, rest string) {
	g.out("Observation", `{"resourceType":"Observation","id":"%s","status":"%s","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"%s"}],"text":"%s"},"subject":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/%s"},"effectiveDateTime":"%s","issued":"%s"%s}`,
		g.id(), g.pick([]string{"final", "final", "final", "preliminary"}), code, display, display, patient, encounter, g.partial(2010, 2020), g.instant(2010, 2020), rest)
}
