package mssql_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// about returns the tables about exports, and the marks.
func about(c refwarehouse.Content) refwarehouse.Content {
	out := refwarehouse.Content{}
	for name, rows := range c {
		if strings.HasPrefix(name, "etl_") || name == warehouse.MissingTable {
			out[name] = rows
		}
	}
	return out
}

// A rebuild of a type's tables keeps the tables about exports.
func TestARebuildKeepsTheTablesAboutExports(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			e := newEnding(t, engine)
			c := e.concluder(t)
			if _, err := c.Conclude(t.Context(), e.end); err != nil {
				t.Fatal(err)
			}
			want := about(e.after)
			if len(want) != 5 {
				t.Fatalf("%d tables about exports", len(want))
			}
			lines := member("d", 6) + member("e", 7)
			b := e.prepareFor(t, cohortViews, "Patient", "load-1", lines)
			b.ViewSet = 2
			if c.InPlace() {
				if left, err := rebuild(t, c, b); err != nil || left > 0 {
					t.Fatalf("%d are left, %v", left, err)
				}
			} else {
				b.Schema = replaced.From
				if err := c.Commit(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if err := c.Replace(t.Context(), replaced); err != nil {
					t.Fatal(err)
				}
				if err := c.Discard(t.Context(), replaced.From); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(want, about(e.Content(t, "fhir"))); d != "" {
				t.Errorf("after the rebuild (-before +after):\n%s", d)
			}
		})
	}
}

// The tables about exports are maintained like others.
func TestTheTablesAboutExportsAreMaintained(t *testing.T) {
	t.Parallel()
	for engine, want := range map[tsql.Engine]string{
		tsql.SQLServer: "ALTER INDEX ALL ON REORGANIZE", tsql.Dedicated: "ALTER TABLE REBUILD",
	} {
		e := newEnding(t, engine)
		maintainer, ok := mssql.Engine(engine).(warehouse.Maintainer)
		if !ok {
			t.Fatal("no maintainer")
		}
		err := maintainer.Maintain(context.WithoutCancel(t.Context()),
			e.server.URL("someone", "secret", "pool"),
			warehouse.Maintenance{
				Schema: "fhir", Tables: cohortViews["plan"], Begin: func(string) {},
			})
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{
			"fhir.etl_exports", "fhir.etl_files", "fhir.etl_deleted", "fhir.etl_cohort_member",
			"fhir_load._missing", "fhir_load._ledger",
		} {
			schema, name, _ := strings.Cut(table, ".")
			if got := e.db.Maintained(schema, name); !slices.Contains(got, want) {
				t.Errorf("%s: %s: %q", engine, table, got)
			}
		}
	}
}

// A column that the tables lack is added.
func TestATableAboutExportsGetsALaterColumn(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		e := newEnding(t, engine)
		for _, column := range []string{"members", "left_cohort", "finished_at"} {
			e.must(t, "ALTER TABLE [fhir].[etl_exports] DROP COLUMN ["+column+"]")
		}
		inspector, ok := mssql.Engine(engine).(warehouse.Inspector)
		if !ok {
			t.Fatal("no inspector")
		}
		seen, err := inspector.Inspect(t.Context(), e.server.URL("someone", "secret", "pool"),
			[]warehouse.PlanTables{{Plan: "plan", Schema: "fhir", Tables: cohortViews["plan"]}})
		if err != nil || !strings.Contains(seen.Drift[0].Text, "etl_exports.members") {
			t.Errorf("%s: inspected: %+v, %v", engine, seen.Drift, err)
		}
		if _, err := e.concluder(t).Conclude(t.Context(), e.end); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		rows := e.Content(t, "fhir")[warehouse.ExportsTable]
		for _, want := range e.after[warehouse.ExportsTable] {
			if strings.Contains(want, `"plan-3"`) && !slices.Contains(rows, want) {
				t.Errorf("%s: %q, want %q", engine, rows, want)
			}
		}
	}
}

// Tables of an older version, which kept its own in the schema of the plan, are moved first.
func TestTheEndOfAnExportMovesTheTablesOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		u := newUpgraded(t, engine)
		_, err := u.newer.Conclude(t.Context(), pipeline.Conclusion{
			Schema: "fhir", Plan: "plan", Attempt: "0e",
			Record: pipeline.ExportRecord{
				Export: "plan-1", Plan: "plan", State: "loaded", RequestedAt: start,
				FinishedAt: start,
			},
			Types: []pipeline.ConclusionType{{Type: "Patient", Full: true, Whole: true}},
		})
		if err != nil {
			t.Fatalf("%s: %v", engine, err)
		}
		c := u.Content(t, "fhir")
		if len(c[warehouse.DeletedTable]) != 1 || len(c[warehouse.FilesTable]) != 1 {
			t.Errorf("%s: %v", engine, about(c))
		}
	}
}

// The first load stages no heads again: what it has put into the tables cannot be missing.
func TestTheEndOfTheFirstLoadReadsNoFiles(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		e := &ending{world: w, model: refwarehouse.NewStore()}
		end := e.committed(t, "plan-1", member("a", 6)+member("b", 6))
		end.Members = nil
		w.server.Forget()
		e.conclude(t, end)
		for _, r := range w.server.Requests() {
			if strings.Contains(r.Text, "CREATE TABLE [fhir_load].[_stage_") {
				t.Errorf("%s: %s", engine, r.Text)
			}
		}
		// The next full export lacks b, which gets a mark although the ledger has lost plan-1.
		w.must(t, "DELETE FROM [fhir_load].[_ledger]")
		end = e.committed(t, "plan-2", member("a", 6))
		end.Members = nil
		done, err := e.concluder(t).Conclude(t.Context(), end)
		if err != nil || done.Marked.Sum() != 1 {
			t.Errorf("%s: %+v, %v", engine, done, err)
		}
	}
}

// The engine computes the rows from documents. The heads come from the prepared files all the same.
func TestAnExportOfDocumentsEnds(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		w := newTransforming(t, engine)
		model := refwarehouse.NewStore()
		for i, text := range []string{
			patientLine("a", 1, "") + patientLine("b", 1, ""), patientLine("a", 1, ""), "",
		} {
			b := w.Prepare(t, fmt.Sprint("plan-", i), text)
			b.Attempt = fmt.Sprint("a", i)
			at := start.AddDate(-1, 0, i)
			c := pipeline.Conclusion{
				Schema: "fhir", Plan: "plan", Attempt: b.Attempt, MostMissing: 0.5,
				Record: pipeline.ExportRecord{
					Export: b.Export, Plan: "plan", State: "loaded", Till: at, RequestedAt: at,
					FinishedAt: at,
				},
				Types: []pipeline.ConclusionType{{
					Type: "Patient", Files: b.Files, Full: i < 2, Whole: true, Till: at,
				}},
			}
			of := model.Warehouse(w.Lake, w.Views.Tables)
			got := w.open(t)
			for _, to := range []interface {
				pipeline.Warehouse
				pipeline.Concluder
			}{of, got} {
				if err := to.Commit(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if _, err := to.Conclude(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			want, err := of.Content(t.Context(), "fhir")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, w.Content(t, "fhir")); d != "" {
				t.Errorf("%s: tables (-model +got):\n%s", engine, d)
			}
		}
	}
}

// brokenLake cannot write a file with members.
type brokenLake struct{ *pipelinetest.MemoryLake }

func (l brokenLake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	if !strings.Contains(path, "/members") {
		return l.MemoryLake.Put(ctx, area, path, r)
	}
	return pipeline.File{}, fault.Permanentf("the account takes nothing")
}

// filling returns the number of the request that fills the stage of the members.
func filling(t *testing.T, engine tsql.Engine, change func(*mssql.Options)) int {
	t.Helper()
	e := newEnding(t, engine)
	if _, err := e.concluder(t, change).Conclude(t.Context(), e.end); err != nil {
		t.Fatal(err)
	}
	e.ended(t, 0, "")
	n := slices.IndexFunc(e.server.Requests(), func(r sqlserver.Request) bool {
		return strings.Contains(r.Text, "member]") &&
			(r.Kind == "copy" || strings.HasPrefix(r.Text, "COPY INTO "))
	})
	if n < 0 {
		t.Fatal("no request fills the stage of the members")
	}
	return n + 1
}

// Ids of members are in no error and no log, and their file is removed after a failure too.
func TestMembersStayPrivate(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		for _, lines := range []bool{false, true} {
			if lines && engine == tsql.SQLServer {
				continue
			}
			t.Run(fmt.Sprintf("%s lines %t", engine, lines), func(t *testing.T) {
				t.Parallel()
				change := func(o *mssql.Options) { o.Lines = lines }
				n := filling(t, engine, change)
				for broken, want := range map[string]string{
					"copy": "2628", "write": "takes nothing", "long": "1 to 128 are possible",
				} {
					e := newEnding(t, engine)
					options := []func(*mssql.Options){change}
					switch broken {
					case "copy":
						e.set(n, false, sqlserver.Fault{Error: &sqlserver.Error{
							Number: 2628, Message: "the value " + secret + "a is too long",
						}})
					case "write":
						if engine == tsql.SQLServer {
							continue // writes no file
						}
						options = append(options, func(o *mssql.Options) {
							o.Lake = brokenLake{e.lake}
						})
					case "long":
						e.end.Members[secret+strings.Repeat("x", 128)] = struct{}{}
					}
					_, err := e.concluder(t, options...).Conclude(t.Context(), e.end)
					text := fmt.Sprint(err) + e.log.String()
					if fault.Of(err) != fault.Permanent || strings.Contains(text, secret) ||
						!strings.Contains(text, want) ||
						!strings.Contains(text, "end export plan-3 in schema fhir: ") {
						t.Errorf("%s: %s", broken, text)
					}
					e.after = e.before
					e.ended(t, n, broken)
				}
			})
		}
	}
}
