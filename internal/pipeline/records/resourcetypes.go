package records

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"fhirsynapse/internal/fault"
)

// resourceType matches the form of a FHIR resource type. Types become names of folders and
// tables.
var resourceType = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)

// IsTypeName reports whether a name has the form of a resource type.
func IsTypeName(name string) bool { return resourceType.MatchString(name) }

// knownSpelling maps lower-case names to the known types.
var knownSpelling = func() map[string]string {
	spelling := map[string]string{}
	for _, t := range KnownTypes {
		spelling[strings.ToLower(t)] = t
	}
	return spelling
}()

// CheckTypes refuses names that are not resource types, and types that differ only in case:
// some engines treat these as the same table.
func CheckTypes(types []string) error {
	var wrong []error
	seen := map[string]string{}
	for _, t := range types {
		folded := strings.ToLower(t)
		other := cmp.Or(knownSpelling[folded], seen[folded], t)
		switch {
		case !resourceType.MatchString(t):
			wrong = append(wrong,
				fmt.Errorf("%.64q is no resource type: a type has 2 to 64 letters and begins with a capital", t))
		case other != t:
			wrong = append(wrong,
				fmt.Errorf("the resource types %s and %s differ in case only", t, other))
		}
		seen[folded] = t
	}
	return fault.Several(wrong)
}

// KnownTypes lists the resource types of FHIR R4 (4.0.1),
// http://hl7.org/fhir/R4/resourcelist.html, without the abstract ones.
var KnownTypes = strings.Fields(`
Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent
Basic Binary BiologicallyDerivedProduct BodyStructure Bundle
CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse
ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition Composition ConceptMap
Condition Consent Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse
DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement DiagnosticReport
DocumentManifest DocumentReference
EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition
Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
FamilyMemberHistory Flag
Goal GraphDefinition Group GuidanceResponse
HealthcareService
ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice
Library Linkage List Location
Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence
NamingSystem NutritionOrder
Observation ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation
Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
Procedure Provenance
Questionnaire QuestionnaireResponse
RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject
RiskAssessment RiskEvidenceSynthesis
Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap
Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest
Task TerminologyCapabilities TestReport TestScript
ValueSet VerificationResult VisionPrescription
`)
