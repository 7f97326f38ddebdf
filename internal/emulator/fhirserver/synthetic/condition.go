package synthetic

import "fmt"

// disease is what a patient may have, and what is done about it.
type disease struct {
	snomed, icd code
	site        code
	drug        int // of drugs
}

var diseases = []disease{
	{code{snomed, "38341003", "Hypertensive disorder"}, code{icd10, "I10", "Essential (primary) hypertension"}, code{snomed, "80891009", "Heart structure"}, 0},
	{code{snomed, "44054006", "Diabetes mellitus type 2"}, code{icd10, "E11.9", "Type 2 diabetes mellitus without complications"}, code{snomed, "15776009", "Pancreatic structure"}, 1},
	{code{snomed, "195967001", "Asthma"}, code{icd10, "J45.909", "Unspecified asthma, uncomplicated"}, code{snomed, "39607008", "Lung structure"}, 2},
	{code{snomed, "10509002", "Acute bronchitis"}, code{icd10, "J20.9", "Acute bronchitis, unspecified"}, code{snomed, "39607008", "Lung structure"}, 3},
	{code{snomed, "267036007", "Dyspnea \\u2014 at rest"}, code{icd10, "R06.02", "Shortness of breath"}, code{snomed, "39607008", "Lung structure"}, 2},
}

var (
	conditionCategories = []code{
		{hl7 + "condition-category", "encounter-diagnosis", "Encounter Diagnosis"},
		{hl7 + "condition-category", "problem-list-item", "Problem List Item"},
	}
	severities = []code{
		{snomed, "255604002", "Mild"}, {snomed, "6736007", "Moderate"}, {snomed, "24484000", "Severe"},
	}
)

// diagnosis is a Condition to be referred to.
type diagnosis struct {
	thing
	disease
}

func (d diagnosis) concept() text { return concept(d.snomed, d.icd) }

func (g *generator) condition(v *visit) diagnosis {
	n := g.made["Condition"]
	d := diagnosis{g.new("Condition"), pick(g, diseases)}
	d.name = d.snomed.display
	age := g.between(20, 60)
	years := func(n int) text { return quantity(fmt.Sprint(n), "years", "a") }
	resolved := n%3 == 1
	g.add(d.thing,
		field("clinicalStatus", bare(hl7+"condition-clinical", map[bool]string{true: "resolved", false: "active"}[resolved])),
		field("verificationStatus", bare(hl7+"condition-ver-status", turn(n, "confirmed", "confirmed", "provisional"))),
		field("category", list(concept(turn(n, conditionCategories...)))),
		field("severity", concept(pick(g, severities))), field("code", d.concept()), field("bodySite", list(concept(d.site))),
		v.subject(),
		turn(n,
			word("onsetDateTime", g.partial(1990, 2011)), word("onsetDateTime", g.about(v.day)), field("onsetAge", years(age)),
			field("onsetPeriod", period(g.partial(1990, 2000), g.partial(2001, 2011))), word("onsetString", "when at school")),
		when(resolved, turn(n/3,
			word("abatementDateTime", g.about(g.day(2020, 2021))), field("abatementAge", years(age+20)),
			field("abatementPeriod", period(g.partial(2020, 2020), g.partial(2021, 2021))), word("abatementString", "within a year"))),
		word("recordedDate", g.about(v.day)),
		to("recorder", v.doctor), to("asserter", turn(n, v.doctor, v.thing)),
		field("evidence", list(object(toAll("detail", first(v.observations))))),
	)
	return d
}

type allergen struct{ code, substance, reaction code }

var allergens = []allergen{
	{code{snomed, "91936005", "Allergy to penicillin"}, code{rxnorm, "7980", "penicillin G"}, code{snomed, "271807003", "Eruption of skin"}},
	{code{snomed, "91935009", "Allergy to peanut"}, code{snomed, "762952008", "Peanut"}, code{snomed, "39579001", "Anaphylaxis"}},
	{code{snomed, "91930004", "Allergy to egg protein"}, code{snomed, "102263004", "Eggs (edible)"}, code{snomed, "247472004", "Wheal"}},
}

var (
	byMouth       = code{snomed, "26643006", "Oral route"}
	intramuscular = code{snomed, "78421000", "Intramuscular route"}
	leftArm       = code{snomed, "368208006", "Left upper arm structure"}
)

func (g *generator) allergy(v *visit) {
	n := g.made["AllergyIntolerance"]
	a := turn(n, allergens...)
	g.add(g.new("AllergyIntolerance"),
		field("clinicalStatus", bare(hl7+"allergyintolerance-clinical", "active")),
		field("verificationStatus", bare(hl7+"allergyintolerance-verification", turn(n, "confirmed", "unconfirmed"))),
		word("type", turn(n, "allergy", "intolerance")), field("category", list(quote(turn(n, "medication", "food", "food")))),
		word("criticality", turn(n, "low", "high", "unable-to-assess")),
		field("code", concept(a.code, a.code.own())),
		to("patient", v.thing), to("encounter", v.encounter),
		turn(n, word("onsetDateTime", g.partial(1970, 2000)), field("onsetAge", quantity("7", "years", "a")), word("onsetString", "as a child")),
		word("recordedDate", g.about(v.day)), to("recorder", v.doctor), to("asserter", turn(n, v.doctor, v.thing)),
		word("lastOccurrence", g.partial(2001, 2011)),
		field("reaction", list(object(
			field("substance", concept(a.substance)), field("manifestation", list(concept(a.reaction))), word("description", "within minutes"),
			word("onset", g.partial(2001, 2011)), word("severity", turn(n, "mild", "severe", "moderate")), field("exposureRoute", concept(byMouth))))),
	)
}

type vaccine struct{ code, disease code }

var vaccines = []vaccine{
	{code{cvx, "140", "Influenza, seasonal, injectable, preservative free"}, code{snomed, "6142004", "Influenza"}},
	{code{cvx, "113", "Td (adult) preservative free"}, code{snomed, "76902006", "Tetanus"}},
	{code{cvx, "208", "COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose"}, code{snomed, "840539006", "COVID-19"}},
}

var (
	immunity     = code{hl7 + "v3-ActReason", "IMMUNE", "immunity"}
	gaveIt       = code{hl7 + "v2-0443", "AP", "Administering Provider"}
	orderedIt    = code{hl7 + "v2-0443", "OP", "Ordering Provider"}
	seriesOfTwo  = members(field("doseNumberPositiveInt", number(1)), field("seriesDosesPositiveInt", number(2)))
	seriesInText = members(word("doseNumberString", "booster"), word("seriesDosesString", "as needed"))
)

func (g *generator) immunization(v *visit) {
	n := g.made["Immunization"]
	given := n%5 != 4
	vac := turn(n, vaccines...)
	var status member
	if given {
		status = word("status", "completed")
	} else {
		status = members(word("status", "not-done"), field("statusReason", concept(immunity)))
	}
	g.add(g.new("Immunization"),
		status, field("vaccineCode", concept(vac.code)), to("patient", v.thing), to("encounter", v.encounter),
		turn(n, word("occurrenceDateTime", g.about(v.day)), word("occurrenceDateTime", v.at(10)), word("occurrenceString", "in the autumn")),
		word("recorded", g.about(v.day)), field("primarySource", truth(n%4 != 3)), to("location", v.place),
		when(given, members(
			to("manufacturer", pick(g, g.organizations)), word("lotNumber", fmt.Sprintf("LOT-%05d", g.rng.IntN(1e5))), word("expirationDate", g.day(2021, 2023)),
			field("site", concept(leftArm)), field("route", concept(intramuscular)), field("doseQuantity", quantity("0.50", "mL", "mL")))),
		field("performer", list(
			object(field("function", concept(gaveIt)), to("actor", v.doctor)),
			when(n%2 == 1, object(field("function", concept(orderedIt)), to("actor", v.organization))))),
		v.reason(),
		field("protocolApplied", when(given, list(object(
			word("series", "basic"), to("authority", v.organization), field("targetDisease", list(concept(vac.disease))),
			turn(n, seriesOfTwo, seriesOfTwo, seriesInText))))),
	)
}
