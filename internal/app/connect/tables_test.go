package connect_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/tables"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/duckdb"
	"fhirsynapse/internal/warehouse/open"
)

const (
	loaded   = "demo-000001"
	schema   = "main" // of the sandbox
	patients = `{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2026-11-20T00:00:00Z"}}
{"resourceType":"Patient","id":"b","meta":{"lastUpdated":"2026-11-20T00:00:00Z"}}
`
)

// load puts two patients into the tables of the world's plan, as an export up to till does. setting
// is the setting Warehouse.
func load(t *testing.T, w *sandbox.World, setting string, till time.Time) {
	t.Helper()
	ctx, lake := t.Context(), w.App.Lake()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	views, err := app.Views("")
	must(err)
	landed, err := lake.Put(ctx, pipeline.Landing, "20261120-j/Patient-1.ndjson",
		strings.NewReader(patients))
	must(err)
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	must(err)
	dir := loaded + "/Patient/v1/" + landed.Path + "@" + landed.ETag
	done, err := flattener.Flatten(ctx, pipeline.Flattening{
		Plan: "demo", Export: loaded, Type: "Patient", Path: landed.Path, Dir: dir,
	}, strings.NewReader(patients))
	must(err)
	scheme, address, _ := strings.Cut(setting, ":")
	opened, err := engines()[scheme].Open(address,
		warehouse.OpenOptions{Lake: lake, Views: views, Now: time.Now})
	must(err)
	must(opened.Commit(ctx, pipeline.Batch{
		Schema: schema, Plan: "demo", Export: loaded, Type: "Patient", ViewSet: 1, Attempt: "0a",
		Files: []pipeline.PreparedFile{{File: landed, Dir: dir, Done: done}},
	}))
	store := records.Store{Journal: w.App.Journal()}
	_, err = records.Update(ctx, store.Journal, "plans/demo", func(p *records.PlanRecord) error {
		*p = records.PlanRecord{Seq: 1, Current: loaded, RequestedAt: till}
		return nil
	})
	must(err)
	_, err = records.Update(ctx, store.Journal, "exports/demo/000001",
		func(e *records.Export) error {
			*e = records.Export{
				ID: loaded, Plan: "demo", Schema: schema, State: records.Loaded,
				RequestedAt: till, FinishedAt: till,
				Jobs: []records.Request{{Level: records.LevelSystem, Till: till}},
			}
			return nil
		})
	must(err)
	_, err = store.UpdateJob(ctx, loaded, 1, func(j *records.Job) error {
		j.ManifestAt, j.Files = till, 1
		return nil
	})
	must(err)
	must(store.KeepManifest(ctx, loaded+".1", records.Manifest{
		TransactionTime: till,
		Output:          []records.OutputFile{{Type: "Patient", Path: landed.Path, Count: 2}},
	}))
}

// engines returns the engines that the tests have a server or a file for.
func engines() warehouse.Engines {
	all := open.Engines()
	all["duckdb"] = duckdb.Engine()
	return all
}

func tablesOperator(t *testing.T, settings map[string]string) app.Operator {
	t.Helper()
	return app.Operator{
		Environment: app.Environment{
			Environ: environ(settings), ReadFile: os.ReadFile, Now: time.Now,
			Engines: engines(),
		},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func tableNamed(list warehouse.Listing, name string) (found warehouse.ListedTable) {
	for _, t := range list.Tables {
		if t.Table == name {
			found = t
		}
	}
	return found
}

// The command and the page tell the same about the tables of an app on emulators.
func TestTheTablesOfAnApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	till := time.Now().UTC().Truncate(time.Second)
	settings := map[string]string{}
	for _, name := range []string{"LakeStorage", "LandingContainer", "ExportsFile", "Warehouse"} {
		settings[name] = w.Settings()[name]
	}
	o := tablesOperator(t, settings)
	if list, err := o.Tables(ctx, ""); err != nil || len(list.Tables) != 0 ||
		len(list.Unknown) != 0 {
		t.Errorf("at first %+v, %v", list, err)
	}
	if _, err := o.Tables(ctx, "weekly"); err == nil ||
		!strings.Contains(err.Error(), "no such plan in the configuration, which has demo") {
		t.Errorf("%v", err)
	}
	load(t, w, settings["Warehouse"], till)
	list, err := o.Tables(ctx, "demo")
	if err != nil || len(list.Unknown)+len(list.Notes) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	patient := tableNamed(list, "patient")
	if patient.Plan != "demo" || patient.Schema != schema || patient.Rows == nil ||
		*patient.Rows != 2 || patient.ChangedAt.IsZero() || !patient.CompleteAt.Equal(till) ||
		patient.Behind || len(patient.Drift) != 0 {
		t.Errorf("%+v", patient)
	}
	if claim := tableNamed(list, "claim"); claim.Table != "" {
		t.Errorf("a table that is not there is listed: %+v", claim)
	}

	site := azfunc.WithPages(w.App.Pages("v1"), http.NotFoundHandler())
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet,
		"http://127.0.0.1:8080/api/status/tables?format=json", nil))
	var page struct {
		Plans []struct {
			Uncounted string
			Types     []struct {
				Tables []struct {
					Table string
					Rows  int64
				}
			}
		}
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil || len(page.Plans) != 1 {
		t.Fatalf("%v: %s", err, answer.Body)
	}
	// The page does not wait for a slow machine.
	if why := page.Plans[0].Uncounted; why != "" && !strings.Contains(why, "not answered yet") {
		t.Error(why)
	}

	for _, print := range []string{"views of yesterday", "views of today"} {
		if _, err := (records.Store{Journal: w.App.Journal()}).ViewSet(ctx, "demo",
			print); err != nil {
			t.Fatal(err)
		}
	}
	list, err = o.Tables(ctx, "demo")
	if err != nil || len(list.Notes) != 1 || len(list.Unknown) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if drift := tableNamed(list, "patient").Drift; len(drift) != 1 ||
		drift[0].Kind != warehouse.DriftOlderViews {
		t.Errorf("%+v", drift)
	}
}

// Without the journal the list is of what the warehouse has.
func TestTheTablesOfAnAppWithoutItsJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settings := w.Settings()
	load(t, w, settings["Warehouse"], time.Now())
	settings["JournalContainer"] = "not-there"
	list, err := tablesOperator(t, settings).Tables(t.Context(), "")
	if err != nil || len(list.Unknown) != 1 ||
		!strings.Contains(list.Unknown[0], "complete as of is from the table etl_exports") {
		t.Fatalf("%+v, %v", list, err)
	}
	if p := tableNamed(list, "patient"); p.Rows == nil || *p.Rows != 2 || !p.CompleteAt.IsZero() {
		t.Errorf("%+v", p)
	}
}

// The rows are the count of the server, and the ledger there tells which exports stand.
func TestTheTablesOfAnAppWithAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := tables.New(tables.Options{RowVersions: true})
	server, err := sqlserver.Listen(sqlserver.Options{Sessions: db.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	settings := w.Settings()
	settings["Warehouse"] = server.URL("someone", "secret", "fhir")
	till := time.Now().UTC().Truncate(time.Second)
	load(t, w, settings["Warehouse"], till)
	list, err := tablesOperator(t, settings).Tables(t.Context(), "")
	if err != nil || len(list.Unknown)+len(list.Notes) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if p := tableNamed(list, "patient"); p.Rows == nil || *p.Rows != 2 || !p.Approximate ||
		!p.CompleteAt.Equal(till) || len(p.Drift) != 0 {
		t.Errorf("%+v", p)
	}
	// A warehouse that was emptied has no export to build on.
	empty := tables.New(tables.Options{RowVersions: true})
	other, err := sqlserver.Listen(sqlserver.Options{Sessions: empty.Session})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	settings["Warehouse"] = other.URL("someone", "secret", "fhir")
	if list, err = tablesOperator(t, settings).Tables(t.Context(), ""); err != nil ||
		len(list.Tables)+len(list.Unknown) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestTablesNeedFewSettings(t *testing.T) {
	t.Parallel()
	_, err := tablesOperator(t, nil).Tables(t.Context(), "")
	if err == nil {
		t.Fatal("no settings are enough")
	}
	for _, name := range []string{"LakeStorage", "Warehouse"} {
		if !strings.Contains(err.Error(), name+": is not set") {
			t.Errorf("%s is not told: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "ServiceBus") {
		t.Errorf("%v", err)
	}
}
