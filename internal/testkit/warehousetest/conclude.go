package warehousetest

import (
	"testing"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// EndOfExport returns every statement that ends an export of patients in the tables of schema fhir.
func EndOfExport(t *testing.T, name tsql.Engine) []statements.Statement {
	t.Helper()
	e, err := statements.For(name)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	of := func(target statements.Target) statements.Conclusion {
		return statements.Conclusion{
			Attempt: statements.Attempt{
				Target: target, Export: "it's-1", Stage: statements.StageName(at, "0a", 1, 2),
			},
			Record: pipeline.ExportRecord{
				Export: "it's-1", Plan: "plan", State: "loaded", Full: true, Till: at,
				Cohort: "smokers", RequestedAt: at, FinishedAt: at,
			},
		}
	}
	c := of(statements.Readers(e, "fhir"))
	all, err := c.Ensure(nil)
	if err != nil {
		t.Fatal(err)
	}
	if lock, is := c.LockRow(); is {
		all = append(all, lock)
	}
	all = append(all, statements.Missing(c.Target, nil)...)
	for _, m := range c.Maintain() {
		all = append(all, m.Statements...)
	}
	all = append(all, c.Begin()...)
	all = append(all, c.Recorded(), c.Latest(), c.Committed(time.Time{}), c.Committed(at),
		c.Marks(), c.Leave())
	all = append(append(all, c.EndMemberships()...), c.Join(), c.SumQuery(), c.MembersQuery(),
		c.RemovedQuery(warehouse.ReasonLeft))
	all = append(append(all, c.WriteRecord(statements.Counts{}, true)...), statements.Commit())
	compartment := flatten.Table{
		Name: warehouse.CompartmentTable("Patient"), Resource: "Patient",
		Columns: []sof.Column{{Name: warehouse.PatientColumn, Class: sof.Key}},
	}
	r := statements.Removal{Conclusion: of(statements.Target{
		Engine: e, Schema: "fhir", Type: "Patient", Views: []flatten.Table{compartment},
	})}
	bound := flatten.VersionsUntil(at)
	all = append(append(all, r.Begin()...), r.Strangers(compartment), r.MarksQuery(),
		r.OthersQuery(), r.OwnQuery(), r.LiveQuery(), r.EndMarksOfGone(), r.OverdueQuery(bound),
		r.Overdue(bound))
	all = append(append(append(all, r.EndMarks()...), r.Remove()...), r.Mark(bound), r.Told(),
		statements.Commit())
	for _, table := range []statements.Table{c.Members(), c.Leavers(), r.Gone(), r.Heads()} {
		create, drop := e.Stages(table)
		all = append(all, create, drop)
	}
	if e.Stage == statements.CopyInto {
		urls := []string{"https://a.dfs.core.windows.net/c/d"}
		large := c.Large(c.Members())
		all = append(all, c.CopyParquet(c.Members(), urls), c.CreateLarge(c.Members()),
			c.CopyLines(large, urls), c.InsertLarge(c.Members()), c.CountQuery(c.Members()))
	}
	return all
}
