package sandbox_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
	"fhirsynapse/internal/warehouse/duckdb"
	"fhirsynapse/internal/warehouse/open/local"
)

// The cohort is found, exported with a job for each Group, changed and exported again, with both
// kinds of server.
func TestDemoOfACohort(t *testing.T) {
	azuritetest.Tools(t)
	for name, o := range map[string]sandbox.Options{
		"azure":                {Source: sandbox.SourceAzure},
		"bulk":                 {Source: sandbox.SourceBulk},
		"bulk, without Groups": {Source: sandbox.SourceBulk, WithoutGroups: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			var log lockedBuilder
			o.Root, o.Dir, o.Cohort, o.Now = root, t.TempDir(), sandbox.FormerSmokers, time.Now
			o.HandlerOutput, o.Engines = &log, local.Engines()
			o.Log = slog.New(slog.DiscardHandler)
			err := sandbox.Demo{
				World:    o,
				Patients: 96, Seed: 3, Out: &out, Patience: 5 * time.Minute,
			}.Run(t.Context())
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			wants := []string{"in 3 Groups", "1 joined, 1 left", "demo: ok"}
			if o.WithoutGroups {
				wants = []string{"in 3 shares", "demo: ok"}
			}
			for _, want := range wants {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			if strings.Contains(log.String(), "Patient/") {
				t.Error("the handler's log names a patient")
			}
			runQueriesOfReaders(t, filepath.Join(o.Dir, "fhir.duckdb"))
			if name == "azure" {
				runTutorial(t, o.Dir)
			}
		})
	}
}

// runQueriesOfReaders runs the queries of docs/readers.md.
func runQueriesOfReaders(t *testing.T, file string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "readers.md"))
	if err != nil {
		t.Fatal(err)
	}
	var counts []int
	for n, block := range strings.Split(string(page), "```sql\n")[1:] {
		query, _, _ := strings.Cut(block, "```")
		// The demo's schema is another one, and its exports are of today.
		query = strings.ReplaceAll(query, "fhir.", "main.")
		query = regexp.MustCompile(`(>=) '2026-0.-01'`).ReplaceAllString(query, "$1 '2026-01-01'")
		query = regexp.MustCompile(`(<) '2026-0.-01'`).ReplaceAllString(query, "$1 '9999-01-01'")
		rows, err := duckdb.Query(t.Context(), file, query, time.Minute)
		if err != nil {
			t.Fatalf("query %d: %v", n+1, err)
		}
		count := 0
		for rows.Next() {
			count++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Errorf("query %d: %v", n+1, err)
		}
		counts = append(counts, count)
	}
	t.Logf("rows: %v", counts)
	if len(counts) != 5 || slices.Contains(counts, 0) {
		t.Errorf("the queries give %v rows: five queries should have some", counts)
	}
}

// runTutorial runs the commands of docs/tutorial.md after its demo, which has run.
func runTutorial(t *testing.T, dir string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for n, block := range strings.Split(string(page), "```sh\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if n == 0 {
			if block != "make demo COHORT=former-smokers\n" {
				t.Errorf("the tutorial begins with %s", block)
			}
			continue
		}
		for line := range strings.Lines(block) {
			line = strings.ReplaceAll(strings.TrimSpace(line), ".demo/", dir+"/")
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", line)
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			if err != nil || len(bytes.TrimSpace(out)) == 0 {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			t.Logf("%s", out)
			commands++
		}
	}
	if commands < 4 {
		t.Errorf("the tutorial has %d commands", commands)
	}
}

// lockedBuilder collects the output of a process.
type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
