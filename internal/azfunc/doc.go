// Package azfunc speaks the wire format of an Azure Functions custom handler:
// invocation in, answer out.
//
// The host POSTs {"Data": {...}, "Metadata": {...}} to /<function> and wants a
// JSON object back; everything irregular about that format (strings that hold
// JSON, numbers as strings, times without a zone, a whole blob in base64) ends
// here. A body is streamed past and never held: values above a limit are
// skipped, and say so.
//
// The package knows the host and nothing of FHIR. It is the only place that
// turns an error into HTTP: nil is 200, anything else is 500 after one log line.
// The host throws the body of a failed answer away, so the log line is all that
// a person will see.
package azfunc
