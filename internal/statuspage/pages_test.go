package statuspage_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pages are all pages of the example, by the name of their golden files.
var pages = map[string]string{
	"plans":                   "",
	"exports":                 "/exports?plan=nightly",
	"exports-running":         "/exports?plan=smokers",
	"export-failed":           "/exports/nightly-000006",
	"export-loaded":           "/exports/nightly-000003",
	"export-running":          "/exports/smokers-000002",
	"export-of-a-cohort":      "/exports/smokers-000001",
	"files":                   "/exports/nightly-000003/files",
	"files-of-type":           "/exports/nightly-000003/files?type=Patient",
	"export-quarantine":       "/exports/nightly-000003/quarantine",
	"export-quarantine-empty": "/exports/nightly-000001/quarantine",
	"quarantine":              "/quarantine",
	"cohorts":                 "/cohorts",
	"tables":                  "/tables",
	"activity":                "/activity",
	"unknown":                 "/exports/nightly-000042",
}

var content = regexp.MustCompile(`(?s)<main.*</main>\n`)

func TestPages(t *testing.T) {
	t.Parallel()
	w := example(t)
	for name, path := range pages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := w.get(t, path)
			html := answer.Body.String()
			golden(t, name+".html", content.FindString(html))
			wellFormed(t, html)
			if got := strings.Count(html, "<h1>"); got != 1 {
				t.Errorf("%d headings of the first level", got)
			}
			forJSON := w.get(t, path, "Accept", "application/json")
			if forJSON.Code != answer.Code || !json.Valid(forJSON.Body.Bytes()) ||
				forJSON.Header().Get("Content-Type") != "application/json" {
				t.Errorf("as JSON: %d %s", forJSON.Code, forJSON.Body)
			}
			golden(t, name+".json", forJSON.Body.String())
			for _, secret := range []string{"SECRET", "exampleaccount"} {
				if strings.Contains(html+forJSON.Body.String(), secret) {
					t.Errorf("the page shows %s", secret)
				}
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); make golden rewrites it:\n%s", path, diff)
	}
}

// wellFormed reads a page as XML, which finds elements that are not closed and attributes that are
// not quoted.
func wellFormed(t *testing.T, html string) {
	t.Helper()
	html = regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>`).ReplaceAllString(html, "")
	html = regexp.MustCompile(`<(meta|link|input|br)([^>]*)>`).ReplaceAllString(html, "<$1$2/>")
	html = strings.NewReplacer(" hidden>", ` hidden="">`, "<!DOCTYPE html>", "").Replace(html)
	d := xml.NewDecoder(strings.NewReader(html))
	ids := map[string]bool{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range e.Attr {
			switch {
			case a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on"):
				t.Errorf("<%s %s>: the policy of the page forbids it", e.Name.Local, a.Name.Local)
			case a.Name.Local == "id" && ids[a.Value]:
				t.Errorf("the id %s is there twice", a.Value)
			case a.Name.Local == "id":
				ids[a.Value] = true
			}
		}
	}
}

// Someone who has never seen the project finds the answers by following links from the first page.
func TestThePagesAnswer(t *testing.T) {
	t.Parallel()
	w := example(t)
	for _, c := range []struct {
		question string
		path     []string // each links to the next
		answers  []string
	}{
		{
			"why did the last export fail, and what is to be done",
			[]string{"", "/exports/nightly-000006"},
			[]string{
				"The server answered HTTP 403", "the FHIR service&#39;s permission on storage",
				"Give the FHIR service the role Storage Blob Data Contributor",
			},
		},
		{
			"how many lines of which type are in quarantine, and why",
			[]string{"", "/quarantine", "/exports/nightly-000003/quarantine"},
			[]string{"Observation", ">1</td><td>not JSON", ">1</td><td>the resource has no id"},
		},
		{
			"are the tables complete, and as of when",
			[]string{"", "/tables"},
			[]string{
				"Complete as of 2026-11-30 04:29:00 UTC",
				"The last export failed: what has changed since then is missing.",
			},
		},
	} {
		for i, path := range c.path {
			html := w.get(t, path).Body.String()
			if i+1 < len(c.path) {
				link := "status" + c.path[i+1] + `"`
				if !strings.Contains(html, link) {
					t.Errorf("%s: page %q has no link to %s", c.question, path, link)
				}
				continue
			}
			for _, want := range c.answers {
				if !strings.Contains(html, want) {
					t.Errorf("%s: page %s does not say %q", c.question, path, want)
				}
			}
		}
	}
}

func TestAConfigurationThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	w := example(t)
	w.plans, w.plansErr = nil, errAway
	html := w.get(t, "").Body.String()
	for _, want := range []string{
		"cannot be read", "the storage does not answer", "nightly-000006",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page misses %q", want)
		}
	}
}

func TestALedgerThatIsAwayLeavesTheRest(t *testing.T) {
	t.Parallel()
	w := example(t)
	w.ledgerErr = fault.Transientf("the database is paused")
	for _, path := range []string{"/exports/smokers-000002", "/exports/smokers-000002/files"} {
		answer := w.get(t, path)
		if answer.Code != http.StatusOK ||
			!strings.Contains(answer.Body.String(), "he database is paused") {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
	// An export that has ended needs no warehouse.
	html := content.FindString(w.get(t, "/exports/nightly-000003").Body.String())
	if strings.Contains(html, "paused") {
		t.Error("the page of an export that has ended asks the warehouse")
	}
}

func TestAnExportThatWasAskedForHasAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pipeline.Plan{Name: "p", Level: records.LevelSystem})
	w.put(t, "plans/p", records.PlanRecord{WantedAt: now.Add(-time.Minute)})
	for path, want := range map[string]string{
		"":                   "at the next tick: a person has asked for it",
		"/exports":           "begins at the next tick",
		"/exports/p-000001":  "begins at the next tick of the app&#39;s timer",
		"/exports/p-000002":  "There is no export p-000002",
		"/exports/strangers": "There is no export strangers",
	} {
		if html := w.get(t, path).Body.String(); !strings.Contains(html, want) {
			t.Errorf("%s: the page does not say %q", path, want)
		}
	}
}

// A tick that fails writes its cause into the plan, also while an export waits for its kick-off.
func TestATickThatFailsIsShownAtTheExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pipeline.Plan{Name: "p", Level: records.LevelSystem})
	w.put(t, "plans/p", records.PlanRecord{
		Seq: 1, Current: "p-000001", RequestedAt: now,
		Retry: &records.Retry{Step: "tick", Cause: "the server is away", Tries: 3, Since: now},
	})
	w.put(t, "exports/p/000001", records.Export{
		ID: "p-000001", Plan: "p", State: records.Requested, RequestedAt: now, TouchedAt: now,
		Jobs: []records.Request{{Level: records.LevelSystem, Till: now}},
	})
	for path, want := range map[string]string{
		"":                  "Export p-000001 tries tick again: the server is away",
		"/exports/p-000001": "3 failures since",
	} {
		if html := w.get(t, path).Body.String(); !strings.Contains(html, want) {
			t.Errorf("%q does not show %q", path, want)
		}
	}
}

func TestAnIncompleteExportHasItsRemedy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pipeline.Plan{Name: "p", Level: records.LevelSystem})
	w.loaded(t, "p", 1, now.Add(-time.Hour))
	w.put(t, "plans/p", records.PlanRecord{Seq: 2, Current: "p-000002", RequestedAt: now})
	e := records.Export{
		ID: "p-000002", Plan: "p", State: records.Incomplete, RequestedAt: now, FinishedAt: now,
		Jobs: []records.Request{{Level: records.LevelSystem, Till: now}},
		Shortfall: &records.Shortfall{
			Types:  []string{"Patient"},
			Issues: []records.Issue{{Severity: "error", Code: "exception", Count: 3}},
		},
	}
	w.put(t, "exports/p/000002", e)
	w.catch(t)
	for path, want := range map[string][]string{
		"/exports/p-000002": {
			"3 × error/exception", "correct the data at the server", "Try again",
			"loaded, but the server could not export everything",
		},
		"":        {"Export p-000002 is incomplete"},
		"/tables": {"All types but one are complete as of 2026-11-30 07:30:00", "behind the others"},
	} {
		html := w.get(t, path).Body.String()
		for _, text := range want {
			if !strings.Contains(html, text) {
				t.Errorf("%q does not show %q", path, text)
			}
		}
	}
}

// The page shows everything else while the warehouse wakes up.
func TestThePageOfTablesDoesNotWaitForTheWarehouse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pipeline.Plan{Name: "nightly", Level: records.LevelSystem, Schema: "fhir"})
	w.asleep = make(chan struct{})
	w.open()
	w.loaded(t, "nightly", 1, now.Add(-time.Hour))
	w.put(t, "plans/nightly", records.PlanRecord{
		Seq: 1, Current: "nightly-000001", RequestedAt: now,
	})
	w.catch(t)
	html := w.get(t, "/tables").Body.String()
	for _, want := range []string{
		"Complete as of 2026-11-30", "Rows are not known: The warehouse has not answered yet",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not show %q:\n%s", want, html)
		}
	}
	close(w.asleep)
}

func TestEmptyAppHasAllPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{
		"", "/exports", "/tables", "/quarantine", "/cohorts", "/activity", "/exports?page=999999999",
	} {
		answer := w.get(t, path)
		if answer.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, answer.Code, content.FindString(answer.Body.String()))
		}
		wellFormed(t, answer.Body.String())
	}
}
