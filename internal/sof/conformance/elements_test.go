package conformance_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/views"
)

// Valid R4 data has only elements that R4 knows.
func TestGoodDataHasNoDifferences(t *testing.T) {
	t.Parallel()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	byType := map[string][]*sof.View{}
	for _, v := range all {
		byType[v.Resource] = append(byType[v.Resource], v)
	}
	lines := 0
	for _, dir := range []string{
		examples + "in", "../../../views/testdata/synthea", "../../../views/testdata/made",
	} {
		files, err := filepath.Glob(dir + "/*.ndjson*")
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Errorf("no files in %s", dir)
		}
		for _, file := range files {
			typ, _, _ := strings.Cut(filepath.Base(file), ".")
			engine, err := native.New(byType[typ], native.IDOptional())
			if err != nil {
				t.Fatal(err)
			}
			eval, nested := engine.Evaluator(), jsontape.NewNested()
			for _, line := range linesOf(t, file) {
				lines++
				r, err := eval.Eval(t.Context(), line, func(int, [][]byte) error { return nil })
				if err != nil {
					t.Errorf("%s: %v", file, err)
				}
				for _, d := range append(r.Differences, nested.Compare(line)...) {
					t.Errorf("%s: %s %s: kind %d", file, r.ID, d.Name, d.Kind)
				}
			}
		}
	}
	if lines < 450 {
		t.Errorf("%d lines", lines)
	}
}

func linesOf(t *testing.T, file string) [][]byte {
	t.Helper()
	if strings.HasSuffix(file, ".gz") {
		return packedLines(t, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(text), []byte("\n"))
}
