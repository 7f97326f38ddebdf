// Package bulkfhir implements pipeline.Source: the client of a FHIR server's bulk export (kick-off,
// status, manifest, files, cancel) over HTTP.
//
// All differences between servers are in one table, see dialect. The rest of the package follows
// the Bulk Data Access guide, versions 1 to 3. The client sends each request once and does not
// wait: the pipeline decides when to ask again, from Status.RetryIn and the class of the error.
// Only a broken download is resumed at once, and downloads wait briefly for a free slot.
//
// The package logs nothing. A server's text may describe a patient, so errors name status, code and
// element only; the text itself travels in fault.WithServerText.
package bulkfhir
