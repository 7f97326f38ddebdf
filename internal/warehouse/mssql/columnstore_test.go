package mssql_test

import (
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/testkit/flattentest"
	"fhirsynapse/internal/testkit/pipelinetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// storedViews returns classViews with another storage.
func storedViews(o storage.Options) flattentest.Views {
	table := classViews["plan"][0]
	flatten.Store(&table, o)
	return flattentest.Views{"plan": {table}}
}

// modelOfViews returns the tables after commits of the batches, from the laws alone.
func (w *world) modelOfViews(
	t *testing.T, views flattentest.Views, batches ...pipeline.Batch,
) refwarehouse.Content {
	t.Helper()
	model := refwarehouse.NewWarehouse(w.lake, views.Tables)
	for _, b := range batches {
		if err := model.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	c, err := model.Content(t.Context(), "fhir")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// number returns the number that a query of the store gives.
func (w *world) number(t *testing.T, query string) (n int64) {
	t.Helper()
	db, err := sql.Open("sqlserver", w.server.URL("u", "p", "pool"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the answer counts
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A first load, a clipped text, a widened column, another commit and a rebuild, in both storages.
func TestColumnstoreFromTheFirstLoadToARebuild(t *testing.T) {
	t.Parallel()
	const (
		first  = "nvarchar(256) nvarchar(1024) nvarchar(4000) varchar(64) varchar(128)"
		wider  = "nvarchar(1024) nvarchar(4000) nvarchar(4000) nvarchar(64) varchar(128)"
		asRows = "nvarchar(1024) nvarchar(4000) nvarchar(max) nvarchar(64) varchar(128)"
	)
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		for _, columnstore := range []bool{true, false} {
			views := storedViews(storage.Options{Columnstore: columnstore})
			w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
			c := w.openAt(t, w.lake, views.Tables, now)
			types, clipped := wider, int64(1) // the note of b, of 6,000 units
			if !columnstore {
				types, clipped = asRows, 0
			}
			var batches []pipeline.Batch
			for i, step := range []struct {
				lines, types string
				clipped      int64
			}{
				{shortTexts("a") + shortTexts("b"), first, 0},
				{longTexts("b"), types, clipped},
				{shortTexts("c"), types, clipped},
			} {
				b := w.prepareFor(t, views, "Patient", fmt.Sprint("plan-", i), step.lines)
				batches = append(batches, b)
				if err := c.Commit(t.Context(), b); err != nil {
					t.Fatalf("%s: commit %d: %v", engine, i, err)
				}
				if got := w.columnTypes(); got != step.types {
					t.Errorf("%s: after commit %d the types are %s, want %s",
						engine, i, got, step.types)
				}
				n := w.number(t, "SELECT SUM(l.[clipped]) AS [n] FROM [fhir_load].[_ledger] AS l")
				if n != step.clipped {
					t.Errorf("%s: the ledger has %d clipped after commit %d", engine, n, i)
				}
			}
			if n := batches[1].Files[0].Done.Clipped["patient.note"]; n != clipped {
				t.Errorf("%s: the report has %d clipped", engine, n)
			}
			if d := cmp.Diff(w.modelOfViews(t, views, batches...), w.Content(t, "fhir")); d != "" {
				t.Errorf("%s: tables (-want +got):\n%s", engine, d)
			}
			again := w.rebuildAll(t, views, engine)
			if d := cmp.Diff(w.modelOfViews(t, views, again)["patient"],
				w.Content(t, "fhir")["patient"]); d != "" {
				t.Errorf("%s: rebuilt (-want +got):\n%s", engine, d)
			}
			if is, _, _ := w.db.Placed("fhir", "patient"); is != columnstore {
				t.Errorf("%s: a columnstore: %t", engine, is)
			}
		}
	}
}

// rebuildAll loads a, b and c again into new or emptied tables.
func (w *world) rebuildAll(
	t *testing.T, views flattentest.Views, engine tsql.Engine,
) pipeline.Batch {
	t.Helper()
	c := w.openAt(t, w.lake, views.Tables, now)
	b := w.prepareFor(t, views, "Patient", "load-1",
		shortTexts("a")+longTexts("b")+shortTexts("c"))
	b.ViewSet = 2
	if engine != tsql.SQLServer {
		if left, err := rebuild(t, c, b); err != nil || left != 0 {
			t.Fatalf("%s: %d left, %v", engine, left, err)
		}
		return b
	}
	b.Schema = warehouse.Beside("fhir")
	if err := c.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := c.Replace(t.Context(), replaced); err != nil {
		t.Fatal(err)
	}
	b.Schema = "fhir"
	return b
}

// A key, code or URI is never cut. Too long a one is refused with the name of its column.
func TestColumnstoreRefusesLongCodes(t *testing.T) {
	t.Parallel()
	views := storedViews(storage.Options{Columnstore: true})
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		c := w.openAt(t, w.lake, views.Tables, now)
		for n, ok := range map[int]bool{4000: true, 4001: false} {
			b := w.prepareFor(t, views, "Patient", fmt.Sprint("plan-", n),
				classed("a", strings.Repeat("c", n), "t", "n", "2024", "k"))
			err := c.Commit(t.Context(), b)
			if ok != (err == nil) {
				t.Errorf("%s: %d characters: %v", engine, n, err)
			}
			if err != nil && (fault.Of(err) != fault.Permanent ||
				!strings.Contains(err.Error(), "patient.code has a code of 4001 characters")) {
				t.Errorf("%s: %v", engine, err)
			}
		}
		old := w.prepareFor(t, classViews, "Patient", "plan-0", longTexts("a"))
		if err := c.Commit(t.Context(), old); fault.Of(err) != fault.Permanent ||
			!strings.Contains(fmt.Sprint(err), "patient.note has a text that was not cut") {
			t.Errorf("%s: prepared for rows: %v", engine, err)
		}
	}
}

// A cut text ends at a character, and a text of exactly 4,000 units stays whole.
func TestColumnstoreCutsAtACharacter(t *testing.T) {
	t.Parallel()
	views := storedViews(storage.Options{Columnstore: true})
	w := &world{store: newStore(t, tsql.Dedicated, nil), lake: pipelinetest.NewMemoryLake(now)}
	lines, want := "", map[string]int{}
	for id, text := range map[string]string{
		"whole": strings.Repeat("\U0001F600", 2000),
		"pair":  "a" + strings.Repeat("\U0001F600", 2000),
		"wide":  strings.Repeat("\u6771", 4001),
	} {
		lines += classed(id, "c", "t", text, "2024", "k")
		want[id] = map[string]int{"whole": 4000, "pair": 3999, "wide": 4000}[id]
	}
	b := w.prepareFor(t, views, "Patient", "plan-0", lines)
	if n := b.Files[0].Done.Clipped["patient.note"]; n != 2 {
		t.Errorf("%d texts were clipped", n)
	}
	if err := w.openAt(t, w.lake, views.Tables, now).Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	table := w.db.Content("fhir")["patient"]
	for _, row := range table.Rows {
		cells := map[string]any{}
		for i, c := range table.Columns {
			cells[c.Name] = row[i]
		}
		id, note := fmt.Sprint(cells["_id"]), fmt.Sprint(cells["note"])
		if n := len(utf16.Encode([]rune(note))); n != want[id] ||
			strings.ContainsRune(note, '\ufffd') {
			t.Errorf("%s has %d units", id, n)
		}
	}
}

// The ledger of an older version gets its new column before a commit.
func TestColumnstoreCountsInALedgerOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.SQLServer, tsql.Dedicated} {
		w := newWorld(t, engine)
		const drop = "ALTER TABLE [fhir_load].[_ledger] DROP COLUMN [clipped]"
		if _, err := w.db.Session("pool").Batch(t.Context(), drop, nil); err != nil {
			t.Fatal(err)
		}
		c := w.openAt(t, w.lake, faultViews.Tables, now)
		if engine == tsql.SQLServer { // a rebuild meets the older ledger too
			w.beside(t, c, "load-1", line("a", 9, "A2")+line("b", 8, "B")+line("d", 9, "D"))
			if err := c.Replace(t.Context(), replaced); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := c.Commit(t.Context(), w.second); err != nil {
			t.Fatalf("%s: %v", engine, err)
		}
		if n := w.number(t,
			"SELECT COUNT_BIG(*) AS [n] FROM [fhir_load].[_ledger] AS l WHERE l.[clipped] = 0",
		); n != 1 {
			t.Errorf("%s: %d files are counted", engine, n)
		}
	}
}

// Rows are distributed by their patient, and a patient who changes takes their rows along.
func TestDistributionByPatient(t *testing.T) {
	t.Parallel()
	key := func(name string) sof.Column { return sof.Column{Name: name, Class: sof.Key} }
	views := flattentest.Views{"plan": {
		{Name: "observation", Resource: "Observation", Columns: []sof.Column{
			key("id"), key("patient_id"),
		}},
		{Name: "part", Resource: "Observation", Columns: []sof.Column{key("id")}},
		{Name: "long", Resource: "Observation", Columns: []sof.Column{{Name: "patient_id"}}},
	}}
	for i := range views["plan"] {
		flatten.Store(&views["plan"][i], storage.Options{ByPatient: true})
	}
	observed := func(id, patient string, hour int) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":%q,`+
			`"meta":{"lastUpdated":"2024-01-01T%02d:00:00Z"},"rows":{"observation":[[%[1]q,%[3]q],`+
			`[%[1]q,"other"]],"part":[[%[1]q]],"long":[["x"]]}}`+"\n", id, hour, patient)
	}
	w := &world{store: newStore(t, tsql.Dedicated, nil), lake: pipelinetest.NewMemoryLake(now)}
	c := w.openAt(t, w.lake, views.Tables, now)
	var batches []pipeline.Batch
	for i, lines := range []string{
		observed("o1", "p1", 8) + observed("o2", "p1", 8), observed("o1", "p2", 9),
	} {
		b := w.prepareFor(t, views, "Observation", fmt.Sprint("plan-", i), lines)
		batches = append(batches, b)
		if err := c.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for table, want := range map[string]string{
		"observation": "patient_id", "part": "_id", "long": "_id",
	} {
		if _, got, _ := w.db.Placed("fhir", table); got != want {
			t.Errorf("%s is distributed by %q", table, got)
		}
	}
	if d := cmp.Diff(w.modelOfViews(t, views, batches...), w.Content(t, "fhir")); d != "" {
		t.Errorf("tables (-want +got):\n%s", d)
	}
}

// The table of patients is distributed by the id that others refer to.
func TestDistributionOfPatients(t *testing.T) {
	t.Parallel()
	table := flatten.Table{Name: "patient", Resource: "Patient", Columns: []sof.Column{
		{Name: "id", Class: sof.Key},
	}}
	flatten.Store(&table, storage.Options{ByPatient: true})
	if table.Spread != "id" {
		t.Errorf("it is distributed by %q", table.Spread)
	}
}

// Fabric keeps rows together by the columns of the setting.
func TestDistributionByClustersInFabric(t *testing.T) {
	t.Parallel()
	for column, want := range map[string]string{"code": "", "note": "is varchar(max)"} {
		views := storedViews(storage.Options{ClusterBy: []string{"patient." + column}})
		w := &world{store: newStore(t, tsql.Fabric, nil), lake: pipelinetest.NewMemoryLake(now)}
		b := w.prepareFor(t, views, "Patient", "plan-0", shortTexts("a"))
		err := w.openAt(t, w.lake, views.Tables, now).Commit(t.Context(), b)
		if want != "" {
			if fault.Of(err) != fault.Permanent || !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%s: %v", column, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, _, got := w.db.Placed("fhir", "patient"); !cmp.Equal(got, []string{column}) {
			t.Errorf("clustered by %q", got)
		}
	}
}

// A table that was made in another way stays as it is, and each commit names it in the log.
func TestDistributionAndColumnstoreOfTablesThatAreThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine        tsql.Engine
		before, after storage.Options
		is, wanted    string
	}{
		{
			tsql.SQLServer,
			storage.Options{},
			storage.Options{Columnstore: true},
			"is=rows wanted=columnstore", "--rebuild=Patient",
		},
		{
			tsql.Dedicated,
			storage.Options{Columnstore: true},
			storage.Options{},
			`is="CLUSTERED COLUMNSTORE INDEX, DISTRIBUTION = HASH([_id])" ` +
				`wanted="HEAP, DISTRIBUTION = HASH([_id])"`, "drop table fhir.patient",
		},
		{
			tsql.Dedicated,
			storage.Options{},
			storage.Options{ByPatient: true},
			`is="HEAP, DISTRIBUTION = HASH([_id])" wanted="HEAP, DISTRIBUTION = HASH([patient_id])"`,
			"drop table fhir.patient",
		},
		{
			tsql.Fabric,
			storage.Options{},
			storage.Options{ClusterBy: []string{"patient.patient_id"}},
			`is="no clusters" wanted="CLUSTER BY ([patient_id])"`, "drop table fhir.patient",
		},
		{tsql.Fabric, storage.Options{}, storage.Options{}, "", ""},
		{
			tsql.Dedicated,
			storage.Options{ByPatient: true},
			storage.Options{ByPatient: true},
			"", "",
		},
		{
			tsql.SQLServer,
			storage.Options{Columnstore: true},
			storage.Options{Columnstore: true},
			"", "",
		},
	} {
		w := &world{store: newStore(t, c.engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		var log strings.Builder
		for i, o := range []storage.Options{c.before, c.after} {
			table := flatten.Table{Name: "patient", Resource: "Patient", Columns: []sof.Column{
				{Name: "patient_id", Class: sof.Key}, {Name: "note"},
			}}
			flatten.Store(&table, o)
			views := flattentest.Views{"plan": {table}}
			log.Reset()
			b := w.prepareFor(t, views, "Patient", fmt.Sprint("plan-", i), classed("a", "p", "n"))
			if err := w.openAt(t, w.lake, views.Tables, now, func(o *mssql.Options) {
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
			}).Commit(t.Context(), b); err != nil {
				t.Fatalf("%s: %v", c.engine, err)
			}
		}
		told := strings.Contains(log.String(), "not stored as the settings want")
		if told != (c.is != "") || !strings.Contains(log.String(), c.is) ||
			!strings.Contains(log.String(), c.wanted) {
			t.Errorf("%s, %+v after %+v: %s", c.engine, c.after, c.before, log.String())
		}
	}
}

// A columnstore of the dedicated pool refuses a long text when the setting is away.
func TestColumnstoreWithoutItsSetting(t *testing.T) {
	t.Parallel()
	for engine, ok := range map[tsql.Engine]bool{tsql.SQLServer: true, tsql.Dedicated: false} {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		views := storedViews(storage.Options{Columnstore: true})
		b := w.prepareFor(t, views, "Patient", "plan-0", shortTexts("a"))
		if err := w.openAt(t, w.lake, views.Tables, now).Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b = w.prepareFor(t, classViews, "Patient", "plan-1", longTexts("a"))
		err := w.openAt(t, w.lake, classViews.Tables, now).Commit(t.Context(), b)
		if ok != (err == nil) {
			t.Errorf("%s: %v", engine, err)
		}
		for _, want := range []string{
			"table fhir.patient is a columnstore", "its column note is longer",
			"storage: columnstore", "drop table fhir.patient",
		} {
			if !ok && !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%s: no %q in %v", engine, want, err)
			}
		}
	}
}

// A table that was dropped is made again by a rebuild in place, as the settings say.
func TestColumnstoreAfterARebuildOfADroppedTable(t *testing.T) {
	t.Parallel()
	for engine, o := range map[tsql.Engine]storage.Options{
		tsql.Dedicated: {Columnstore: true}, tsql.Fabric: {ClusterBy: []string{"patient.code"}},
	} {
		w := &world{store: newStore(t, engine, nil), lake: pipelinetest.NewMemoryLake(now)}
		lines := shortTexts("a") + shortTexts("b")
		b := w.prepareFor(t, classViews, "Patient", "plan-0", lines)
		if err := w.openAt(t, w.lake, classViews.Tables, now).Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		const drop = "DROP TABLE [fhir].[patient]"
		if _, err := w.db.Session("pool").Batch(t.Context(), drop, nil); err != nil {
			t.Fatal(err)
		}
		views := storedViews(o)
		b = w.prepareFor(t, views, "Patient", "load-1", lines)
		b.ViewSet = 2
		left, err := rebuild(t, w.openAt(t, w.lake, views.Tables, now), b)
		if err != nil || left != 0 {
			t.Fatalf("%s: %d left, %v", engine, left, err)
		}
		is, _, by := w.db.Placed("fhir", "patient")
		if is != o.Columnstore || len(by) != len(o.ClusterBy) {
			t.Errorf("%s: a columnstore: %t, clustered by %q", engine, is, by)
		}
		if d := cmp.Diff(w.modelOfViews(t, views, b), w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-want +got):\n%s", engine, d)
		}
	}
}
