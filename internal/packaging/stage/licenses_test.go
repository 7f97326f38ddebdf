package stage

import (
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestLicensesOfAProgram(t *testing.T) {
	t.Parallel()
	folders, err := moduleFolders(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	info := &debug.BuildInfo{GoVersion: "go1.26"}
	for path := range folders {
		if module, version, _ := strings.Cut(path, "@"); module == "github.com/google/go-cmp" {
			info.Deps = append(info.Deps, &debug.Module{Path: module, Version: version})
		}
	}
	text, err := licensesOf(info, folders)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"==== Go go1.26, LICENSE", "==== github.com/google/go-cmp ", "Redistribution and use",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the text misses %q", want)
		}
	}
	o := stageInto(t, func(o *Options) { o.Licenses = text })
	if got := read(t, filepath.Join(o.Out, licensesFile)); string(got) != string(text) {
		t.Error("the staged file differs")
	}
}

func TestModuleWithoutALicenceIsNamed(t *testing.T) {
	t.Parallel()
	err := writeLicense(new(strings.Builder), "example.org/m v1.0.0", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "example.org/m v1.0.0 has no licence file") {
		t.Errorf("got %v", err)
	}
}
