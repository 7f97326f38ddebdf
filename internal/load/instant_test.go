package load_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/load"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/prepared/preparedtest"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse/memory"
)

// Copies of what the pipeline has fetched, from a server that says neither when a
// resource was written nor when it was deleted: the last export has the last word, as
// it had in the pipeline.
func TestLinesWithoutAnInstantAreOfTheirExport(t *testing.T) {
	t.Parallel()
	const back, gone, kept = "deleted-and-back", "back-and-deleted", "kept"
	row := func(id, family string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"rows":{"patient":[[%q]]}}`+"\n", id, family)
	}
	tombstone := func(id string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"meta":{"deleted":true}}`+"\n", id)
	}
	landing := t.TempDir()
	for name, text := range map[string]string{
		"nightly-000001.1-20260101T000000000000000Z/Patient-000001.ndjson":           row(back, "first") + row(gone, "first") + row(kept, "first"),
		"nightly-000002.1-20260102T000000000000000Z/Patient-deleted-000002-1.ndjson": tombstone(back) + tombstone(gone),
		"nightly-000003.1-20260103T000000000000000Z/Patient-000001.ndjson":           row(back, "third") + row(gone, "third") + row(kept, "third"),
		"nightly-000004.1-20260104T000000000000000Z/Patient-deleted-000002-1.ndjson": tombstone(gone),
	} {
		path := filepath.Join(landing, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	views := preparedtest.Views{load.Plan: {{Name: "patient", Resource: "Patient", Columns: []sof.Column{{Name: "family"}}}}}
	lake := load.NewFolders(landing, filepath.Join(t.TempDir(), "staging"), filepath.Join(t.TempDir(), "quarantine"))
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views})
	if err != nil {
		t.Fatal(err)
	}
	tables := memory.NewWarehouse(lake, views.Tables)
	l := load.Loader{
		Lake: lake, Flattener: flattener, Warehouse: tables, Token: func() string { return "ab12" },
		Now: func() time.Time { return time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC) },
	}
	if _, err := l.Load(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	content, err := tables.Content(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range content["patient"] {
		_, id, _ := strings.Cut(r, `_id="`)
		id, _, _ = strings.Cut(id, `"`)
		_, family, _ := strings.Cut(r, `family="`)
		family, _, _ = strings.Cut(family, `"`)
		got = append(got, id+" "+family)
	}
	if d := cmp.Diff([]string{back + " third", kept + " third"}, got); d != "" {
		t.Errorf("patients (-want +got):\n%s\n%v", d, content)
	}
}
