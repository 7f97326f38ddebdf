// Package cohort finds patients by a FHIR search, and keeps them as Groups on their FHIR server.
//
// A Keeper evaluates the search of a cohort into a set of patient ids, compares the set with the
// cohort's Groups, and writes the Groups that differ. A large cohort has several Groups; a hash of
// the patient's id chooses the Group, so that a patient who joins or leaves changes one of them.
//
// The ids live on the FHIR server and in the memory of a refresh. The journal has digests, versions
// and counts. No error, log line or document of this package names a patient.
package cohort
