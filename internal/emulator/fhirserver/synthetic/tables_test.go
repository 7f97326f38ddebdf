package synthetic_test

import (
	"regexp"
	"testing"

	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native"
	"fhirsynapse/views"
)

// unfilled lists the columns that no made-up resource fills.
var unfilled = map[string]string{
	"observation.specimen_id": "no Specimens are made",
}

// table counts the rows and values of a view over the made-up lines.
type table struct {
	rows   int
	filled map[string]bool
	ids    map[string]map[string]bool // the values of join columns
}

var joins = regexp.MustCompile(`joins ([a-z_]+)\.([a-z_]+)`)

func (t *table) fill(c sof.Column, value []byte) {
	t.filled[c.Name] = true
	if c.Name != "id" && !joins.MatchString(c.Description) {
		return
	}
	if t.ids[c.Name] == nil {
		t.ids[c.Name] = map[string]bool{}
	}
	t.ids[c.Name][string(value)] = true
}

func tables(t *testing.T, o synthetic.Options) map[*sof.View]*table {
	t.Helper()
	all, err := views.Bundled()
	if err != nil {
		t.Fatal(err)
	}
	byType := map[string][]*sof.View{}
	out := map[*sof.View]*table{}
	for _, v := range all {
		byType[v.Resource] = append(byType[v.Resource], v)
		out[v] = &table{filled: map[string]bool{}, ids: map[string]map[string]bool{}}
	}
	for typ, lines := range generate(t, o) {
		engine, err := native.New(byType[typ])
		if err != nil {
			t.Fatal(err)
		}
		eval := engine.Evaluator()
		for _, line := range lines {
			if _, err := eval.Eval(t.Context(), line, func(n int, row [][]byte) error {
				v := byType[typ][n]
				out[v].rows++
				for i, c := range v.Columns {
					if row[i] != nil {
						out[v].fill(c, row[i])
					}
				}
				return nil
			}); err != nil {
				t.Errorf("%s: %v", typ, err)
			}
		}
	}
	return out
}

func TestEveryBundledViewHasRowsInEveryColumn(t *testing.T) {
	t.Parallel()
	for v, got := range tables(t, synthetic.Options{Seed: 1, Patients: 12}) {
		if got.rows == 0 {
			t.Errorf("%s has no rows", v.Name)
		}
		for _, c := range v.Columns {
			name := v.Name + "." + c.Name
			if _, known := unfilled[name]; got.filled[c.Name] == known {
				t.Errorf("%s has values: %t", name, got.filled[c.Name])
			}
		}
	}
}

// TestEveryIDFindsItsRow checks that each column joins the column that its description names,
// without orphans.
func TestEveryIDFindsItsRow(t *testing.T) {
	t.Parallel()
	all := tables(t, synthetic.Options{Seed: 2, Patients: 40})
	byName := map[string]*table{}
	for v, got := range all {
		byName[v.Name] = got
	}
	for v, got := range all {
		for _, c := range v.Columns {
			m := joins.FindStringSubmatch(c.Description)
			if m == nil || m[2] != "id" { // an index is unique only within its parent
				continue
			}
			orphans := 0
			for id := range got.ids[c.Name] {
				if !byName[m[1]].ids[m[2]][id] {
					orphans++
				}
			}
			if orphans > 0 {
				t.Errorf("%d ids of %s.%s are not in %s.%s", orphans, v.Name, c.Name, m[1], m[2])
			}
		}
	}
}
