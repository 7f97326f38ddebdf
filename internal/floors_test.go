package internal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floor is one of the three parts of the tree.
type floor struct {
	name  string
	rooms []string // folders; none means all folders of no other floor
	// below is the reason why it must not depend on the floors below.
	below string
}

// floors are in order: none depends on a later one.
var floors = []floor{
	{"product", nil, "users run it without an emulator and without a test's parts"},
	{
		"emulators and sandbox",
		[]string{"internal/emulator", "internal/sandbox", "cmd/sandbox"},
		"an emulator is a program's, and a program links no test",
	},
	{"test kit", []string{"internal/testkit"}, "it is the last"},
}

// floorOf returns the number of a package's floor.
func floorOf(importPath string) int {
	for i, f := range floors {
		for _, room := range f.rooms {
			if under(importPath, ours(room)) {
				return i
			}
		}
	}
	return 0
}

// The three floors: a dependency on a lower floor would be linked by accident.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	lines, tests := make([]int, len(floors)), make([]int, len(floors))
	for _, p := range load(t) {
		at := floorOf(p.ImportPath)
		for _, d := range p.Deps {
			if under(d, module) && floorOf(d) > at {
				t.Errorf("%s is part of the %s and depends on %s of the %s: %s", p.ImportPath,
					floors[at].name, d, floors[floorOf(d)].name, floors[at].below)
			}
		}
		lines[at] += linesOf(t, p.Dir, append(p.GoFiles, p.CgoFiles...))
		tests[at] += linesOf(t, p.Dir, append(p.TestGoFiles, p.XTestGoFiles...))
	}
	var all strings.Builder
	for i, f := range floors {
		if lines[i] == 0 {
			t.Errorf("the %s has no code: look at its rooms", f.name)
		}
		fmt.Fprintf(&all, "\n%-22s %6d lines of Go, %6d of tests; leans on no floor below: %s",
			f.name, lines[i], tests[i], f.below)
	}
	t.Log(all.String())
}

// The places that the documentation names must exist.
func TestArchitecturePlaces(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "\n## Where to change what\n")
	table, _, _ = strings.Cut(table, "\n## ")
	places := regexp.MustCompile("`([a-z][^` ]*)`").FindAllStringSubmatch(table, -1)
	if len(places) < 12 {
		t.Fatalf("%d places", len(places))
	}
	for _, m := range places {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("docs/architecture.md: %v", err)
		}
	}
}

// A file, also one of tests, is short enough to be read at once.
func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	const most = 450
	for _, p := range load(t) {
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles) {
			if n := linesOf(t, p.Dir, []string{name}); n > most {
				t.Errorf("%s/%s has %d lines, at most %d", p.ImportPath, name, n, most)
			}
		}
	}
}

func linesOf(t *testing.T, dir string, names []string) (n int) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(data, []byte("\n"))
	}
	return n
}
