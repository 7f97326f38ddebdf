package mssql_test

import (
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

func (s *store) Describe(
	t *testing.T, p warehouse.PlanTables,
) (warehouse.Description, error) {
	t.Helper()
	return mssql.Engine(s.engine).(warehouse.Describer).Describe(t.Context(),
		s.server.URL("someone", "secret", "pool"), p, warehouse.DescribeOptions{})
}

func (*store) ChangedAt() time.Time { return start }

func TestDescriber(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			pipelinetest.TestDescriber(t, func(t *testing.T) pipelinetest.DescribedStore {
				return newStore(t, engine, nil)
			})
		})
	}
}

// The tables are described without rows if the server refuses to tell them.
func TestDescribeWithoutTheRightToCount(t *testing.T) {
	t.Parallel()
	for engine, remedy := range map[tsql.Engine]string{
		tsql.Dedicated: "an administrator grants it by: GRANT VIEW DATABASE STATE TO [PRINCIPAL]",
		tsql.SQLServer: "fhirsynapse sql setup --check",
	} {
		s := newStore(t, engine, func(r sqlserver.Request) sqlserver.Fault {
			if !strings.Contains(r.Text, "AS [n]") || !strings.Contains(r.Text, "[sys].[tables]") {
				return sqlserver.Fault{}
			}
			return sqlserver.Fault{Error: &sqlserver.Error{
				Number: 297, Message: "The user does not have permission to perform this action.",
			}}
		})
		lake := pipelinetest.NewMemoryLake(now)
		w := &world{store: s, lake: lake}
		if err := w.Open(t, lake, faultViews.Tables).Commit(t.Context(),
			w.prepare(t, "plan-1", line("a", 8, "A"))); err != nil {
			t.Fatal(err)
		}
		d, err := s.Describe(t, warehouse.PlanTables{
			Plan: "plan", Schema: "fhir", Tables: planTables(t),
		})
		if err != nil || !d.Tables[0].Exists || d.Tables[0].ChangedAt.IsZero() || d.Approximate {
			t.Errorf("%s: %+v, %v", engine, d, err)
		}
		if d.Uncounted == nil || !strings.Contains(fault.Remedy(d.Uncounted), remedy) ||
			strings.Count(d.Uncounted.Error(), "grant") > 2 {
			t.Errorf("%s: %v", engine, d.Uncounted)
		}
	}
}
