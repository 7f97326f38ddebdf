package app

import (
	"context"
	"errors"

	"fhirsynapse/internal/quarantine"
	"fhirsynapse/internal/quarantine/retry"
)

// RetryQuarantine loads quarantined lines of an export again, from this machine, so it needs all
// settings of the app and an identity with the same rights.
func (o Operator) RetryQuarantine(
	ctx context.Context, s quarantine.Selection,
) (report retry.Report, err error) {
	a, err := New(o.Environment, o.Log)
	if err != nil {
		return report, err
	}
	exports, err := a.exports(ctx)
	if err != nil {
		return report, err
	}
	lake := retry.NewLake(a.lake)
	flattener, opened, err := openTables(a, exports, lake)
	if err != nil {
		return report, err
	}
	if opened.Tables != nil {
		defer func() { err = errors.Join(err, opened.Tables.Close()) }()
	}
	return retry.Retryer{
		Lake: lake, Flattener: flattener, Warehouse: opened.Warehouse, Journal: a.journal,
		Now: a.now, Token: token,
	}.Retry(ctx, s)
}
