package statements_test

import (
	"fmt"
	"strings"
	"testing"

	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// described is a catalog with a ledger, the exports, and one of the tables.
var described = statements.Catalog{
	{Schema: "fhir", Table: "etl_exports", Column: "export"},
	{Schema: "fhir", Table: "patient", Column: "id"},
	{Schema: "fhir", Table: "patient_name", Column: "given"},
	{Schema: "fhir_load", Table: "_ledger", Column: "export"},
}

func TestTheStatementsThatDescribeTables(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, name := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		target := attempt(t, name).Target
		changes, has := statements.ChangesQuery(target, described)
		complete, concluded := statements.CompleteQuery(target, described)
		counts, approximate := statements.RowCountsQuery(target, described)
		if !has || !concluded || approximate != (name != tsql.Fabric) {
			t.Errorf("%s: %t, %t, %t", name, has, concluded, approximate)
		}
		for _, st := range []statements.Statement{changes, complete, counts} {
			fmt.Fprintf(&b, "-- %s on %s\n%s;\n\n", st.Step, name, st.Text)
		}
	}
	golden(t, "describe.sql", b.String())
}

// Tables of an older version have their ledger in the plan's schema.
func TestTheLedgerOfAnOlderVersionIsDescribed(t *testing.T) {
	t.Parallel()
	target := attempt(t, tsql.SQLServer).Target
	older := statements.Catalog{{Schema: "fhir", Table: "_ledger", Column: "export"}}
	if st, has := statements.ChangesQuery(target, older); !has ||
		!strings.Contains(st.Text, "FROM [fhir].[_ledger] AS l") {
		t.Errorf("%t: %s", has, st.Text)
	}
	if _, has := statements.ChangesQuery(target, nil); has {
		t.Error("a ledger that is not there is read")
	}
	if _, has := statements.CompleteQuery(target, older); has {
		t.Error("a table of exports that is not there is read")
	}
}
