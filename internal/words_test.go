package internal

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// bannedWords are phrases that a reader with English as second language stumbles over. Each has
// the correction.
var bannedWords = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`^\w+ (gives|tells) `), "returns, reports"},
	{regexp.MustCompile(`^\w+ says `), "reports whether; a field: is set if"},
	{
		regexp.MustCompile(`^\w+ (is|are) (what|whatever|where|who) `),
		"a verb: holds, returns, bounds",
	},
	{regexp.MustCompile(`^\w+ (is|are) (that|those) `), "repeat the noun"},
	{regexp.MustCompile(`(?i)\bwhat is\b`), "name the thing"},
	{regexp.MustCompile(`(?i)\bthose of\b`), "repeat the noun"},
	{regexp.MustCompile(`\b(it|that|which|[a-z]*[a-df-z]) (is|are) no [a-km-z]`), "is not a"},
	{regexp.MustCompile(`\banew\b`), "again"},
	{regexp.MustCompile(`\b[Ss]o many\b`), "this number of"},
	{regexp.MustCompile(`\bas far as\b`), "if, up to"},
	{regexp.MustCompile(`\bno more[.,;:]`), "no longer"},
	{regexp.MustCompile(`\w beside\b`), "next to, in addition to"},
	{regexp.MustCompile(`\bwhose \w+ may\b`), "two sentences"},
	{regexp.MustCompile(`\bthe better part of\b`), "most of"},
}

// Comments are in plain English. The list above has the phrases and their corrections.
func TestPlainEnglish(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		if d.IsDir() {
			if name != ".." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && name != "internal/words_test.go" {
			return plainComments(t, path, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// plainComments reports the banned phrases in the comments of a file. Lines of one comment are
// joined, because a phrase may be broken.
func plainComments(t *testing.T, path, name string) error {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file := set.AddFile(name, -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	var text strings.Builder
	first, last := 0, 0
	flush := func() {
		checkWords(t, name, first, text.String())
		text.Reset()
		first, last = 0, 0
	}
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		line := file.Line(pos)
		switch {
		case tok != token.COMMENT || !strings.HasPrefix(lit, "//"):
			if tok != token.SEMICOLON || lit != "\n" {
				flush()
			}
			continue
		case last != 0 && line != last+1:
			flush()
		}
		if first == 0 {
			first = line
		}
		last = line
		text.WriteString(strings.TrimPrefix(strings.TrimPrefix(lit, "//"), " "))
		text.WriteByte('\n')
	}
	flush()
	return nil
}

// checkWords reports the banned phrases in a comment that begins at a line of a file.
func checkWords(t *testing.T, name string, line int, text string) {
	t.Helper()
	if strings.Contains(text, "Output:\n") {
		return
	}
	joined := strings.ReplaceAll(text, "\n", " ")
	for _, w := range bannedWords {
		for _, at := range w.pattern.FindAllStringIndex(joined, -1) {
			t.Errorf("%s:%d: %q in a comment: write: %s", name,
				line+strings.Count(text[:at[0]], "\n"), strings.TrimSpace(joined[at[0]:at[1]]),
				w.instead)
		}
	}
}
