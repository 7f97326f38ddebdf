package localfs_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

func TestLake(t *testing.T) {
	t.Parallel()
	pipelinetest.TestLake(t, func(t *testing.T) pipeline.Lake {
		t.Helper()
		return localfs.New(t.TempDir())
	})
	pipelinetest.TestLandings(t, func(t *testing.T) pipelinetest.LakeWithLandings {
		t.Helper()
		return localfs.New(t.TempDir())
	})
}

func TestFilesOfOthersAreBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "Patient.ndjson")
	if err := os.WriteFile(name, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := localfs.New(t.TempDir()).WithLanding(dir)
	f, err := l.Stat(t.Context(), pipeline.Landing, "Patient.ndjson")
	if err != nil || f.Size != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
	r, err := l.Open(t.Context(), pipeline.Landing, "Patient.ndjson", f.ETag)
	if err != nil {
		t.Fatal(err)
	}
	// A read fails if the file is overwritten in place meanwhile.
	if err := os.WriteFile(name, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, pipeline.ErrChanged) {
		t.Errorf("read: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestPathsStayInsideTheArea(t *testing.T) {
	t.Parallel()
	l := localfs.New(t.TempDir())
	for _, path := range []string{"", ".", "..", "../x", "a/../../x", "/x", "a//b", "a/"} {
		if _, err := l.Put(t.Context(), pipeline.Staging, path,
			strings.NewReader("x")); fault.Of(err) != fault.Permanent {
			t.Errorf("put %q: %v", path, err)
		}
		if _, err := l.Open(t.Context(), pipeline.Staging, path, ""); err == nil {
			t.Errorf("open %q: no error", path)
		}
	}
}

func TestNamesThatAFileSystemWouldMixUp(t *testing.T) {
	t.Parallel()
	l := localfs.New(t.TempDir())
	paths := []string{
		"a", "a/b", "a~", "a~/b", "a~_", "a~_/b", "a~__", "a_", "a_/b", "~", "~/~", "~_",
	}
	for _, p := range paths {
		if _, err := l.Put(t.Context(), pipeline.Staging, p, strings.NewReader(p)); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for f, err := range l.List(t.Context(), pipeline.Staging, "") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.Open(t.Context(), pipeline.Staging, f.Path, f.ETag)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(data) != f.Path {
			t.Errorf("%s holds %s: %v", f.Path, data, err)
		}
		seen++
	}
	if seen != len(paths) {
		t.Errorf("%d blobs, want %d", seen, len(paths))
	}
}

func TestRemoveTakesAFolderAndNothingElse(t *testing.T) {
	t.Parallel()
	l := localfs.New(t.TempDir()).WithQuarantine(t.TempDir())
	for _, area := range []pipeline.Area{pipeline.Staging, pipeline.Quarantine} {
		for _, p := range []string{"a/b/c", "a/d", "ab/c", "b"} {
			if _, err := l.Put(t.Context(), area, p, strings.NewReader(p)); err != nil {
				t.Fatal(err)
			}
		}
		for _, folder := range []string{"a", "none"} {
			if err := l.Remove(area, folder); err != nil {
				t.Fatal(err)
			}
		}
		var left []string
		for f, err := range l.List(t.Context(), area, "") {
			if err != nil {
				t.Fatal(err)
			}
			left = append(left, f.Path)
		}
		if got := strings.Join(left, " "); got != "ab/c b" {
			t.Errorf("%s: left %s", area, got)
		}
		if err := l.Remove(area, ".."); fault.Of(err) != fault.Permanent {
			t.Errorf("%s: remove the folder above: %v", area, err)
		}
	}
}

func TestAFolderThatWasNamedMustBeThere(t *testing.T) {
	t.Parallel()
	l := localfs.New(t.TempDir()).WithLanding(filepath.Join(t.TempDir(), "none"))
	for _, err := range l.List(t.Context(), pipeline.Landing, "") {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error = %v", err)
		}
		return
	}
	t.Error("no error")
}
