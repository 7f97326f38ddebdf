package mssql_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof/tsql"
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
