package synthetic

import "fmt"

type treatment struct{ code, category, site code }

var treatments = []treatment{
	{code{snomed, "29303009", "Electrocardiographic procedure"}, code{snomed, "103693007", "Diagnostic procedure"}, code{snomed, "80891009", "Heart structure"}},
	{code{snomed, "73761001", "Colonoscopy"}, code{snomed, "103693007", "Diagnostic procedure"}, code{snomed, "71854001", "Colon structure"}},
	{code{snomed, "274031008", "Rectal polypectomy"}, code{snomed, "387713003", "Surgical procedure"}, code{snomed, "34402009", "Rectum structure"}},
}

var (
	successful = code{snomed, "385669000", "Successful"}
	performs   = code{hl7 + "v3-ParticipationType", "PPRF", "primary performer"}
	assists    = code{hl7 + "v3-ParticipationType", "SPRF", "secondary performer"}
)

// procedure makes what was done; for an order of a picture, the picture's taking,
// which has a report.
func (g *generator) procedure(v *visit, order, report thing) thing {
	n := g.made["Procedure"]
	what := turn(n, treatments...)
	if order.id != "" {
		what = treatment{chestXRay, code{snomed, "363679005", "Imaging"}, chest}
	}
	t := g.new("Procedure")
	t.name = what.code.display
	performer := func(as code, who thing) text {
		return object(field("function", concept(as)), to("actor", who), when(who.typ != "Organization", to("onBehalfOf", v.organization)))
	}
	g.add(t,
		toAll("basedOn", order), toAll("partOf", first(v.procedures)), toAll("report", report), to("recorder", v.doctor), to("asserter", v.doctor),
		word("status", turn(n, "completed", "completed", "in-progress")), field("category", concept(what.category)), field("code", concept(what.code, what.code.own())),
		v.subject(),
		turn(n, word("performedDateTime", g.about(v.day)), field("performedPeriod", period(v.at(10), v.at(40))), word("performedDateTime", v.at(12))),
		field("performer", list(performer(performs, turn(n, v.doctor, v.doctor, v.role)), when(n%3 == 1, performer(assists, turn(n/3, v.organization, v.role))))),
		to("location", v.place), v.reason(), field("bodySite", list(concept(what.site))), field("outcome", concept(successful)))
	return t
}

var devices = []struct {
	kind          code
	name, company string
}{
	{code{snomed, "14106009", "Cardiac pacemaker"}, "Taktgeber 3", "Herzwerk GmbH"},
	{code{snomed, "43770009", "Sphygmomanometer"}, "PressureMate", "O'Connor \\u0026 Sons"},
	{code{snomed, "337414009", "Blood glucose meter"}, "糖分計", "佐藤製作所"},
}

// device makes a device of the patient, on its own or a part of another one.
func (g *generator) device(p patient, parent thing) thing {
	n := g.made["Device"]
	d := turn(n, devices...)
	t := g.new("Device")
	t.name = d.name
	g.devices = append(g.devices, t)
	serial := fmt.Sprintf("S%06d", g.rng.IntN(1e6))
	lot := fmt.Sprintf("L%04d", g.rng.IntN(1e4))
	item := fmt.Sprintf("%014d", 8717648200274+n)
	g.add(t,
		field("identifier", list(identifier("official", serialNumber, "http://example.org/devices", serial, p.organization, period("2012", "2032-01-31")))),
		field("udiCarrier", list(object(word("deviceIdentifier", item), word("issuer", "http://hl7.org/fhir/NamingSystem/gs1-di"),
			word("carrierHRF", "(01)"+item+"(21)"+serial)))),
		word("status", "active"), word("distinctIdentifier", "D-"+serial), word("manufacturer", d.company),
		word("manufactureDate", g.partial(2008, 2011)), word("expirationDate", g.partial(2025, 2035)), word("lotNumber", lot), word("serialNumber", serial),
		field("deviceName", list(object(word("name", d.name), word("type", "user-friendly-name")))), word("modelNumber", fmt.Sprintf("M-%d", n%7)),
		field("type", concept(d.kind)), to("patient", p.thing), to("owner", p.organization), to("location", pick(g, g.locations)), to("parent", parent))
	return t
}
