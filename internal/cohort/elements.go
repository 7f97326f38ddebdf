package cohort

import "strings"

// element names the elements of a type that an evaluation reads.
type element struct {
	// patient has the reference to the patient. It is empty for Patient.
	patient string
	// states may say that the resource was entered in error.
	states []string
}

// names lists the elements for _elements.
func (e element) names() []string {
	if e.patient == "" {
		return []string{"id"}
	}
	return append([]string{e.patient}, e.states...)
}

// elements has the types of the patient compartment that refer to one patient by an element
// patient or subject (FHIR R4).
var elements = func() map[string]element {
	out := map[string]element{typePatient: {}}
	for line := range strings.Lines(elementTable) {
		if f := strings.Fields(line); len(f) >= 2 {
			out[f[0]] = element{patient: f[1], states: f[2:]}
		}
	}
	return out
}()

const elementTable = `
AdverseEvent subject
AllergyIntolerance patient verificationStatus
Basic subject
BodyStructure patient
CarePlan subject status
CareTeam subject status
ChargeItem subject status
Claim patient status
ClaimResponse patient status
ClinicalImpression subject status
Communication subject status
CommunicationRequest subject status
Composition subject status
Condition subject verificationStatus
Consent patient status
CoverageEligibilityRequest patient status
CoverageEligibilityResponse patient status
DetectedIssue patient status
Device patient status
DeviceRequest subject status
DeviceUseStatement subject status
DiagnosticReport subject status
DocumentManifest subject status
DocumentReference subject status
Encounter subject status
EpisodeOfCare patient status
ExplanationOfBenefit patient status
FamilyMemberHistory patient status
Flag subject status
Goal subject lifecycleStatus
ImagingStudy subject status
Immunization patient status
ImmunizationEvaluation patient status
ImmunizationRecommendation patient
Invoice subject status
List subject status
MeasureReport subject status
Media subject status
MedicationAdministration subject status
MedicationDispense subject status
MedicationRequest subject status
MedicationStatement subject status
MolecularSequence patient
NutritionOrder patient status
Observation subject status
Procedure subject status
QuestionnaireResponse subject status
RelatedPerson patient
RequestGroup subject status
RiskAssessment subject status
ServiceRequest subject status
Specimen subject status
SupplyDelivery patient status
VisionPrescription patient status
`
