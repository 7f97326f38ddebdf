package config

import (
	"errors"
	"net/url"
	"strings"

	"fhirsynapse/internal/sof"
)

// ParseReferenceBase checks the base URL at which absolute references have a key. Empty is valid
// and means unknown.
func ParseReferenceBase(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		// the text may hold a password
		return "", errors.New("must look like https://HOST/PATH, as absolute references begin")
	}
	return strings.TrimRight(text, "/"), nil
}

// ParseReferences parses the flags --base and --urn-references.
func ParseReferences(base, urns string) (out sof.References, err error) {
	var wrong []error
	if out.Base, err = ParseReferenceBase(base); err != nil {
		wrong = append(wrong, errors.New("--base "+err.Error()))
	}
	switch urns {
	case "", urnsNone:
	case urnsIDs:
		out.URNs = true
	default:
		wrong = append(wrong, errors.New("--urn-references must be ids or none"))
	}
	return out, errors.Join(wrong...)
}
