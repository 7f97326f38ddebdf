package statements_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// schemaOf returns the schema of a table of the plan "fhir".
func schemaOf(table string) string {
	return map[bool]string{true: "fhir_load", false: "fhir"}[strings.HasPrefix(table, "_")]
}

// found returns the catalog after Ensure, in INFORMATION_SCHEMA's form.
func found(t *testing.T, a statements.Attempt) statements.Catalog {
	t.Helper()
	made, err := a.Ensure(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out statements.Catalog
	parts := regexp.MustCompile(`^  \[([^\]]+)\] ([a-z0-9]+)(?:\((max|\d+)(?:, (\d+))?\))?`)
	for _, s := range made {
		table, ok := strings.CutPrefix(s.Step, "create table ")
		if !ok {
			continue
		}
		for _, l := range strings.Split(s.Text, "\n") {
			m := parts.FindStringSubmatch(l)
			if m == nil {
				continue
			}
			f := statements.Found{Schema: schemaOf(table), Table: table, Column: m[1], Type: m[2]}
			switch {
			case m[3] == "max":
				f.Length = -1
			case m[2] == "decimal":
				_, _ = fmt.Sscan(m[3]+" "+m[4], &f.Precision, &f.Scale)
			case strings.HasSuffix(m[2], "char"):
				_, _ = fmt.Sscan(m[3], &f.Length)
			}
			out = append(out, f)
		}
	}
	return out
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.SQLServer)
	change := func(table, column string, to func(*statements.Found)) statements.Catalog {
		c := found(t, a)
		for i := range c {
			if c[i].Table == table && c[i].Column == column {
				to(&c[i])
			}
		}
		return c
	}
	more := a
	more.Views = append([]flatten.Table{}, views...)
	more.Views[0].Columns = append(append([]sof.Column{}, views[0].Columns...),
		sof.Column{Name: "family"})
	for name, c := range map[string]struct {
		attempt statements.Attempt
		there   statements.Catalog
		steps   []string
		refused []string
	}{
		"nothing to do": {a, found(t, a), nil, nil},
		"decimal has another name": {
			a,
			change("patient", "weight", func(f *statements.Found) {
				f.Type = "numeric"
			}), nil, nil,
		},
		"the database tells no lengths": {
			a,
			change("patient", "_id", func(f *statements.Found) { f.Length = 0 }), nil, nil,
		},
		"names in another case": {
			a,
			change("patient", "born", func(f *statements.Found) {
				f.Table, f.Column, f.Type = "PATIENT", "Born", "DATE"
			}), nil, nil,
		},
		"a longer text, and a greater number": {
			a,
			change("patient", "_id", func(f *statements.Found) { f.Length = 256 }), nil, nil,
		},
		"a new column": {
			more, found(t, a),
			[]string{"add column patient_name.family"},
			nil,
		},
		"another type": {
			a,
			change("patient", "born", func(f *statements.Found) {
				f.Type = "datetime2"
			}), nil,
			[]string{
				"patient.born", "datetime2", "date",
				"give the view's column another name, or rebuild the tables of Patient with fhirsynapse load DIR --to sqlserver://HOST?database=NAME --schema fhir --rebuild=Patient, where DIR has",
			},
		},
		"another length, and another scale": {
			a,
			change("patient", "price", func(f *statements.Found) {
				f.Scale = 1
			}), nil,
			[]string{"patient.price", "decimal(9, 1)", "decimal(9, 2)"},
		},
		"a text cut short": {a, change("patient", "select", func(f *statements.Found) {
			f.Length = 50
		}), nil, nil},
		"a text that was a number": {a, change("patient", "select", func(f *statements.Found) {
			f.Type = "int"
		}), nil, []string{"patient.select", "int"}},
		"a key column is gone": {a, change("_head_Patient", "_version", func(f *statements.Found) {
			f.Column = "v"
		}), nil, []string{"_head_Patient", "_version", "by hand"}},
	} {
		got, err := c.attempt.Ensure(c.there)
		var steps []string
		for _, s := range got {
			steps = append(steps, s.Step)
		}
		if d := cmp.Diff(c.steps, steps); d != "" {
			t.Errorf("%s: steps (-want +got):\n%s", name, d)
		}
		if (err == nil) != (c.refused == nil) || err != nil && fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range c.refused {
			if !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("%s: no %q in %v", name, part, err)
			}
		}
	}
}

func TestARefusalNamesTheCommandWithItsStaging(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		a := attempt(t, engine)
		there := found(t, a)
		there[len(there)-1].Type = "bigint"
		_, err := a.Ensure(there)
		if want := "or rebuild the tables of Patient with fhirsynapse load DIR --to " +
			string(engine) +
			"://HOST?database=NAME --staging https://ACCOUNT.blob.core.windows.net/CONTAINER --schema fhir --rebuild=Patient, where DIR has"; !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", engine, err)
		}
	}
}

func TestNamesThatSQLDoesNotKeepApart(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.SQLServer)
	a.Views = []flatten.Table{
		{Name: strings.Repeat("v", 81)},
		{Name: "v", Columns: []sof.Column{{Name: "a"}, {Name: "A"}}},
	}
	_, err := a.Ensure(nil)
	for _, part := range []string{"81 characters", "v.a", "v.A"} {
		if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}

func TestOnlyOldStagesAreDropped(t *testing.T) {
	t.Parallel()
	there := statements.Catalog{
		{Schema: "fhir", Table: "_stage_2026112206_aa_1_head", Column: "x"}, // of an older version
		{Schema: "fhir", Table: "patient", Column: "x"},
		{Schema: "fhir_load", Table: "_stage_2026112307_aa_1_head", Column: "x"},
		{Schema: "fhir_load", Table: "_stage_2026112207_bb_1_head", Column: "x"},
		{Schema: "fhir_load", Table: "_stage_2026112207_bb_1_head", Column: "y"},
		{Schema: "fhir_load", Table: "_stage_of_mine", Column: "x"},
	}
	got := there.Abandoned(at.Add(-24 * time.Hour))
	if len(got) != 2 || got[0].Text != "DROP TABLE [fhir].[_stage_2026112206_aa_1_head]" ||
		got[1].Text != "DROP TABLE [fhir_load].[_stage_2026112207_bb_1_head]" {
		t.Errorf("dropped: %+v", got)
	}
}
