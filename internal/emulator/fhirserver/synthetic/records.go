package synthetic

import (
	"fmt"
	"slices"
)

var (
	progressNote  = code{loinc, "11506-3", "Progress note"}
	clinicalNote  = code{"http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note"}
	documentAsPDF = code{"http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem", "urn:ihe:iti:xds:2017:mimeTypeSufficient", "mimeType Sufficient"}
)

// note makes the document of a visit, its text within or elsewhere.
func (g *generator) note(v *visit) {
	n := g.made["DocumentReference"]
	content := func(kind, title string, more ...member) text {
		return object(
			field("attachment", object(word("contentType", kind), word("language", turn(n, "de", "ja", "el")), members(more...), word("title", title), word("creation", g.about(v.day)))),
			field("format", documentAsPDF.coding()))
	}
	within := content("text/plain", "Befund №1", word("data", "QW5hbW5lc2U6IOW8teOCig=="))
	elsewhere := content("application/pdf", "scan", word("url", fmt.Sprintf("http://example.org/scans/%d.pdf", n)), field("size", number(g.between(10000, 9000000))),
		word("hash", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="))
	g.add(v.document,
		word("status", "current"), word("docStatus", turn(n, "final", "amended")), field("type", concept(progressNote)), field("category", list(concept(clinicalNote))),
		to("subject", v.thing), word("date", g.instant(v.day)), toAll("author", v.doctor, turn(n, thing{}, v.organization)), to("custodian", v.organization),
		to("authenticator", v.doctor), field("relatesTo", list(v.before.appended())), word("description", "note of the visit"), field("content", list(turn(n, within, elsewhere), when(n%3 == 0, elsewhere))),
		field("context", object(toAll("encounter", v.encounter), field("period", period(v.at(0), v.at(59))))))
}

// appended is a document as the next one refers to it.
func (v *visit) appended() text {
	if v.document.id == "" {
		return ""
	}
	return object(word("code", "appends"), to("target", v.document))
}

var (
	created   = code{hl7 + "v3-DataOperation", "CREATE", "create"}
	treating  = code{hl7 + "v3-ActReason", "TREAT", "treatment"}
	author    = code{hl7 + "provenance-participant-type", "author", "Author"}
	assembler = code{hl7 + "provenance-participant-type", "assembler", "Assembler"}
	asDoctor  = code{hl7 + "contractsignertypecodes", "AUTHEN", "Authenticator"}
)

// provenance tells who wrote down the Patient and the last visit.
func (g *generator) provenance(v *visit) {
	n := g.made["Provenance"]
	agent := func(as code, who thing) text {
		return object(field("type", concept(as)), field("role", list(concept(asDoctor))), to("who", who),
			when(who.typ == "Practitioner", to("onBehalfOf", v.organization)))
	}
	g.add(g.new("Provenance"),
		toAll("target", v.encounter, v.thing),
		turn(n, word("occurredDateTime", g.about(v.day)), field("occurredPeriod", period(v.at(0), v.at(59)))),
		word("recorded", g.instant(v.day)), to("location", v.place), field("reason", list(concept(treating))), field("activity", concept(created)),
		field("agent", list(agent(author, v.doctor), agent(author, turn(n, v.organization, v.thing)), when(v.device.id != "", agent(assembler, v.device)))))
}

// cohortSize bounds the line of a Group.
const cohortSize = 1000

var (
	cohort    = code{house, "cohort", "Cohort"}
	panel     = code{house, "panel", "Patients of a hospital"}
	inventory = code{house, "inventory", "Inventory"}
)

// groups makes Groups of all patients, of the patients of each hospital, of these
// Groups, and of other things.
func (g *generator) groups() {
	for all := range slices.Chunk(g.patients, cohortSize) {
		g.group("person", cohort, g.payers[0], all)
	}
	var panels []thing
	for i, o := range g.organizations {
		var of []thing
		for n := i; n < len(g.patients); n += len(g.organizations) {
			of = append(of, g.patients[n])
		}
		panels = append(panels, g.group("person", panel, o, of))
	}
	g.group("person", inventory, g.organizations[0], panels)
	g.group("practitioner", inventory, g.organizations[0], g.practitioners)
	g.group("medication", inventory, g.organizations[0], g.medications)
	g.group("device", inventory, g.organizations[0], g.devices)
}

func (g *generator) group(kind string, what code, of thing, things []thing) thing {
	n := g.made["Group"]
	t := g.new("Group")
	t.name = fmt.Sprintf("%s %d", what.display, n+1)
	var all []text
	for i, m := range things {
		all = append(all, object(to("entity", m), field("period", period("2012", when(what == panel && i%9 == 8, "2019-06"))),
			field("inactive", truth(what == panel && i%9 == 7))))
	}
	g.add(t,
		field("active", truth(true)), word("type", kind), field("actual", truth(true)), field("code", concept(what)), word("name", t.name),
		field("quantity", number(len(things))), to("managingEntity", of), field("member", list(all...)))
	return t
}
