package fhirserver

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
)

// The parameters of a de-identified export.
const (
	anonymizationConfig     = "_anonymizationConfig"
	anonymizationCollection = "_anonymizationConfigCollectionReference"
	anonymizationETag       = "_anonymizationConfigEtag"
)

// anonymize reads the parameters of a de-identified export. Like the Azure server, it looks for the
// configuration in the job and not at the kick-off; it has no registry of collections.
func anonymize(query url.Values, configs map[string]string, req *jobs.Request) []issue {
	config, etag := query.Get(anonymizationConfig), query.Get(anonymizationETag)
	collection := query.Get(anonymizationCollection)
	if config+etag+collection == "" {
		return nil
	}
	refuse := func(text string) []issue { return []issue{{"invalid", text}} }
	switch {
	case configs == nil:
		return refuse("The anonymized export operation is not enabled.")
	case config == "" || req.Container == "":
		return refuse("An anonymized export needs _anonymizationConfig and _container.")
	case collection != "" && etag != "":
		return refuse("_anonymizationConfigCollectionReference excludes _anonymizationConfigEtag.")
	case collection != "":
		return refuse("The collection of anonymization configurations is not configured.")
	}
	want, known := configs[config]
	switch {
	case !known:
		req.Refusal = &jobs.Failure{
			Status: http.StatusBadRequest,
			Reason: fmt.Sprintf("Anonymization configuration '%s' was not found.", config),
		}
	case etag != "" && strings.Trim(etag, `"`) != want:
		req.Refusal = &jobs.Failure{
			Status: http.StatusBadRequest,
			Reason: "The ETag of the anonymization configuration does not match.",
		}
	}
	req.Redact = true
	return nil
}
