package duckdb

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
)

func TestAnAnswerIsGoodForOneStateOfTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.duckdb")
	write := func(name, content string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var l ledgers
	known := func() bool {
		_, ok := l.look(path, "main", "x-1")
		return ok
	}
	if known() {
		t.Error("an answer without a file")
	}
	write(path, "one", noon)
	at, ok := stampOf(path)
	if !ok {
		t.Fatal("a file without a state")
	}
	l.remember(at, "main", "x-1", []pipeline.LedgerEntry{{Path: "a"}})
	if entries, ok := l.look(path, "main", "x-1"); !ok || len(entries) != 1 {
		t.Errorf("entries: %v, %v", entries, ok)
	}
	if _, ok := l.look(path, "other", "x-1"); ok {
		t.Error("the answer of another schema")
	}
	for name, change := range map[string]func(){
		"another size":    func() { write(path, "more", noon) },
		"another instant": func() { write(path, "one", noon.Add(time.Millisecond)) },
		"a log beside it": func() { write(path+".wal", "", noon) },
	} {
		if change(); known() {
			t.Errorf("the answer of before is given after: %s", name)
		}
		if err := os.RemoveAll(path + ".wal"); err != nil {
			t.Fatal(err)
		}
		if write(path, "one", noon); !known() {
			t.Errorf("the answer is forgotten, although all is as it was: %s", name)
		}
	}
	for i := range mostLedgers {
		l.remember(at, "main", fmt.Sprint(i), nil)
	}
	if known() {
		t.Error("old answers are kept for ever")
	}
}
