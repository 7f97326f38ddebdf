package pipeline

import (
	"fhirsynapse/internal/pipeline/records"
)

// The words of the ports that the documents of the journal keep. They are records', which
// the pipeline stands on; adapters find them here, beside the ports.
type (
	// Journal holds small JSON documents that change by compare-and-swap alone.
	Journal = records.Journal
	// Entry is one document of the journal.
	Entry = records.Entry
	// Request is one $export to be started.
	Request = records.Request
	// Exchange is a kick-off as it was sent and answered.
	Exchange = records.Exchange
	// Manifest is what a finished job made.
	Manifest = records.Manifest
	// OutputFile is one entry of a manifest.
	OutputFile = records.OutputFile
	// Issue counts the issues of one kind that a server reported.
	Issue = records.Issue
	// ValueCounts counts the values that the tables hold otherwise than the resources do.
	ValueCounts = records.ValueCounts
)

// ErrConflict is returned by Journal.Write when someone else has changed the document.
var ErrConflict = records.ErrConflict

// Levels of an export, as the Bulk Data guide names them.
const (
	LevelSystem  = records.LevelSystem
	LevelPatient = records.LevelPatient
	LevelGroup   = records.LevelGroup
)

// AllTypes stands for "every type" in watermarks of plans that name no types.
const AllTypes = records.AllTypes

// SeverityError is the severity of an issue that reports missing data.
const SeverityError = records.SeverityError
