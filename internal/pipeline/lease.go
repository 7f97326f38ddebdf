package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

var errTablesBusy = errors.New("another committer is at the same tables")

// longestTableWait is the longest time between two checks for a lease. A holder renews its
// lease, so a killed holder keeps others away for at most one LeaseFor.
const longestTableWait = 15 * time.Second

// commitBatch commits a batch under the lease of its tables. While another committer holds the
// lease it returns errTablesBusy and how long the lease may last.
func (c *committer) commitBatch(
	ctx context.Context, e records.Export, b Batch, files string, notices []string,
) (wait time.Duration, err error) {
	d, err := c.records.Lease(ctx, b.Schema, b.Type)
	if err != nil {
		return 0, err
	}
	if left := d.Value.Until.Sub(c.Now()); left > 0 {
		return left, errTablesBusy
	}
	d.Value = records.Lease{Holder: b.Attempt, Until: c.Now().Add(c.LeaseFor)}
	if err := d.Write(ctx, c.Journal); err != nil {
		return 0, err
	}
	began := c.Now()
	stopRenewing := c.renew(ctx, &d)
	defer stopRenewing()
	b.Notify = func(notice string) { notices = append(notices, notice) }
	err = c.Warehouse.Commit(ctx, b)
	stopRenewing()
	c.release(ctx, &d)
	if err != nil {
		return 0, err
	}
	return 0, c.recordCommit(ctx, e, b, files, notices, c.Now().Sub(began))
}

// recordCommit records that the files of a type are in the tables, and logs it once: a step
// that was cut after its commit runs again and finds the record.
func (c *committer) recordCommit(
	ctx context.Context, e records.Export, b Batch, files string, notices []string,
	took time.Duration,
) error {
	first := false
	_, err := c.updateExport(ctx, e.ID, func(e *records.Export) error {
		e.TouchedAt, e.StalledSince = c.Now(), time.Time{}
		if first = e.Committed[b.Type] != files; first {
			if e.Committed == nil {
				e.Committed = map[string]string{}
			}
			e.Committed[b.Type] = files
		}
		for _, notice := range notices {
			if !slices.Contains(e.Notices, notice) {
				e.Notices = append(e.Notices, notice)
			}
		}
		return nil
	})
	if err == nil && first {
		c.Log.InfoContext(ctx, "committed", "export", b.Export, "type", b.Type, "files",
			len(b.Files), "took", took)
	}
	return err
}

// waitForTables sends a commit again for the time when the lease of its tables may be free.
// This is not a failure and counts no try.
func (c *committer) waitForTables(ctx context.Context, s Step, left time.Duration) error {
	wait := min(left, longestTableWait, time.Second<<min(s.N, 10))
	next := s
	next.N++
	c.Log.InfoContext(ctx, "commit waits", "step", s, "reason", errTablesBusy.Error(), "wait", wait)
	return c.send(ctx, c.Now().Add(wait), next)
}

// renew renews a lease until stop is called; stop may be called twice. A failed renewal needs
// no handling: the lease expires by itself.
func (c *committer) renew(ctx context.Context, d *records.Document[records.Lease]) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		due := time.NewTicker(max(c.LeaseFor/3, time.Millisecond))
		defer due.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-due.C:
			}
			d.Value.Until = c.Now().Add(c.LeaseFor)
			err := d.Write(ctx, c.Journal)
			if errors.Is(err, ErrConflict) {
				return // another committer has it
			}
			if err != nil && ctx.Err() == nil {
				c.Log.WarnContext(ctx, "lease not renewed; it runs out by itself", "key", d.Key,
					"error", err)
			}
		}
	}()
	return func() {
		cancel()
		<-stopped
	}
}

// release releases a lease at once. If that fails, the lease expires by itself.
func (c *committer) release(ctx context.Context, d *records.Document[records.Lease]) {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	d.Value.Until = time.Time{}
	if err := d.Write(ctx, c.Journal); err != nil {
		c.Log.WarnContext(ctx, "lease not given back; it runs out by itself", "key", d.Key, "error",
			err)
	}
}
