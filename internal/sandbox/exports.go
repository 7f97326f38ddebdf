package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fhirsynapse/internal/emulator/functionshost"
	"fhirsynapse/internal/pipeline/records"
)

// lookEvery is the time between two checks of a condition.
const lookEvery = 200 * time.Millisecond

// await checks a condition until it is true, or ctx ends.
func await(ctx context.Context, there func(context.Context) (bool, error)) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if ok, err := there(ctx); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
	}
}

// Last returns the newest export of the plan; false when there is none yet.
func (w *World) Last(ctx context.Context) (records.ExportSummary, bool, error) {
	all, err := records.Exports(ctx, w.App.Journal(), planName, 1)
	if err != nil || len(all) == 0 {
		return records.ExportSummary{}, false, err
	}
	return all[0], true, nil
}

// Export fires the timer until the plan's next export has begun, then waits for its end. A host
// that ends in the meantime is an error.
func (w *World) Export(ctx context.Context, host *functionshost.Host) (records.Export, error) {
	before, _, err := w.Last(ctx)
	if err != nil {
		return records.Export{}, err
	}
	var last records.ExportSummary
	err = await(ctx, func(ctx context.Context) (bool, error) {
		err := host.FireTimer(ctx, "TimerExport")
		// A reload of the host may end the handler; the next tick continues.
		if err != nil && !errors.Is(err, functionshost.ErrHandlerEnded) {
			return false, err
		}
		var there bool
		last, there, err = w.Last(ctx)
		return there && last.ID != before.ID, err
	})
	if err != nil {
		return last.Export, fmt.Errorf("wait for an export to start: %w", err)
	}
	return w.Await(ctx, host, last.ID)
}

// Await waits for the end of an export.
func (w *World) Await(
	ctx context.Context, host *functionshost.Host, id string,
) (records.Export, error) {
	var e records.ExportSummary
	err := await(ctx, func(ctx context.Context) (bool, error) {
		select {
		case <-host.Done():
			return false, errors.Join(errors.New("the functions host ended"), host.Err())
		default:
		}
		// A schedule may have begun newer exports between two checks.
		newest, err := records.Exports(ctx, w.App.Journal(), planName, 20)
		if i := slices.IndexFunc(newest, func(e records.ExportSummary) bool {
			return e.ID == id
		}); i >= 0 {
			e = newest[i]
		}
		return e.State.Final(), err
	})
	if err != nil {
		return e.Export, fmt.Errorf("wait for export %s, which is %s: %w", id, e.State, err)
	}
	if e.State != records.Loaded {
		cause := "cancelled"
		if e.Failure != nil {
			cause = e.Failure.Step + ": " + e.Failure.Cause
		}
		return e.Export, fmt.Errorf("export %s is %s: %s", id, e.State, cause)
	}
	return e.Export, nil
}
