package bulkfhir_test

import (
	"fmt"
	"testing"

	"fhirsynapse/internal/bulkfhir"
)

// checklist numbers the rules for a client of the Bulk Data Access guide.
var checklist = []struct {
	says  string
	check func(*testing.T)
}{
	1: {"Accept: application/fhir+json at kick-off", kickOffAccepts},
	2: {"Prefer: respond-async, handling=lenient only by setting", kickOffPrefers},
	3: {"patient by POST only, never at system level", patientsByPOST},
	4: {"each _typeFilter is one percent-encoded value", filtersEncoded},
	5: {
		"GET or POST by setting or CapabilityStatement, the other one on 404, 405, 501",
		methodChosen,
	},
	6:  {"Content-Location absolute, relative, in any case of letters", contentLocations},
	7:  {"errors read the OperationOutcome, else tell of the body", errorsTold},
	8:  {"a kick-off that is put off is no failure", kickOffPutOff},
	9:  {"polls back off and scatter", pollsBackOff},
	10: {"Retry-After in all forms, within bounds", retryAfterForms},
	11: {"status: Accept: application/json", statusAccepts},
	12: {"202 is running; X-Progress is for people", progressForPeople},
	13: {"X-Export-Status unasked is refused", exportStatusRefused},
	14: {"issues of the transient family are asked again, others fail", transientFamily},
	15: {"links that break, 408, 429, 502 to 504 within a budget", pollBudget},
	16: {"manifests of every version, with members unknown or missing", manifestVersions},
	17: {"an empty output is an export", emptyOutput},
	18: {"expired links: a fresh manifest", expiredLinks},
	19: {"requiresAccessToken: the token goes with files", tokenForFiles},
	20: {"no requiresAccessToken: it does not, unless by setting", noTokenForFiles},
	21: {"identity and gzip, by Content-Encoding", encodings},
	22: {"files: Accept: application/fhir+ndjson", filesAccept},
	23: {"no Authorization to other hosts by redirect", redirects},
	24: {"several files of a type, and of a name", severalFiles},
	25: {"output, deleted and error are read", allMembers},
	26: {"deletes: any number on a line", deletesApplied},
	27: {"a manifest of several pages, each once", pages},
	28: {"a file has one type; files organised otherwise are refused", oneType},
	29: {"a wrong count is read once more, then fails", counts},
	30: {"the watermark moves with loaded exports only", watermark},
	31: {"DELETE when finished or given up", jobsDeleted},
	32: {"references relative or absolute", references},
	33: {"TLS 1.2 or better, and http on loopback only", transportSecurity},
	34: {"the token is renewed before its end and once on 401", tokenRenewed},
	35: {"a server that ignores _type or _typeFilter does no harm", ignoredParameters},
	36: {"requests, answers and manifests are kept verbatim", keptVerbatim},
	37: {"one export in flight", oneInFlight},
	38: {"no files from private addresses unless allowed", privateAddresses},
	39: {"new members of a Group come whole", newMembers},
	40: {"rows by lastUpdated and versionId; equal ones change nothing", rowOrder},
}

func TestChecklist(t *testing.T) {
	t.Parallel()
	if len(checklist) != 41 {
		t.Fatalf("the checklist has %d points", len(checklist)-1)
	}
	for n, point := range checklist[1:] {
		t.Run(fmt.Sprintf("%02d", n+1), func(t *testing.T) {
			t.Parallel()
			t.Log(point.says)
			point.check(t)
		})
	}
}

// bothDialects runs a check before a server of each kind.
func bothDialects(t *testing.T, check func(t *testing.T, dialect string)) {
	for _, dialect := range []string{bulkfhir.DialectAzure, bulkfhir.DialectBulk} {
		t.Run(dialect, func(t *testing.T) { t.Parallel(); check(t, dialect) })
	}
}
