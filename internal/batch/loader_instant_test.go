package batch_test

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/refwarehouse"
)

// The folders are copies of fetched exports, from a server that reports neither when a resource was
// written nor when it was deleted. The last export wins, as it did in the pipeline.
func TestLinesWithoutAnInstantAreOfTheirExport(t *testing.T) {
	t.Parallel()
	const back, gone, kept = "deleted-and-back", "back-and-deleted", "kept"
	row := func(id, family string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"rows":{"patient":[[%q]]}}`+"\n", id,
			family)
	}
	tombstone := func(id string) string {
		return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"meta":{"deleted":true}}`+"\n", id)
	}
	files := map[string]string{
		"nightly-000001.1-20260101T000000000000000Z/Patient-000001.ndjson": row(back,
			"first") + row(gone, "first") + row(kept, "first"),
		"nightly-000002.1-20260102T000000000000000Z/Patient-deleted-000002-1.ndjson": tombstone(
			back) + tombstone(gone),
		"nightly-000003.1-20260103T000000000000000Z/Patient-000001.ndjson": row(back,
			"third") + row(gone, "third") + row(kept, "third"),
		"nightly-000004.1-20260104T000000000000000Z/Patient-deleted-000002-1.ndjson": tombstone(
			gone),
	}
	for name, copied := range map[string]struct {
		to    func(name string) string
		loads func(name string) string
	}{
		"the folders": {func(name string) string {
			return name
		}, func(string) string { return "" }},
		"in another folder": {func(name string) string {
			return "copy/" + name
		}, func(string) string { return "" }},
		"one at a time": {func(name string) string { return name }, path.Dir},
		"one as a container": {func(name string) string {
			return path.Join(path.Dir(name), "in", path.Base(name))
		}, path.Dir},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			loads := map[string]bool{}
			for name, text := range files {
				file := filepath.Join(root, filepath.FromSlash(copied.to(name)))
				if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				loads[filepath.Join(root, filepath.FromSlash(copied.loads(name)))] = true
			}
			if d := cmp.Diff([]string{back + " third", kept + " third"},
				familiesOf(t, slices.Collect(maps.Keys(loads)))); d != "" {
				t.Errorf("patients (-want +got):\n%s", d)
			}
		})
	}
}

// familiesOf loads folders, one after the other, into tables of their own.
func familiesOf(t *testing.T, folders []string) (idAndFamily []string) {
	t.Helper()
	views := flattentest.Views{batch.LoadPlan: {{
		Name: "patient", Resource: "Patient", Columns: []sof.Column{{Name: "family"}},
	}}}
	staging, quarantine := filepath.Join(t.TempDir(), "staging"),
		filepath.Join(t.TempDir(), "quarantine")
	tables := refwarehouse.NewWarehouse(batch.NewFolders("", staging, quarantine), views.Tables)
	for i, dir := range folders {
		lake := batch.NewFolders(dir, staging, quarantine)
		flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
		if err != nil {
			t.Fatal(err)
		}
		l := batch.Loader{
			Dir: dir, Lake: lake, Flattener: flattener, Warehouse: tables, Token: func() string {
				return "ab1" + strconv.Itoa(i)
			},
			Now: func() time.Time { return time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC) },
		}
		if _, err := l.Load(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
	}
	content, err := tables.Content(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range content["patient"] {
		_, id, _ := strings.Cut(r, `_id="`)
		id, _, _ = strings.Cut(id, `"`)
		_, family, _ := strings.Cut(r, `family="`)
		family, _, _ = strings.Cut(family, `"`)
		idAndFamily = append(idAndFamily, id+" "+family)
	}
	return idAndFamily
}
