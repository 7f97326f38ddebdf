// Package azure implements the pipeline's Lake and Journal on Blob Storage and its Queue on Service
// Bus.
//
// Constructors do no I/O, because the handler must listen before anything connects. All types are
// safe for concurrent use. Errors are classified here by status and service code, never by message
// text. Their texts have no query string, because that may be a shared access signature.
package azure
