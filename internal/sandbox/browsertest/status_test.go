// Package browsertest sees the status page as a person does: in a browser, over the whole sandbox.
package browsertest

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"fhirsynapse/internal/emulator/fhirserver/store"
	"fhirsynapse/internal/emulator/fhirserver/synthetic"
	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse/open/local"
)

const root = "../../.."

// desk is a sandbox with a browser at its status page.
type desk struct {
	*browser
	world *sandbox.World
	host  *functionshost.Host
}

// newDesk starts a sandbox with a server that has two resources without a proper id.
func newDesk(t *testing.T) *desk {
	t.Helper()
	azuritetest.Tools(t)
	chromium(t)
	axe(t)
	data, err := store.New(store.Options{Base: time.Now().UTC().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := synthetic.Generate(synthetic.Options{Seed: 3, Patients: 12},
		func(typ string, line []byte) error {
			switch typ {
			case "Patient", "Observation", "Encounter":
				return data.Add(line)
			}
			return nil
		}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"no id", "none either"} {
		if err := data.Add([]byte(`{"resourceType":"Observation","id":"` + id +
			`","status":"final","code":{"text":"x"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	staged, err := sandbox.Package(t.Context(), root, dir)
	if err != nil {
		t.Fatal(err)
	}
	output := io.Discard
	if os.Getenv("FHIRSYNAPSE_TEST_LOG") != "" {
		output = t.Output()
	}
	world, err := sandbox.StartWorld(t.Context(), sandbox.Options{
		Root: root, Dir: dir, Store: data, Now: time.Now, Engines: local.Engines(),
		Log: slog.New(slog.DiscardHandler), HandlerOutput: output, BlobsInMemory: true,
		Keys: functionshost.Keys{Admin: key},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	host, err := world.StartHost(t.Context(), staged, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Stop)
	return &desk{open(t, host.URL()+"/api/status"), world, host}
}

// tick fires the timer.
func (d *desk) tick() {
	d.t.Helper()
	if err := d.host.FireTimer(d.t.Context(), "TimerExport"); err != nil {
		d.t.Fatal(err)
	}
}

// One long story, because a world takes seconds to start: an export from its start to loaded, one
// that is cancelled, one that fails, and the way to the answers.
func TestThePageInABrowser(t *testing.T) {
	d := newDesk(t)
	t.Logf("pictures are in %s; -artifacts keeps them", t.ArtifactDir())
	d.loads()
	d.answersQuarantine()
	d.cancels()
	d.fails()
	d.answersFailure()
	d.answersTables()
	d.pausesUpdates()
	d.worksWithKeys()
	for name, path := range map[string]string{
		"plans": "", "exports": "/exports", "loaded": "/exports/demo-000001",
		"cancelled": "/exports/demo-000002", "failed": "/exports/demo-000003",
		"files": "/exports/demo-000001/files", "bad-lines": "/exports/demo-000001/quarantine",
		"quarantine": "/quarantine", "cohorts": "/cohorts", "tables": "/tables",
		"activity": "/activity", "unknown": "/exports/demo-000099",
	} {
		d.visit(path)
		d.accessible(name)
	}
}

// loads starts an export by its button and sees it become loaded, without loading a page again.
func (d *desk) loads() {
	release := d.world.Server.HoldJobs()
	d.visit("")
	d.shows("Plan demo", "Last export\nnone")
	d.click("Start an export")
	d.await("exporting")
	d.await("the server exports")
	d.screenshot("exporting")
	// The schedule of the plan would start an export at each tick.
	if err := records.Pause(d.t.Context(), d.world.App.Journal(), "demo", time.Now()); err != nil {
		d.t.Fatal(err)
	}
	release()
	d.await("loaded: every file is in the tables")
	d.shows("Export demo-000001", "Observation", "Patient", "complete")
	d.screenshot("loaded")
	d.tick()
}

// answersQuarantine finds out how many lines of which type are in quarantine, and why.
func (d *desk) answersQuarantine() {
	d.visit("")
	d.click("Quarantine")
	d.shows("Observation", "2", "demo-000001")
	d.click("demo-000001")
	d.shows("2 lines were not loaded", "Observation",
		"the resource has no id of 1 to 128 letters, digits, '-', '.' and '_'")
}

// cancels starts an export and ends it, by the buttons.
func (d *desk) cancels() {
	release := d.world.Server.HoldJobs()
	defer release()
	d.visit("")
	d.shows("paused")
	d.click("Start an export")
	d.await("exporting")
	d.click("Cancel this export")
	d.shows("Export demo-000002", "cancelled by a person")
	d.screenshot("cancelled")
}

// fails starts an export that fails, in a browser without JavaScript.
func (d *desk) fails() {
	d.world.Server.FailJobs(1, http.StatusForbidden, "The storage account refuses the server.")
	d.visit("")
	script := func(off bool) {
		run(d.browser, command(emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: off}))
	}
	script(true)
	run(d.browser, chromedp.Steps(chromedp.Reload(),
		chromedp.Click(chromedp.CSS("#start-demo")),
		chromedp.WaitVisible(chromedp.CSS("#cancel, #retry"))))
	for !strings.Contains(d.text("main"), "Why it failed") {
		run(d.browser, chromedp.Reload())
	}
	script(false)
}

// answersFailure finds the cause of the last failure, and its remedy.
func (d *desk) answersFailure() {
	d.visit("")
	d.shows("Export demo-000003 failed")
	d.screenshot("plans-with-failure")
	d.click("What happened, and what to do")
	d.shows("Why it failed", "What to do", "Try again")
	cause, remedy := d.text("#cause"), d.text("#remedy")
	if !strings.Contains(cause, "403") || strings.Contains(cause, "refuses the server") ||
		!strings.Contains(remedy, "Storage Blob Data Contributor") {
		d.t.Errorf("the cause is %q, the remedy %q", cause, remedy)
	}
}

// answersTables finds out whether the tables are complete, and as of when.
func (d *desk) answersTables() {
	d.tick()
	d.visit("")
	d.click("Tables")
	d.await("patient 12")
	d.shows("Complete as of "+time.Now().UTC().Format("2006-"), "2 lines of the last 30 days",
		"The last export failed: what has changed since then is missing.")
}

// pausesUpdates holds the page still.
func (d *desk) pausesUpdates() {
	run(d.browser, chromedp.Click(chromedp.CSS("#pause")))
	if name := d.text("#pause"); name != "Resume updates" {
		d.t.Errorf("the button reads %q", name)
	}
}

// worksWithKeys moves through the first page by the keyboard: the first stop skips the navigation.
func (d *desk) worksWithKeys() {
	d.visit("")
	var stops []string
	for range 9 {
		run(d.browser, chromedp.KeyEvent("\t"))
		stops = append(stops, run(d.browser, chromedp.Evaluate[string](
			`document.activeElement.innerText.trim()`)))
	}
	if stops[0] != "Skip to the content" || stops[1] != "Plans" || stops[6] != "Activity" {
		d.t.Errorf("the stops are %q", stops)
	}
}
