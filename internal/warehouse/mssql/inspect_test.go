package mssql_test

import (
	"strings"
	"testing"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// inspected examines an emulator's database with the tables of a commit.
func inspected(
	t *testing.T, o tables.Options, engine tsql.Engine, committed bool, views []flatten.Table,
) warehouse.Inspection {
	t.Helper()
	o.RowVersions = o.RowVersions || engine != tsql.SQLServer
	s := newStore(t, engine, nil)
	o.Open = s.fetch
	s.db = tables.New(o)
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: s.db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s.server = server
	if committed {
		w := &world{store: s, lake: pipelinetest.NewMemoryLake(now)}
		if err := w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(),
			w.prepare(t, "plan-1", line("a", 8, "A"))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := mssql.Engine(engine).(warehouse.Inspector).Inspect(t.Context(),
		server.URL("someone", "secret", "pool"),
		[]warehouse.PlanTables{{Plan: "plan", Schema: "fhir", Tables: views}})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func planTables(t *testing.T) []flatten.Table {
	t.Helper()
	views, err := faultViews.Tables("plan")
	if err != nil {
		t.Fatal(err)
	}
	return views
}

func found(t *testing.T, what string, f warehouse.Finding, level warehouse.Level, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if f.Level != level || !strings.Contains(f.Text+"\n"+f.Remedy, text) {
			t.Errorf("%s: level %d, want %d with %q: %s -> %s", what, f.Level, level, text, f.Text,
				f.Remedy)
		}
	}
}

func TestInspectDescribesAServer(t *testing.T) {
	t.Parallel()
	views := planTables(t)
	got := inspected(t, tables.Options{
		RowVersions: true, Collation: "SQL_Latin1_General_CP1_CI_AS",
	}, tsql.SQLServer, true, views)
	if !strings.HasSuffix(got.Server, "/pool") || strings.Contains(got.Server, "secret") {
		t.Errorf("server %q", got.Server)
	}
	found(t, "engine", got.Engine, warehouse.Fine, "SQL Server Enterprise, version 16.")
	found(t, "row versions", got.RowVersions, warehouse.Fine, "on")
	found(t, "collation", got.Collation, warehouse.Fine, "a collation of their own")
	found(t, "state", got.Pool, warehouse.Fine, "online")
	found(t, "rights", got.Rights, warehouse.Fine, "all 9")
	found(t, "drift", got.Drift[0], warehouse.Fine, "match the views")
}

func TestInspectTellsWhatKeepsCommitsFromWorking(t *testing.T) {
	t.Parallel()
	views := planTables(t)
	got := inspected(t, tables.Options{
		Properties: map[string]string{"EngineEdition": "6", "Updateability": "READ_ONLY"},
		Denied:     map[string]bool{"INSERT ON fhir": true, "CREATE TABLE ON pool": true},
	}, tsql.SQLServer, true, views)
	found(t, "engine", got.Engine, warehouse.Wrong, "dedicated SQL pool",
		"begin the setting Warehouse with synapse-dedicated:")
	found(t, "row versions", got.RowVersions, warehouse.Worth,
		"ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT ON")
	found(t, "state", got.Pool, warehouse.Wrong, "read-only")
	found(t, "rights", got.Rights, warehouse.Wrong, "INSERT on schema [fhir]",
		"CREATE TABLE on the database", "fhirsynapse sql setup --engine sqlserver --schema fhir")

	empty := inspected(t, tables.Options{
		Properties: map[string]string{"ProductVersion": "13.0.1", "Status": "RESTORING"},
	}, tsql.SQLServer, false, views)
	found(t, "old engine", empty.Engine, warehouse.Wrong, "too old")
	found(t, "state", empty.Pool, warehouse.Wrong, "RESTORING")
	found(t, "rights", empty.Rights, warehouse.Wrong, "there is no such schema")
	found(t, "drift", empty.Drift[0], warehouse.Fine, "do not exist yet")

	fabric := inspected(t, tables.Options{
		Properties: map[string]string{"EngineEdition": "11"}, Conflicts: true,
		Collation: "Latin1_General_100_CI_AS_KS_WS_SC_UTF8",
	}, tsql.Fabric, false, views)
	found(t, "collation of Fabric", fabric.Collation, warehouse.Wrong, "BIN2_UTF8")
	if fabric.Pool.Text != "" || fabric.RowVersions.Text != "" {
		t.Errorf("Fabric has no such properties: %+v, %+v", fabric.Pool, fabric.RowVersions)
	}
	found(t, "engine of Fabric", fabric.Engine, warehouse.Fine, "Fabric")
}

func TestInspectComparesTablesWithViews(t *testing.T) {
	t.Parallel()
	views := planTables(t)
	more := append([]flatten.Table(nil), views...)
	extra := more[0]
	extra.Columns = append(append(extra.Columns[:0:0], extra.Columns...), extra.Columns[0])
	extra.Columns[len(extra.Columns)-1].Name = "added_later"
	more[0] = extra
	got := inspected(t, tables.Options{RowVersions: true}, tsql.SQLServer, true, more)
	found(t, "a new column", got.Drift[0], warehouse.Worth, "added_later", "the next commit")
}
