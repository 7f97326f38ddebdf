package warehouse

import (
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
)

// The tables about a plan's exports, for readers of its schema. The conclusion of an export writes
// them.
const (
	ExportsTable       = "etl_exports"
	FilesTable         = "etl_files"
	DeletedTable       = "etl_deleted"
	CohortMembersTable = "etl_cohort_member"
)

// MissingTable holds the resources that the last full export lacked, among the loader's own tables.
const MissingTable = "_missing"

// Why a resource is in the table of deleted ones.
const (
	ReasonDeleted = "deleted" // the server has told
	ReasonMissing = "missing" // full exports lack it
	ReasonLeft    = "left"    // its patients have left the cohort
)

// PatientColumn is the column of a compartment's table with the id of a patient.
const PatientColumn = flatview.PatientColumn

// CompartmentTable is the table of the patients in whose compartments the resources of a type are.
func CompartmentTable(resource string) string { return flatview.CompartmentName(resource) }

// ReaderTables returns the tables about exports. They belong to no resource type.
func ReaderTables() []flatten.Table {
	key := func(name string) sof.Column { return sof.Column{Name: name, Class: sof.Key} }
	code := func(name string) sof.Column { return sof.Column{Name: name, Class: sof.Code} }
	text := func(name string) sof.Column { return sof.Column{Name: name, Class: sof.ShortText} }
	number := func(name string) sof.Column { return sof.Column{Name: name, Kind: sof.BigInt} }
	instant := func(name string) sof.Column { return sof.Column{Name: name, Kind: sof.Timestamp} }
	return []flatten.Table{
		{Name: ExportsTable, Columns: []sof.Column{
			key("export"), key("plan_name"), code("state"),
			{Name: "full_export", Kind: sof.Boolean},
			instant("since"), instant("till"), key("cohort"), number("members"), number("files"),
			number("lines"), number("applied"), number("superseded"), number("deleted"),
			number("filtered"), number("quarantined"), number("missing"), number("left_cohort"),
			instant("requested_at"), instant("finished_at"),
		}},
		{Name: FilesTable, Columns: []sof.Column{
			key("export"), code("type"), text("path"), text("etag"), number("lines"),
			number("blank"), number("applied"), number("superseded"), number("deleted"),
			number("filtered"), number("quarantined"), instant("committed_at"),
		}},
		{Name: DeletedTable, Columns: []sof.Column{
			code("type"), key("id"), key("version"), instant("deleted_at"),
			code("reason"), key("export"),
		}},
		{Name: CohortMembersTable, Columns: []sof.Column{
			key("cohort"), key("patient_id"), instant("valid_from"), instant("valid_to"),
		}},
	}
}
