package statements

import (
	"fmt"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
)

// Removal removes resources of one type at the end of an export, and marks others as missing. Its
// statements run in the transaction that Begin opens, and StepCommit ends.
type Removal struct{ Conclusion }

// Gone returns the table of the resources to be removed, which is filled in the transaction.
func (r Removal) Gone() Table {
	return Table{
		Schema: r.loadSchema(), Name: r.Stage + "_gone", Key: []string{warehouse.IDColumn},
		Spread: warehouse.IDColumn,
		Columns: []Column{
			{warehouse.IDColumn, r.name(idLength), true},
			{warehouse.VersionColumn, r.name(versionLength), true},
			{"reason", r.name("64"), true},
		},
	}
}

// heads returns the quoted name of the type's heads.
func (r Removal) heads() string { return r.head(r.Schema, r.Type).quoted() }

func (r Removal) typ() string { return r.nameLiteral(r.Type) }

// seen returns the quoted name of the staged heads of the export's files.
func (r Removal) seen() string { return r.stage(partHead) }

// Compartment returns the view with the patients of the type's resources, if it has a table.
func (r Removal) Compartment() (v flatten.Table, there bool) {
	for _, v := range r.Views {
		if v.Name != warehouse.CompartmentTable(r.Type) {
			continue
		}
		for _, c := range v.Columns {
			if c.Name == warehouse.PatientColumn {
				return v, true
			}
		}
	}
	return v, false
}

// Strangers adds the resources whose patients are all no members to Gone.
func (r Removal) Strangers(compartment flatten.Table) Statement {
	return r.labelled("strangers", fmt.Sprintf(`INSERT INTO %s ([_id], [_version], [reason])
SELECT h.[_id], h.[_version], %s
FROM %s AS h
JOIN (
  SELECT c.[_id], SUM(CASE WHEN m.[patient_id] IS NULL THEN 0 ELSE 1 END) AS [members]
  FROM %s AS c
  LEFT JOIN (SELECT o.[patient_id] FROM %s AS o WHERE o.[valid_to] IS NULL) AS m ON m.[patient_id] = c.%s
  GROUP BY c.[_id]
) AS s ON s.[_id] = h.[_id]
WHERE s.[members] = 0`, r.Gone().quoted(), r.nameLiteral(warehouse.ReasonLeft), r.heads(),
		r.view(r.Schema, compartment).quoted(), r.table(warehouse.CohortMembersTable),
		tsql.Quote(warehouse.PatientColumn)))
}

// MarksQuery counts the type's marks, and OthersQuery the files of other exports. They decide
// whether the heads of the export's files are needed.
func (r Removal) MarksQuery() Statement {
	return r.labelled("count marks", "SELECT COUNT_BIG(*) AS [n]\nFROM "+r.missing()+
		" AS m\nWHERE m.[type] = "+r.typ())
}

// OthersQuery is explained at MarksQuery.
func (r Removal) OthersQuery() Statement {
	return r.labelled("count others", "SELECT COUNT_BIG(*) AS [n]\nFROM "+
		r.ledger(r.Schema).quoted()+" AS l\nWHERE l.[type] = "+r.typ()+" AND l.[export] <> "+
		r.export())
}

// OwnQuery counts the live resources that the export's files have put into the tables. Resources
// that several files have count more than once.
func (r Removal) OwnQuery() Statement {
	return r.labelled("count own", "SELECT SUM(l.[applied]) - SUM(l.[deleted]) AS [n]\nFROM "+
		r.ledger(r.Schema).quoted()+" AS l\nWHERE l.[type] = "+r.typ()+" AND l.[export] = "+
		r.export())
}

// LiveQuery counts the type's live resources. The stage of Gone is not yet removed from them.
func (r Removal) LiveQuery() Statement { return r.labelled("count live", r.Live().Text) }

// EndMarks returns the statements that end the marks of resources that the export has, and of
// those that have changed.
func (r Removal) EndMarks() []Statement {
	return []Statement{
		r.labelled("end marks of seen", "DELETE FROM "+r.missing()+"\nWHERE [type] = "+r.typ()+
			" AND [id] IN (SELECT s.[_id] FROM "+r.seen()+" AS s)"),
		r.labelled("end marks of changed", fmt.Sprintf(`DELETE FROM %s
WHERE [type] = %s AND [id] NOT IN (
  SELECT m.[id]
  FROM %[1]s AS m
  JOIN %[3]s AS h ON h.[_id] = m.[id] AND h.[_version] = m.[version]
  WHERE m.[type] = %[2]s AND h.[_deleted] = 0
)`, r.missing(), r.typ(), r.heads())),
	}
}

// EndMarksOfGone ends the marks of the resources in Gone.
func (r Removal) EndMarksOfGone() Statement {
	return r.labelled("end marks of gone", "DELETE FROM "+r.missing()+"\nWHERE [type] = "+r.typ()+
		" AND [id] IN (SELECT g.[_id] FROM "+r.Gone().quoted()+" AS g)")
}

// earlier is the condition for marks of exports that ended before a bound.
func (r Removal) earlier(bound string) string {
	return "m.[type] = " + r.typ() + " AND m.[bound] < " + r.nameLiteral(bound)
}

// OverdueQuery counts the marks of exports that ended before a bound.
func (r Removal) OverdueQuery(bound string) Statement {
	return r.labelled("count overdue", "SELECT COUNT_BIG(*) AS [n]\nFROM "+r.missing()+
		" AS m\nWHERE "+r.earlier(bound))
}

// Overdue adds the resources of OverdueQuery to Gone.
func (r Removal) Overdue(bound string) Statement {
	return r.labelled("overdue", "INSERT INTO "+r.Gone().quoted()+
		" ([_id], [_version], [reason])\nSELECT m.[id], m.[version], "+
		r.nameLiteral(warehouse.ReasonMissing)+"\nFROM "+r.missing()+" AS m\nWHERE "+
		r.earlier(bound))
}

// Remove returns the statements that remove the resources in Gone, and list them as deleted. A
// version that is listed already was removed before and has come back.
func (r Removal) Remove() []Statement {
	gone, deleted := r.Gone().quoted(), r.table(warehouse.DeletedTable)
	of := "\nWHERE [_id] IN (SELECT g.[_id] FROM " + gone + " AS g)"
	var out []Statement
	for _, v := range sortedViews(r.Views) {
		out = append(out,
			r.labelled("remove "+v.Name, "DELETE FROM "+r.view(r.Schema, v).quoted()+of))
	}
	return append(out,
		r.labelled("remove heads", "DELETE FROM "+r.heads()+of),
		r.EndMarksOfGone(),
		r.labelled("delete deleted", fmt.Sprintf(`DELETE FROM %s
WHERE [type] = %s AND [id] IN (SELECT g.[_id] FROM %s AS g)
  AND [version] + '/' + [id] IN (SELECT g.[_version] + '/' + g.[_id] FROM %[3]s AS g)`,
			deleted, r.typ(), gone)),
		r.labelled("insert deleted", fmt.Sprintf(
			`INSERT INTO %s ([type], [id], [version], [deleted_at], [reason], [export])
SELECT %s, g.[_id], g.[_version], %s, g.[reason], %s
FROM %s AS g`, deleted, r.typ(), r.requested(), r.export(), gone)))
}

// Mark marks the live resources that are not later than a bound, and that the export does not have.
func (r Removal) Mark(bound string) Statement {
	return r.labelled("mark", fmt.Sprintf(
		`INSERT INTO %s ([type], [id], [version], [bound], [export])
SELECT %s, h.[_id], h.[_version], %s, %s
FROM %s AS h
LEFT JOIN %s AS s ON s.[_id] = h.[_id]
LEFT JOIN (SELECT m.[id] FROM %[1]s AS m WHERE m.[type] = %[2]s) AS t ON t.[id] = h.[_id]
WHERE h.[_deleted] = 0 AND h.[_version] < %[3]s AND s.[_id] IS NULL AND t.[id] IS NULL`,
		r.missing(), r.typ(), r.nameLiteral(bound), r.export(), r.heads(), r.seen()))
}

// Told lists the deletes that the server has told and that are not listed yet.
func (r Removal) Told() Statement {
	return r.labelled("told", fmt.Sprintf(
		`INSERT INTO %s ([type], [id], [version], [deleted_at], [reason], [export])
SELECT %s, h.[_id], h.[_version], CAST(LEFT(h.[_version], 23) AS datetime2(3)), %s, %s
FROM %s AS h
LEFT JOIN (SELECT d.[id], d.[version] FROM %[1]s AS d WHERE d.[type] = %[2]s) AS t ON t.[id] = h.[_id] AND t.[version] = h.[_version]
WHERE h.[_deleted] = 1 AND t.[id] IS NULL`, r.table(warehouse.DeletedTable), r.typ(),
		r.nameLiteral(warehouse.ReasonDeleted), r.export(), r.heads()))
}
