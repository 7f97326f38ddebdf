package tsql_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sqlc-dev/teesql/ast"
	"github.com/sqlc-dev/teesql/parser"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/views"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenViews returns bundled views, and views of this test for the constructs that the bundled
// views do not use.
func goldenViews(t *testing.T) []*sof.View {
	t.Helper()
	bundled, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, name := range strings.Fields(
		`patient patient_name patient_contact observation observation_component condition
		encounter_participant questionnaire_response_item`) {
		want[name] = true
	}
	var out []*sof.View
	for _, v := range bundled {
		if want[v.Name] {
			out = append(out, v)
		}
	}
	if len(out) != len(want) {
		t.Fatalf("%d bundled views, want %d", len(out), len(want))
	}
	files, err := filepath.Glob("testdata/views/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		v, err := sof.Compile(f, text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// statement returns the statement in which an engine uses a body.
func statement(t *testing.T, v *sof.View, e tsql.Engine) string {
	t.Helper()
	from, err := tsql.ParseName("stage.documents")
	if err != nil {
		t.Fatal(err)
	}
	staged := tsql.Shape{From: from, Keys: []string{"_file", "_line"}, ID: true}
	var text string
	switch e {
	case tsql.SQLServer:
		text, err = tsql.Body(v, e, tsql.Shape{From: from})
	case tsql.Serverless:
		text, err = tsql.CreateView(v, e, tsql.Shape{From: from})
	case tsql.Dedicated, tsql.Fabric:
		text, err = tsql.Stage(v, e, staged, tsql.Quote("stage")+"."+tsql.Quote(v.Name))
	}
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return text
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, v := range goldenViews(t) {
		for _, e := range tsql.Engines() {
			t.Run(v.Name+"/"+string(e), func(t *testing.T) {
				t.Parallel()
				got := statement(t, v, e)
				if again := statement(t, v, e); again != got {
					t.Error("the same view gives another text the second time")
				}
				file := filepath.Join("testdata", "golden", v.Name+"."+string(e)+".sql")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("%s (-want +got):\n%s\nrun with -update after a look at it", file, d)
				}
				inspect(t, e, parsed(t, got))
			})
		}
	}
}

// parsed returns the tree of one statement. The parser is known to loop on broken text, hence the
// limit.
func parsed(t *testing.T, text string) ast.Statement {
	t.Helper()
	balanced(t, text)
	type answer struct {
		script *ast.Script
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		s, err := parser.Parse(context.Background(), strings.NewReader(text))
		done <- answer{s, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			t.Fatalf("%v\n%s", a.err, text)
		}
		if len(a.script.Batches) != 1 || len(a.script.Batches[0].Statements) != 1 {
			t.Fatalf("the text is not one statement:\n%s", text)
		}
		return a.script.Batches[0].Statements[0]
	case <-time.After(30 * time.Second):
		t.Fatal("the parser does not come to an end")
	}
	return nil
}

// balanced checks for quotes and brackets that are not closed, which the parser accepts.
func balanced(t *testing.T, text string) {
	t.Helper()
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'' || c == '[':
			closing := map[byte]byte{'\'': '\'', '[': ']'}[c]
			end := strings.IndexByte(text[i+1:], closing)
			if end < 0 {
				t.Fatalf("%q at %d is not closed", c, i)
			}
			i += 1 + end
		case strings.HasPrefix(text[i:], "--"):
			i += strings.IndexByte(text[i:], '\n')
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				t.Fatalf("a parenthesis too many at %d", i)
			}
		}
	}
	if depth != 0 {
		t.Fatalf("%d parentheses are not closed", depth)
	}
}

// nodes returns all nodes of a type in a tree.
func nodes[T any](root any) []T {
	var out []T
	seen := map[any]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() || seen[v.Interface()] {
				return
			}
			seen[v.Interface()] = true
			if n, ok := v.Interface().(T); ok {
				out = append(out, n)
			}
			walk(v.Elem())
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		default:
		}
	}
	walk(reflect.ValueOf(root))
	return out
}

// ofDocument reports whether OPENJSON goes through the whole document.
func ofDocument(o *ast.OpenJsonTableReference) bool {
	c, ok := o.Variable.(*ast.ColumnReferenceExpression)
	if !ok || c.MultiPartIdentifier == nil {
		return false
	}
	ids := c.MultiPartIdentifier.Identifiers
	return len(ids) == 2 && ids[0].Value == "d" && ids[1].Value == "doc"
}

// inspect checks the tree of a statement.
func inspect(t *testing.T, e tsql.Engine, s ast.Statement) {
	t.Helper()
	documents := 0
	for _, o := range nodes[*ast.OpenJsonTableReference](s) {
		if ofDocument(o) {
			documents++
		}
		for _, c := range o.SchemaDeclarationItems {
			path, ok := c.Mapping.(*ast.StringLiteral)
			if !ok || !strings.HasPrefix(path.Value, "$.") {
				t.Errorf("the column %s of OPENJSON has no path",
					c.ColumnDefinition.ColumnIdentifier.Value)
			}
			typ, ok := c.ColumnDefinition.DataType.(*ast.SqlDataTypeReference)
			if want := map[bool]string{
				true: "NVarChar", false: "VarChar",
			}[e.Facts().National]; !ok || typ.SqlDataTypeOption != want ||
				len(typ.Parameters) != 1 {
				t.Errorf("the column %s of OPENJSON is no %s of any length",
					c.ColumnDefinition.ColumnIdentifier.Value, want)
			}
		}
	}
	most := 1
	if !e.Facts().AsJSON {
		most = 2 // once for values, once for objects and arrays
	}
	if documents < 1 || documents > most {
		t.Errorf("the document is parsed %d times", documents)
	}
	for _, c := range nodes[*ast.FunctionCall](s) {
		switch strings.ToUpper(c.FunctionName.Value) {
		case "JSON_VALUE":
			t.Error("JSON_VALUE cuts text at 4,000 characters, and parses once a column")
		case "JSON_QUERY":
			if ref, ok := c.Parameters[0].(*ast.ColumnReferenceExpression); !ok ||
				ref.MultiPartIdentifier.Identifiers[0].Value == "d" {
				t.Error("JSON_QUERY over the document")
			}
		}
	}
	if n := len(nodes[*ast.WithCtesAndXmlNamespaces](s)); n > 0 {
		t.Errorf("%d common table expressions: a body must fit behind INSERT and into an APPLY", n)
	}
	for _, c := range nodes[*ast.TryCastCall](s) {
		if typ, ok := c.DataType.(*ast.SqlDataTypeReference); ok &&
			typ.SqlDataTypeOption == "DateTimeOffset" && len(typ.Parameters) > 0 {
			t.Error("a cast to datetimeoffset with a precision")
		}
	}
	for _, l := range nodes[*ast.StringLiteral](s) {
		if l.IsNational && !e.Facts().National {
			t.Errorf("N'%s' on an engine without nvarchar", l.Value)
		}
	}
	switch e {
	case tsql.SQLServer:
		if _, ok := s.(*ast.SelectStatement); !ok {
			t.Errorf("the body is a %T", s)
		}
	case tsql.Serverless:
		if _, ok := s.(*ast.CreateOrAlterViewStatement); !ok {
			t.Errorf("the view is a %T", s)
		}
	case tsql.Dedicated:
		create, ok := s.(*ast.CreateTableStatement)
		if !ok || create.SelectStatement == nil {
			t.Fatalf("the stage is a %T", s)
		}
		spread := nodes[*ast.TableHashDistributionPolicy](s)
		if len(spread) != 1 || len(spread[0].DistributionColumns) != 1 ||
			spread[0].DistributionColumns[0].Value != "_id" {
			t.Error("the stage is not spread by its ids")
		}
	case tsql.Fabric:
		if _, ok := s.(*ast.InsertStatement); !ok {
			t.Errorf("the stage is a %T", s)
		}
	}
}

func TestEveryBodyParsesTheDocumentOnce(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		for _, e := range tsql.Engines() {
			inspect(t, e, parsed(t, statement(t, v, e)))
		}
	}
}
