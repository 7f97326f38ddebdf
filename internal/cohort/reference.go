package cohort

import (
	"regexp"
	"strings"
)

// idForm matches FHIR R4 ids (§2.24.0.1), and also underscores and up to 128 characters, because
// some servers use them.
var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Place classifies where a reference leads.
type Place int

// The places.
const (
	// Here is a Patient of the server.
	Here Place = iota
	// Elsewhere is a resource of another server.
	Elsewhere
	// NoPatient is everything else: a reference that is missing, logical or contained, or that
	// leads to another type.
	NoPatient
)

// PatientOf returns the id of the Patient that a reference names. The reference may be relative, or
// absolute under base, and may name a version.
func PatientOf(reference, base string) (id string, place Place) {
	return idOf(typePatient, reference, base)
}

// GroupOf returns the id of the Group that a reference names; false if it names none of this
// server.
func GroupOf(reference, base string) (id string, ok bool) {
	id, place := idOf("Group", reference, base)
	return id, place == Here
}

func idOf(typ, reference, base string) (id string, place Place) {
	rest := reference
	if base != "" {
		rest = strings.TrimPrefix(rest, strings.TrimRight(base, "/")+"/")
	}
	if strings.HasPrefix(rest, "http://") || strings.HasPrefix(rest, "https://") {
		return "", Elsewhere
	}
	id, ok := strings.CutPrefix(rest, typ+"/")
	if at := strings.Index(id, "/_history/"); at >= 0 {
		id = id[:at]
	}
	if !ok || !idForm.MatchString(id) {
		return "", NoPatient
	}
	return id, Here
}
