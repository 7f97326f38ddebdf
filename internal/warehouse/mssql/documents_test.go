package mssql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/testkit/warehousetest"
	"fhirsynapse/internal/warehouse/mssql"
	"fhirsynapse/internal/warehouse/tds"
)

// transforming is a store whose engine computes the rows of views.
type transforming struct {
	*store
	*warehousetest.Files
}

func newTransforming(t *testing.T, engine tsql.Engine) *transforming {
	t.Helper()
	lake := pipelinetest.NewMemoryLake(now)
	w := &transforming{store: &store{engine: engine, lake: lake}}
	w.db = tables.New(tables.Options{
		RowVersions: true, Conflicts: engine == tsql.Fabric, Open: w.fetch,
		Dialect: eval.Dialect{Varchar: engine == tsql.Fabric},
	})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: w.db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	w.server = server
	w.Files = warehousetest.NewFiles(t, lake, "patient", "patient_name")
	return w
}

func (w *transforming) open(t *testing.T) *mssql.Warehouse {
	t.Helper()
	server, err := tds.ParseServer(w.engine, w.server.URL("someone", "secret", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := mssql.Open(mssql.Options{
		Server: server, Lake: w.Lake, Views: w.Views.Tables, Documents: w.Views,
		StagingURL: stagingURL, Now: now, Wait: noWait, TempDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func patientLine(id string, version int, rest string) string {
	return fmt.Sprintf(
		`{"resourceType":"Patient","id":%q,"meta":{"versionId":"%d","lastUpdated":"2024-01-01T%02d:00:00Z"}%s}`+"\n", id, version, version, rest)
}

// Staged documents lead to the same tables.
func TestTheEngineMakesTheRows(t *testing.T) {
	t.Parallel()
	const name = `,"active":true,"gender":"female","birthDate":"1970-02-03","name":[{"use":"official","family":"A","given":["x","y"]},{"family":"B"}]`
	const gone = `,"extension":[]`
	for _, engine := range enginesUnderTest() {
		w := newTransforming(t, engine)
		model := refwarehouse.NewWarehouse(w.Lake, w.Views.Tables)
		for i, texts := range [][]string{
			{
				patientLine("a", 1, name) + "\n{broken\n" + patientLine("b", 1, ""),
				patientLine("a", 1, name),
			},
			{patientLine("a", 3, `,"name":[{"family":"newer"}]`) + patientLine("a", 2, name) +
				patientLine("A", 1, name)},
			{patientLine("b", 1, gone), "", patientLine("c", 1, name)},
		} {
			b := w.Prepare(t, fmt.Sprint("plan-", i), texts...)
			if err := w.open(t).Commit(t.Context(), b); err != nil {
				t.Fatalf("%s: %v", engine, err)
			}
			if err := model.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			want, err := model.Content(t.Context(), "fhir")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, w.Content(t, "fhir")); d != "" {
				t.Errorf("%s: tables (-model +got):\n%s", engine, d)
			}
		}
		for name := range w.db.Content("fhir_load") {
			if strings.HasPrefix(name, "_stage_") {
				t.Errorf("%s: %s is left", engine, name)
			}
		}
	}
}

// A different row count must fail the commit.
func TestRowsThatTheEngineDoesNotMake(t *testing.T) {
	t.Parallel()
	w := newTransforming(t, tsql.SQLServer)
	b := w.Prepare(t, "plan-1", patientLine("a", 1, `,"name":[{"family":"A"}]`))
	b.Files[0].Done.Rows["patient_name"]++
	if err := w.open(t).Commit(t.Context(), b); fault.Of(err) != fault.Permanent ||
		!strings.Contains(fmt.Sprint(err), "view patient_name gives 1 rows") {
		t.Errorf("error: %v", err)
	}
	// A file that was rewritten after prepare is not read.
	b = w.Prepare(t, "plan-1", patientLine("a", 1, ""))
	if _, err := w.Lake.Put(t.Context(), pipeline.Landing, b.Files[0].Path,
		strings.NewReader("{}\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.open(t).Commit(t.Context(), b); err == nil {
		t.Error("it was committed")
	}
}
