// Package azure is the pipeline's Lake and Journal on Blob Storage and its Queue
// on Service Bus.
//
// Constructors do no I/O: the handler must listen before anything connects. All
// types are safe for concurrent use. Errors are classified here, by status and
// service code and never by message text, and their texts carry no query string,
// since that may be a shared access signature.
package azure
