// Package internal has no code, only tests of the repository as a whole.
package internal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const module = "fhirsynapse"

// pkg is one package in the output of `go list -json`.
type pkg struct {
	ImportPath                string
	Name                      string
	Dir                       string
	GoFiles                   []string
	CgoFiles                  []string
	TestGoFiles, XTestGoFiles []string
	Imports                   []string
	Deps                      []string
}

// load returns our packages with their dependencies, listed once for all tests.
func load(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// listed parses only imports, which is fast and needs no C++ compiler.
var listed = sync.OnceValues(func() ([]pkg, error) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "go", "list", "-e",
		"-json=ImportPath,Name,Dir,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", "./...")
	cmd.Dir = ".."
	// With cgo, so that forbidden imports behind it are seen.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		pkgs = append(pkgs, p)
	}
})

// under reports whether path is root or inside it. A root that ends in a slash means only its
// content. Both are import paths.
func under(path, root string) bool {
	return path == strings.TrimSuffix(root, "/") && !strings.HasSuffix(root, "/") ||
		strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/")
}

// ours returns the import path of one of our folders.
func ours(folder string) string { return module + "/" + folder }

// wall forbids packages under from to depend, directly or indirectly, on packages under never. A
// folder that begins with "internal/...", "cmd/..." or "handler" is ours; everything else is an
// import path.
type wall struct {
	from  string
	never []string
	why   string
}

var walls = []wall{
	{
		"handler",
		[]string{"internal/warehouse/duckdb", "github.com/duckdb"},
		"cgo and a native library have no place in the static binary of the cloud",
	},
	{
		"cmd/pack",
		[]string{"internal/warehouse", "internal/app", "github.com/duckdb"},
		"who only deploys needs Go and no C compiler",
	},
	{
		"handler",
		[]string{"github.com/spf13/cobra", "github.com/jedib0t/go-pretty"},
		"nobody types at the handler",
	},
	{
		"internal/pipeline",
		[]string{
			"net/http", "database/sql", "github.com/Azure", "github.com/duckdb",
			"github.com/microsoft", "go.opentelemetry.io",
		},
		"the story knows ports; protocols, engines and SDKs belong to the adapters",
	},
	{"internal/fault", []string{"internal/"}, "the floor stands on nothing"},
	{
		"internal/ndjson",
		[]string{"internal/pipeline", "internal/sof", "net/http"},
		"lines are lines, whoever reads them",
	},
	{
		"internal/sof",
		[]string{"net/http", "database/sql", "github.com/duckdb", "github.com/Azure"},
		"a compiler needs no server",
	},
	{"handler", []string{"github.com/sqlc-dev"}, "a parser of T-SQL is for tests"},
	{"cmd", []string{"github.com/sqlc-dev"}, "a parser of T-SQL is for tests"},
	{"handler", []string{"github.com/chromedp"}, "a browser is for tests"},
	{"cmd", []string{"github.com/chromedp"}, "a browser is for tests"},
	{
		"internal/azfunc",
		[]string{"internal/pipeline", "internal/bulkfhir", "internal/sof"},
		"the host's wire format knows no FHIR",
	},
	{
		"internal/warehouse",
		[]string{
			"internal/azure", "internal/bulkfhir", "internal/azfunc", "internal/app",
			"internal/config",
		},
		"an adapter knows its port, not the other adapters",
	},
	{
		"internal/warehouse/mssql/statements",
		[]string{"github.com/microsoft"},
		"what is sent is text, written without a server",
	},
	{
		"internal/azure",
		[]string{
			"internal/warehouse", "internal/bulkfhir", "internal/azfunc", "internal/app",
			"internal/config",
		},
		"an adapter knows its port, not the other adapters",
	},
	{
		"internal/bulkfhir",
		[]string{
			"internal/warehouse", "internal/azure", "internal/azfunc", "internal/app",
			"internal/config",
		},
		"an adapter knows its port, not the other adapters",
	},
	{
		"internal/config",
		[]string{
			"internal/app", "internal/azure", "internal/warehouse", "internal/bulkfhir", "net/http",
			"github.com/Azure", "github.com/duckdb",
		},
		"reading settings opens nothing",
	},
	{
		"internal/batch",
		[]string{
			"internal/app", "internal/azure", "internal/bulkfhir", "internal/warehouse/duckdb",
			"internal/warehouse/mssql", "internal/warehouse/serverless", "github.com/Azure",
		},
		"a run without a host knows ports and the interface of engines; its program passes the adapters in",
	},
	{"handler", []string{"internal/batch", "internal/cli"}, "the cloud has a host"},
	{"internal/batch/memory", []string{"net/http", "testing"}, "it is part of the product"},
	{
		"internal/query",
		[]string{"github.com/duckdb", "internal/warehouse"},
		"formats do not care which engine answered",
	},
}

// only limits the imports of packages under from, among our packages, to those under allowed.
var only = []struct {
	from    string
	allowed []string
	why     string
}{
	{
		"internal/pipeline",
		[]string{"internal/pipeline", "internal/fault"},
		"the story leans on nothing but the error classes",
	},
	{
		"internal/pipeline/records",
		[]string{"internal/pipeline/records", "internal/fault"},
		"documents and what an operator asks of them need no agent",
	},
	{
		"internal/sof",
		[]string{"internal/sof", "internal/fault", "internal/ndjson"},
		"the compiler is of use without the pipeline",
	},
	{
		"internal/cohort",
		[]string{"internal/cohort", "internal/pipeline/records", "internal/fault"},
		"who belongs to a cohort is decided without protocols and agents",
	},
	{
		"internal/quarantine",
		[]string{"internal/quarantine", "internal/pipeline", "internal/fault"},
		"whoever writes or reads bad lines shares their form",
	},
	{
		"internal/statuspage",
		[]string{
			"internal/statuspage", "internal/cohort", "internal/quarantine", "internal/pipeline",
			"internal/fault",
		},
		"a page reads what the records have, by small interfaces, whatever keeps them",
	},
	{
		"internal/typefilter",
		[]string{"internal/typefilter"},
		"both who reads plans and who asks servers lean on it",
	},
}

// importedBy lists the only importers of a room.
var importedBy = []struct {
	room string
	by   []string
	why  string
}{
	{
		"internal/cli",
		[]string{"cmd/fhirsynapse"},
		"words and tables for people stand above everything",
	},
	{
		"internal/warehouse/open/local",
		[]string{"cmd/fhirsynapse", "internal/sandbox"},
		"it brings cgo",
	},
}

func TestRoomsAtTheTop(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		for _, r := range importedBy {
			if under(p.ImportPath, ours(r.room)) || slices.ContainsFunc(r.by, func(b string) bool {
				return under(p.ImportPath, ours(b))
			}) {
				continue
			}
			if slices.ContainsFunc(p.Imports, func(i string) bool {
				return under(i, ours(r.room))
			}) {
				t.Errorf("%s imports %s: %s", p.ImportPath, r.room, r.why)
			}
		}
	}
}

func TestWallsBetweenRooms(t *testing.T) {
	t.Parallel()
	pkgs := load(t)
	path := func(p string) string {
		first, _, _ := strings.Cut(p, "/")
		if slices.Contains([]string{"internal", "cmd", "handler", "tools"}, first) {
			return ours(p)
		}
		return p
	}
	for _, p := range pkgs {
		for _, w := range walls {
			if !under(p.ImportPath, path(w.from)) {
				continue
			}
			for _, d := range p.Deps {
				for _, never := range w.never {
					if under(d, path(never)) {
						t.Errorf("%s depends on %s: %s", p.ImportPath, d, w.why)
					}
				}
			}
		}
		for _, o := range only {
			if !under(p.ImportPath, ours(o.from)) {
				continue
			}
			for _, d := range p.Deps {
				if !under(d, module) || slices.ContainsFunc(o.allowed, func(a string) bool {
					return under(d, ours(a))
				}) {
					continue
				}
				t.Errorf("%s depends on %s: %s", p.ImportPath, d, o.why)
			}
		}
		if len(p.CgoFiles) > 0 {
			t.Errorf("%s has cgo files: only libraries may, behind internal/warehouse/duckdb",
				p.ImportPath)
		}
		if slices.ContainsFunc(p.Imports, func(i string) bool {
			return under(i, "github.com/duckdb")
		}) && !under(p.ImportPath, ours("internal/warehouse/duckdb")) {
			t.Errorf("%s imports DuckDB: internal/warehouse/duckdb is the only room that does",
				p.ImportPath)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	const least = 20 // characters: a name alone does not describe
	for _, p := range load(t) {
		var with []string
		files := token.NewFileSet()
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil,
				parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			if f.Doc != nil && len(strings.TrimSpace(f.Doc.Text())) >= least {
				with = append(with, name)
			}
		}
		if len(p.GoFiles) > 0 && len(with) != 1 {
			t.Errorf("%s has %d package comments, want 1: %v", p.ImportPath, len(with), with)
		}
	}
}

func TestMainPackagesAreSmall(t *testing.T) {
	t.Parallel()
	const most = 120
	for _, p := range load(t) {
		if p.Name != "main" {
			continue
		}
		lines := 0
		for _, name := range p.GoFiles {
			data, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(data, []byte("\n"))
		}
		if lines > most {
			t.Errorf("%s has %d lines, at most %d: a main package wires, and tests cannot reach it",
				p.ImportPath, lines, most)
		}
	}
}

// revive finds exported names without a comment. Only this test finds init functions and
// package-level loggers.
func TestNoHiddenStart(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		files := token.NewFileSet()
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil,
				parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s: init(): what runs at import time cannot be told, tested or stopped", files.Position(fn.Pos()))
				}
			}
		}
	}
}

func TestGoModReplacesNothing(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "replace") || strings.Contains(line, "=>") {
			t.Errorf("go.mod:%d: a replace line builds here and nowhere else", i+1)
		}
	}
}

// The documentation gives one line of reason for each direct dependency.
func TestEachDirectDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "## Direct dependencies")
	block, _, _ := strings.Cut(string(mod), "\n)")
	found := 0
	for _, line := range strings.Split(block, "\n") {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.Contains(fields[0], ".") {
			continue
		}
		found++
		name := path.Base(regexp.MustCompile(`/v[0-9]+$`).ReplaceAllString(fields[0], ""))
		if !strings.Contains(table, name) {
			t.Errorf("%s: docs/architecture.md gives no reason for it", fields[0])
		}
	}
	if found < 5 {
		t.Errorf("only %d direct dependencies found in go.mod", found)
	}
}
