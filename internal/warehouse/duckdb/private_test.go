//go:build unix

package duckdb

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"fhirsynapse/internal/workdir"
)

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOnlyTheirOwnerReadsTheFilesOfADatabase(t *testing.T) {
	t.Parallel()
	temp, path := t.TempDir(), filepath.Join(t.TempDir(), "deep", "x.duckdb")
	w := &Warehouse{o: Options{Path: path, TempDir: temp, MemoryLimit: "88MB", Now: time.Now}}
	if err := w.makeFolder(); err != nil {
		t.Fatal(err)
	}
	db, err := w.openDatabase(t.Context(), readWrite)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"CREATE TABLE w.main.t AS SELECT range AS n FROM range(1000)",
		// more than its memory
		"CREATE TEMP TABLE large AS SELECT range AS n, md5(range::varchar) AS text FROM range(4000000)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	files := 0
	for _, root := range []string{filepath.Dir(path), temp} {
		err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			want := os.FileMode(0o700)
			if !d.IsDir() {
				want = 0o600
				files++
			}
			if got := modeOf(t, name); got != want && name != temp {
				t.Errorf("%s has mode %o", name, got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 4 { // database, log, lock, and at least one spilled file
		t.Errorf("%d files were looked at", files)
	}
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatAKilledProcessHasStagedIsRemovedByTheNext(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	dead := []string{
		filepath.Join(temp, stagePrefix+"dead"), filepath.Join(temp, spillPrefix+"dead"),
	}
	for _, folder := range dead {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		// A killed process leaves a lock file without a lock.
		for _, name := range []string{".lock", "rows.parquet"} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	alive, err := workdir.Make(temp, stagePrefix, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(t.Context(), settings{tempDir: temp})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.close(); err != nil {
		t.Error(err)
	}
	for _, folder := range dead {
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", filepath.Base(folder), err)
		}
	}
	if err := alive.Remove(); err != nil {
		t.Error(err)
	}
}
