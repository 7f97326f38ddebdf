package synthetic

import (
	"fmt"
	"strings"
)

// bigRepeats of its sentence make a note of more than a megabyte.
const bigRepeats = 16000

// person makes one patient with everything about them.
func (g *generator) person(n int) {
	id := g.id()
	if n%10 == 1 { // the id before, but for the case of its letters
		id = strings.ToUpper(g.lastPatient)
	}
	g.lastPatient = id
	g.patient(id, n)
	var encounters []string
	for range 1 + g.rng.IntN(4) {
		encounters = append(encounters, g.encounter(id))
	}
	for range g.rng.IntN(4) {
		g.condition(id, g.pick(encounters))
	}
	for i := range 3 + g.rng.IntN(8) {
		g.observation(id, g.pick(encounters), i)
	}
	g.smoking(id, g.pick(encounters), n)
	if n == 0 {
		g.bigObservation(id, encounters[0])
	}
}

func (g *generator) patient(id string, n int) {
	var b strings.Builder
	fmt.Fprintf(&b, `{"resourceType":"Patient","id":"%s"`, id)
	if n%4 == 2 {
		b.WriteString(`,"meta":{"profile":["http://example.org/StructureDefinition/p"],"tag":[{"system":"http://example.org/tags","code":"made-up"}]}`)
	}
	fmt.Fprintf(&b, `,"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"http://example.org/mrn","value":"%08d"}]`, n)
	fmt.Fprintf(&b, `,"active":%t`, g.rng.IntN(10) > 0)
	if n%12 != 11 {
		b.WriteString(`,"name":[` + g.name("official"))
		if n%3 == 0 {
			b.WriteString("," + g.name("nickname"))
		}
		if n%5 == 0 {
			b.WriteString(`,{"use":"maiden","family":"` + g.pick(families) + `","period":{"end":"` + g.partial(1970, 2010) + `"}}`)
		}
		b.WriteString("]")
	}
	fmt.Fprintf(&b, `,"gender":"%s"`, g.pick(genders))
	switch n % 6 {
	case 0:
		b.WriteString(`,"birthDate":"1970"`)
	case 1:
		b.WriteString(`,"birthDate":"1970-06"`)
	case 2: // no birth date at all
	default:
		fmt.Fprintf(&b, `,"birthDate":"%s"`, g.day(1930, 2020))
	}
	switch n % 9 {
	case 4:
		fmt.Fprintf(&b, `,"deceasedDateTime":"%s"`, g.instant(2015, 2020))
	case 5:
		b.WriteString(`,"deceasedBoolean":false`)
	}
	fmt.Fprintf(&b, `,"address":[{"line":["%d High St.","c\/o %s"],"city":"%s","postalCode":"%05d","country":"%s"}]`,
		g.rng.IntN(200), g.pick(families), g.pick([]string{"Łódź", "São Paulo", "東京", "Boston", "Αθήνα"}), g.rng.IntN(1e5), g.pick([]string{"PL", "BR", "JP", "US", "GR"}))
	fmt.Fprintf(&b, `,"generalPractitioner":[{"reference":"Practitioner/%s"}],"managingOrganization":{"reference":"Organization/%s"}}`,
		g.pick(g.practitioners), g.pick(g.organizations))
	g.out("Patient", "%s", b.String())
}

func (g *generator) name(use string) string {
	given := `"` + g.pick(givens) + `"`
	for range g.rng.IntN(3) {
		given += `,"` + g.pick(givens) + `"`
	}
	return fmt.Sprintf(`{"use":"%s","family":"%s","given":[%s]}`, use, g.pick(families), given)
}

func (g *generator) encounter(patient string) string {
	id := g.id()
	begin := g.day(2012, 2019)
	g.out("Encounter", `{"resourceType":"Encounter","id":"%s","status":"%s","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"%s"},"type":[{"coding":[{"system":"http://snomed.info/sct","code":"185345009","display":"Encounter for symptom"}],"text":"Encounter for symptom"}],"subject":{"reference":"Patient/%s"},"participant":[{"individual":{"reference":"Practitioner/%s"}}],"period":{"start":"%sT08:00:00+02:00","end":"%sT08:%02d:00+02:00"},"serviceProvider":{"reference":"Organization/%s"}}`,
		id, g.pick([]string{"finished", "finished", "cancelled", "in-progress"}), g.pick([]string{"AMB", "IMP", "EMER"}), patient,
		g.pick(g.practitioners), begin, begin, g.rng.IntN(60), g.pick(g.organizations))
	return id
}

var conditions = [][2]string{
	{"38341003", "Hypertensive disorder"},
	{"44054006", "Diabetes mellitus type 2"},
	{"195967001", "Asthma"},
	{"192127007", "Child attention deficit disorder"},
	{"267036007", "Dyspnea \\u2014 at rest"},
}

func (g *generator) condition(patient, encounter string) {
	c := conditions[g.rng.IntN(len(conditions))]
	abatement := ""
	if g.rng.IntN(3) == 0 {
		abatement = `,"abatementDateTime":"` + g.partial(2015, 2020) + `"`
	}
	g.out("Condition", `{"resourceType":"Condition","id":"%s","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"%s"}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"%s","display":"%s"}],"text":"%s"},"subject":{"reference":"Patient/%s"},"encounter":{"reference":"Encounter/%s"},"onsetDateTime":"%s"%s,"recordedDate":"%s"}`,
		g.id(), g.pick([]string{"active", "resolved"}), c[0], c[1], c[1], patient, encounter, g.partial(1970, 2015), abatement, g.instant(2010, 2020))
}
