//go:build unix

package duckdbtest_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/fhirserver"
)

func TestStartOpensTheTargetBeforeItAsksTheServer(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	if err := os.WriteFile(text, []byte("id,name\n1,x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := loaded(t)
	pid, release := writer(t, locked)
	defer release()
	full := filepath.Join(folder, "kept")
	if err := os.MkdirAll(filepath.Join(full, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		says []string
	}{
		"no database": {
			[]string{"--to", "duckdb:" + text},
			[]string{"--to cannot be used: ", "text is not a DuckDB file"},
		},
		"locked": {
			[]string{"--to", "duckdb:" + locked},
			[]string{"--to cannot be used: ", "in use by another process", strconv.Itoa(pid)},
		},
		"a folder": {[]string{"--to", "duckdb:" + folder}, []string{"is a folder"}},
		"below a file": {
			[]string{"--to", "duckdb:" + filepath.Join(text, "x.duckdb")},
			[]string{"not a directory"},
		},
		"kept before": {
			[]string{"--keep", full},
			[]string{"--keep " + full + ": the folder is not empty"},
		},
	} {
		s := newBulkServer(t, fhirserver.Bulk{}, 0)
		began := time.Now()
		got := s.start(t.Context(), tt.args...)
		took := time.Since(began)
		if got.code != 1 || s.Asked().KickOffs != 0 || took > 3*time.Second {
			t.Errorf("%s: after %v, %d kick-offs: %+v", name, took, s.Asked().KickOffs, got)
		}
		for _, want := range tt.says {
			if !strings.Contains(got.err, want) {
				t.Errorf("%s: %q lacks %q", name, got.err, want)
			}
		}
	}
}

func TestStartWritesFilesAndKeepsTheNDJSON(t *testing.T) {
	t.Parallel()
	s := newBulkServer(t, fhirserver.Bulk{}, 0)
	tables, kept := filepath.Join(s.dir, "tables"), filepath.Join(s.dir, "kept")
	got := s.start(t.Context(), "--types", "Patient", "--to", "csv:"+tables, "--keep", kept)
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	text, err := os.ReadFile(filepath.Join(tables, "patient.csv"))
	if want := s.data.Counts()["Patient"] + 1; err != nil ||
		strings.Count(string(text), "\n") != want {
		t.Errorf("%d lines, want %d: %v", strings.Count(string(text), "\n"), want, err)
	}
	files, err := filepath.Glob(filepath.Join(kept, "*", "Patient-*.ndjson"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept: %v, %v", files, err)
	}
	if code, out, errs := run(t, "load", kept, "--to", "duckdb:"+s.db); code != 0 ||
		!strings.Contains(out, "loaded 12 resources") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, ".fhirsynapse*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestATimeoutIsKept(t *testing.T) {
	t.Parallel()
	s := newBulkServer(t, fhirserver.Bulk{Faults: fhirserver.Faults{NeverDone: true}}, 0)
	got := s.start(t.Context(), "--timeout", "1500ms")
	if got.code != 1 || !strings.Contains(got.err, "the job was cancelled at the server") ||
		!strings.Contains(got.err, "has not ended within --timeout 1.5s") {
		t.Errorf("%+v", got)
	}
}
