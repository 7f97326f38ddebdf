package sandbox_test

import (
	"context"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/sandbox"
	"fhirsynapse/internal/testkit/azuritetest"
)

// A handler that is stopped while it works exits with 1 and refuses no call. Its steps are put
// back, and no delivery of a message is lost.
func TestSigtermRefusesNoCall(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	data := made(t, 11, killedTypes...)
	w, db := newCloud(t, sandbox.Options{Store: data, MaxCount: 40, Settings: impatient()})
	var exits, others, signals, ready atomic.Int64
	host, err := w.StartHost(t.Context(), stageCloud(t), func(e functionshost.Event) {
		switch {
		case e.Kind == functionshost.HandlerReady:
			ready.Store(int64(e.PID))
		case e.Kind == functionshost.HandlerExited && e.ExitCode == 1:
			exits.Add(1)
		case e.Kind == functionshost.HandlerExited:
			others.Add(1)
		case e.Kind == functionshost.InvocationStarted && e.Function == "PollExport" &&
			signals.Load() < 2:
			// The host tolerates two errors; the third would end the host.
			if pid := ready.Swap(0); pid != 0 {
				signals.Add(1)
				_ = syscall.Kill(int(pid), syscall.SIGTERM)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	ctx, done := context.WithTimeout(t.Context(), 3*time.Minute)
	defer done()
	if _, err := w.Export(ctx, host); err != nil {
		t.Fatal(err)
	}
	sameAsFresh(t, data, db)
	// The second handler may still be stopping.
	if exits.Load() == 0 || others.Load() > 0 {
		t.Errorf("of %d handlers that were told to stop %d ended with 1, %d otherwise",
			signals.Load(), exits.Load(), others.Load())
	}
	for name, f := range host.Stats().Functions {
		for reason := range f.Reasons {
			if strings.Contains(reason, "refused") {
				t.Errorf("%s: %s", name, reason)
			}
		}
	}
	for name, stats := range w.Bus.Stats() {
		if stats.DeadLettered > 0 {
			t.Errorf("%d dead letters in %s", stats.DeadLettered, name)
		}
	}
}

// After a change of host.json, the host runs two handlers in parallel for a while, on one database
// file and one journal.
func TestTwoHandlersSideBySide(t *testing.T) {
	t.Parallel()
	azuritetest.Tools(t)
	w, staged, database, data := newLocal(t, 13, 2*time.Second, impatient())
	host, err := w.StartHost(t.Context(), staged, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Stop()
	ctx, done := context.WithTimeout(t.Context(), 5*time.Minute)
	defer done()
	reloads := make(chan error, 1)
	reloading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		n := 0
		for reloading.Err() == nil && n < 4 { // five deaths of a handler in one step fail an export
			if err := host.Reload(ctx, 700*time.Millisecond); err != nil {
				reloads <- err
				return
			}
			n++
		}
		if n == 0 {
			t.Error("no second handler was started")
		}
		reloads <- nil
	}()
	for round := range 3 {
		if _, err := w.Export(ctx, host); err != nil {
			t.Fatal(err)
		}
		change(t, data, uint64(round))
	}
	stop()
	if err := <-reloads; err != nil {
		t.Fatal(err)
	}
	if _, err := w.Export(ctx, host); err != nil {
		t.Fatal(err)
	}
	host.Stop() // the handler may hold the file, for the next export of the schedule
	if err := sandbox.SameAsFresh(ctx, data, database, t.TempDir()); err != nil {
		t.Error(err)
	}
	for name, stats := range w.Bus.Stats() {
		if stats.DeadLettered > 0 {
			t.Errorf("%d dead letters in %s", stats.DeadLettered, name)
		}
	}
}
