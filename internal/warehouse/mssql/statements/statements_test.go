package statements_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sqlc-dev/teesql/ast"
	"github.com/sqlc-dev/teesql/parser"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

var update = flag.Bool("update", false, "rewrite golden files")

var at = time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)

// views covers every kind of column, and a view with many rows per resource.
var views = []flatten.Table{
	{Name: "patient_name", Resource: "Patient", Columns: []sof.Column{{Name: "given"}, {Name: "row_index", Kind: sof.Integer}}},
	{Name: "patient", Resource: "Patient", Columns: []sof.Column{
		{Name: "id"},
		{Name: "active", Kind: sof.Boolean},
		{Name: "number", Kind: sof.BigInt},
		{Name: "weight", Kind: sof.Decimal},
		{Name: "price", Kind: sof.Decimal, Precision: 9, Scale: 2},
		{Name: "born", Kind: sof.Date},
		{Name: "seen", Kind: sof.Timestamp},
		{Name: "select"},
	}},
}

func attempt(t *testing.T, name tsql.Engine) statements.Attempt {
	t.Helper()
	e, err := statements.For(name)
	if err != nil {
		t.Fatal(err)
	}
	return statements.Attempt{
		Target: statements.Target{Engine: e, Schema: "fhir", Type: "Patient", Views: views},
		Export: "nightly-000012", ViewSet: 3, Stage: statements.StageName(at, "0a1b", 1, 0), At: at,
	}
}

// story returns all statements of a first commit in order, except for queries of the catalog.
func story(t *testing.T, a statements.Attempt) []statements.Statement {
	t.Helper()
	all := []statements.Statement{a.LedgerThere(), a.CatalogQuery(), statements.RowVersionsQuery(), a.SchemaQuery(a.Schema)}
	for _, schema := range a.Schemas() {
		all = append(all, statements.CreateSchema(schema))
	}
	made, err := a.Ensure(nil)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, made...)
	if lock, needed := a.LockRow(); needed {
		all = append(all, lock)
	}
	all = append(all, a.CreateStage()...)
	if a.Engine.Stage == statements.CopyInto {
		all = append(all, copies(a)...)
	}
	all = append(all, a.Transaction()...)
	all = append(all, a.DropStage()...)
	all = append(all, a.CreateStatistics()...)
	return append(all, a.LedgerQuery("fhir_load", a.Export))
}

func copies(a statements.Attempt) []statements.Statement {
	url := func(part string) []string {
		return []string{"https://account.dfs.core.windows.net/staging/commit/x/" + part + "-0000.parquet", "https://account.dfs.core.windows.net/staging/commit/x/" + part + "-0001.parquet"}
	}
	out := []statements.Statement{a.CopyParquet(a.Files(), url("file")[:1]), a.CopyParquet(a.Heads(), url("head"))}
	for _, v := range a.Views {
		out = append(out, a.CopyParquet(a.Rows(v), url(v.Name)), a.CountQuery(a.Rows(v)))
	}
	if a.LongestRow > 0 {
		rows := a.Rows(views[1])
		out = append(out, a.CreateLarge(rows), a.CopyLines(a.Large(rows), url("patient")[:1]),
			a.InsertLarge(rows))
	}
	return out
}

func TestTheStatementsOfACommit(t *testing.T) {
	t.Parallel()
	for _, name := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			for _, s := range story(t, attempt(t, name)) {
				fmt.Fprintf(&b, "-- %s\n%s;\n\n", s.Step, s.Text)
			}
			path := filepath.Join("testdata", string(name)+".sql")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("statements (-want +got), see -update:\n%s", d)
			}
		})
	}
}

// parse returns the tree of a statement. The parser hangs on some broken texts and refuses OPTION
// after COPY, and CREATE STATISTICS is kept from it.
func parse(t *testing.T, text string) *ast.Script {
	t.Helper()
	if strings.HasPrefix(text, "CREATE STATISTICS ") {
		return nil
	}
	if strings.HasPrefix(text, "COPY INTO ") {
		text, _, _ = strings.Cut(text, "\nOPTION (")
	}
	type outcome struct {
		script *ast.Script
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		s, err := parser.Parse(t.Context(), strings.NewReader(text))
		ended <- outcome{s, err}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case o := <-ended:
		if o.err != nil {
			t.Fatalf("%v: in %s", o.err, text)
		}
		return o.script
	case <-ctx.Done():
		t.Fatalf("the parser does not end: %s", text)
	}
	return nil
}

// Each statement is one batch of a permitted kind.
func TestEachStatementIsOfAKindThatIsMeant(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{}
	for _, kind := range []string{
		"Select", "Insert", "Delete", "Update", "Copy", "CreateSchema", "CreateTable", "CreateIndex", "DropTable", "BeginTransaction",
		"CommitTransaction", "SetTransactionIsolationLevel", "PredicateSet", "DeclareVariable", "Execute",
	} {
		allowed["*ast."+kind+"Statement"] = true
	}
	for _, name := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated, tsql.Fabric} {
		for _, s := range story(t, attempt(t, name)) {
			script := parse(t, s.Text)
			if script == nil {
				continue
			}
			for _, b := range script.Batches {
				for _, st := range b.Statements {
					if kind := fmt.Sprintf("%T", st); !allowed[kind] {
						t.Errorf("%s: %s has a %s", name, s.Step, kind)
					}
				}
			}
			for _, word := range []string{"MERGE", "UTF8", "WITH (NOLOCK", ";"} {
				if strings.Contains(s.Text, word) && !strings.Contains(s.Text, "ENCODING = 'UTF8'") {
					t.Errorf("%s: %s has %q", name, s.Step, word)
				}
			}
		}
	}
}

func only[S ast.Statement](t *testing.T, text string) S {
	t.Helper()
	script := parse(t, text)
	if script == nil || len(script.Batches) != 1 || len(script.Batches[0].Statements) != 1 {
		t.Fatalf("no single statement: %s", text)
	}
	s, ok := script.Batches[0].Statements[0].(S)
	if !ok {
		t.Fatalf("a %T: %s", script.Batches[0].Statements[0], text)
	}
	return s
}

func TestCopyOptions(t *testing.T) {
	t.Parallel()
	parquet := map[string]string{"FILE_TYPE": "PARQUET"}
	identity := map[string]string{"FILE_TYPE": "PARQUET", "CREDENTIAL": "Managed Identity"}
	lines := map[string]string{
		"FILE_TYPE": "CSV", "CREDENTIAL": "Managed Identity", "FIELDTERMINATOR": "0x0b", "FIELDQUOTE": "", "ROWTERMINATOR": "0x0A",
		"ENCODING": "UTF8", "MAXERRORS": "0", "ColumnOptions": "doc=1",
	}
	own := maps.Clone(lines)
	delete(own, "CREDENTIAL")
	own["FIELDQUOTE"] = "0x1f"
	dedicated, fabric := attempt(t, tsql.Dedicated), attempt(t, tsql.Fabric)
	for _, c := range []struct {
		statement statements.Statement
		files     int
		want      map[string]string
	}{
		{dedicated.CopyParquet(dedicated.Heads(), []string{"https://a/1", "https://a/2"}), 2, identity},
		{fabric.CopyParquet(fabric.Heads(), []string{"https://a/1"}), 1, parquet},
		{dedicated.CopyLines(dedicated.Large(dedicated.Rows(views[0])), []string{"https://a/1"}), 1, lines},
		{fabric.CopyLines(fabric.Large(fabric.Heads()), []string{"https://a/1"}), 1, own},
	} {
		st := only[*ast.CopyStatement](t, c.statement.Text)
		if len(st.From) != c.files || st.Into.SchemaIdentifier.Value != "fhir_load" {
			t.Errorf("%s: %d files into %s", c.statement.Step, len(st.From), st.Into.SchemaIdentifier.Value)
		}
		got := map[string]string{}
		for _, o := range st.Options {
			got[o.Kind] = copyValue(o)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: options (-want +got):\n%s", c.statement.Step, d)
		}
	}
}

func copyValue(o *ast.CopyOption) string {
	text := func(e ast.ScalarExpression) string {
		switch e := e.(type) {
		case *ast.StringLiteral:
			return e.Value
		case *ast.IntegerLiteral:
			return e.Value
		}
		return fmt.Sprintf("%T", e)
	}
	switch v := o.Value.(type) {
	case *ast.SingleValueTypeCopyOption:
		return text(v.SingleValue.ValueExpression)
	case *ast.CopyCredentialOption:
		return text(v.Identity)
	case *ast.ListTypeCopyOption:
		var parts []string
		for _, c := range v.Options {
			parts = append(parts, c.ColumnName.Value+"="+text(c.FieldNumber))
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprintf("%T", o.Value)
}

func TestTablesOfTheDedicatedPoolSayWhereTheyLie(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.Dedicated)
	for _, s := range story(t, a) {
		if !strings.HasPrefix(s.Text, "CREATE TABLE ") {
			continue
		}
		st := only[*ast.CreateTableStatement](t, s.Text)
		if len(st.Options) != 2 || len(st.Definition.TableConstraints) != 0 {
			t.Errorf("%s: %d options, %d constraints", s.Step, len(st.Options), len(st.Definition.TableConstraints))
		}
		if joined := regexp.MustCompile(`ledger|head|winner|view_|patient`).MatchString(s.Step); joined != strings.Contains(s.Text, "DISTRIBUTION = HASH(") && !strings.Contains(s.Step, "large") {
			t.Errorf("%s: %s", s.Step, s.Text[strings.Index(s.Text, "WITH"):])
		}
	}
}

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
	more.Views[0].Columns = append(append([]sof.Column{}, views[0].Columns...), sof.Column{Name: "family"})
	for name, c := range map[string]struct {
		attempt statements.Attempt
		there   statements.Catalog
		steps   []string
		refused []string
	}{
		"nothing to do":                       {a, found(t, a), nil, nil},
		"decimal has another name":            {a, change("patient", "weight", func(f *statements.Found) { f.Type = "numeric" }), nil, nil},
		"the database tells no lengths":       {a, change("patient", "_id", func(f *statements.Found) { f.Length = 0 }), nil, nil},
		"names in another case":               {a, change("patient", "born", func(f *statements.Found) { f.Table, f.Column, f.Type = "PATIENT", "Born", "DATE" }), nil, nil},
		"a longer text, and a greater number": {a, change("patient", "_id", func(f *statements.Found) { f.Length = 256 }), nil, nil},
		"a new column":                        {more, found(t, a), []string{"add column patient_name.family"}, nil},
		"another type":                        {a, change("patient", "born", func(f *statements.Found) { f.Type = "datetime2" }), nil, []string{"patient.born", "datetime2", "date", "give the view's column another name, or rebuild the tables of Patient with fhirsynapse load DIR --to sqlserver://HOST?database=NAME --schema fhir --rebuild=Patient, where DIR has"}},
		"another length, and another scale":   {a, change("patient", "price", func(f *statements.Found) { f.Scale = 1 }), nil, []string{"patient.price", "decimal(9, 1)", "decimal(9, 2)"}},
		"a text cut short":                    {a, change("patient", "select", func(f *statements.Found) { f.Length = 50 }), nil, nil},
		"a text that was a number":            {a, change("patient", "select", func(f *statements.Found) { f.Type = "int" }), nil, []string{"patient.select", "int"}},
		"a key column is gone":                {a, change("_head_Patient", "_version", func(f *statements.Found) { f.Column = "v" }), nil, []string{"_head_Patient", "_version", "by hand"}},
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
		if want := "or rebuild the tables of Patient with fhirsynapse load DIR --to " + string(engine) + "://HOST?database=NAME --staging https://ACCOUNT.blob.core.windows.net/CONTAINER --schema fhir --rebuild=Patient, where DIR has"; !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", engine, err)
		}
	}
}

func TestReplacementsAreParsed(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.SQLServer)
	for _, there := range []statements.Catalog{nil, found(t, a)} {
		var steps []string
		for _, s := range append(a.Replace("beside", there), statements.Discard(there, a.Schemas())...) {
			parse(t, s.Text)
			steps = append(steps, s.Step)
		}
		if compared := slices.Contains(steps, statements.StepCompare); compared != (there != nil) {
			t.Errorf("steps: %v", steps)
		}
	}
}

func TestNamesThatSQLDoesNotKeepApart(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.SQLServer)
	a.Views = []flatten.Table{{Name: strings.Repeat("v", 81)}, {Name: "v", Columns: []sof.Column{{Name: "a"}, {Name: "A"}}}}
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
	if len(got) != 2 || got[0].Text != "DROP TABLE [fhir].[_stage_2026112206_aa_1_head]" || got[1].Text != "DROP TABLE [fhir_load].[_stage_2026112207_bb_1_head]" {
		t.Errorf("dropped: %+v", got)
	}
}

func TestTheServerlessPoolHasNoTables(t *testing.T) {
	t.Parallel()
	if _, err := statements.For(tsql.Serverless); fault.Of(err) != fault.Permanent {
		t.Errorf("error: %v", err)
	}
}

func TestLiteralsCannotEnd(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.SQLServer)
	a.Export = "x'; DROP TABLE y --"
	for _, s := range a.Transaction() {
		parse(t, s.Text)
		if strings.Contains(s.Text, "'x';") {
			t.Errorf("%s: %s", s.Step, s.Text)
		}
	}
}
