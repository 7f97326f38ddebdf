package mssql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// moveTries bounds the attempts to move the tables of an older version while others move them too.
const moveTries = 5

// moved returns the catalog after the loader's tables of an older version are in the loader's
// schema.
func (w *definer) moved(
	ctx context.Context, s session, t statements.Target,
) (statements.Catalog, error) {
	for try := 1; ; try++ {
		there, err := s.catalog(ctx, t)
		if err != nil {
			return nil, err
		}
		moving := statements.Moving{Target: t}
		moves, old := moving.Moves(there)
		if len(moves) == 0 {
			return there, nil
		}
		if err := w.createSchemas(ctx, s, t, there); err != nil {
			return nil, err
		}
		if w.engine.TransactionalDDL {
			err = w.moveAtOnce(ctx, s, moving, old)
		} else {
			err = w.move(ctx, s, moving, moves)
		}
		if err == nil {
			continue // to the catalog as it is now
		}
		if fault.Of(err) == fault.Transient || tds.Number(err) == 0 {
			return nil, err
		}
		// The step of another that moves them too, or a right that is missing.
		s.GoOn()
		if _, failed := s.exec(ctx, rollBack); failed != nil {
			return nil, errors.Join(err, failed)
		}
		now, failed := s.catalog(ctx, t)
		if failed != nil {
			return nil, failed
		}
		left, _ := moving.Moves(now)
		if try == moveTries || slices.Equal(moves, left) {
			return nil, &fault.Error{
				Class: fault.Permanent,
				Err: fmt.Errorf("move the loader's tables of an older version out of schema %s: %w",
					t.Schema, err),
				Remedy: "have an administrator run: " + moving.MovedByHand(left),
			}
		}
	}
}

// moveAtOnce moves the tables in one transaction, while no commit of an older version is under way.
func (w *definer) moveAtOnce(
	ctx context.Context, s session, t statements.Moving, types []string,
) error {
	for _, st := range t.Exclude(types) {
		var err error
		if st.Step == statements.StepLock {
			var result int64
			if result, _, err = s.number(ctx, st); err == nil && result < 0 {
				s.End()
				return &fault.Error{
					After: lockPatience,
					Err:   errors.New("another committer is at the same tables"),
				}
			}
		} else {
			_, err = s.exec(ctx, st)
		}
		if err != nil {
			return err
		}
	}
	// Another may have moved them before the locks were taken.
	there, err := s.catalog(ctx, t.Target)
	if err != nil {
		return err
	}
	moves, _ := t.Moves(there)
	if err := w.move(ctx, s, t, moves); err != nil {
		return err
	}
	_, err = s.exec(
		ctx,
		statements.Statement{Step: statements.StepCommit, Text: "COMMIT TRANSACTION"},
	)
	return err
}

func (w *definer) move(
	ctx context.Context, s session, t statements.Moving, moves []statements.Move,
) error {
	for _, m := range moves {
		if m.Empty.Text != "" {
			n, _, err := s.number(ctx, m.Empty)
			if err != nil {
				return err
			}
			if n > 0 {
				return t.TwoHeads(m)
			}
		}
		if _, err := s.exec(ctx, m.Statement); err != nil {
			return err
		}
	}
	return nil
}
