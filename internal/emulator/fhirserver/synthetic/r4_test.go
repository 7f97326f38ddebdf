package synthetic_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/sof/schema"
)

// required are the elements of R4 that a resource of the type must have; a name
// that ends in [x] is a choice.
var required = map[string]string{
	"AllergyIntolerance": "patient", "CarePlan": "status intent subject", "Claim": "status type use patient created provider priority insurance",
	"Condition": "subject", "Coverage": "status beneficiary payor", "DiagnosticReport": "status code", "DocumentReference": "status content",
	"Encounter": "status class", "ExplanationOfBenefit": "status type use patient created insurer provider outcome insurance",
	"Goal": "lifecycleStatus description subject", "Group": "type actual", "ImagingStudy": "status subject",
	"Immunization": "status vaccineCode patient occurrence[x]", "MedicationAdministration": "status medication[x] subject effective[x]",
	"MedicationDispense": "status medication[x]", "MedicationRequest": "status intent medication[x] subject", "Observation": "status code",
	"Procedure": "status subject", "Provenance": "target recorded agent", "QuestionnaireResponse": "status", "ServiceRequest": "status intent subject",
	"Claim.careTeam": "sequence provider", "Claim.diagnosis": "sequence diagnosis[x]", "Claim.procedure": "sequence procedure[x]",
	"Claim.insurance": "sequence focal coverage", "Claim.item": "sequence productOrService", "Coverage.class": "type value",
	"DocumentReference.content": "attachment", "Encounter.diagnosis": "condition", "Encounter.location": "location",
	"ExplanationOfBenefit.careTeam": "sequence provider", "ExplanationOfBenefit.diagnosis": "sequence diagnosis[x]",
	"ExplanationOfBenefit.insurance": "focal coverage", "ExplanationOfBenefit.item": "sequence productOrService",
	"ExplanationOfBenefit.procedure": "sequence procedure[x]", "ExplanationOfBenefit.total": "category amount",
	"ExplanationOfBenefit.item.adjudication": "category", "Group.member": "entity", "ImagingStudy.series": "uid modality",
	"ImagingStudy.series.instance": "uid sopClass", "Immunization.performer": "actor", "Immunization.protocolApplied": "doseNumber[x]",
	"Medication.ingredient": "item[x]", "MedicationAdministration.performer": "actor", "MedicationDispense.performer": "actor",
	"Observation.component": "code", "Patient.communication": "language", "Patient.link": "other type", "Practitioner.qualification": "code",
	"Procedure.performer": "actor", "Provenance.agent": "who", "QuestionnaireResponse.item": "linkId", "CarePlan.activity.detail": "status",
	"AllergyIntolerance.reaction": "manifestation", "Device.deviceName": "name type", "Location.position": "longitude latitude", "Extension": "url",
}

// forms are the lexical forms of the primitive types whose values are strings.
var forms = map[string]*regexp.Regexp{
	"id":           regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`),
	"code":         regexp.MustCompile(`^\S+( \S+)*$`),
	"date":         regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$`),
	"dateTime":     regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?$`),
	"instant":      regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`),
	"time":         regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?$`),
	"uri":          regexp.MustCompile(`^\S+$`),
	"base64Binary": regexp.MustCompile(`^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`),
}

var numbers = map[string]*regexp.Regexp{
	"positiveInt": regexp.MustCompile(`^[1-9]\d*$`), "unsignedInt": regexp.MustCompile(`^\d+$`), "integer": regexp.MustCompile(`^-?\d+$`),
	"decimal": regexp.MustCompile(`^-?\d+(\.\d+)?([eE][+-]?\d+)?$`),
}

// walker holds a resource against the element table of R4.
type walker struct{ faults []string }

func (w *walker) fault(path, format string, args ...any) {
	w.faults = append(w.faults, path+": "+fmt.Sprintf(format, args...))
}

func (w *walker) object(t *schema.Type, path string, o map[string]any) {
	if len(o) == 0 {
		w.fault(path, "an empty object")
	}
	of := t
	for of.Base != nil && of.Kind != schema.Resource && required[of.Path] == "" {
		of = of.Base
	}
	for need := range strings.FieldsSeq(required[of.Path]) {
		name, choice := strings.CutSuffix(need, "[x]")
		found := 0
		for key := range o {
			if key == name || choice && strings.HasPrefix(key, name) && key[len(name):] != "" && key[len(name)] < 'a' {
				found++
			}
		}
		if found != 1 {
			w.fault(path, "%d times %s, which is required", found, need)
		}
	}
	choices := map[string]string{}
	for key, value := range o {
		if key == "resourceType" && t.Kind == schema.Resource {
			continue
		}
		e, typ := element(t, strings.TrimPrefix(key, "_"))
		if e == nil {
			w.fault(path, "%s has no element %s", t.Path, key)
			continue
		}
		if before := choices[e.Name]; e.Choice && before != "" {
			w.fault(path, "both %s and %s", before, key)
		}
		choices[e.Name] = key
		if strings.HasPrefix(key, "_") {
			typ, _ = schema.R4().Type("Element")
		}
		w.values(e, typ, path+"."+key, value)
	}
}

// element finds an element by its JSON name, and the type that the name says.
func element(t *schema.Type, key string) (*schema.Element, *schema.Type) {
	for ; t != nil; t = t.Base {
		for _, e := range t.Elements {
			for _, typ := range e.Types {
				if e.Property(typ) == key {
					return e, typ
				}
			}
		}
	}
	return nil, nil
}

func (w *walker) values(e *schema.Element, t *schema.Type, path string, value any) {
	many, is := value.([]any)
	if is != e.Many {
		w.fault(path, "a list: %t, want %t", is, e.Many)
		return
	}
	if !is {
		many = []any{value}
	}
	if len(many) == 0 {
		w.fault(path, "an empty list")
	}
	primitive := t.Kind == schema.Primitive || t.Name == "Element"
	for _, v := range many {
		if v == nil && is && primitive {
			continue // the other list, of values or of their extensions, has something there
		}
		w.value(t, path, v)
	}
}

func (w *walker) value(t *schema.Type, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		if t.Kind == schema.Resource {
			name, _ := v["resourceType"].(string)
			inner, ok := schema.R4().Type(name)
			if !ok {
				w.fault(path, "no resource type")
				return
			}
			t = inner
		}
		if t.Kind == schema.Primitive || t.Kind == schema.SystemType {
			w.fault(path, "an object, want a %s", t.Name)
			return
		}
		w.object(t, path, v)
	case string:
		w.primitive(t, path, v == "" || t.System == schema.Boolean || t.System == schema.Integer || t.System == schema.Decimal, forms, v)
	case json.Number:
		w.primitive(t, path, t.System != schema.Integer && t.System != schema.Decimal, numbers, v.String())
	case bool:
		w.primitive(t, path, t.System != schema.Boolean, nil, "")
	default:
		w.fault(path, "%T", value)
	}
}

func (w *walker) primitive(t *schema.Type, path string, wrong bool, forms map[string]*regexp.Regexp, text string) {
	if form := formOf(t, forms); wrong || t.Kind != schema.Primitive && t.Kind != schema.SystemType || form != nil && !form.MatchString(text) {
		w.fault(path, "no %s", t.Name)
	}
}

func formOf(t *schema.Type, forms map[string]*regexp.Regexp) *regexp.Regexp {
	for ; t != nil; t = t.Base {
		if f := forms[t.Name]; f != nil {
			return f
		}
	}
	return nil
}

func TestEveryResourceKeepsToTheElementsOfR4(t *testing.T) {
	t.Parallel()
	for typ, lines := range generate(t, synthetic.Options{Seed: 5, Patients: 60}) {
		definition, ok := schema.R4().Type(typ)
		if !ok {
			t.Fatalf("no type %s", typ)
		}
		var w walker
		for _, line := range lines {
			var o map[string]any
			d := json.NewDecoder(bytes.NewReader(line))
			d.UseNumber()
			if err := d.Decode(&o); err != nil {
				t.Fatal(err)
			}
			w.object(definition, typ, o)
		}
		slices.Sort(w.faults)
		for _, f := range slices.Compact(w.faults) {
			t.Error(f)
		}
	}
}

// A walker that finds nothing wrong with anything would be no test.
func TestTheWalkerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	patient, _ := schema.R4().Type("Patient")
	for line, want := range map[string]string{
		`{"resourceType":"Patient","nmae":[{"family":"x"}]}`:                              "Patient: Patient has no element nmae",
		`{"resourceType":"Patient","name":{"family":"x"}}`:                                "Patient.name: a list: false, want true",
		`{"resourceType":"Patient","name":[{"given":[1]}]}`:                               "Patient.name.given: no string",
		`{"resourceType":"Patient","birthDate":"1970-13"}`:                                "Patient.birthDate: no date",
		`{"resourceType":"Patient","deceasedBoolean":true,"deceasedDateTime":"2020"}`:     "Patient: both ",
		`{"resourceType":"Patient","active":"true"}`:                                      "Patient.active: no boolean",
		`{"resourceType":"Patient","link":[{"type":"seealso"}]}`:                          "Patient.link: 0 times other, which is required",
		`{"resourceType":"Patient","contact":[null]}`:                                     "Patient.contact: <nil>",
		`{"resourceType":"Patient","contact":[]}`:                                         "Patient.contact: an empty list",
		`{"resourceType":"Patient","contact":[{}]}`:                                       "Patient.contact: an empty object",
		`{"resourceType":"Patient","extension":[{"valueCode":"F"}]}`:                      "Patient.extension: 0 times url, which is required",
		`{"resourceType":"Patient","contained":[{"resourceType":"Group","x":1}]}`:         "Patient.contained: Group has no element x",
		`{"resourceType":"Patient","multipleBirthInteger":1.5}`:                           "Patient.multipleBirthInteger: no integer",
		`{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","value":"x"}]}}`: "Patient._birthDate.extension: Extension has no element value",
	} {
		var o map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		var w walker
		w.object(patient, "Patient", o)
		if !slices.ContainsFunc(w.faults, func(f string) bool { return strings.HasPrefix(f, want) }) {
			t.Errorf("%s: %q, want %q", line, w.faults, want)
		}
	}
}
