package statements_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

func TestRepair(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		a := attempt(t, engine)
		change := func(to func(*statements.Found), columns ...string) statements.Catalog {
			c := found(t, a)
			for i := range c {
				if slices.Contains(columns, c[i].Table+"."+c[i].Column) {
					to(&c[i])
				}
			}
			return c
		}
		retype := func(f *statements.Found) { f.Type, f.Length = "float", 0 }
		less := func(tables ...string) statements.Catalog {
			return slices.DeleteFunc(found(t, a), func(f statements.Found) bool {
				return slices.Contains(tables, f.Table) ||
					slices.Contains(tables, f.Table+"."+f.Column)
			})
		}
		for name, c := range map[string]struct {
			there   statements.Catalog
			steps   []string
			refused string
			drop    string
		}{
			"nothing to do": {there: found(t, a)},
			"another type": {
				there: change(retype, "patient.born"),
				steps: []string{"drop column patient.born", "add column patient.born"},
			},
			"two of them in two tables": {
				there: change(retype, "patient.select", "patient_name.given"),
				steps: []string{
					"drop column patient_name.given", "add column patient_name.given",
					"drop column patient.select", "add column patient.select",
				},
			},
			"killed between the two": {
				there: less("patient.born"), steps: []string{"add column patient.born"},
			},
			"a table is gone": {
				there: less("patient_name"), steps: []string{"create table patient_name"},
			},
			"a key of rows": {
				there: change(retype, "patient._id"), refused: "column patient._id is float",
				drop: "drop fhir.patient, and rebuild again",
			},
			"a key that is gone": {
				there:   less("patient._version"),
				refused: "table fhir.patient has no column _version",
				drop:    "drop fhir.patient, and",
			},
			"the head": {
				there:   change(retype, "_head_Patient._version"),
				refused: "column _head_Patient._version is float",
				drop:    "drop fhir.patient, fhir.patient_name, fhir_load._head_Patient, and",
			},
			"no head": {
				there:   less("_head_Patient"),
				refused: "schema fhir_load has no table _head_Patient",
				drop:    "drop fhir.patient_name, fhir.patient, and",
			},
			"the lock": {
				there: change(retype, "_lock_Patient.k"), refused: "column _lock_Patient.k",
				drop: "drop fhir_load._lock_Patient, and",
			},
			"the ledger": {
				there:   change(retype, "_ledger.etag", "patient.born"),
				refused: "column _ledger.etag", drop: "change the column back",
			},
		} {
			got, err := a.Repair(c.there)
			var steps []string
			for _, s := range got {
				parse(t, s.Text)
				steps = append(steps, s.Step)
			}
			if d := cmp.Diff(c.steps, steps); d != "" {
				t.Errorf("%s, %s: steps (-want +got):\n%s", engine, name, d)
			}
			if (err == nil) != (c.refused == "") ||
				err != nil && (fault.Of(err) != fault.Permanent ||
					!strings.Contains(fmt.Sprint(err), c.refused) ||
					!strings.Contains(fmt.Sprint(err), c.drop)) {
				t.Errorf("%s, %s: %v", engine, name, err)
			}
		}
		other := a
		other.Views = []flatten.Table{{Name: "v", Columns: []sof.Column{{Name: "a"}, {Name: "A"}}}}
		if _, err := other.Repair(nil); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err), "v.a") {
			t.Errorf("%s: names: %v", engine, err)
		}
	}
}

// All statements of a repair, except for queries of the catalog.
func TestRepairsAreParsed(t *testing.T) {
	t.Parallel()
	const column = "ALTER TABLE [fhir].[patient] DROP COLUMN [born]"
	for engine, first := range map[tsql.Engine]string{
		tsql.Dedicated: "begin", tsql.Fabric: "begin", tsql.SQLServer: "isolation",
	} {
		a := attempt(t, engine)
		there := found(t, a)
		for i := range there {
			if there[i].Column == "born" {
				there[i].Type = "float"
			}
		}
		all, err := a.Repair(there)
		if err != nil || len(all) != 2 || all[0].Text != column ||
			all[1].Text != "ALTER TABLE [fhir].[patient] ADD [born] date NULL" {
			t.Errorf("%s: %+v, %v", engine, all, err)
		}
		forget := a.Forget()
		if forget[0].Step != first || forget[len(forget)-1].Step != statements.StepCommit {
			t.Errorf("%s: %+v", engine, forget)
		}
		for _, s := range append(forget, a.Live(), a.Unwritten()) {
			parse(t, s.Text)
		}
	}
}
