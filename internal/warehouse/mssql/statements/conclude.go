package statements

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// readersType stands for a resource type in the target of the tables about exports, and in the
// names of its lock. No resource type has an underscore.
const readersType = "etl_exports"

// Readers returns the target of the tables about a schema's exports: the tables for readers, the
// marks of missing resources, and the ledger.
func Readers(e Engine, schema string) Target {
	return Target{Engine: e, Schema: schema, Type: readersType}
}

// readers returns the tables of the target of Readers.
func (e Engine) readers(schema string) []Table {
	tables := []Table{e.ledger(schema), e.missingTable(schema)}
	for _, t := range warehouse.ReaderTables() {
		tables = append(tables, e.reader(schema, t))
	}
	if e.Exclusion == LockRow {
		tables = append(tables, e.lock(schema, readersType))
	}
	return tables
}

// HasReaders reports whether the tables about exports exist.
func (t Target) HasReaders(there Catalog) bool {
	return there.has(Table{Schema: t.Schema, Name: warehouse.ExportsTable})
}

func (e Engine) missingTable(schema string) Table {
	return Table{
		Schema: warehouse.LoadSchema(schema), Name: warehouse.MissingTable,
		Key: []string{"type", "id"}, Spread: "id", Estimated: []string{"id"},
		Columns: []Column{
			{"type", e.name("64"), true},
			{"id", e.name(idLength), true},
			{"version", e.name(versionLength), true},
			{"bound", e.name(versionLength), true},
			{"export", e.name(exportLength), true},
		},
	}
}

// reader returns a table for readers. Columns can be added to it, unless they belong to its key.
func (e Engine) reader(schema string, of flatten.Table) Table {
	t := Table{Schema: schema, Name: of.Name}
	switch of.Name {
	case warehouse.ExportsTable:
		t.Key = []string{"export"}
	case warehouse.FilesTable:
		t.Cluster = "export"
	case warehouse.DeletedTable:
		t.Key, t.Spread, t.Estimated = []string{"type", "id", "version"}, "id", []string{"id"}
		t.Indexes = [][]string{{"export"}, {"deleted_at"}}
	case warehouse.CohortMembersTable:
		t.Cluster, t.Spread, t.Estimated = "patient_id", "patient_id", []string{"patient_id"}
	}
	for _, c := range of.Columns {
		typ := columnType(Target{Engine: e}, of, c)
		switch {
		case c.Class == sof.Code:
			typ = e.name("64") // as in the ledger
		case c.Name == "path":
			typ = e.text("1024")
		case c.Name == "etag":
			typ = e.text("256")
		}
		t.Columns = append(t.Columns, Column{
			c.Name, typ, has(t.Key, c.Name) || c.Name == t.Cluster || c.Name == t.Spread,
		})
	}
	return t
}

// Conclusion is one try to end an export. Its target is Readers, or a resource type.
type Conclusion struct {
	Attempt
	Record pipeline.ExportRecord
}

// table returns the quoted name of a table for readers.
func (c Conclusion) table(name string) string {
	return Table{Schema: c.Schema, Name: name}.quoted()
}

func (c Conclusion) missing() string { return c.missingTable(c.Schema).quoted() }

func (c Conclusion) export() string { return c.nameLiteral(c.Record.Export) }

// Begin opens a transaction with exclusive access to the tables of the target.
func (c Conclusion) Begin() []Statement { return transaction{c.Attempt}.begin() }

// Recorded counts the rows of the export in the table of exports.
func (c Conclusion) Recorded() Statement {
	return c.labelled("recorded", "SELECT COUNT_BIG(*) AS [n]\nFROM "+
		c.table(warehouse.ExportsTable)+" AS e\nWHERE e.[export] = "+c.export())
}

// Latest returns when the latest export that is recorded has ended, or NULL.
func (c Conclusion) Latest() Statement {
	return c.labelled("latest", "SELECT MAX(e.[finished_at]) AS [finished_at]\nFROM "+
		c.table(warehouse.ExportsTable)+" AS e")
}

// coveredAfter is the time after which the end of an export is sure to have seen a commit: two
// clocks differ by less.
const coveredAfter = 24 * time.Hour

// Committed returns for each type the number of files of other exports, and the number of files
// with deletes that may not be listed yet. Their exports are not recorded, and the end of the
// latest recorded export may not have seen them.
func (c Conclusion) Committed(latest time.Time) Statement {
	later := ""
	if !latest.IsZero() {
		later = " AND l.[committed_at] > " + instant(latest.Add(-coveredAfter))
	}
	return c.labelled("committed", fmt.Sprintf(`SELECT l.[type],
  SUM(CASE WHEN l.[export] = %s THEN 0 ELSE 1 END) AS [others],
  SUM(CASE WHEN e.[export] IS NULL AND l.[deleted] > 0%s THEN 1 ELSE 0 END) AS [told]
FROM %s AS l
LEFT JOIN %s AS e ON e.[export] = l.[export]
GROUP BY l.[type]`, c.export(), later, c.ledger(c.Schema).quoted(),
		c.table(warehouse.ExportsTable)))
}

// Marks counts the marks of each type.
func (c Conclusion) Marks() Statement {
	return c.labelled("marks", "SELECT m.[type], COUNT_BIG(*) AS [n]\nFROM "+c.missing()+
		" AS m\nGROUP BY m.[type]")
}

// HeadTypes returns the resource types whose heads are in a catalog, in its order.
func (c Conclusion) HeadTypes(there Catalog) (types []string) {
	prefix := warehouse.HeadTable("")
	for i, f := range there {
		if !there.first(i) || !strings.EqualFold(f.Schema, c.loadSchema()) ||
			!strings.HasPrefix(f.Table, prefix) {
			continue
		}
		if name := f.Table[len(prefix):]; flatten.IsResourceType(name) {
			types = append(types, name)
		}
	}
	return types
}

// The members of the export are staged, and those who leave are in a table of their own: the tables
// for readers are never updated, so that a loader needs no right to do it.

// Members returns the stage of the members' ids.
func (c Conclusion) Members() Table {
	return Table{
		Schema: c.loadSchema(), Name: c.Stage + "_member", Key: []string{"patient_id"},
		Spread: "patient_id", Columns: []Column{{"patient_id", c.name(idLength), true}},
	}
}

// Leavers returns the table of the memberships that end, which is filled in the transaction.
func (c Conclusion) Leavers() Table {
	return Table{
		Schema: c.loadSchema(), Name: c.Stage + "_leaver", Spread: "patient_id",
		Columns: []Column{
			{"cohort", c.name(exportLength), false},
			{"patient_id", c.name(idLength), true},
			{"valid_from", instantType, false},
		},
	}
}

// Leave fills Leavers with the memberships of patients who are not in the stage any more.
func (c Conclusion) Leave() Statement {
	return c.labelled("leave", fmt.Sprintf(
		`INSERT INTO %s ([cohort], [patient_id], [valid_from])
SELECT o.[cohort], o.[patient_id], o.[valid_from]
FROM %s AS o
LEFT JOIN %s AS m ON m.[patient_id] = o.[patient_id]
WHERE o.[valid_to] IS NULL AND (m.[patient_id] IS NULL OR o.[cohort] <> %s)`,
		c.Leavers().quoted(), c.table(warehouse.CohortMembersTable), c.Members().quoted(),
		c.nameLiteral(c.Record.Cohort)))
}

// EndMemberships ends the memberships of Leavers.
func (c Conclusion) EndMemberships() []Statement {
	members, leavers := c.table(warehouse.CohortMembersTable), c.Leavers().quoted()
	return []Statement{
		c.labelled("delete memberships", "DELETE FROM "+members+
			"\nWHERE [valid_to] IS NULL AND [patient_id] IN (SELECT l.[patient_id] FROM "+leavers+
			" AS l)"),
		c.labelled("insert memberships", fmt.Sprintf(
			`INSERT INTO %s ([cohort], [patient_id], [valid_from], [valid_to])
SELECT l.[cohort], l.[patient_id], l.[valid_from], %s
FROM %s AS l`, members, c.requested(), leavers)),
	}
}

// Join adds the members without a membership.
func (c Conclusion) Join() Statement {
	members := c.table(warehouse.CohortMembersTable)
	return c.labelled("join", fmt.Sprintf(
		`INSERT INTO %s ([cohort], [patient_id], [valid_from])
SELECT %s, m.[patient_id], %s
FROM %s AS m
LEFT JOIN (SELECT o.[patient_id] FROM %[1]s AS o WHERE o.[valid_to] IS NULL) AS t ON t.[patient_id] = m.[patient_id]
WHERE t.[patient_id] IS NULL`, members, c.nameLiteral(c.Record.Cohort), c.requested(),
		c.Members().quoted()))
}

// instant returns a time as a literal.
func instant(t time.Time) string {
	if t.IsZero() {
		return "CAST(NULL AS datetime2(3))"
	}
	return "CAST('" + t.UTC().Format("2006-01-02T15:04:05.000") + "' AS datetime2(3))"
}

func (c Conclusion) requested() string { return instant(c.Record.RequestedAt) }

// Counts are the numbers in the record of an export. Members is ignored for a record without
// members.
type Counts struct {
	Files, Lines, Applied, Superseded, Deleted, Filtered, Quarantined int64
	Missing, Left, Members                                            int64
}

// SumQuery returns the counts of the export's files in the order of Counts.
func (c Conclusion) SumQuery() Statement {
	return c.labelled("sum files", `SELECT COUNT_BIG(*) AS [files], SUM(l.[lines]) AS [lines],
  SUM(l.[applied]) AS [applied], SUM(l.[superseded]) AS [superseded], SUM(l.[deleted]) AS [deleted],
  SUM(l.[filtered]) AS [filtered], SUM(l.[quarantined]) AS [quarantined]
FROM `+c.ledger(c.Schema).quoted()+" AS l\nWHERE l.[export] = "+c.export())
}

// RemovedQuery counts the resources that the export has removed for a reason.
func (c Conclusion) RemovedQuery(reason string) Statement {
	return c.labelled("count "+reason, "SELECT COUNT_BIG(*) AS [n]\nFROM "+
		c.table(warehouse.DeletedTable)+" AS d\nWHERE d.[export] = "+c.export()+
		" AND d.[reason] = "+c.nameLiteral(reason))
}

// MembersQuery counts the members of the cohort.
func (c Conclusion) MembersQuery() Statement {
	return c.labelled("count members", "SELECT COUNT_BIG(*) AS [n]\nFROM "+
		c.table(warehouse.CohortMembersTable)+" AS m\nWHERE m.[cohort] = "+
		c.nameLiteral(c.Record.Cohort)+" AND m.[valid_to] IS NULL")
}

// WriteRecord adds the rows of the export and of its files.
func (c Conclusion) WriteRecord(n Counts, members bool) []Statement {
	r := c.Record
	number := func(n int64) string { return "CAST(" + strconv.FormatInt(n, 10) + " AS bigint)" }
	full := "CAST(0 AS bit)"
	if r.Full {
		full = "CAST(1 AS bit)"
	}
	names := []string{"export", "plan_name", "state", "full_export"}
	values := []string{c.export(), c.nameLiteral(r.Plan), c.nameLiteral(r.State), full}
	add := func(name, value string) { names, values = append(names, name), append(values, value) }
	add("since", instant(r.Since))
	add("till", instant(r.Till))
	if r.Cohort != "" {
		add("cohort", c.nameLiteral(r.Cohort))
		if members {
			add("members", number(n.Members))
		}
	}
	for _, count := range []struct {
		name string
		n    int64
	}{
		{"files", n.Files},
		{"lines", n.Lines},
		{"applied", n.Applied},
		{"superseded", n.Superseded},
		{"deleted", n.Deleted},
		{"filtered", n.Filtered},
		{"quarantined", n.Quarantined},
		{"missing", n.Missing},
		{"left_cohort", n.Left},
	} {
		add(count.name, number(count.n))
	}
	add("requested_at", c.requested())
	add("finished_at", instant(r.FinishedAt))
	files := []string{
		"export", "type", "path", "etag", "lines", "blank", "applied", "superseded", "deleted",
		"filtered", "quarantined", "committed_at",
	}
	return []Statement{
		c.labelled("insert files", "INSERT INTO "+c.table(warehouse.FilesTable)+" ("+
			list("", files)+")\nSELECT "+list("l", files)+"\nFROM "+c.ledger(c.Schema).quoted()+
			" AS l\nWHERE l.[export] = "+c.export()),
		c.labelled("insert export", "INSERT INTO "+c.table(warehouse.ExportsTable)+" ("+
			list("", names)+")\nSELECT "+strings.Join(values, ",\n  ")),
	}
}

// Commit ends a transaction.
func Commit() Statement { return Statement{StepCommit, "COMMIT TRANSACTION"} }

// Stages returns the statements that create and drop a table of an attempt.
func (e Engine) Stages(t Table) (create, drop Statement) {
	return Statement{"stage " + t.Name, e.create(t)}, e.DropStaged(t)
}

// DropStaged returns the statement that drops a table of an attempt.
func (e Engine) DropStaged(t Table) Statement { return drop(t.Schema, t.Name) }
