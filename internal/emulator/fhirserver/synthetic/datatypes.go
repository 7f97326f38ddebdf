package synthetic

import "fmt"

// Code systems.
const (
	snomed   = "http://snomed.info/sct"
	loinc    = "http://loinc.org"
	rxnorm   = "http://www.nlm.nih.gov/research/umls/rxnorm"
	cvx      = "http://hl7.org/fhir/sid/cvx"
	icd10    = "http://hl7.org/fhir/sid/icd-10-cm"
	ucum     = "http://unitsofmeasure.org"
	dicom    = "http://dicom.nema.org/resources/ontology/DCM"
	npi      = "http://hl7.org/fhir/sid/us-npi"
	language = "urn:ietf:bcp:47"
	// house is that of the hospital's own codes.
	house = "http://example.org/CodeSystem/house"
	// hl7 begins the names of HL7's own systems.
	hl7 = "http://terminology.hl7.org/CodeSystem/"
)

// thing is a resource that others refer to.
type thing struct{ typ, id, name string }

func (t thing) ref() text {
	if t.id == "" {
		return ""
	}
	return object(word("reference", t.typ+"/"+t.id), word("display", t.name))
}

// to is a member that refers to t; none when t is nothing.
func to(name string, t thing) member { return field(name, t.ref()) }

// toAll is a member with a list of references.
func toAll(name string, ts ...thing) member { return field(name, each(ts, thing.ref)) }

// first is the first of them, or nothing.
func first(of []thing) (t thing) {
	if len(of) > 0 {
		t = of[0]
	}
	return t
}

type code struct{ system, code, display string }

func (c code) coding(more ...member) text {
	return object(append([]member{word("system", c.system), word("code", c.code), word("display", c.display)}, more...)...)
}

// own is the hospital's own code for the same.
func (c code) own() code { return code{house, "H" + c.code, c.display} }

// concept has the codings of the same thing in several systems; of several, the
// first is the one that somebody chose.
func concept(codes ...code) text {
	var codings []text
	for i, c := range codes {
		codings = append(codings, c.coding(when(len(codes) > 1, field("userSelected", truth(i == 0)))))
	}
	return object(field("coding", list(codings...)), word("text", codes[0].display))
}

// bare is a concept without display and text, as of value sets that are required.
func bare(system, value string) text { return concept(code{system, value, ""}) }

// quantity is in a UCUM unit; the value is JSON text, for its digits count.
func quantity(value, unit, code string) text {
	return object(field("value", text(value)), word("unit", unit), word("system", ucum), word("code", code))
}

func span(low, high, unit, code string) text {
	return object(field("low", quantity(low, unit, code)), field("high", quantity(high, unit, code)))
}

func ratio(numerator, denominator text) text {
	return object(field("numerator", numerator), field("denominator", denominator))
}

// money keeps both digits of the cents.
func money(cents int) text {
	return object(field("value", text(fmt.Sprintf("%d.%02d", cents/100, cents%100))), word("currency", "USD"))
}

// period may have one end only.
func period(start, end string) text { return object(word("start", start), word("end", end)) }

func extension(url string, value member) text { return object(word("url", url), value) }

func identifier(use string, typ code, system, value string, assigner thing, valid text) text {
	return object(word("use", use), field("type", concept(typ)), word("system", system), word("value", value),
		field("period", valid), to("assigner", assigner))
}

func contactPoint(system, value, use string, rank int) text {
	return object(word("system", system), word("value", value), word("use", use), field("rank", number(rank)))
}

// Kinds of identifier.
var (
	recordNumber   = code{hl7 + "v2-0203", "MR", "Medical record number"}
	socialSecurity = code{hl7 + "v2-0203", "SS", "Social Security number"}
	providerNumber = code{hl7 + "v2-0203", "NPI", "National provider identifier"}
	resourceNumber = code{hl7 + "v2-0203", "RI", "Resource identifier"}
	serialNumber   = code{hl7 + "v2-0203", "SNO", "Serial Number"}
)
