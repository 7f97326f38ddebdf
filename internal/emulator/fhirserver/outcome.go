package fhirserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

const fhirJSON = "application/fhir+json"

// issue is one fault of a request: a code of FHIR's IssueType, and a text.
type issue struct{ code, diagnostics string }

type operationOutcome struct {
	ResourceType string         `json:"resourceType"`
	Issue        []outcomeIssue `json:"issue"`
}

type outcomeIssue struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Diagnostics string `json:"diagnostics"`
}

// refuse answers with an OperationOutcome.
func refuse(w http.ResponseWriter, status int, issues ...issue) {
	o := operationOutcome{ResourceType: "OperationOutcome", Issue: []outcomeIssue{}}
	for _, i := range issues {
		o.Issue = append(o.Issue, outcomeIssue{
			Severity: "error", Code: i.code, Diagnostics: i.diagnostics,
		})
	}
	answer(w, status, fhirJSON, o)
}

// answer writes JSON with its length.
func answer(w http.ResponseWriter, status int, contentType string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "the answer cannot be written as JSON", http.StatusInternalServerError)
		return
	}
	answerText(w, status, contentType, text)
}

func answerText(w http.ResponseWriter, status int, contentType string, text []byte) {
	w.Header().Set("Content-Type", contentType+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = bytes.NewReader(text).WriteTo(w) // the client may be gone
}

// codeOf returns the IssueType for a status.
func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not-found"
	case http.StatusMethodNotAllowed:
		return "not-supported"
	case http.StatusTooManyRequests:
		return "throttled"
	case http.StatusServiceUnavailable:
		return "timeout"
	}
	return "exception"
}

// statusOf returns the status of a kick-off that is refused with a fault of that code.
func statusOf(code string) int {
	switch code {
	case "throttled":
		return http.StatusTooManyRequests
	case "not-found":
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}
