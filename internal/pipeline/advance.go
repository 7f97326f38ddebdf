package pipeline

import (
	"context"

	"fhirsynapse/internal/pipeline/records"
)

// updateExport changes an export that exists and has not ended.
func (d *deps) updateExport(
	ctx context.Context, id string, change func(*records.Export) error,
) (records.Export, error) {
	e, err := d.records.UpdateExport(ctx, id, change)
	if err == nil && e.ID != "" { // a missing export may still be created
		d.exports.put(id, e, d.Now())
	}
	return e, err
}

func (d *deps) advance(
	ctx context.Context, id string, from, to records.State,
) (records.Export, error) {
	return d.updateExport(ctx, id, func(e *records.Export) error {
		if e.State != from {
			return records.ErrUnchanged
		}
		e.State, e.TouchedAt, e.Retry = to, d.Now(), nil
		return nil
	})
}
