package stage

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zipOf(t *testing.T, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "new", "app.zip")
	if err := Zip(dir, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPackageZipHoldsTheStagedFilesAndOnlyTheHandlerIsExecutable(t *testing.T) {
	t.Parallel()
	o := stageInto(t, func(o *Options) { o.Licenses = []byte("MIT\n") })
	if err := os.WriteFile(filepath.Join(o.Out, settingsFile), []byte("secrets"),
		0o600); err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(zipOf(t, o.Out))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
		want := fs.FileMode(0o644)
		if f.Name == "handler" {
			want = 0o755
		}
		if f.Mode() != want {
			t.Errorf("%s has mode %v, want %v", f.Name, f.Mode(), want)
		}
		entry, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(entry)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, read(t, filepath.Join(o.Out, f.Name))) {
			t.Errorf("%s differs from the staged file", f.Name)
		}
	}
	want := slices.DeleteFunc(files(t, o.Out), func(name string) bool {
		return name == settingsFile
	})
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestPackageZipHasTheSameBytesWhenItIsMadeAgain(t *testing.T) {
	t.Parallel()
	var zips [2][]byte
	for i := range zips {
		o := stageInto(t, nil)
		when := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		for _, name := range files(t, o.Out) {
			if err := os.Chtimes(filepath.Join(o.Out, name), when, when); err != nil {
				t.Fatal(err)
			}
		}
		zips[i] = read(t, zipOf(t, o.Out))
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("the two zip files differ")
	}
}

func TestPackageZipIsRefusedAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir string) error{
		"the handler is missing": func(dir string) error {
			return os.Remove(filepath.Join(dir, "handler"))
		},
		"host.json": func(dir string) error {
			return os.Remove(filepath.Join(dir, "host.json"))
		},
		"is not a regular file": func(dir string) error {
			return os.Symlink("handler", filepath.Join(dir, "link"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := stageInto(t, nil)
			if err := spoil(o.Out); err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			err := Zip(o.Out, filepath.Join(folder, "app.zip"))
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
			if left := files(t, folder); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestPackageRefusesAProgramThatAzureCannotRun(t *testing.T) {
	t.Parallel()
	if err := CheckCloud(program(t)); err == nil ||
		!strings.Contains(err.Error(), "is not a Linux program") {
		t.Errorf("a script: got %v", err)
	}
}
