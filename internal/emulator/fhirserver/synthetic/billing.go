package synthetic

import "fmt"

type policyClass struct {
	kind        code
	value, name string
}

var (
	healthcare = code{hl7 + "v3-ActCode", "EHCPOL", "extended healthcare"}
	self       = code{hl7 + "subscriber-relationship", "self", "Self"}

	policyClasses = []policyClass{
		{code{hl7 + "coverage-class", "group", "Group"}, "CB135", "Baker's Inc."},
		{code{hl7 + "coverage-class", "plan", "Plan"}, "B37FC", "Full \\u0026 fair"},
	}
)

func (c policyClass) text() text {
	return object(field("type", concept(c.kind)), word("value", c.value), word("name", c.name))
}

// coverages makes one policy, or for some patients two: the first one counts.
func (g *generator) coverages(p patient) []thing {
	var out []thing
	for i := range turn(p.n, 1, 1, 1, 2) {
		by := turn(p.n+i, g.payers...)
		t := g.new("Coverage")
		t.name = by.name
		out = append(out, t)
		g.add(t,
			word("status", "active"), field("type", concept(healthcare)), to("policyHolder", p.thing), to("subscriber", p.thing),
			word("subscriberId", fmt.Sprintf("SUB%06d", p.n)), to("beneficiary", p.thing), word("dependent", fmt.Sprint(i)), field("relationship", concept(self)),
			field("period", period("2012-01-01", when(i > 0, g.day(2020, 2021)))), toAll("payor", by),
			field("class", each(policyClasses, policyClass.text)), field("order", number(i+1)), word("network", "Netz «5»"))
	}
	return out
}

// position is a line of a bill; what it costs is in cents.
type position struct {
	what, revenue code
	count, price  int
}

func (p position) net() int { return p.count * p.price }

// covered is what the payer pays of it.
func (p position) covered() int { return p.net() * 8 / 10 }

func sum(positions []position, of func(position) int) (total int) {
	for _, p := range positions {
		total += of(p)
	}
	return total
}

var (
	professional  = code{hl7 + "claim-type", "professional", "Professional"}
	clinicRevenue = code{"http://example.org/CodeSystem/revenue", "0510", "Clinic"}
	labRevenue    = code{"http://example.org/CodeSystem/revenue", "0300", "Laboratory"}
	medicalCare   = code{hl7 + "ex-benefitcategory", "1", "Medical Care"}
	afterHours    = code{hl7 + "modifiers", "c", "After hours"}
	office        = code{"https://www.cms.gov/Medicare/Coding/place-of-service-codes", "11", "Office"}
	inCharge      = code{hl7 + "claimcareteamrole", "primary", "Primary provider"}
	helps         = code{hl7 + "claimcareteamrole", "assist", "Assisting Provider"}
	principal     = code{hl7 + "ex-diagnosistype", "principal", "Principal Diagnosis"}
	presentBefore = code{hl7 + "ex-diagnosis-on-admission", "y", "Yes"}
	package203    = code{house, "DRG-203", "Bronchitis and asthma"}
	priorClaim    = code{hl7 + "ex-relatedclaimrelationship", "prior", "Prior Claim"}
	mainProcedure = code{hl7 + "ex-procedure-type", "primary", "Primary procedure"}
)

// bill makes the Claim for a visit and the ExplanationOfBenefit that answers it.
func (g *generator) bill(v *visit) {
	n := g.made["Claim"]
	positions := []position{{visitKinds[0].kind, clinicRevenue, 1, g.between(5000, 20000)}}
	for i, p := range v.procedures {
		positions = append(positions, position{code{house, fmt.Sprintf("P%d", i+1), p.name}, labRevenue, g.between(1, 3), g.between(1000, 90000)})
	}
	both := members(
		word("status", "active"), field("type", concept(professional)), word("use", "claim"), to("patient", v.thing),
		field("billablePeriod", period(v.at(0), v.at(59))), word("created", g.instant(v.day)), to("insurer", turn(v.n, g.payers...)),
		to("provider", turn(n, v.doctor, v.organization)), to("prescription", first(v.prescriptions)), to("facility", v.place), to("enterer", v.doctor),
		to("referral", first(v.orders)), field("related", list(v.before.related())),
		v.careTeamOf(n), v.diagnoses(n), v.proceduresDone(n))
	g.add(v.claim, both, field("priority", bare(hl7+"processpriority", "normal")),
		v.insurance(func(i int) member { return field("sequence", number(i+1)) }),
		v.items(positions, n, func(position) member { return "" }), field("total", money(sum(positions, position.net))))
	g.explain(v, n, both, positions)
}

// related is a Claim as the next one refers to it.
func (v *visit) related() text {
	if v.claim.id == "" {
		return ""
	}
	return object(to("claim", v.claim), field("relationship", concept(priorClaim)))
}

func (v *visit) careTeamOf(n int) member {
	part := func(sequence int, who thing, as code) text {
		return object(field("sequence", number(sequence)), to("provider", who), field("responsible", truth(sequence == 1)), field("role", concept(as)),
			field("qualification", when(sequence == 1, concept(doctorOfMedicine))))
	}
	return field("careTeam", list(part(1, v.doctor, inCharge), when(n%2 == 0, part(2, v.role, helps)), when(n%4 == 0, part(3, v.organization, helps))))
}

// diagnoses names a Condition by its code and by reference in turn.
func (v *visit) diagnoses(n int) member {
	var all []text
	for i, d := range v.conditions {
		all = append(all, object(field("sequence", number(i+1)),
			turn(n/3+i, field("diagnosisCodeableConcept", d.concept()), to("diagnosisReference", d.thing)),
			field("type", list(concept(principal))), field("onAdmission", concept(presentBefore)), field("packageCode", when(i == 0, concept(package203)))))
	}
	return field("diagnosis", list(all...))
}

func (v *visit) proceduresDone(n int) member {
	var all []text
	for i, p := range v.procedures {
		all = append(all, object(field("sequence", number(i+1)), field("type", list(concept(mainProcedure))), word("date", v.at(10)),
			turn(n/2+i, to("procedureReference", p), field("procedureCodeableConcept", concept(chestXRay)))))
	}
	return field("procedure", list(all...))
}

func (v *visit) insurance(more func(i int) member) member {
	var all []text
	for i, c := range v.coverages {
		all = append(all, object(more(i), field("focal", truth(i == 0)), to("coverage", c),
			field("preAuthRef", when(i == 0, list(quote("PA-"+v.encounter.id[:8]))))))
	}
	return field("insurance", list(all...))
}

func (v *visit) items(positions []position, n int, more func(position) member) member {
	var all []text
	for i, p := range positions {
		all = append(all, object(
			field("sequence", number(i+1)), field("revenue", concept(p.revenue)), field("category", concept(medicalCare)), field("productOrService", concept(p.what)),
			field("modifier", when(n%5 == 0, list(concept(afterHours)))),
			turn(n+i, word("servicedDate", v.day), field("servicedPeriod", period(v.at(0), v.at(59)))),
			turn(n+i, field("locationCodeableConcept", concept(office)), to("locationReference", v.place)),
			field("quantity", quantity(fmt.Sprint(p.count), "units", "1")), field("unitPrice", money(p.price)), field("factor", "1.00"), field("net", money(p.net())),
			toAll("encounter", v.encounter), more(p)))
	}
	return field("item", list(all...))
}

var (
	submitted      = code{hl7 + "adjudication", "submitted", "Submitted Amount"}
	benefit        = code{hl7 + "adjudication", "benefit", "Benefit Amount"}
	percentage     = code{hl7 + "adjudication", "eligpercent", "Eligible %"}
	paidByPatient  = code{"http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication", "paidbypatient", "Paid by patient"}
	deductible     = code{hl7 + "adjudication-reason", "ar001", "Not covered"}
	completePaying = code{hl7 + "ex-paymenttype", "complete", "Complete"}
)

// explain answers a Claim: who pays what of it.
func (g *generator) explain(v *visit, n int, both member, positions []position) {
	paid := sum(positions, position.covered)
	rest := sum(positions, position.net) - paid
	amount := func(category code, cents int, more ...member) text {
		return object(field("category", concept(category)), members(more...), field("amount", money(cents)))
	}
	adjudication := func(p position) member {
		return field("adjudication", list(
			amount(submitted, p.net()), amount(benefit, p.covered()), amount(paidByPatient, p.net()-p.covered(), field("reason", concept(deductible))),
			object(field("category", concept(percentage)), field("value", "80.00"))))
	}
	g.add(g.new("ExplanationOfBenefit"),
		both, to("claim", v.claim), word("outcome", turn(n, "complete", "partial")), word("disposition", "settled as in the contract"),
		v.insurance(func(int) member { return "" }), v.items(positions, n, adjudication),
		field("total", list(amount(submitted, sum(positions, position.net)), amount(benefit, paid), amount(paidByPatient, rest))),
		field("payment", object(field("type", concept(completePaying)), word("date", g.day(2020, 2020)), field("amount", money(paid)))))
}
