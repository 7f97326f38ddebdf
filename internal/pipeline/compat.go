package pipeline

import (
	"fhirsynapse/internal/pipeline/records"
)

type (
	Export         = records.Export
	ExportSummary  = records.ExportSummary
	Job            = records.Job
	State          = records.State
	Failure        = records.Failure
	Retry          = records.Retry
	Shortfall      = records.Shortfall
	PreparedValues = records.PreparedValues
)

const (
	Requested  = records.Requested
	Exporting  = records.Exporting
	Loading    = records.Loading
	Loaded     = records.Loaded
	Incomplete = records.Incomplete
	Failed     = records.Failed
	Cancelled  = records.Cancelled
)

var (
	KnownTypes        = records.KnownTypes
	IsTypeName        = records.IsTypeName
	TransactionTimeOf = records.TransactionTimeOf
	Count             = records.Count
	CountUnknown      = records.CountUnknown
	Grouped           = records.Grouped
	Exports           = records.Exports
	Plans             = records.Plans
	Known             = records.Known
	Running           = records.Running
	Want              = records.RequestExport
	Pause             = records.Pause
	Resume            = records.Resume
	ErrNoPlan         = records.ErrNoPlan
)
