package tsql_test

import (
	"os"
	"path/filepath"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
)

func TestExampleViewsOfTheBallotCompileOnEveryEngine(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/ballot/*.json")
	if err != nil || len(files) != 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	const mark = "\ufeff"
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := sof.Compile(name, append([]byte(mark), text...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, e := range tsql.Engines() {
			statement(t, v, e)
			agree(t, v, e, lines(t, v.Resource))
		}
	}
}
