package synthetic

import "fmt"

var (
	provider = code{hl7 + "organization-type", "prov", "Healthcare Provider"}
	payer    = code{hl7 + "organization-type", "pay", "Payer"}

	placeTypes = []code{
		{hl7 + "v3-RoleCode", "HOSP", "Hospital"},
		{hl7 + "v3-RoleCode", "ER", "Emergency room"},
		{hl7 + "v3-RoleCode", "OUTPHARM", "Outpatient pharmacy"},
	}
	jobs = []code{
		{hl7 + "practitioner-role", "doctor", "Doctor"},
		{hl7 + "practitioner-role", "nurse", "Nurse"},
	}
	specialties = []code{
		{snomed, "394814009", "General practice"},
		{snomed, "394579002", "Cardiology"},
		{snomed, "394537008", "Pediatric specialty"},
	}
	doctorOfMedicine = code{hl7 + "v2-0360", "MD", "Doctor of Medicine"}
)

// hospitals makes organizations, their places and their people, for so many
// patients.
func (g *generator) hospitals(patients int) {
	for n := range 2 + patients/25 {
		g.hospital(n)
	}
	for n := range 2 {
		p := g.new("Organization")
		p.name = turn(n, "Krankenkasse «Mitte»", "Salud y Vida S.A.")
		g.payers = append(g.payers, p)
		g.add(p, field("active", truth(true)), field("type", list(concept(payer))), word("name", p.name), field("telecom", g.telecom()))
	}
	for n := range 3 + patients/10 {
		g.practitioner(n)
	}
}

func (g *generator) hospital(n int) {
	t := g.new("Organization")
	t.name = fmt.Sprintf("Städtisches Klinikum №%d \\/ Haus \\\"B\\\"", n)
	var parent thing
	add := g.spaced
	if n%2 == 1 {
		t.name = fmt.Sprintf("%s\\u3000Clinic %d", pick(g, families), n)
		parent, add = g.organizations[n-1], g.add
	}
	g.organizations = append(g.organizations, t)
	add(t,
		field("meta", when(n%2 == 1, object(field("profile", list(quote("http://example.org/StructureDefinition/org")))))),
		field("identifier", list(identifier("official", providerNumber, npi, fmt.Sprintf("1%09d", n), g.organizations[0], period("2005-07-01", when(n%2 == 1, "2030"))))),
		field("active", truth(n%2 == 0 || g.rng.IntN(5) > 0)),
		field("type", list(concept(provider))),
		word("name", t.name),
		field("telecom", g.telecom()),
		field("address", list(g.address("work", "both"))),
		to("partOf", parent),
	)
	for i := range placeTypes {
		g.place(t, i)
	}
}

// place is a location of an organization; the others are within its first.
func (g *generator) place(of thing, i int) {
	t := g.new("Location")
	kind := placeTypes[i]
	t.name = of.name + ", " + kind.display
	var within thing
	if i > 0 {
		within = g.locations[len(g.locations)-i]
	}
	g.locations = append(g.locations, t)
	g.add(t,
		field("identifier", list(identifier("official", resourceNumber, "http://example.org/rooms", fmt.Sprint(len(g.locations)), of, period("2001", "2031-12")))),
		word("status", "active"), word("name", t.name), word("mode", "instance"),
		field("type", list(concept(kind))),
		field("telecom", g.telecom()),
		field("address", g.address("work", "physical")),
		field("position", object(field("longitude", text("-"+g.decimal(0, 179, 6))), field("latitude", text(g.decimal(0, 89, 6))))),
		to("managingOrganization", of), to("partOf", within),
	)
}

// practitioner makes a person and the role at one of the organizations.
func (g *generator) practitioner(n int) {
	t := g.new("Practitioner")
	family, given := pick(g, families), pick(g, givens)
	t.name = "Dr. " + given + " " + family
	at := g.organizations[n%len(g.organizations)]
	g.practitioners = append(g.practitioners, t)
	g.add(t,
		field("identifier", list(identifier("official", providerNumber, npi, fmt.Sprintf("2%09d", n), at, period("1999-12-31", when(n%3 == 2, "2029"))))),
		field("active", truth(true)),
		field("name", list(object(word("use", "official"), word("text", t.name), word("family", family), field("given", list(quote(given))),
			field("prefix", list(quote("Dr."))), field("suffix", when(n%2 == 0, list(quote("MD"), quote("PhD"))))))),
		field("telecom", g.telecom()),
		field("address", list(g.address("home", "physical"))),
		word("gender", pick(g, genders)), word("birthDate", g.partial(1950, 1990)),
		field("qualification", list(object(field("code", concept(doctorOfMedicine)), field("period", period(g.partial(1975, 2010), when(n%2 == 1, "2035"))), to("issuer", at)))),
	)
	role := g.new("PractitionerRole")
	role.name = t.name
	g.roles = append(g.roles, role)
	g.add(role,
		field("active", truth(n%5 < 4)), field("period", period(g.partial(2000, 2011), when(n%2 == 1, "2032-06"))),
		to("practitioner", t), to("organization", at),
		field("code", list(concept(turn(n, jobs...)))),
		field("specialty", list(concept(turn(n, specialties...)), when(n%3 == 1, concept(turn(n+1, specialties...))))),
		toAll("location", g.locations[n%len(g.locations)]),
		field("telecom", g.telecom()),
	)
}
