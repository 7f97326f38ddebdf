package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse"
)

func (s store) Describe(
	t *testing.T, p warehouse.PlanTables,
) (warehouse.Description, error) {
	t.Helper()
	return engine{}.Describe(t.Context(), s.path+"?memory_limit=256MB", p,
		warehouse.DescribeOptions{})
}

func (store) ChangedAt() time.Time { return start }

func TestDescriber(t *testing.T) {
	t.Parallel()
	pipelinetest.TestDescriber(t, func(t *testing.T) pipelinetest.DescribedStore {
		return newStore(t)
	})
}

func TestDescribeRefusesAFileOfAnotherKind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("not a database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store{path}.Describe(t, warehouse.PlanTables{Schema: "fhir"})
	if err == nil || !strings.Contains(err.Error(), "is not a DuckDB file") {
		t.Errorf("%v", err)
	}
}
