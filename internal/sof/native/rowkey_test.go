package native_test

import (
	"slices"
	"strings"
	"testing"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/internal/sof/schema"
	"fhirsynapse/internal/testkit/randview"
	"fhirsynapse/views"
)

// keyed evaluates a line and returns its number of rows. It fails if two of them have the same key,
// or one has none.
func keyed(t *testing.T, v *sof.View, line []byte) (rows int) {
	t.Helper()
	names, ok := v.RowKey()
	engine, err := native.New([]*sof.View{v})
	if err != nil || !ok {
		return 0
	}
	seen := map[string]bool{}
	_, err = engine.Evaluator().Eval(t.Context(), line, func(_ int, row [][]byte) error {
		var key strings.Builder
		for i, c := range v.Columns {
			if !slices.Contains(names, c.Name) {
				continue
			}
			if row[i] == nil {
				t.Errorf("%s: no value of %s", v.Name, c.Name)
			}
			key.Write(append(row[i], '|'))
		}
		if seen[key.String()] {
			t.Errorf("%s: the key %v twice", v.Name, names)
		}
		seen[key.String()] = true
		rows++
		return nil
	})
	if err != nil {
		return 0 // the line is bad
	}
	return rows
}

// Keys hold for documents that break the schema, too.
func TestRowKeysHold(t *testing.T) {
	t.Parallel()
	bundled, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, v := range bundled {
		typ, _ := schema.R4().Type(v.Resource)
		g := randview.New(uint64(i), i%2 == 1)
		for range 40 {
			rows += keyed(t, v, g.Resource(typ))
		}
	}
	if rows < 1000 {
		t.Errorf("only %d rows of bundled views", rows)
	}
	rows = 0
	several := 0
	for seed := range uint64(2500) {
		g := randview.New(seed, seed%2 == 1)
		typ, _ := schema.R4().Type(randview.PickOne(g, "Patient", "QuestionnaireResponse"))
		v, err := sof.Compile("v.json", g.View(typ))
		if err != nil {
			continue
		}
		if names, ok := v.RowKey(); !ok {
			continue
		} else if len(names) > 0 {
			several++
		}
		for range 6 {
			rows += keyed(t, v, g.Resource(typ))
		}
	}
	if rows < 1000 || several < 20 {
		t.Errorf("only %d rows of generated views, %d views with an index", rows, several)
	}
}
