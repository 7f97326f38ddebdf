package synthetic

import "fmt"

var (
	labPanels = []struct {
		panel code
		parts []measure
	}{
		{code{loinc, "57698-3", "Lipid panel with direct LDL - Serum or Plasma"}, []measure{
			{code{loinc, "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 120, 200, 2},
			{code{loinc, "2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 50, 150, 2},
			{code{loinc, "2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 40, 60, 1},
		}},
		{code{loinc, "24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma"}, []measure{
			{code{loinc, "2345-7", "Glucose [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 70, 100, 1},
			{code{loinc, "2160-0", "Creatinine [Mass/volume] in Serum or Plasma"}, "mg/dL", "mg/dL", 0, 2, 3},
			{code{loinc, "2951-2", "Sodium [Moles/volume] in Serum or Plasma"}, "mmol/L", "mmol/L", 135, 145, 1},
			{code{loinc, "2823-3", "Potassium [Moles/volume] in Serum or Plasma"}, "mmol/L", "mmol/L", 3, 6, 2},
		}},
	}
	laboratory     = code{hl7 + "observation-category", "laboratory", "Laboratory"}
	labReport      = code{hl7 + "v2-0074", "LAB", "Laboratory"}
	radiology      = code{hl7 + "v2-0074", "RAD", "Radiology"}
	labOrder       = code{snomed, "108252007", "Laboratory procedure"}
	imagingOrder   = code{snomed, "363679005", "Imaging"}
	photometry     = code{snomed, "104863005", "Spectrophotometry"}
	unremarkable   = code{snomed, "281900007", "No abnormality detected"}
	chest          = code{snomed, "51185008", "Thoracic structure"}
	chestXRay      = code{snomed, "399208008", "Plain chest X-ray"}
	chestXRayStudy = code{loinc, "36643-5", "XR Chest 2 Views"}
)

// order makes a ServiceRequest; the second of a visit rests on the first.
func (g *generator) order(v *visit, category, what code, site text) thing {
	n := g.made["ServiceRequest"]
	t := g.new("ServiceRequest")
	t.name = what.display
	g.add(t,
		toAll("basedOn", first(v.orders)), toAll("replaces", first(v.before.orders)),
		word("status", turn(n, "completed", "completed", "active")), word("intent", "order"), field("category", list(concept(category))),
		word("priority", turn(n, "routine", "urgent", "stat")), field("doNotPerform", truth(false)), field("code", concept(what, what.own())),
		turn(n, field("quantityQuantity", quantity("1.0", "tests", "1")), ""),
		v.subject(),
		turn(n, word("occurrenceDateTime", g.about(v.day)), field("occurrencePeriod", period(v.day, v.at(59)))),
		word("authoredOn", v.at(3)), to("requester", turn(n/2, v.doctor, v.organization)), toAll("performer", turn(n, v.doctor, v.organization)),
		toAll("locationReference", v.place), v.reason(), toAll("insurance", v.coverages...), field("bodySite", when(site != "", list(site))))
	v.orders = append(v.orders, t)
	return t
}

// reason is why something was done at the visit, when anything was found.
func (v *visit) reason() member {
	if len(v.conditions) == 0 {
		return ""
	}
	return members(field("reasonCode", list(v.conditions[0].concept())), toAll("reasonReference", v.conditions[0].thing))
}

// laboratory makes an order, its results and their report.
func (g *generator) laboratory(v *visit) {
	n := g.made["DiagnosticReport"]
	lab := turn(n, labPanels...)
	order := g.order(v, labOrder, lab.panel, "")
	var results []thing
	for _, m := range lab.parts {
		r := g.observed(v, laboratory, concept(m.code, m.code.own()), g.measured(m), field("method", concept(photometry)), toAll("basedOn", order))
		r.name = m.code.display
		results = append(results, r)
	}
	g.observed(v, laboratory, concept(lab.panel), toAll("hasMember", results...), toAll("basedOn", order))
	g.report(v, g.new("DiagnosticReport"), labReport, lab.panel, toAll("basedOn", order), toAll("result", results...))
}

func (g *generator) report(v *visit, t thing, category, what code, more ...member) {
	n := g.made["DiagnosticReport"]
	g.add(t,
		word("status", turn(n, "final", "final", "preliminary")), field("category", list(concept(category))), field("code", concept(what, what.own())),
		v.subject(),
		turn(n, word("effectiveDateTime", v.at(20)), word("effectiveDateTime", g.about(v.day)), field("effectivePeriod", period(v.at(15), v.at(25)))),
		word("issued", g.instant(v.day)), toAll("performer", turn(n, v.doctor, v.organization)), toAll("resultsInterpreter", v.doctor),
		members(more...), word("conclusion", "unremarkable, \\\"ohne Befund\\\""), field("conclusionCode", list(concept(unremarkable))))
}

// imaging makes an order, the procedure, the study and its report.
func (g *generator) imaging(v *visit) {
	n := g.made["ImagingStudy"]
	order := g.order(v, imagingOrder, chestXRay, concept(chest))
	study, report := g.new("ImagingStudy"), g.new("DiagnosticReport")
	done := g.procedure(v, order, report)
	v.procedures = append(v.procedures, done)
	uid := fmt.Sprintf("1.2.826.0.1.3680043.10.%d.%d", g.made["Patient"], n+1)
	modality := turn(n, code{dicom, "DX", "Digital Radiography"}, code{dicom, "CR", "Computed Radiography"}).coding()
	image := code{"urn:ietf:rfc:3986", "urn:oid:1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray Image Storage - For Presentation"}.coding()
	var series []text
	images := 0
	for s := range 1 + n%2 {
		var instances []text
		for i := range g.between(1, 3) {
			instances = append(instances, object(word("uid", fmt.Sprintf("%s.%d.%d", uid, s+1, i+1)), field("sopClass", image),
				field("number", number(i+1)), word("title", turn(i, "pa", "lateral"))))
		}
		images += len(instances)
		series = append(series, object(word("uid", fmt.Sprintf("%s.%d", uid, s+1)), field("number", number(s+1)), field("modality", modality),
			word("description", chestXRay.display), field("numberOfInstances", number(len(instances))), field("bodySite", chest.coding()),
			field("laterality", code{snomed, "51440002", "Right and left"}.coding()), word("started", v.at(30+s)),
			field("performer", list(object(to("actor", v.doctor)))), field("instance", list(instances...))))
	}
	g.add(study,
		field("identifier", list(object(word("use", "official"), word("system", "urn:dicom:uid"), word("value", "urn:oid:"+uid)))),
		word("status", "available"), field("modality", list(modality)), v.subject(), word("started", v.at(30)), toAll("basedOn", order),
		to("referrer", v.doctor), toAll("interpreter", v.doctor), field("numberOfSeries", number(len(series))), field("numberOfInstances", number(images)),
		to("procedureReference", done), field("procedureCode", list(concept(chestXRay))), to("location", v.place),
		v.reason(), word("description", "two views"), field("series", list(series...)))
	g.report(v, report, radiology, chestXRayStudy, toAll("basedOn", order), toAll("imagingStudy", study))
}
