package internal

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLinesAreShort: a line of Go has at most 100 columns, a tab counting four. A literal, a row of
// literals, a directive or the output of an example may reach beyond, since it cannot be broken.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles) {
			source, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range longLines(source) {
				t.Errorf("%s/%s:%d has more than %d columns", p.ImportPath, name, line, mostColumns)
			}
		}
	}
}

const mostColumns = 100

func TestLongLinesAreFound(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 90)
	source := "package p\n\n" +
		"var a = \"" + long + "xxx\"\n" +
		"var b = `" + long + "\n" + long + long + "`\n" +
		"var c" + long + " = 1234567890\n" +
		"\t// " + long + "xx\n\t// " + long + "xxxx\n" +
		"var d = c" + long + " + \"text\"\n" +
		"var e = c" + long[:80] + " //nolint:lll // why\n"
	if got, want := longLines([]byte(source)), []int{6, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("lines %v, want %v", got, want)
	}
}

// longLines returns the numbers of the lines that are too long without an excuse.
func longLines(source []byte) (long []int) {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	excused, code, output := map[int]bool{}, map[int]bool{}, false
	lines := strings.Split(string(source), "\n")
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			break
		}
		at := files.Position(pos)
		output = kind == token.COMMENT && (output || strings.HasPrefix(text, "// Output:"))
		if output {
			excused[at.Line] = true
		}
		switch kind {
		case token.STRING, token.COLON, token.COMMA, token.LBRACE, token.RBRACE, token.SEMICOLON:
		default:
			code[at.Line] = true
		}
		literal := kind == token.STRING
		if !literal && !strings.HasPrefix(text, "//nolint") && !strings.HasPrefix(text, "//go:") {
			continue
		}
		first, last := at.Line, at.Line+strings.Count(text, "\n")
		for n := first; n <= last; n++ {
			line := lines[n-1]
			start, end := 0, len(line)
			if n == first {
				start = at.Column - 1
			}
			if n == last {
				end = start + len(text) - strings.LastIndex(text, "\n") - 1
			}
			reaches := columns(line[:end]) >= mostColumns || first < last
			if columns(line[:start]) < mostColumns && reaches {
				excused[n] = true
			}
		}
	}
	for i, line := range lines {
		if columns(line) > mostColumns && !excused[i+1] && code[i+1] {
			long = append(long, i+1)
		}
	}
	return long
}

func columns(line string) (n int) {
	for _, r := range line {
		n++
		if r == '\t' {
			n += 3
		}
	}
	return n
}
