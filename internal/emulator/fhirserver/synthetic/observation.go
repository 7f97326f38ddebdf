package synthetic

import (
	"fmt"
	"strings"
)

// bigRepeats of its sentence make a note of more than a megabyte.
const bigRepeats = 16000

// decimals are texts that a trip through a float would change.
var decimals = []string{"1.10", "0.0", "98.60", "-0.50", "70.000", "1.5e2", "12345678901234.123456", "0.1", "37"}

// measure is what is measured in a unit; within low and high is normal.
type measure struct {
	code       code
	unit, ucum string
	low, high  int
	digits     int
}

var (
	signs = []measure{
		{code{loinc, "8867-4", "Heart rate"}, "/min", "/min", 60, 100, 1},
		{code{loinc, "8310-5", "Body temperature"}, "Cel", "Cel", 36, 38, 2},
		{code{loinc, "9279-1", "Respiratory rate"}, "/min", "/min", 12, 20, 1},
		{code{loinc, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"}, "%", "%", 94, 97, 1},
		{code{loinc, "39156-5", "Body mass index"}, "kg/m2", "kg/m2", 18, 25, 2},
	}
	diastolic = measure{code{loinc, "8462-4", "Diastolic Blood Pressure"}, "mmHg", "mm[Hg]", 60, 90, 2}
	systolic  = measure{code{loinc, "8480-6", "Systolic Blood Pressure"}, "mmHg", "mm[Hg]", 100, 140, 2}
	mean      = code{loinc, "8478-0", "Mean blood pressure"}
	weight    = code{loinc, "29463-7", "Body Weight"}

	vitalSigns = code{hl7 + "observation-category", "vital-signs", "Vital Signs"}
	survey     = code{hl7 + "observation-category", "survey", "Survey"}
	exam       = code{hl7 + "observation-category", "exam", "Exam"}
	social     = code{hl7 + "observation-category", "social-history", "Social History"}

	interpretations = []code{
		{hl7 + "v3-ObservationInterpretation", "L", "Low"},
		{hl7 + "v3-ObservationInterpretation", "N", "Normal"},
		{hl7 + "v3-ObservationInterpretation", "H", "High"},
	}
	cuff  = code{snomed, "371911009", "Measurement of blood pressure using cuff method"}
	never = code{hl7 + "data-absent-reason", "not-performed", "Not Performed"}
)

// measured is a value with what it means.
func (g *generator) measured(m measure) member {
	value := g.between(max(0, m.low-2), m.high+2)
	meaning := interpretations[1]
	switch {
	case value < m.low:
		meaning = interpretations[0]
	case value >= m.high:
		meaning = interpretations[2]
	}
	limits := members(field("low", quantity(fmt.Sprint(m.low), m.unit, m.ucum)), field("high", quantity(fmt.Sprint(m.high), m.unit, m.ucum)),
		word("text", fmt.Sprintf("%d to %d %s", m.low, m.high, m.unit)))
	return members(
		field("valueQuantity", quantity(g.decimal(value, value, m.digits), m.unit, m.ucum)),
		field("interpretation", list(concept(meaning))), field("referenceRange", list(object(limits))))
}

// vitals makes what is measured at every visit: blood pressure with components,
// quantities, and one answer of the rarer kinds.
func (g *generator) vitals(v *visit) {
	n := g.made["Encounter"]
	pressure := []text{
		object(field("code", concept(diastolic.code)), g.measured(diastolic)),
		object(field("code", concept(systolic.code)), g.measured(systolic)),
		when(g.rng.IntN(5) == 0, object(field("code", concept(mean)), field("dataAbsentReason", concept(never)))),
	}
	g.observed(v, vitalSigns, concept(code{loinc, "85354-9", "Blood Pressure"}), field("component", list(pressure...)),
		field("method", concept(cuff)), field("bodySite", concept(leftArm)), to("device", v.device))
	for range g.between(1, 3) {
		m := pick(g, signs)
		g.observed(v, vitalSigns, concept(m.code, m.code.own()), g.measured(m), to("device", v.device))
	}
	g.observed(v, vitalSigns, concept(weight), field("valueQuantity", quantity(turn(n, decimals...), "kg", "kg")))
	g.finding(v)
	if n%3 == 0 {
		g.observed(v, vitalSigns, concept(code{loinc, "8302-2", "Body Height"}), field("dataAbsentReason", concept(code{hl7 + "data-absent-reason", "unknown", "Unknown"})))
	}
}

// answer is a question with a value of one of the types that an Observation may have.
type answer struct {
	question code
	value    member
}

func (g *generator) answers(v *visit) []answer {
	local := func(name string) code { return code{house, name, strings.ReplaceAll(name, "-", " ")} }
	said := fmt.Sprintf("%s says: \\\"fine\\\" \\u2028\\\\ \\ud83d\\ude80 🚀 %s", pick(g, givens), pick(g, families))
	below := object(field("value", text("0.10")), word("comparator", "<"), word("unit", "mg/L"), word("system", ucum), word("code", "mg/L"))
	return []answer{
		{code{loinc, "8251-1", "Comment"}, word("valueString", said)},
		{code{loinc, "1988-5", "C reactive protein [Mass/volume] in Serum or Plasma"}, field("valueQuantity", below)},
		{code{loinc, "44261-6", "Patient Health Questionnaire 9 item total score"}, field("valueInteger", number(g.rng.IntN(28)))},
		{local("came-sober"), field("valueBoolean", truth(g.rng.IntN(2) == 0))},
		{code{loinc, "8665-2", "Last menstrual period start date"}, word("valueDateTime", g.cut(v.day))},
		{local("last-meal"), word("valueTime", fmt.Sprintf("%02d:30:00", g.rng.IntN(24)))},
		{local("fever"), field("valuePeriod", period(g.cut(v.day), v.day))},
		{local("cigarettes-a-day"), field("valueRange", span("5", "10", "/d", "/d"))},
		{code{loinc, "5048-4", "Nuclear Ab [Titer] in Serum by Immunofluorescence"}, field("valueRatio", ratio(object(field("value", "1")), object(field("value", "128"))))},
		{code{loinc, "883-9", "ABO group [Type] in Blood"}, field("valueCodeableConcept", concept(code{snomed, "112144000", "Blood group A"}))},
	}
}

// finding is an answer, or several as components of one Observation.
func (g *generator) finding(v *visit) {
	n := g.made["Encounter"]
	all := g.answers(v)
	if n%2 == 0 {
		a := turn(n/2, all...)
		g.observed(v, exam, concept(a.question), a.value)
		return
	}
	var parts []text
	for i := range 3 {
		a := turn(n+i, all...)
		parts = append(parts, object(field("code", concept(a.question)), a.value))
	}
	g.observed(v, survey, concept(code{house, "intake", "Intake interview"}), field("component", list(parts...)))
}

var smokingStatus = []code{
	{snomed, "266919005", "Never smoker"}, {snomed, "8517006", "Former smoker"}, {snomed, "449868002", "Smokes tobacco daily"},
}

// smoking makes the tobacco smoking status that cohorts are built on; every
// third patient is a former smoker.
func (g *generator) smoking(v *visit) {
	g.observed(v, social, concept(code{loinc, "72166-2", "Tobacco smoking status NHIS"}),
		field("valueCodeableConcept", concept(turn(v.n, smokingStatus...))))
}

func (g *generator) bigNote(v *visit) {
	long := strings.Repeat(`A long note, 長い注記, \"quoted\", escaped \u00e9\n, and so on 🙂. `, bigRepeats)
	g.observed(v, survey, concept(code{loinc, "34109-9", "Note"}), field("note", list(object(word("text", long)))))
}

// observed makes an Observation of a visit.
func (g *generator) observed(v *visit, category code, what text, more ...member) thing {
	n := g.made["Observation"]
	t := g.new("Observation")
	performer := turn(n, v.doctor, v.doctor, v.role, v.organization, v.team, v.thing)
	g.add(t,
		word("status", pick(g, []string{"final", "final", "final", "preliminary"})),
		field("category", list(concept(category))), field("code", what), v.subject(),
		turn(n,
			word("effectiveDateTime", g.about(v.day)), word("effectiveDateTime", v.at(5)), word("effectiveDateTime", g.about(v.day)),
			word("effectiveInstant", g.instant(v.day)), field("effectivePeriod", period(v.at(1), v.at(2)))),
		word("issued", g.instant(v.day)),
		toAll("performer", performer),
		when(n%4 == 3, toAll("partOf", v.procedures...)),
		members(more...))
	v.observations = append(v.observations, t)
	return t
}
