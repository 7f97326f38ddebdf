package setup_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/flatview"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/warehousetest"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/serverless"
	"fhirsynapse/internal/warehouse/setup"
	"fhirsynapse/views"
)

// needs maps the beginnings of statements to their rights. The set-up must grant exactly the rights
// of the statements that an engine receives.
var needs = []struct {
	begins string
	rights []string
}{
	{"CREATE SCHEMA ", nil}, // the set-up creates it
	{"CREATE TABLE ", []string{"CREATE TABLE", "ALTER"}},
	{"CREATE CLUSTERED INDEX ", []string{"ALTER"}},
	// The pages on these ask for ALTER on the table. Their catalog views, and STATS_DATE, show a
	// table to whoever has any right on it.
	{"CREATE NONCLUSTERED INDEX ", []string{"ALTER"}},
	{"CREATE STATISTICS ", []string{"ALTER"}},
	{"UPDATE STATISTICS ", []string{"ALTER"}},
	{"DROP INDEX ", []string{"ALTER"}},
	{"DROP STATISTICS ", []string{"ALTER"}},
	{"ALTER INDEX ALL ", []string{"ALTER"}},
	{"ALTER TABLE ", []string{"ALTER"}},
	{"DROP TABLE ", []string{"ALTER"}},
	{"ALTER SCHEMA ", []string{"ALTER", "CREATE SCHEMA"}}, // the creator of the schema has CONTROL
	{"DROP SCHEMA ", []string{"CREATE SCHEMA"}},           // see above
	{"COPY INTO ", []string{"INSERT", "ADMINISTER DATABASE BULK OPERATIONS"}},
	{"INSERT INTO ", []string{"INSERT", "SELECT"}},
	{"UPDATE [", []string{"UPDATE", "SELECT"}},
	{"DELETE FROM ", []string{"DELETE", "SELECT"}},
	{"SELECT ", []string{"SELECT"}},
	{"SET ", nil},
	{"BEGIN TRANSACTION", nil},
	{"COMMIT TRANSACTION", nil},
	{"DECLARE @result int\nEXEC @result = sp_getapplock ", nil}, // public
	{"CREATE EXTERNAL FILE FORMAT ", nil},                       // the set-up creates it
	{"CREATE OR ALTER VIEW ", []string{"CREATE VIEW", "ALTER", "SELECT"}},
	{
		"CREATE EXTERNAL TABLE ",
		[]string{
			"CREATE TABLE", "ALTER", "ALTER ANY EXTERNAL FILE FORMAT",
			"ALTER ANY EXTERNAL DATA SOURCE",
		},
	},
	{"DROP EXTERNAL TABLE ", []string{"ALTER"}},
}

var (
	inSchema    = regexp.MustCompile(`\[(fhir|fhir_load)\]\.`)
	alterSchema = regexp.MustCompile(`^ALTER SCHEMA \[(\w+)\]`)
)

// on returns the right as it is granted: SELECT on the schemas that a statement mentions, other
// rights on the schema of its target. Schemas of a rebuild belong to their creator.
func on(right, text string) []string {
	switch right {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "ALTER":
	default:
		return []string{right}
	}
	var out []string
	target := alterSchema.FindStringSubmatch(text)
	for _, m := range inSchema.FindAllStringSubmatch(text, -1) {
		if target == nil {
			target = m
		}
		if right == "SELECT" {
			out = append(out, right+" ON SCHEMA::["+m[1]+"]")
		}
	}
	if right != "SELECT" && target != nil {
		out = append(out, right+" ON SCHEMA::["+target[1]+"]")
	}
	return out
}

// needed returns the smallest set of rights for statements.
func needed(t *testing.T, texts []string) []string {
	t.Helper()
	out := map[string]bool{}
	for _, text := range texts {
		known := false
		for _, n := range needs {
			if strings.HasPrefix(text, n.begins) {
				known = true
				for _, r := range n.rights {
					for _, granted := range on(r, text) {
						out[granted] = true
					}
				}
			}
		}
		if !known {
			t.Errorf("nothing says what this needs: %s", text)
		}
		if strings.Contains(text, "OPENROWSET(") {
			out["ADMINISTER DATABASE BULK OPERATIONS"], out["REFERENCES"] = true, true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// granted returns the rights that a script grants to a principal.
func granted(s setup.Setup, to string) []string {
	out := map[string]bool{}
	for _, step := range s.Steps() {
		if right, is := strings.CutSuffix(step.Text, " TO ["+to+"]"); is &&
			strings.HasPrefix(right, "GRANT ") {
			right = strings.TrimPrefix(right, "GRANT ")
			if name, _, is := strings.Cut(right, " ON DATABASE SCOPED CREDENTIAL::"); is {
				right = name
			}
			out[right] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

func patient(t *testing.T) (*sof.View, flatten.Table) {
	t.Helper()
	bundled, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	v := bundled[slices.IndexFunc(bundled, func(v *sof.View) bool { return v.Name == "patient" })]
	return v, flatten.TableOf(v)
}

// sent returns the statements of a commit and of a rebuild, on an engine with tables.
func sent(t *testing.T, name tsql.Engine) (commit, rebuild []string) {
	t.Helper()
	e, err := statements.For(name)
	if err != nil {
		t.Fatal(err)
	}
	v, table := patient(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	target := statements.Target{
		Engine: e, Schema: "fhir", Type: "Patient", Views: []flatten.Table{table},
	}
	a := statements.Attempt{
		Target: target, Export: "x", ViewSet: 1, Stage: statements.StageName(at, "0a", 1, 0),
		At: at,
	}
	var all, again []statements.Statement
	must := func(more []statements.Statement, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	shred, err := a.Shred(v)
	must([]statements.Statement{shred}, err)
	must(a.Ensure(nil))
	must(a.Ensure(statements.Catalog{
		{Schema: "fhir", Table: "patient", Column: "_id", Type: "varchar", Length: -1},
		{Schema: "fhir", Table: "patient", Column: "_version", Type: "varchar", Length: -1},
		{
			Schema: "fhir", Table: "patient",
			Column: "_last_updated", Type: "datetime2",
		},
		{
			Schema: "fhir", Table: "patient", Column: "_export",
			Type: "varchar", Length: -1,
		},
	}))
	all = append(all, a.CatalogQuery(), a.SchemaQuery("fhir"), statements.CreateSchema("fhir"),
		a.LedgerThere(),
		a.LedgerQuery("fhir_load", "x"), a.RowsQuery("patient", "x"), statements.RowVersionsQuery())
	if lock, is := a.LockRow(); is {
		all = append(all, lock)
	}
	all = append(all, a.CreateStage()...)
	if e.Stage == statements.CopyInto {
		all = append(all, a.CopyParquet(a.Heads(), []string{"https://a/b"}),
			a.CopyLines(a.Docs(), []string{"https://a/b"}))
		all = append(all, a.InsertLarge(a.Rows(table)))
	}
	all = append(append(all, a.Transaction()...), a.DropStage()...)
	all = append(all, statements.Missing(a.Target, nil)...)
	if query, asked := statements.LayoutQuery(a.Target); asked {
		all = append(all, query)
		for _, i := range []statements.Index{
			{Schema: "fhir", Table: "patient", Name: "ix_code", Kind: "index"},
			{Schema: "fhir", Table: "patient", Name: "by_id", Kind: "statistics"},
		} {
			all = append(all, i.Drop())
		}
	}
	if a.Statistics {
		asked := statements.ReplacedQueries(target)
		rebuilt, _ := statements.Rebuilt(target, nil, 1)
		all = append(all, asked.Applied, asked.Heads, asked.Rebuilt, rebuilt,
			statements.AppliedSince(target, at))
	}
	for _, m := range a.Maintain() {
		all = append(all, m.Statements...)
	}
	all = append(all, warehousetest.EndOfExport(t, name)...)
	if e.TransactionalDDL {
		there := statements.Catalog{{Schema: "fhir", Table: "patient", Column: "x", Type: "int"}}
		again = append(target.Replace("_rebuild_fhir", there),
			statements.Discard(there, target.Schemas())...)
	} else {
		again = append(target.Forget(), target.Live(), target.Unwritten())
	}
	texts := func(all []statements.Statement) (out []string) {
		for _, s := range all {
			out = append(out, s.Text)
		}
		return out
	}
	return texts(all), texts(again)
}

// The loader has exactly the rights that its statements need.
func TestRightsAreThoseOfTheStatements(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		s := usual(engine)
		commit, rebuild := sent(t, engine)
		if engine != tsql.SQLServer {
			commit = append(commit, rebuild...)
		}
		compare(t, fmt.Sprint(engine), needed(t, commit), granted(s, s.Principal))
		if engine == tsql.SQLServer {
			s.Rebuild = true
			compare(t, "sqlserver with --rebuild", needed(t, append(commit, rebuild...)),
				granted(s, s.Principal))
		}
	}
	s := usual(tsql.Fabric)
	without := granted(s, s.Principal)
	s.Move = true
	compare(t, "fabric with --move", append(without, "CONTROL ON SCHEMA::[fhir]"),
		granted(s, s.Principal))
	v, _ := patient(t)
	steps, texts, err := serverless.Script("fhir", v)
	if err != nil {
		t.Fatal(err)
	}
	var commit []string
	for i, text := range texts {
		if !strings.HasPrefix(steps[i], "with snapshot=") {
			commit = append(commit, text)
		}
	}
	text, err := flatview.Compartment("Patient")
	if err != nil {
		t.Fatal(err)
	}
	compartment, err := sof.Compile("compartment.json", text)
	if err != nil {
		t.Fatal(err)
	}
	_, cohort, err := serverless.CohortScript("fhir", compartment)
	if err != nil {
		t.Fatal(err)
	}
	commit = append(commit, cohort...)
	s = usual(tsql.Serverless)
	// VIEW DEFINITION shows credentials and data sources in the catalog.
	compare(t, "serverless", append(needed(t, commit), "VIEW DEFINITION"), granted(s, s.Principal))
	s.Snapshots = true
	compare(t, "serverless with --snapshots", append(needed(t, texts), "VIEW DEFINITION"),
		granted(s, s.Principal))
}

// A reader has the rights for a SELECT.
func TestReadersRead(t *testing.T) {
	t.Parallel()
	for _, engine := range tsql.Engines() {
		want := []string{"SELECT ON SCHEMA::[fhir]"} // and nothing of the loader's
		if engine == tsql.Serverless {
			want = needed(t, []string{"SELECT * FROM [fhir].[patient], OPENROWSET("})
		}
		s := usual(engine)
		compare(t, fmt.Sprint(engine), want, granted(s, s.ReaderRole()))
	}
}

func compare(t *testing.T, name string, want, got []string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(want, got) {
		t.Errorf("%s:\nthe statements need %q\n      there is given %q", name, want, got)
	}
}
