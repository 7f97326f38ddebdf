package mssql_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

func asLines(o *mssql.Options) { o.Lines = true }

// linesStore is a store whose warehouses send all rows as lines.
type linesStore struct{ *store }

func (s linesStore) Open(
	t *testing.T, lake pipeline.Lake, views warehouse.Views,
) pipeline.Warehouse {
	t.Helper()
	return s.openAt(t, lake, views, now, asLines)
}

// A pool that refuses our Parquet takes the same rows as lines.
func TestAllRowsAsLines(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			pipelinetest.TestWarehouse(t, func(t *testing.T) pipelinetest.Store {
				return linesStore{
					newStore(t, engine, func(r sqlserver.Request) (f sqlserver.Fault) {
						if strings.Contains(r.Text, "FILE_TYPE = 'PARQUET'") {
							f.Error = &sqlserver.Error{Number: 105019, Message: "no Parquet here"}
						}
						return f
					}),
				}
			})
		})
	}
}

// A commit by lines leaves nothing behind, and has the same rows as a commit by Parquet.
func TestLinesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		w := newWorld(t, engine)
		c := w.openAt(t, w.lake, faultViews.Tables, now, asLines)
		if err := c.Commit(t.Context(), w.second); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w.after, w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-model +got):\n%s", engine, d)
		}
		if left := w.stages(); len(left) > 0 {
			t.Errorf("%s: left behind %v", engine, left)
		}
	}
}

func TestTheFilesForCopyAreInTheAddress(t *testing.T) {
	t.Parallel()
	for address, refused := range map[string]bool{
		"synapse-dedicated copy=lines": false, "fabric copy=parquet": false,
		"sqlserver indexes=none": false, "synapse-dedicated indexes=none": false,
		"fabric indexes=none": true, "sqlserver indexes=few": true,
		"fabric copy=csv": true, "sqlserver copy=lines": true,
	} {
		name, parameter, _ := strings.Cut(address, " ")
		_, err := mssql.Engine(tsql.Engine(name)).Open("//h?database=x&"+parameter,
			warehouse.OpenOptions{
				Lake: pipelinetest.NewMemoryLake(now), Views: faultViews, Now: now,
				StagingURL: stagingURL,
			})
		if (err != nil) != refused || refused && fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v", address, err)
		}
	}
}
