package synthetic

import "fmt"

var (
	assessAndPlan = code{"http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan", "Assessment and Plan of Treatment"}
	diabetesCare  = code{snomed, "735985000", "Diabetes self management plan"}
	encounterTeam = code{loinc, "LA27976-2", "Encounter-focused care team"}
	teamRoles     = []code{
		{snomed, "158965000", "Medical practitioner"},
		{snomed, "224535009", "Registered nurse"},
		{snomed, "116154003", "Patient"},
		{snomed, "224891009", "Healthcare services"},
	}
	activities = []code{{snomed, "229065009", "Exercise therapy"}, {snomed, "160573003", "Alcohol intake"}}
)

// care makes who cares for the patient and what they plan: for some, in two steps.
func (g *generator) care(v *visit) {
	problem := g.condition(v)
	g.careTeam(v, problem)
	plan := g.carePlan(v, problem, thing{})
	if v.n%8 == 0 {
		g.carePlan(v, problem, plan)
	}
}

func (g *generator) careTeam(v *visit, problem diagnosis) {
	var participants []text
	for i, who := range []thing{v.doctor, v.role, v.thing, v.organization} {
		participants = append(participants, object(field("role", list(concept(teamRoles[i]))), to("member", who), when(i == 0, to("onBehalfOf", v.organization)), field("period", period("2012", when(i == 1, "2018-12")))))
	}
	g.add(v.team,
		word("status", "active"), field("category", list(concept(encounterTeam))), word("name", fmt.Sprintf("Équipe №%d", v.n)),
		v.subject(), field("period", period("2012", when(v.n%8 == 0, "2020-06-30"))), field("participant", list(participants...)),
		field("reasonCode", list(problem.concept())), toAll("reasonReference", problem.thing), toAll("managingOrganization", v.organization))
}

// carePlan makes a plan for what the patient has, with a goal; whole is the plan
// that it is a part of, if any.
func (g *generator) carePlan(v *visit, problem diagnosis, whole thing) thing {
	n := g.made["CarePlan"]
	t := g.new("CarePlan")
	goal := g.goal(v, problem)
	order := g.order(v, labOrder, labPanels[0].panel, "")
	detail := func(i int, scheduled member) text {
		return object(field("detail", object(
			word("kind", "ServiceRequest"), field("code", concept(activities[i])), word("status", turn(n, "in-progress", "completed")), field("doNotPerform", truth(i == 1)),
			scheduled, toAll("reasonReference", problem.thing), toAll("goal", goal), toAll("performer", v.doctor), to("location", v.place), word("description", "as agreed"))))
	}
	g.add(t,
		toAll("basedOn", whole), toAll("partOf", whole),
		word("status", turn(n, "active", "completed")), word("intent", "plan"),
		field("category", list(concept(assessAndPlan), concept(diabetesCare))), word("title", "Plan "+fmt.Sprint(n)), word("description", "what we agreed upon\\nin April"),
		v.subject(), field("period", period(v.day, when(n%2 == 0, g.day(2020, 2021)))), word("created", g.about(v.day)), to("author", v.doctor),
		toAll("careTeam", v.team), toAll("addresses", problem.thing), toAll("goal", goal),
		field("activity", list(
			detail(0, field("scheduledPeriod", period(v.day, "2020-03"))), detail(1, word("scheduledString", "daily")),
			object(to("reference", order)), when(len(v.prescriptions) > 0, object(to("reference", first(v.prescriptions)))))))
	return t
}

var (
	achievements = []code{{hl7 + "goal-achievement", "improving", "Improving"}, {hl7 + "goal-achievement", "achieved", "Achieved"}}
	dietary      = code{hl7 + "goal-category", "dietary", "Dietary"}
	mediumFirst  = code{hl7 + "goal-priority", "medium-priority", "Medium Priority"}
	lessSugar    = code{snomed, "289169006", "Finding related to blood glucose control"}
	selfReport   = code{house, "self", "Self report"}
	hba1c        = code{loinc, "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"}
)

func (g *generator) goal(v *visit, problem diagnosis) thing {
	t := g.new("Goal")
	t.name = "HbA1c below 7 %"
	var targets []text
	for i, detail := range []member{
		field("detailQuantity", quantity("7.0", "%", "%")),
		field("detailRange", span("6.50", "7.00", "%", "%")),
		field("detailCodeableConcept", concept(smokingStatus[1])),
		word("detailString", "feels better"),
		field("detailBoolean", truth(true)),
	} {
		targets = append(targets, object(field("measure", concept(turn(i/2, hba1c, selfReport, selfReport))), detail, word("dueDate", g.day(2020, 2022))))
	}
	g.add(t,
		word("lifecycleStatus", "active"), field("achievementStatus", concept(turn(v.n/4, achievements...))), field("category", list(concept(dietary))),
		field("priority", concept(mediumFirst)), field("description", concept(lessSugar)), to("subject", v.thing),
		word("startDate", v.day), field("target", list(targets...)), word("statusDate", g.cut(v.day)), to("expressedBy", v.doctor), toAll("addresses", problem.thing),
		toAll("outcomeReference", first(v.observations)))
	return t
}

// questionnaire makes a filled form with an answer of every type, and the
// Observation that it is part of.
func (g *generator) questionnaire(v *visit) {
	n := g.made["QuestionnaireResponse"]
	score := field("valueInteger", number(g.rng.IntN(28)))
	phq9 := code{loinc, "44249-1", "PHQ-9 quick depression assessment panel"}
	t := g.new("QuestionnaireResponse")
	item := func(id, label string, answers ...text) text {
		return object(word("linkId", id), word("definition", "http://example.org/forms/intake#"+id), word("text", label), field("answer", list(answers...)))
	}
	total := g.observed(v, survey, concept(phq9), score)
	g.add(t,
		word("questionnaire", "http://example.org/Questionnaire/intake|2"), toAll("basedOn", first(v.orders)), toAll("partOf", total), word("status", turn(n, "completed", "amended")),
		v.subject(), word("authored", v.at(2)), to("author", v.doctor), to("source", turn(n, v.thing, v.doctor)),
		field("item", list(
			object(word("linkId", "1"), word("text", "About you"), field("item", list(
				item("1.1", "Do you smoke?", object(field("valueBoolean", truth(true)), field("item", list(item("1.1.1", "How many a day?", object(field("valueInteger", number(7)))))))),
				item("1.2", "Weight", object(field("valueQuantity", quantity("70.50", "kg", "kg"))), object(field("valueDecimal", text("70.50")))),
				item("1.3", "Not asked")))),
			item("2", "When did it begin?", object(word("valueDate", g.partial(2000, 2010))), object(word("valueDateTime", g.about(v.day))), object(word("valueTime", "07:30:00"))),
			item("3", "Anything else?", object(word("valueString", "no \\ud83d\\ude00")), object(word("valueUri", "urn:isbn:9780141036144")),
				object(field("valueCoding", diseases[2].snomed.coding())), object(to("valueReference", v.doctor))))))
	g.observed(v, survey, concept(phq9), score, toAll("hasMember", t), toAll("derivedFrom", total))
}
