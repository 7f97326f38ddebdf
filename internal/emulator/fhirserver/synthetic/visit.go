package synthetic

import "fmt"

// visit is an encounter of a patient, with what came of it.
type visit struct {
	patient
	encounter     thing
	year          int // that it is in, or the next
	day           string
	place, role   thing
	before        *visit // of the same patient; an empty one before the first
	conditions    []diagnosis
	procedures    []thing
	orders        []thing
	prescriptions []thing
	observations  []thing

	document, claim thing
}

// subject says whom and when a resource is about.
func (v *visit) subject() member {
	return members(to("subject", v.thing), to("encounter", v.encounter))
}

// at is a time of the visit, minutes after its start.
func (v *visit) at(minutes int) string { return fmt.Sprintf("%sT08:%02d:00+02:00", v.day, minutes) }

// person makes one patient with everything about them.
func (g *generator) person(n int) {
	p := g.patient(n)
	if n%4 == 2 {
		p.device = g.device(p, thing{})
		if n%8 == 2 {
			g.device(p, p.device)
		}
	}
	if n%4 == 0 {
		p.team = g.new("CareTeam")
		p.team.name = "team of four"
	}
	p.coverages = g.coverages(p)
	first := g.visit(p, &visit{year: 2010})
	last := first
	for range g.rng.IntN(4) {
		last = g.visit(p, last)
	}
	g.smoking(last)
	if n == 0 {
		g.bigNote(first)
	}
	if n%3 == 0 {
		g.allergy(first)
	}
	for range 1 + g.rng.IntN(3) {
		g.immunization(last)
	}
	switch n % 4 {
	case 0:
		g.care(last)
	case 1:
		g.questionnaire(last)
	case 2, 3:
		g.provenance(last)
	}
}

// visitKind goes with the class of an encounter.
type visitKind struct{ class, kind, service, priority, from, to code }

var visitKinds = []visitKind{
	{
		class: code{hl7 + "v3-ActCode", "AMB", "ambulatory"}, kind: code{snomed, "185349003", "Encounter for check up"},
		service: code{hl7 + "service-type", "124", "General Practice"}, priority: code{hl7 + "v3-ActPriority", "R", "routine"},
	},
	{
		class: code{hl7 + "v3-ActCode", "EMER", "emergency"}, kind: code{snomed, "50849002", "Emergency room admission"},
		service: code{hl7 + "service-type", "14", "Emergency Medical"}, priority: code{hl7 + "v3-ActPriority", "EM", "emergency"},
	},
	{
		class: code{hl7 + "v3-ActCode", "IMP", "inpatient encounter"}, kind: code{snomed, "183452005", "Emergency hospital admission"},
		service: code{hl7 + "service-type", "540", "Inpatients"}, priority: code{hl7 + "v3-ActPriority", "UR", "urgent"},
		from: code{hl7 + "admit-source", "emd", "From accident/emergency department"},
		to:   code{hl7 + "discharge-disposition", "home", "Home"},
	},
}

var (
	attender  = code{hl7 + "v3-ParticipationType", "ATND", "attender"}
	assistant = code{hl7 + "v3-ParticipationType", "SPRF", "secondary performer"}
	diagnoses = []code{
		{hl7 + "diagnosis-role", "AD", "Admission diagnosis"}, {hl7 + "diagnosis-role", "DD", "Discharge diagnosis"},
	}
)

// visit makes an encounter with what was found, done, ordered and billed.
func (g *generator) visit(p patient, before *visit) *visit {
	n, year := g.made["Encounter"], before.year+2
	v := &visit{
		patient: p, encounter: g.new("Encounter"), year: year, day: g.day(year, year+1), place: pick(g, g.locations), role: pick(g, g.roles), before: before,
		document: g.new("DocumentReference"), claim: g.new("Claim"),
	}
	for range turn(n, 1, 0, 2) {
		v.conditions = append(v.conditions, g.condition(v))
	}
	if n%2 == 0 {
		v.procedures = append(v.procedures, g.procedure(v, thing{}, thing{}))
	}
	g.encounterOf(v, n)
	g.vitals(v)
	if n%3 == 0 {
		g.laboratory(v)
	}
	if n%5 == 0 {
		g.imaging(v)
	}
	for _, d := range v.conditions {
		g.prescribe(v, d)
	}
	g.note(v)
	g.bill(v)
	return v
}

func (g *generator) encounterOf(v *visit, n int) {
	kind := turn(n, visitKinds...)
	minutes := g.between(5, 59)
	participant := func(as code, who thing) text {
		return object(field("type", list(concept(as))), field("period", period(v.at(0), v.at(minutes))), to("individual", who))
	}
	var found []text
	for i, d := range v.conditions {
		found = append(found, object(to("condition", d.thing), field("use", concept(turn(i, diagnoses...))), field("rank", number(i+1))))
	}
	for _, p := range v.procedures {
		found = append(found, object(to("condition", p), field("use", concept(diagnoses[1]))))
	}
	var stay text
	if kind.from.code != "" {
		stay = object(to("origin", g.locations[0]), to("destination", v.place), field("admitSource", concept(kind.from)), field("dischargeDisposition", concept(kind.to)))
	}
	g.add(v.encounter,
		word("status", pick(g, []string{"finished", "finished", "finished", "in-progress"})),
		field("class", kind.class.coding()), field("type", list(concept(kind.kind))),
		field("serviceType", concept(kind.service)), field("priority", concept(kind.priority)),
		to("subject", v.thing),
		field("participant", list(participant(attender, v.doctor), when(n%3 == 1, participant(assistant, v.role)))),
		field("period", period(v.at(0), v.at(minutes))), field("length", quantity(fmt.Sprint(minutes), "min", "min")),
		v.reason(), field("diagnosis", list(found...)), field("hospitalization", stay),
		field("location", list(object(to("location", v.place), word("status", "completed"), field("period", period(v.at(0), v.at(minutes)))))),
		to("serviceProvider", v.organization),
		when(n%3 == 2, to("partOf", v.before.encounter)), toAll("basedOn", first(v.before.orders)),
	)
}
