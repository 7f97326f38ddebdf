package fhirserver

import (
	"net/http"
	"strings"

	"fhirsynapse/internal/emulator/fhirserver/jobs"
	"fhirsynapse/internal/emulator/fhirserver/store"
)

const azureStatusPath = "/_operations/export/"

// azure is the dialect of microsoft/fhir-server.
type azure struct{ o Options }

func azureDialect(o Options) dialect {
	a := azure{o}
	return dialect{name: "azure", methods: []string{http.MethodGet}, requests: a, statuses: a}
}

func (a azure) kickOff(level, group string, r *http.Request) (jobs.Request, []issue) {
	req, issues := kickOff(level, group, r, a.o.Now(), a.o.MaxCount)
	return req, append(issues, anonymize(r.URL.Query(), a.o.Anonymization, &req)...)
}

func (azure) statusURL(r *http.Request, job string) string {
	return base(r) + azureStatusPath + job
}

func (azure) jobID(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.URL.Path, azureStatusPath)
}

// running answers 202 with an empty body, without Retry-After and X-Progress.
func (azure) running(w http.ResponseWriter, _ int) { accepted(w) }

func (azure) failed(w http.ResponseWriter, f *jobs.Failure) {
	refuse(w, f.Status, issue{codeOf(f.Status), "export operation failed for reason: " + f.Reason})
}

func (azure) finished(w http.ResponseWriter, _ *http.Request, j *jobs.Job) {
	output, _ := j.Result()
	m := azureManifest{
		TransactionTime: store.Instant(j.Created),
		Request:         j.Request.URL,
		Output:          []manifestFile{},
		Error:           []manifestFile{},
		Issues:          []outcomeIssue{},
	}
	for _, o := range output {
		m.Output = append(m.Output, manifestFile{Type: o.Type, URL: o.URL, Count: &o.Count})
	}
	answer(w, http.StatusOK, "application/json", m)
}

type azureManifest struct {
	TransactionTime     string         `json:"transactionTime"`
	Request             string         `json:"request"`
	RequiresAccessToken bool           `json:"requiresAccessToken"`
	Output              []manifestFile `json:"output"`
	Error               []manifestFile `json:"error"`
	Issues              []outcomeIssue `json:"issues"`
}

// manifestFile is one file of a manifest of either dialect.
type manifestFile struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count *int   `json:"count,omitempty"`
}
