// Package bulkfhir is a pipeline.Source: the client of a FHIR server's bulk export
// (kick-off, status, manifest, files, cancel) over HTTP.
//
// What servers do differently is kept in one table, see dialect; the rest of the
// package follows the Bulk Data Access guide, versions 1 to 3. The client asks once
// and never waits: when to ask again is the pipeline's business, and what the
// server wishes for travels in Status.RetryIn and in the class of an error. Only a
// download that breaks is taken up again on the spot, and waits a little for its
// turn among the others.
//
// It logs nothing. Text that a server writes may describe a patient, so errors name
// status, code and element alone; the text travels in fault.WithServerText.
package bulkfhir
