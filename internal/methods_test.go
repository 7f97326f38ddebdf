package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// mostMethods is how many methods a type of the product has at most. A type with more does several
// jobs: a reader has to know all of it to change one of them.
const mostMethods = 25

// manyMethods are the types that have more, with the number that they must not exceed and the reason.
var manyMethods = map[string]struct {
	most int
	why  string
}{
	"internal/pipeline.Pipeline":                  {136, "steps, exports and the watchdog are parted next"},
	"internal/sof/native.Evaluator":               {81, "a method for each function of FHIRPath"},
	"internal/sof.typer":                          {45, "a method for each kind of expression"},
	"internal/warehouse/mssql.Warehouse":          {44, "the port, the commit and the rebuild"},
	"internal/warehouse/setup.Setup":              {36, "a method for each part of the script"},
	"internal/bulkfhir.Source":                    {35, "the port, and its requests"},
	"internal/sof/decimal.Decimal":                {29, "a number has that many operations"},
	"internal/warehouse/mssql/statements.Attempt": {27, "a method for each statement of a commit"},
}

func TestTypesHaveFewMethods(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, p := range load(t) {
		if floorOf(p.ImportPath) > 0 {
			continue
		}
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
					counts[p.ImportPath[len(module)+1:]+"."+receiver(fn.Recv.List[0].Type)]++
				}
			}
		}
	}
	for name, n := range counts {
		most := mostMethods
		if e, ok := manyMethods[name]; ok {
			most = e.most
		}
		if n > most {
			t.Errorf("%s has %d methods, more than %d: give some of them a type of their own", name, n, most)
		}
	}
	for name, e := range manyMethods {
		if n := counts[name]; n <= mostMethods {
			t.Logf("%s has %d methods: strike it from the list (%s)", name, n, e.why)
		}
	}
}

// receiver is the name of the type that a method is of.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
