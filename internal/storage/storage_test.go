package storage_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/storage"
)

// Texts are cut at a character, never within a surrogate pair or a UTF-8 sequence.
func TestColumnstoreTextsAreCutAtACharacter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		units int
	}{
		{"", 0},
		{strings.Repeat("a", 4000), 4000},
		{strings.Repeat("a", 4001), 4000},
		{strings.Repeat("\u6771", 4000), 4000},
		{strings.Repeat("\u6771", 4001), 4000},
		{strings.Repeat("\U0001F600", 2000), 4000},
		{strings.Repeat("\U0001F600", 2001), 4000},
		{"a" + strings.Repeat("\U0001F600", 2000), 3999},
		{strings.Repeat("e\u0301", 2500), 4000},
		{strings.Repeat("a", 3999) + "\U0001F600", 3999},
		{strings.Repeat("a", 3999) + "\u00e9" + "z", 4000},
	} {
		got := string(storage.Cut([]byte(c.text)))
		if n := len(utf16.Encode([]rune(got))); n != c.units || !utf8.ValidString(got) ||
			!strings.HasPrefix(c.text, got) {
			t.Errorf("a text of %d bytes was cut to %d units, want %d", len(c.text), n, c.units)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	o, faults := storage.Parse("columnstore", "patient",
		[]string{"observation.patient_id", "observation.code", "encounter.patient_id"})
	if len(faults) > 0 || !o.Columnstore || !o.ByPatient {
		t.Errorf("%+v, %v", o, faults)
	}
	if d := cmp.Diff([]string{"patient_id", "code"}, o.Of("observation")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(o, storage.Options{}.Or(o)); d != "" {
		t.Error(d)
	}
	_, faults = storage.Parse("rows", "id",
		[]string{"x", "a.b", "a.b", "t.1", "t.2", "t.3", "t.4", "t.5", "t.6"})
	text := fmt.Sprint(storage.Join(faults))
	for _, want := range []string{
		`storage: "rows": write columnstore`, `distribute: "id": write patient`,
		`clusterBy: "x": name each`, `clusterBy: "a.b": name each`, "t has more than 4 columns",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not there once in: %s", want, text)
		}
	}
}

// An engine that cannot store tables in that way says why.
func TestEnginesThatCannot(t *testing.T) {
	t.Parallel()
	all := storage.Options{Columnstore: true, ByPatient: true, ClusterBy: []string{"a.b"}}
	for engine, want := range map[string][]string{
		"sqlserver":          {"distribute: sqlserver does not", "clusterBy: sqlserver has no"},
		"synapse-dedicated":  {"clusterBy: synapse-dedicated has no"},
		"fabric":             {"storage: fabric stores", "distribute: fabric does not"},
		"synapse-serverless": {"storage: synapse-serverless has no tables", "distribute:", "clusterBy:"},
		"duckdb":             {"storage: duckdb stores", "distribute: duckdb", "clusterBy: duckdb"},
	} {
		err := fmt.Sprint(storage.Join(all.Check(engine, false)))
		if strings.Count(err, "\n")+1 != len(want) {
			t.Errorf("%s: %s", engine, err)
		}
		for _, w := range want {
			if !strings.Contains(err, w) {
				t.Errorf("%s: %q is missing in: %s", engine, w, err)
			}
		}
	}
	columnstore := storage.Options{Columnstore: true}
	if err := storage.Join(columnstore.Check("sqlserver", true)); err == nil ||
		!strings.Contains(err.Error(), "use the transform native") {
		t.Error(err)
	}
}
