// Package azfunc implements the wire format of an Azure Functions custom handler: invocation in,
// answer out.
//
// The host POSTs {"Data": {...}, "Metadata": {...}} to /<function> and expects a JSON object. All
// irregularities of the format end here: strings that hold JSON, numbers as strings, times without
// a zone, a whole blob in base64. Bodies are streamed; values above a limit are skipped and marked
// as skipped.
//
// The package depends on the host only and does not know FHIR. It alone turns an error into HTTP:
// nil is 200, anything else is 500 after one log line. The host discards the body of a failed
// answer, so the log line is the only report.
package azfunc
