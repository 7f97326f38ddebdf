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

// lookEvery is how often the sandbox looks whether something has come about.
const lookEvery = 200 * time.Millisecond

// await looks until what it waits for is there, or ctx ends.
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

// Last is the newest export of the plan; false when there is none yet.
func (w *World) Last(ctx context.Context) (records.ExportSummary, bool, error) {
	all, err := records.Exports(ctx, w.App.Journal(), planName, 1)
	if err != nil || len(all) == 0 {
		return records.ExportSummary{}, false, err
	}
	return all[0], true, nil
}

// Export fires the timer until the plan's next export is on its way, then waits
// for its end. A host that ends meanwhile is an error.
func (w *World) Export(ctx context.Context, host *functionshost.Host) (records.Export, error) {
	before, _, err := w.Last(ctx)
	if err != nil {
		return records.Export{}, err
	}
	var last records.ExportSummary
	err = await(ctx, func(ctx context.Context) (bool, error) {
		err := host.FireTimer(ctx, "TimerExport")
		// A reload of the host may end the handler meanwhile: the next tick goes on.
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
func (w *World) Await(ctx context.Context, host *functionshost.Host, id string) (records.Export, error) {
	var e records.ExportSummary
	err := await(ctx, func(ctx context.Context) (bool, error) {
		select {
		case <-host.Done():
			return false, errors.Join(errors.New("the functions host ended"), host.Err())
		default:
		}
		// A schedule may have begun the next ones between two looks.
		newest, err := records.Exports(ctx, w.App.Journal(), planName, 20)
		if i := slices.IndexFunc(newest, func(e records.ExportSummary) bool { return e.ID == id }); i >= 0 {
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
