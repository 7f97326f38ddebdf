package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
)

const patientLease = "leases/main/Patient"

// A killed committer blocks its tables for at most one minute. Waiting steps check the lease
// often and count no try.
func TestLeaseOfAKilledCommitter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	var killed time.Time
	w.gate.before = func(_ int, port string) error {
		if port == "warehouse commit" && killed.IsZero() {
			killed = w.clock
			panic(crash{})
		}
		return nil
	}
	w.beforeStep = func() {
		w.queue.Drop(func(m pipeline.Message) (lose bool) {
			if wait := m.At.Sub(w.clock); strings.Contains(string(m.Body), `"commit"`) &&
				wait > 15*time.Second {
				t.Errorf("a commit waits %s", wait)
			}
			if strings.Contains(string(m.Body), `"try"`) {
				t.Errorf("waiting counts a try: %s", m.Body)
			}
			return false
		})
	}
	w.loaded("nightly-000001")
	if killed.IsZero() {
		t.Fatal("no commit was killed")
	}
	if took := w.clock.Sub(killed); took > 90*time.Second {
		t.Errorf("loaded %s after the kill", took)
	}
}

func TestLeaseIsRenewedWhileTheCommitWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leaseFor = 20 * time.Millisecond
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	renewals := 0
	w.gate.before = func(_ int, port string) error {
		last := ""
		for port == "warehouse commit" && renewals < 3 && ctx.Err() == nil {
			entry, err := w.journal.Read(ctx, patientLease)
			if err != nil {
				return err
			}
			if entry.ETag != last && last != "" {
				renewals++
			}
			last = entry.ETag
		}
		return nil
	}
	w.loaded("nightly-000001")
	if renewals < 3 {
		t.Errorf("the lease was renewed %d times while the commit worked", renewals)
	}
	var lease struct{ Until time.Time }
	entry, err := w.journal.Read(t.Context(), patientLease)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(entry.Data, &lease); err != nil || !lease.Until.IsZero() {
		t.Errorf("the lease was not given back: %s, %v", entry.Data, err)
	}
}

// lines collects log lines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// If steps run twice and are cut after their commit, the log shows each commit and each end
// once, and no failure.
func TestCommitsAndEndsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var log lines
	w := newWorld(t)
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	w.boot()
	w.server.put("Patient", "p1", "first", 1, false)
	w.server.put("Observation", "o1", "first", 1, false)
	twice := map[string]bool{}
	w.beforeStep = func() {
		commits := false
		w.queue.Drop(func(m pipeline.Message) (lose bool) {
			commits = commits || strings.Contains(string(m.Body), `"commit"`) && !twice[m.ID]
			twice[m.ID] = true
			return false
		})
		if commits {
			w.queue.Redeliver()
		}
	}
	cut := map[string]bool{}
	w.gate.after = func(n int, port string) error {
		if port == "warehouse ledger" && w.tables.commits > 0 && len(cut) < 4 {
			cut[fmt.Sprint(n)] = true
			w.stopStep()
			return context.Canceled
		}
		return nil
	}
	w.loaded("nightly-000001")
	for text, want := range map[string]int{
		`"committed"`: 2, `"export loaded"`: 1, `"step sent again"`: 0, `"context canceled"`: 0,
	} {
		if got := log.count(text); got != want {
			t.Errorf("%s: %d lines, want %d", text, got, want)
		}
	}
	if log.count(`"step put back: the handler stops"`) == 0 {
		t.Error("no step was cut")
	}
}
