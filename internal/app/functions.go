package app

import (
	"context"
	"fmt"
	"time"

	"fhirsynapse/internal/azfunc"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Functions returns the functions of the host, by name.
func (a *App) Functions() map[string]azfunc.Func {
	return map[string]azfunc.Func{
		azfunc.TimerExport: a.tick,
		azfunc.PollExport:  a.step,
		azfunc.BlobLoaded:  a.blob,
	}
}

// tick returns nil even after a failure, because the next tick is the retry. After an error the
// host would not call earlier either.
func (a *App) tick(ctx context.Context, in azfunc.Invocation) error {
	p, err := a.Pipeline(ctx)
	if err == nil {
		err = p.Tick(ctx)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "tick failed; the next one tries again", "invocation", in.ID,
			"class", fault.Of(err).String(), "error", err)
	}
	if p != nil {
		a.remember(ctx, p)
	}
	return nil
}

func (a *App) step(ctx context.Context, in azfunc.Invocation) error {
	m, err := in.Message()
	if err != nil {
		return a.notOurs(ctx, in, err)
	}
	p, err := a.Pipeline(ctx)
	if err != nil {
		return a.postpone(ctx, in, m, err)
	}
	return p.HandleDelivery(ctx, m.Body, m.DeliveryCount)
}

// postpone sends a step again for later when no pipeline can be built, for example because the
// plans are in a journal that does not answer. An error would use up the deliveries of the step in
// seconds.
func (a *App) postpone(
	ctx context.Context, in azfunc.Invocation, m azfunc.Message, cause error,
) error {
	a.log.WarnContext(ctx, "step postponed", "invocation", in.ID, "class", fault.Of(cause).String(),
		"error", cause, "wait", postponed)
	id := m.ID
	if len(id) > 96 { // Service Bus allows 128 characters
		id = id[:96]
	}
	return a.queue.Send(ctx, pipeline.Message{
		ID: fmt.Sprintf("%s/later/%d", id, m.Sequence), Body: m.Body, At: a.now().Add(postponed),
	})
}

const postponed = time.Minute

func (a *App) blob(ctx context.Context, in azfunc.Invocation) error {
	events, err := in.BlobEvents()
	if err != nil {
		return a.notOurs(ctx, in, err)
	}
	// An event needs only the queue; everything else may be unavailable.
	arrivals := pipeline.Events{Queue: a.queue, Now: a.now, Settle: a.config.Settle}
	for _, e := range events {
		if e.Type != "" && e.Type != blobCreated {
			a.log.InfoContext(ctx, "event of another kind", "invocation", in.ID, "type", e.Type)
			continue
		}
		path, ours := a.lake.Landing(e.URL)
		if !ours {
			a.log.WarnContext(ctx, "event of a blob outside the landing container", "invocation",
				in.ID, "landing", a.config.LandingContainer)
			continue
		}
		if e.ETag == "" {
			// A blobTrigger sends no ETag, but steps for the same content need the same id.
			if f, err := a.lake.Stat(ctx, pipeline.Landing, path); err == nil {
				e.ETag = f.ETag
			}
		}
		if err := arrivals.BlobWritten(ctx, path, e.ETag, e.Length); err != nil {
			return fmt.Errorf("event of blob %s: %w", path, err)
		}
	}
	return nil
}

const blobCreated = "Microsoft.Storage.BlobCreated"

// notOurs acknowledges an invocation that cannot be read, because the next delivery would be the
// same.
func (a *App) notOurs(ctx context.Context, in azfunc.Invocation, err error) error {
	if fault.Of(err) != fault.BadData {
		return err
	}
	a.log.WarnContext(ctx, "invocation that is not ours", "invocation", in.ID, "function",
		in.Function, "reason", err)
	return nil
}

func unknownPlan(plan string) error {
	return fault.Permanentf("plan %s is not in the configuration", plan)
}
