package synthetic

import (
	"fmt"
	"strings"
)

var (
	races = []code{
		{"urn:oid:2.16.840.1.113883.6.238", "2106-3", "White"},
		{"urn:oid:2.16.840.1.113883.6.238", "2054-5", "Black or African American"},
		{"urn:oid:2.16.840.1.113883.6.238", "2028-9", "Asian"},
	}
	ethnicities = []code{
		{"urn:oid:2.16.840.1.113883.6.238", "2135-2", "Hispanic or Latino"},
		{"urn:oid:2.16.840.1.113883.6.238", "2186-5", "Not Hispanic or Latino"},
	}
	maritalStatuses = []code{
		{hl7 + "v3-MaritalStatus", "M", "Married"}, {hl7 + "v3-MaritalStatus", "S", "Never Married"}, {hl7 + "v3-MaritalStatus", "W", "Widowed"},
	}
	languages     = []code{{language, "en-US", "English"}, {language, "ja", "日本語"}, {language, "el", "Ελληνικά"}}
	nextOfKin     = code{hl7 + "v2-0131", "N", "Next-of-Kin"}
	absentUnknown = extension("http://hl7.org/fhir/StructureDefinition/data-absent-reason", word("valueCode", "unknown"))
)

const usCore = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"

// patient is one of the patients, with what the resources about them refer to.
type patient struct {
	thing
	n                    int
	organization, doctor thing
	device, team         thing // of some patients only
	coverages            []thing
}

func (g *generator) patient(n int) patient {
	p := patient{thing: g.new("Patient"), n: n, organization: pick(g, g.organizations), doctor: pick(g, g.practitioners)}
	var twin thing
	if n%10 == 1 { // the id before, but for the case of its letters
		twin = g.patients[n-1]
		p.id = strings.ToUpper(twin.id)
	}
	g.patients = append(g.patients, p.thing)
	members := []member{
		field("meta", when(n%4 == 2, object(field("profile", list(quote("http://example.org/StructureDefinition/p"))),
			field("tag", list(code{"http://example.org/tags", "made-up", ""}.coding()))))),
		field("extension", when(n%7 != 6, g.usCore())),
		field("identifier", list(
			identifier("usual", recordNumber, "http://example.org/mrn", fmt.Sprintf("%08d", n), p.organization, period(g.partial(2000, 2010), "")),
			when(n%3 == 0, identifier("official", socialSecurity, "http://hl7.org/fhir/sid/us-ssn", fmt.Sprintf("999-%02d-%04d", n%100, n), thing{}, period("", g.partial(2030, 2040)))))),
		field("active", truth(g.rng.IntN(10) > 0)),
		field("name", when(n%12 != 11, g.names(n))),
		field("telecom", when(n%8 != 7, list(contactPoint("phone", fmt.Sprintf("555-%03d-%04d", n%1000, g.rng.IntN(1e4)), "home", 1),
			when(n%2 == 0, contactPoint("email", fmt.Sprintf("patient%d@example.org", n), "home", 2))))),
		word("gender", pick(g, genders)),
		g.birthDate(n),
		turn(n, "", "", "", "", word("deceasedDateTime", g.instant(g.day(2015, 2020))), field("deceasedBoolean", truth(false)), "", "", ""),
		field("address", list(g.home(), when(n%4 == 1, g.address("old", "postal", field("period", period("1999", g.partial(2000, 2010))))))),
		field("maritalStatus", concept(turn(n, maritalStatuses...))),
		turn(n, "", field("multipleBirthBoolean", truth(false)), "", field("multipleBirthInteger", number(2))),
		field("contact", when(n%3 == 1, list(g.contact(p)))),
		field("communication", list(
			object(field("language", concept(turn(n, languages...)))),
			when(n%2 == 0, object(field("language", concept(turn(n+1, languages...))), field("preferred", truth(true)))))),
		toAll("generalPractitioner", p.doctor),
		to("managingOrganization", p.organization),
		field("link", when(twin.id != "", list(object(to("other", thing{twin.typ, twin.id, "the other of the pair"}), word("type", "seealso"))))),
	}
	g.add(p.thing, members...)
	return p
}

func (g *generator) usCore() text {
	race, ethnicity := pick(g, races), pick(g, ethnicities)
	category := func(c code) text {
		return list(extension("ombCategory", field("valueCoding", c.coding())), extension("text", word("valueString", c.display)))
	}
	return list(
		object(field("extension", category(race)), word("url", usCore+"race")),
		object(field("extension", category(ethnicity)), word("url", usCore+"ethnicity")),
		extension(usCore+"birthsex", word("valueCode", pick(g, []string{"F", "M"}))),
	)
}

func (g *generator) names(n int) text {
	// what is null in one of the two lists has an extension, or nothing, in the other
	forgotten := members(field("given", list(quote(pick(g, givens)), "null")), field("_given", list("null", object(field("extension", list(absentUnknown))))))
	return list(
		g.name(n, "official", word("text", when(n%4 == 0, "as on the passport")), field("prefix", when(n%4 == 0, list(quote("Prof.")))), field("suffix", when(n%4 == 0, list(quote("III"))))),
		when(n%3 == 0, g.name(n+3, "nickname", word("text", "as friends say"), field("period", period(g.partial(1970, 2000), "")))),
		when(n%5 == 0, object(word("use", "maiden"), word("family", pick(g, families)), forgotten, field("period", period("", g.partial(1970, 2010))))))
}

func (g *generator) birthDate(n int) member {
	return turn(n, word("birthDate", "1970"), word("birthDate", "1970-06"),
		field("_birthDate", object(field("extension", list(absentUnknown)))),
		word("birthDate", g.day(1930, 2020)), word("birthDate", g.day(1930, 2020)), word("birthDate", g.day(1930, 2020)))
}

func (g *generator) home() text {
	place := list(
		extension("latitude", field("valueDecimal", text(g.decimal(0, 89, 6)))),
		extension("longitude", field("valueDecimal", text("-"+g.decimal(0, 179, 6)))))
	return g.address("home", "both",
		field("extension", list(object(field("extension", place), word("url", "http://hl7.org/fhir/StructureDefinition/geolocation")))),
		word("text", "as on the letter box\\nsecond door"), field("period", period(g.partial(2000, 2012), "")))
}

func (g *generator) contact(p patient) text {
	return object(field("relationship", list(concept(nextOfKin))), field("name", g.name(p.n+1, "usual")), field("telecom", g.telecom()),
		word("gender", pick(g, genders)), to("organization", p.organization))
}
