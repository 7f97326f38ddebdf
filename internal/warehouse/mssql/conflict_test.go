package mssql_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
	"fhirsynapse/internal/testkit/refwarehouse"
	"fhirsynapse/internal/warehouse/mssql"
)

// requestOf returns the number of the first request of a commit that is chosen.
func requestOf(t *testing.T, engine tsql.Engine, chosen func(text string) bool) int {
	t.Helper()
	w := newWorld(t, engine)
	if err := w.openAt(t, w.lake, faultViews.Tables, now).Commit(t.Context(),
		w.second); err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(w.server.Requests(), func(r sqlserver.Request) bool {
		return chosen(r.Text)
	})
	if n < 0 {
		t.Fatal("no such request")
	}
	return n + 1
}

// Fabric finds conflicts at COMMIT. The transaction runs again on what was staged.
func TestAConflictAtCommitIsRunAgainOnTheSameStage(t *testing.T) {
	t.Parallel()
	n := requestOf(t, tsql.Fabric, func(text string) bool { return text == "COMMIT TRANSACTION" })
	for _, number := range []int32{24556, 24706} {
		w := newWorld(t, tsql.Fabric)
		w.set(n, false,
			sqlserver.Fault{Error: &sqlserver.Error{
				Number:   number,
				Message:  "Snapshot isolation transaction aborted due to update conflict.",
				Severity: 16,
			}})
		c := w.openAt(t, w.lake, faultViews.Tables, now)
		if err := c.Commit(t.Context(), w.second); err != nil {
			t.Fatalf("%d: %v", number, err)
		}
		hit := w.set(0, false, sqlserver.Fault{})
		w.intact(t, c, int(number), hit)
		made := 0
		for _, r := range w.server.Requests() {
			if strings.Contains(r.Text, "CREATE TABLE") && strings.Contains(r.Text, "_file] (") {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d: %d stages were made", number, made)
		}
	}
}

// A lock that somebody else holds is waited for as long as the plan's patience lasts.
func TestALockIsWaitedForAMinuteAtMost(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		n := requestOf(t, engine, func(text string) bool {
			return strings.Contains(text, "UPDATE [fhir_load].[_lock_")
		})
		w := newWorld(t, engine)
		w.set(n, false, sqlserver.Fault{Stall: true})
		impatient := w.openAt(t, w.lake, faultViews.Tables, now, func(o *mssql.Options) {
			o.LockWait = 50 * time.Millisecond
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := impatient.Commit(ctx, w.second)
		cancel()
		hit := w.set(0, false, sqlserver.Fault{})
		if err == nil || fault.Of(err) != fault.Transient ||
			!strings.Contains(err.Error(), "another committer") || fault.After(err) == 0 {
			t.Errorf("%s, stopped at %s: %v", engine, hit, err)
		}
		w.second.Attempt = "a2"
		c := w.openAt(t, w.lake, faultViews.Tables, now)
		if err := c.Commit(t.Context(), w.second); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		w.intact(t, c, n, hit)
	}
}

// Two committers meet. On Fabric both run to their COMMIT, which refuses the second; on the others
// the second waits. The loser runs its transaction again on the stage that it has.
func TestConflictOfTwoCommitters(t *testing.T) {
	t.Parallel()
	for _, engine := range enginesUnderTest() {
		w := newWorld(t, engine)
		third := w.prepare(t, "plan-3", line("a", 10, "A3")+line("b", 9, "B3")+line("d", 9, "D"))
		third.Attempt = "b1"
		model := refwarehouse.NewWarehouse(w.lake, faultViews.Tables)
		first := w.prepare(t, "plan-1", line("a", 8, "A")+line("b", 8, "B"))
		for _, b := range []pipeline.Batch{first, w.second, third} {
			if err := model.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		want, err := model.Content(t.Context(), "fhir")
		if err != nil {
			t.Fatal(err)
		}
		meet := meetAtLock(w.faults)
		failed := make(chan error, 2)
		for _, b := range []pipeline.Batch{w.second, third} {
			c := w.openAt(t, w.lake, faultViews.Tables, now)
			go func() { failed <- c.Commit(t.Context(), b) }()
		}
		for range 2 {
			if err := <-failed; err != nil {
				t.Errorf("%s: %v", engine, err)
			}
		}
		if d := cmp.Diff(want, w.Content(t, "fhir")); d != "" {
			t.Errorf("%s: tables (-model +got):\n%s", engine, d)
		}
		again, stages := 0, 0
		for _, r := range w.server.Requests() {
			if strings.Contains(r.Text, "CREATE TABLE") && strings.Contains(r.Text, "_file] (") {
				stages++
			}
			if meet(r.Text) {
				again++
			}
		}
		if wanted := map[bool]int{true: 3, false: 2}[engine == tsql.Fabric]; again != wanted {
			t.Errorf("%s: %d transactions, want %d", engine, again, wanted)
		}
		if stages != 2 {
			t.Errorf("%s: %d stages for two commits", engine, stages)
		}
		if left := w.stages(); len(left) > 0 {
			t.Errorf("%s: stages are left: %s", engine, left)
		}
	}
}

// meetAtLock holds the first COMMIT after a request for the lock until the second request for it.
// It returns whether a text is such a request.
func meetAtLock(f *faults) (locks func(text string) bool) {
	locks = func(text string) bool {
		return strings.Contains(text, "UPDATE [fhir_load].[_lock_") ||
			strings.Contains(text, "sp_getapplock")
	}
	var mu sync.Mutex
	n, both := 0, make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.each = func(r sqlserver.Request) {
		switch {
		case locks(r.Text):
			mu.Lock()
			if n++; n == 2 {
				close(both)
			}
			mu.Unlock()
		case r.Text == "COMMIT TRANSACTION":
			mu.Lock()
			locked := n > 0
			mu.Unlock()
			if locked {
				<-both
			}
		}
	}
	return locks
}
