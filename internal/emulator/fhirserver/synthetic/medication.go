package synthetic

import "fmt"

// drug is a product with its ingredient and how it is taken.
type drug struct {
	product, ingredient code
	form, route         code
	strength            string
	strengthUnit        string
	dose, doseUnit      string
	instruction         string
}

var (
	tablet    = code{snomed, "385055001", "Tablet"}
	inhaler   = code{snomed, "420641004", "Solution for inhalation"}
	inhaled   = code{snomed, "447694001", "Respiratory tract route"}
	mouth     = code{snomed, "123851003", "Mouth region structure"}
	swallow   = code{snomed, "421521009", "Swallow"}
	twiceAday = code{hl7 + "v3-GTSAbbreviation", "BID", "twice a day"}
)

var drugs = []drug{
	{code{rxnorm, "314076", "lisinopril 10 MG Oral Tablet"}, code{rxnorm, "29046", "lisinopril"}, tablet, byMouth, "10.0", "mg", "1", "tablet", "one tablet twice a day"},
	{code{rxnorm, "860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"}, code{rxnorm, "6809", "metformin"}, tablet, byMouth, "500", "mg", "2.0", "tablet", "two tablets \\u2014 with meals"},
	{code{rxnorm, "745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"}, code{rxnorm, "435", "albuterol"}, inhaler, inhaled, "0.090", "mg", "2", "puff", "two puffs when short of breath"},
	{code{rxnorm, "313782", "acetaminophen 325 MG Oral Tablet"}, code{rxnorm, "161", "acetaminophen"}, tablet, byMouth, "325.00", "mg", "1.5", "tablet", "one and a half tablets"},
}

// formulary makes the Medications, one for each drug; the last but one is also an
// ingredient of the last.
func (g *generator) formulary() {
	for n, d := range drugs {
		t := g.new("Medication")
		t.name = d.product.display
		strength := field("strength", ratio(quantity(d.strength, d.strengthUnit, d.strengthUnit), quantity("1", d.doseUnit, "1")))
		var mixed text
		if n == len(drugs)-1 {
			mixed = object(to("itemReference", g.medications[n-1]), field("isActive", truth(false)), strength)
		}
		g.medications = append(g.medications, t)
		g.add(t,
			field("code", concept(d.product)), word("status", "active"), to("manufacturer", turn(n, g.organizations...)), field("form", concept(d.form)),
			field("amount", ratio(quantity("30", d.doseUnit, "1"), quantity("1.0", "package", "1"))),
			field("ingredient", list(object(field("itemCodeableConcept", concept(d.ingredient)), field("isActive", truth(true)), strength), mixed)),
			field("batch", object(word("lotNumber", fmt.Sprintf("B%04d", g.rng.IntN(1e4))), word("expirationDate", g.day(2022, 2025)))))
	}
}

// what names a drug by its code, by a Medication, or by one that it contains.
func (g *generator) what(n, drug int) member {
	d := drugs[drug]
	inside := resource(thing{"Medication", "med", ""}, field("code", concept(d.product)))
	return turn(n,
		field("medicationCodeableConcept", concept(d.product, d.product.own())),
		to("medicationReference", g.medications[drug]),
		field("medicationCodeableConcept", concept(d.product)),
		members(field("contained", list(inside)), field("medicationReference", object(word("reference", "#med"), word("display", d.product.display)))))
}

func (d drug) quantity(value string) text { return quantity(value, d.doseUnit, "1") }

func (d drug) doses() text {
	timing := object(
		field("repeat", object(field("frequency", number(2)), field("period", text("1.0")), word("periodUnit", "d"))),
		field("code", concept(twiceAday)))
	rate := object(field("type", concept(code{hl7 + "dose-rate-type", "ordered", "Ordered"})), field("doseQuantity", d.quantity(d.dose)))
	return list(object(
		field("sequence", number(1)), word("text", d.instruction), word("patientInstruction", "with water"), field("timing", timing),
		field("asNeededBoolean", truth(d.route == inhaled)), field("site", concept(mouth)), field("route", concept(d.route)), field("method", concept(swallow)),
		field("doseAndRate", list(rate))))
}

var (
	outpatient   = code{hl7 + "medicationrequest-category", "outpatient", "Outpatient"}
	givenInside  = code{hl7 + "medication-admin-category", "inpatient", "Inpatient"}
	handedOver   = code{hl7 + "medicationdispense-category", "outpatient", "Outpatient"}
	firstFill    = code{hl7 + "v3-ActCode", "FF", "First Fill"}
	thirtyDays   = quantity("30", "days", "d")
	administered = code{hl7 + "med-admin-perform-function", "performer", "Performer"}
)

// prescribe makes a request for what helps, and what was done with it.
func (g *generator) prescribe(v *visit, d diagnosis) {
	n := g.made["MedicationRequest"]
	drug := drugs[d.drug]
	t := g.new("MedicationRequest")
	t.name = drug.product.display
	v.prescriptions = append(v.prescriptions, t)
	g.add(t,
		g.what(n, d.drug), word("status", turn(n, "active", "completed", "stopped")), word("intent", "order"), field("category", list(concept(outpatient))),
		word("priority", turn(n, "routine", "urgent")), field("doNotPerform", truth(n%20 == 19)), field("reportedBoolean", truth(n%6 == 5)), v.subject(), word("authoredOn", v.at(40)),
		to("requester", turn(n, v.doctor, v.doctor, v.organization)), to("performer", v.doctor), to("recorder", v.doctor), toAll("basedOn", first(v.orders)),
		to("priorPrescription", first(v.before.prescriptions)), toAll("insurance", v.coverages...), field("reasonCode", list(d.concept())), toAll("reasonReference", d.thing),
		field("dosageInstruction", drug.doses()),
		field("dispenseRequest", object(
			field("validityPeriod", period(v.day, g.day(2020, 2021))), field("numberOfRepeatsAllowed", number(n%4)),
			field("quantity", drug.quantity("30.0")), field("expectedSupplyDuration", thirtyDays), to("performer", v.organization))))
	if n%3 == 2 {
		g.administer(v, d, t)
	} else {
		g.dispense(v, d, t)
	}
}

func (g *generator) administer(v *visit, d diagnosis, request thing) {
	n := g.made["MedicationAdministration"]
	drug := drugs[d.drug]
	g.add(g.new("MedicationAdministration"),
		word("status", "completed"), field("category", concept(givenInside)), g.what(n, d.drug), to("subject", v.thing), to("context", v.encounter),
		turn(n, word("effectiveDateTime", v.at(45)), field("effectivePeriod", period(v.at(45), v.at(50)))),
		field("performer", list(object(field("function", concept(administered)), to("actor", v.doctor)))),
		field("reasonCode", list(d.concept())), toAll("reasonReference", d.thing), to("request", request), toAll("device", v.device), toAll("partOf", first(v.procedures)),
		field("dosage", object(
			word("text", drug.instruction), field("site", concept(mouth)), field("route", concept(drug.route)), field("method", concept(swallow)),
			field("dose", drug.quantity(drug.dose)), field("rateQuantity", quantity("1.50", "mL/h", "mL/h")))))
}

func (g *generator) dispense(v *visit, d diagnosis, request thing) {
	n := g.made["MedicationDispense"]
	drug := drugs[d.drug]
	g.add(g.new("MedicationDispense"),
		g.what(n, d.drug), word("status", turn(n, "completed", "in-progress")), field("category", concept(handedOver)),
		to("subject", v.thing), to("context", v.encounter),
		field("performer", list(object(to("actor", turn(n, v.doctor, v.organization))))), to("destination", v.place), toAll("receiver", v.thing), to("location", v.place), toAll("authorizingPrescription", request),
		field("type", concept(firstFill)), field("quantity", drug.quantity("30.0")), field("daysSupply", thirtyDays),
		word("whenPrepared", v.at(50)), word("whenHandedOver", g.about(v.day)), field("dosageInstruction", drug.doses()))
}
