package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTheRunbookHasEveryLogLine: who is called at night finds each line of level WARN or ERROR in
// docs/operations.md, and finds no line there that the product does not write.
func TestTheRunbookHasEveryLogLine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	entries := entriesOf(t, string(text))
	known := map[string]bool{}
	urgent := 0
	for _, l := range productLines(t) {
		known[l.message], known[headOf(l.message)] = true, true
		if !l.urgent {
			continue
		}
		urgent++
		if !entries[l.message] && !entries[headOf(l.message)] {
			t.Errorf("%s: docs/operations.md has no entry for the log line %q: say what it means, and what to do",
				l.place, l.message)
		}
	}
	if urgent < 50 {
		t.Errorf("only %d lines of level WARN or ERROR were found", urgent)
	}
	for entry := range entries {
		if strings.Contains(entry, " ") && !known[entry] {
			t.Errorf("docs/operations.md has the log line %q, which the product does not write",
				entry)
		}
	}
}

var (
	// quotedText matches text in backticks.
	quotedText = regexp.MustCompile("`([^`]+)`")
	lineTable  = regexp.MustCompile(`^\| (` + "`[^|]*" + `) \|`)
)

// entriesOf returns the lines that the section on log lines explains: the first cells of its tables
// and its lists.
func entriesOf(t *testing.T, page string) map[string]bool {
	t.Helper()
	_, section, found := strings.Cut(page, "## What do the log lines mean?\n")
	section, _, ended := strings.Cut(section, "\n### ")
	if !found || !ended {
		t.Fatal("docs/operations.md has no section on log lines")
	}
	out := map[string]bool{}
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "|") {
			m := lineTable.FindStringSubmatch(line)
			if m == nil {
				continue // the head of a table
			}
			line = m[1]
		}
		for _, m := range quotedText.FindAllStringSubmatch(line, -1) {
			if !strings.HasPrefix(m[1], "fhirsynapse ") && !strings.Contains(m[1], `"`) {
				out[m[1]] = true
			}
		}
	}
	return out
}

// headOf returns a message up to its first colon or semicolon.
func headOf(message string) string {
	if i := strings.IndexAny(message, ":;"); i > 0 {
		return message[:i]
	}
	return message
}

// logLine is a call that writes a line into the log.
type logLine struct {
	message, place string
	urgent         bool // its level is or may be WARN or ERROR
}

// productLines finds the log lines of the packages that the product links.
func productLines(t *testing.T) (lines []logLine) {
	t.Helper()
	for _, p := range load(t) {
		if slices.ContainsFunc([]string{
			"internal/emulator", "internal/sandbox", "internal/testkit", "internal/packaging",
			"internal/sqlserver", "cmd/sandbox", "cmd/pack",
		}, func(folder string) bool { return under(p.ImportPath, ours(folder)) }) {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil,
				parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if l, ok := logLineOf(call); ok {
					l.place = p.ImportPath + "/" + name + ":" +
						strconv.Itoa(set.Position(call.Pos()).Line)
					lines = append(lines, l)
				}
				return true
			})
		}
	}
	return lines
}

// logLineOf reads a call of a method of slog.Logger.
func logLineOf(call *ast.CallExpr) (l logLine, ok bool) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return l, false
	}
	at := map[string]int{
		"Info": 0, "Warn": 0, "Error": 0, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
		"Log": 2, "LogAttrs": 2,
	}
	i, ok := at[method.Sel.Name]
	if !ok || len(call.Args) <= i {
		return l, false
	}
	if l.message, ok = literal(call.Args[i]); !ok {
		return l, false
	}
	switch method.Sel.Name {
	case "Warn", "Error", "WarnContext", "ErrorContext":
		l.urgent = true
	case "Log", "LogAttrs":
		level, fixed := call.Args[1].(*ast.SelectorExpr)
		l.urgent = !fixed || level.Sel.Name == "LevelWarn" || level.Sel.Name == "LevelError"
	}
	return l, true
}

// literal returns the text of a literal, or of literals that are joined.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := literal(e.X)
		right, both := literal(e.Y)
		return left + right, ok && both && e.Op == token.ADD
	}
	return "", false
}
