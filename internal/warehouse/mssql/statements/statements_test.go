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
	{
		Name: "patient_name", Resource: "Patient",
		Columns: []sof.Column{{Name: "given"}, {Name: "row_index", Kind: sof.Integer}},
	},
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
	all := []statements.Statement{
		a.LedgerThere(), a.CatalogQuery(), statements.RowVersionsQuery(), a.SchemaQuery(a.Schema),
	}
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
	all = append(all, statements.Missing(a.Target, nil)...)
	return append(all, a.LedgerQuery("fhir_load", a.Export))
}

func copies(a statements.Attempt) []statements.Statement {
	url := func(part string) []string {
		return []string{
			"https://account.dfs.core.windows.net/staging/commit/x/" + part + "-0000.parquet",
			"https://account.dfs.core.windows.net/staging/commit/x/" + part + "-0001.parquet",
		}
	}
	out := []statements.Statement{
		a.CopyParquet(a.Files(), url("file")[:1]), a.CopyParquet(a.Heads(), url("head")),
	}
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

// golden compares statements with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("statements (-want +got), see -update:\n%s", d)
	}
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
			golden(t, string(name)+".sql", b.String())
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
		"Select", "Insert", "Delete", "Update", "Copy", "CreateSchema", "CreateTable",
		"CreateIndex", "DropTable", "BeginTransaction",
		"CommitTransaction", "SetTransactionIsolationLevel", "PredicateSet", "DeclareVariable",
		"Execute",
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
				if strings.Contains(s.Text, word) &&
					!strings.Contains(s.Text, "ENCODING = 'UTF8'") {
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
		"FILE_TYPE": "CSV", "CREDENTIAL": "Managed Identity", "FIELDTERMINATOR": "0x0b",
		"FIELDQUOTE": "", "ROWTERMINATOR": "0x0A",
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
		{
			dedicated.CopyParquet(dedicated.Heads(), []string{"https://a/1", "https://a/2"}), 2,
			identity,
		},
		{fabric.CopyParquet(fabric.Heads(), []string{"https://a/1"}), 1, parquet},
		{
			dedicated.CopyLines(dedicated.Large(dedicated.Rows(views[0])), []string{"https://a/1"}),
			1,
			lines,
		},
		{fabric.CopyLines(fabric.Large(fabric.Heads()), []string{"https://a/1"}), 1, own},
	} {
		st := only[*ast.CopyStatement](t, c.statement.Text)
		if len(st.From) != c.files || st.Into.SchemaIdentifier.Value != "fhir_load" {
			t.Errorf("%s: %d files into %s", c.statement.Step, len(st.From),
				st.Into.SchemaIdentifier.Value)
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
			t.Errorf("%s: %d options, %d constraints", s.Step, len(st.Options),
				len(st.Definition.TableConstraints))
		}
		if joined := regexp.MustCompile(`ledger|head|winner|view_|patient`).MatchString(
			s.Step); joined != strings.Contains(s.Text, "DISTRIBUTION = HASH(") &&
			!strings.Contains(s.Step, "large") {
			t.Errorf("%s: %s", s.Step, s.Text[strings.Index(s.Text, "WITH"):])
		}
	}
}

func TestReplacementsAreParsed(t *testing.T) {
	t.Parallel()
	a := attempt(t, tsql.SQLServer)
	for _, there := range []statements.Catalog{nil, found(t, a)} {
		var steps []string
		for _, s := range append(a.Replace("beside", there),
			statements.Discard(there, a.Schemas())...) {
			parse(t, s.Text)
			steps = append(steps, s.Step)
		}
		if compared := slices.Contains(steps, statements.StepCompare); compared != (there != nil) {
			t.Errorf("steps: %v", steps)
		}
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
