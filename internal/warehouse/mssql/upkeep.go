package mssql

import (
	"context"

	"fhirsynapse/internal/warehouse/mssql/statements"
)

// upkeep updates the statistics that a commit has made old, and tells whether the tables are worth
// a rebuild. The commit is in the ledger, so that failures are only logged.
func (w *Warehouse) upkeep(
	ctx context.Context, s session, t statements.Target, notify func(string),
) {
	if !t.Statistics || len(t.Layout) == 0 {
		return
	}
	if oldest := statements.Oldest(t); !oldest.IsZero() {
		var applied []statements.Applied
		err := s.query(ctx, statements.AppliedSince(t, oldest),
			func(scan func(...any) error) error {
				var a statements.Applied
				err := scan(&a.At, &a.N)
				applied = append(applied, a)
				return err
			})
		if err != nil {
			w.o.Log.WarnContext(ctx, "statistics may be old", "error", err)
			s.GoOn()
		}
		w.afterwards(ctx, s, statements.Aged(t, applied))
	}
	if notify == nil || !statements.MaybeWasteful(t) {
		return
	}
	replaced, wasteful, err := w.wasteful(ctx, s, t)
	switch {
	case err != nil:
		w.o.Log.WarnContext(ctx, "no count of replaced resources", "error", err)
		s.GoOn()
	case wasteful:
		notify(statements.Maintaining(t, replaced))
	}
}

// wasteful counts the resources that were replaced since the last rebuild.
func (w *core) wasteful(
	ctx context.Context, s session, t statements.Target,
) (replaced int64, wasteful bool, err error) {
	ask := statements.ReplacedQueries(t)
	var counts [3]int64
	for i, st := range []statements.Statement{ask.Applied, ask.Rebuilt, ask.Heads} {
		if counts[i], _, err = s.number(ctx, st); err != nil {
			return 0, false, err
		}
	}
	return counts[0] - counts[1] - counts[2],
		statements.Wasteful(counts[0], counts[2], counts[1]), nil
}
