package pipeline

import (
	"fhirsynapse/internal/pipeline/records"
)

// Types of package records that the ports use. Adapters find them here, next to the ports.
type (
	// Journal holds small JSON documents that change only by compare-and-swap.
	Journal = records.Journal
	// Entry is one document of the journal.
	Entry = records.Entry
	// Request is one $export to be started.
	Request = records.Request
	// Deidentify names the rules by which a server de-identifies resources.
	Deidentify = records.Deidentify
	// Exchange is a kick-off as sent and answered.
	Exchange = records.Exchange
	// Manifest lists the files of a finished job.
	Manifest = records.Manifest
	// OutputFile is one entry of a manifest.
	OutputFile = records.OutputFile
	// Issue counts the issues of one kind that a server reported.
	Issue = records.Issue
	// ValueCounts counts the values that differ between the tables and the resources.
	ValueCounts = records.ValueCounts
)

// ErrConflict is returned by Journal.Write if another writer has changed the document.
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
