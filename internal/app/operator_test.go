package app_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse"
)

// usual is the window of an export that continues the last one.
var usual records.Window

// engines returns an engine that keeps its tables in memory.
func engines(t *testing.T) warehouse.Engines {
	t.Helper()
	views, err := app.Views("")
	if err != nil {
		t.Fatal(err)
	}
	return warehouse.Engines{
		"memory": warehouse.PortOnly(
			func(_ string, r warehouse.OpenOptions) (pipeline.Warehouse, error) {
				return refwarehouse.NewWarehouse(r.Lake, views.Tables), nil
			}),
	}
}

func operator(t *testing.T, settings map[string]string, names ...string) app.Operator {
	t.Helper()
	e := app.Environment{ReadFile: os.ReadFile, Now: time.Now, Engines: engines(t)}
	for name, value := range settings {
		for _, wanted := range names {
			if name == wanted {
				e.Environ = append(e.Environ, name+"="+value)
			}
		}
	}
	return app.Operator{Environment: e, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func TestOperatorsAreToldAllThatIsMissing(t *testing.T) {
	t.Parallel()
	o := operator(t, nil)
	o.Environment.Environ = []string{"JournalContainer=NO"}
	o.Environment.ReadFile = func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	ctx := t.Context()
	lake := []string{"LakeStorage: is not set", "JournalContainer: \"NO\" is not a container name"}
	all := append([]string{
		"Warehouse: is not set", "ServiceBusConnection: is not set",
		"ExportsFile: file exports.yaml does not exist",
	}, lake...)
	for name, c := range map[string]struct {
		do   func() error
		want []string
	}{
		"list":   {func() error { _, err := o.Exports(ctx, "", 1); return err }, lake},
		"ask":    {func() error { _, err := o.Ask(ctx, "demo", usual); return err }, lake},
		"cancel": {func() error { _, _, err := o.Cancel(ctx, "demo"); return err }, lake},
		"pause":  {func() error { return o.Pause(ctx, "demo") }, lake},
		"resume": {func() error { return o.Resume(ctx, "demo") }, lake},
		"start":  {func() error { _, err := o.Start(ctx, "demo", usual); return err }, all},
	} {
		err := c.do()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in:\n%v", name, want, err)
			}
		}
		if got := len(strings.Split(err.Error(), "\n")); got != len(c.want) {
			t.Errorf("%s: %d faults, want %d:\n%v", name, got, len(c.want), err)
		}
	}
}

// newWorld starts storage, a broker and a FHIR server, without a host, so that nothing happens by
// itself.
func newWorld(t *testing.T) *sandbox.World {
	t.Helper()
	azuritetest.Tools(t)
	data, err := store.New(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 1, Patients: 12},
		func(_ string, line []byte) error { return data.Add(line) }); err != nil {
		t.Fatal(err)
	}
	w, err := sandbox.StartWorld(t.Context(), sandbox.Options{
		Root: "../..", Dir: t.TempDir(), Store: data, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), BlobsInMemory: true, HoldEvents: true,
		Settings: map[string]string{"Warehouse": "memory:x"}, Engines: engines(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// atServer returns the FHIR server's status code for a poll of an export's first job.
func atServer(t *testing.T, w *sandbox.World, id string) int {
	t.Helper()
	doc, err := w.App.Journal().Read(t.Context(), "jobs/"+id+".1")
	if err != nil {
		t.Fatal(err)
	}
	var job records.Job
	if err := json.Unmarshal(doc.Data, &job); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, job.StatusURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode
}

// A person lists, starts, pauses and cancels exports, on the sandbox's storage, broker and FHIR
// server.
func TestOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Cleanup(w.Server.HoldJobs()) // no job ends by itself
	settings, ctx := w.Settings(), t.Context()
	every := make([]string, 0, len(settings))
	for name := range settings {
		every = append(every, name)
	}
	full, storage, withPlans := operator(t, settings, every...),
		operator(t, settings, "LakeStorage"), operator(t, settings, "LakeStorage", "ExportsFile")
	storage.Environment.ReadFile = func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	tick := func() {
		t.Helper()
		p, err := w.App.Pipeline(ctx)
		if err == nil {
			err = p.Tick(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	newest := func() records.ExportSummary {
		t.Helper()
		list, err := storage.Exports(ctx, "demo", 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d exports, %v", len(list), err)
		}
		return list[0]
	}

	if list, err := storage.Exports(ctx, "", 1); err != nil || len(list) > 0 {
		t.Errorf("at first %v, %v", list, err)
	}
	if _, err := storage.Exports(ctx, "demo", 1); !errors.Is(err, records.ErrNoPlan) {
		t.Errorf("exports of a plan that never ran: %v", err)
	}
	if _, err := full.Start(ctx, "weekly", usual); err == nil ||
		!strings.Contains(err.Error(), "no such plan in the configuration, which has demo") {
		t.Errorf("start of a plan that there is not: %v", err)
	}
	e, err := full.Start(ctx, "demo", usual)
	if err != nil || e.ID != "demo-000001" || e.State != records.Exporting {
		t.Fatalf("start: %+v, %v", e, err)
	}
	if s := w.Bus.Stats()["export-steps"]; s.Scheduled+s.Active != 1 {
		t.Errorf("no poll was sent: %+v", s)
	}
	if _, err := full.Start(ctx, "demo", usual); err == nil ||
		!strings.Contains(err.Error(), "demo-000001 is still exporting") {
		t.Errorf("a second start: %v", err)
	}
	if got := atServer(t, w, "demo-000001"); got != http.StatusAccepted {
		t.Errorf("the job's status is HTTP %d", got)
	}
	id, jobs, err := withPlans.Cancel(ctx, "demo")
	if err != nil || id != "demo-000001" || len(jobs) != 1 ||
		jobs[0].Fate != pipeline.JobCancelled || jobs[0].Err != nil {
		t.Errorf("cancel: %q, %v, %v", id, jobs, err)
	}
	if got := atServer(t, w, "demo-000001"); got != http.StatusNotFound {
		t.Errorf("the status of the cancelled job is HTTP %d", got)
	}
	for name, want := range map[string]string{
		"demo":        "its last one, demo-000001, is cancelled",
		"demo-000001": "it does not run: it is cancelled since",
		"demo-000009": "there is no such export",
		"weekly":      "plan weekly: there is no such plan in the journal, which has demo",
	} {
		if _, _, err := withPlans.Cancel(ctx, name); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("cancel %s: %v, want %q", name, err, want)
		}
	}

	if err := storage.Pause(ctx, "demo"); err != nil {
		t.Error(err)
	}
	if newest().PlanPausedAt.IsZero() {
		t.Error("the pause is not shown")
	}
	if _, err := withPlans.Ask(ctx, "weekly", usual); err == nil ||
		!strings.Contains(err.Error(), "which has demo") {
		t.Errorf("asked for a plan that there is not: %v", err)
	}
	if _, err := storage.Ask(ctx, "weekly", usual); err == nil ||
		!strings.Contains(err.Error(), "file exports.yaml does not exist") {
		t.Errorf("asked for a plan that nobody knows: %v", err)
	}
	if id, err = storage.Ask(ctx, "demo", usual); err != nil || id != "demo-000002" ||
		newest().State != records.Requested {
		t.Errorf("ask: %q, %v; %s is %s", id, err, newest().ID, newest().State)
	}
	tick()
	if e := newest(); e.ID != id || e.State != records.Exporting {
		t.Errorf("after the tick %s is %s", e.ID, e.State)
	}
	// Without the plans the server cannot be reached, so the app's tick ends the job.
	if _, jobs, err = storage.Cancel(ctx,
		id); err != nil || len(jobs) != 1 || jobs[0].Fate != pipeline.JobLeft ||
		jobs[0].Err == nil {
		t.Errorf("cancel from afar: %v, %v", jobs, err)
	}
	if got := atServer(t, w, id); got != http.StatusAccepted {
		t.Errorf("the job's status is HTTP %d", got)
	}
	tick()
	if got := atServer(t, w, id); got != http.StatusNotFound {
		t.Errorf("after the tick the job's status is HTTP %d", got)
	}
	if err := storage.Resume(ctx, "demo"); err != nil || !newest().PlanPausedAt.IsZero() {
		t.Errorf("resume: %v", err)
	}
}

// The plans may be in the journal's container.
func TestOperatorsReadPlansOfTheJournal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	settings := w.Settings()
	text, err := os.ReadFile(filepath.Clean(settings["ExportsFile"]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.App.Journal().Write(t.Context(), "exports.yaml", "", text); err != nil {
		t.Fatal(err)
	}
	settings["ExportsFile"] = "blob:exports.yaml"
	o := operator(t, settings, "LakeStorage", "ExportsFile")
	if id, err := o.Ask(t.Context(), "demo", usual); err != nil || id != "demo-000001" {
		t.Errorf("ask: %q, %v", id, err)
	}
	if id, jobs, err := o.Cancel(t.Context(), "demo"); err != nil || id != "demo-000001" ||
		len(jobs) > 0 {
		t.Errorf("cancel: %q, %v, %v", id, jobs, err)
	}
}
