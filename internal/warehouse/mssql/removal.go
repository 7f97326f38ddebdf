package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// typeState holds the counts of a type before its transaction.
type typeState struct {
	// others counts the files of other exports, or if there are none, the resources without a file,
	// told the files with deletes of exports that are not
	// recorded, and marks the resources that are marked as missing.
	others, told, marks int64
}

// removals removes resources of all types, and marks missing ones. Types without anything to do
// have no transaction.
func (x *conclusion) removals(ctx context.Context) error {
	state, err := x.state(ctx)
	if err != nil {
		return err
	}
	on := x.on(x.readers())
	for _, typ := range on.HeadTypes(x.there) {
		r := &removal{conclusion: x, typ: typ, typeState: state[typ]}
		i := slices.IndexFunc(x.c.Types, func(t pipeline.ConclusionType) bool {
			return t.Type == typ
		})
		if i >= 0 {
			r.of = &x.c.Types[i]
		}
		if err := r.run(ctx); err != nil {
			if errors.Is(err, errRecorded) {
				return err
			}
			return fmt.Errorf("type %s: %w", typ, err)
		}
	}
	return nil
}

// state reads the state of all types.
func (x *conclusion) state(ctx context.Context) (map[string]typeState, error) {
	out, on := map[string]typeState{}, x.on(x.readers())
	var latest sql.NullTime
	err := x.s.query(ctx, on.Latest(), func(scan func(...any) error) error {
		return scan(&latest)
	})
	if err != nil {
		return nil, err
	}
	err = x.s.query(ctx, on.Committed(latest.Time), func(scan func(...any) error) error {
		var typ string
		var k typeState
		err := scan(&typ, &k.others, &k.told)
		out[typ] = k
		return err
	})
	if err != nil {
		return nil, err
	}
	err = x.s.query(ctx, on.Marks(), func(scan func(...any) error) error {
		var typ string
		var n int64
		err := scan(&typ, &n)
		k := out[typ]
		k.marks = n
		out[typ] = k
		return err
	})
	return out, err
}

// removal is the end of an export for one type.
type removal struct {
	*conclusion
	typ string
	// of is nil if the export did not ask for the type.
	of *pipeline.ConclusionType
	typeState
	text statements.Removal
	// judges is set if resources may be removed, staged if the heads of the export's files are
	// staged.
	judges, staged bool
	counts         removed
}

// removed counts what a transaction changes.
type removed struct{ left, missing, kept, marked int64 }

func (r *removal) run(ctx context.Context) error {
	t := statements.Target{
		Engine: r.w.engine, Schema: r.c.Schema, Type: r.typ,
		Views: flatten.TablesOf(r.views, r.typ),
	}
	r.text = statements.Removal{Conclusion: r.on(statements.Existing(t, r.there))}
	compartment, owned := r.text.Compartment()
	owned = owned && r.c.Members != nil
	if err := r.foreign(ctx); err != nil {
		return err
	}
	r.staged = r.needsHeads()
	r.judges = owned || r.staged && r.marks > 0
	if !r.judges && !r.staged && r.told == 0 {
		return nil
	}
	if r.judges {
		if err := r.create(ctx, r.text.Gone()); err != nil {
			return err
		}
	}
	if r.staged {
		if err := r.stageHeads(ctx); err != nil {
			return err
		}
	}
	err := r.alone(ctx, r.text.Conclusion, func() error {
		r.counts = removed{}
		return r.transaction(ctx, owned, compartment)
	})
	if err != nil {
		return err
	}
	r.add()
	r.dropped(ctx)
	return nil
}

// needsHeads reports whether it matters which resources the export has. If all files are its own,
// no resource can be missing.
func (r *removal) needsHeads() bool {
	return r.of != nil && (r.marks > 0 || r.of.Full && r.others > 0)
}

// stageHeads stages the heads of the export's files, as a commit does.
func (r *removal) stageHeads(ctx context.Context) error {
	heads := r.text.Heads()
	if err := r.create(ctx, heads); err != nil {
		return err
	}
	parts := headParts(r.of.Files)
	if r.w.engine.Stage != statements.CopyInto {
		return r.w.bulkParts(ctx, r.s, heads, parts, headKinds)
	}
	if r.w.o.Lines {
		r.stage = append(r.stage, r.w.engine.DropStaged(r.text.Large(heads)))
	}
	return r.w.copyParts(ctx, r.s, r.text.Attempt, heads, parts, headKinds)
}

// transaction removes and marks resources, within the transaction.
func (r *removal) transaction(ctx context.Context, owned bool, in flatten.Table) (err error) {
	if err := r.look(ctx); err != nil {
		return err
	}
	if owned {
		if r.counts.left, err = r.s.exec(ctx, r.text.Strangers(in)); err != nil {
			return err
		}
	}
	if r.of != nil && r.marks > 0 {
		if err := r.judge(ctx); err != nil {
			return err
		}
	}
	if r.counts.left+r.counts.missing > 0 {
		if err := r.s.execAll(ctx, r.text.Remove()); err != nil {
			return err
		}
	}
	if r.staged && r.of.Full {
		bound := flatten.VersionsUntil(r.of.Till)
		if r.counts.marked, err = r.s.exec(ctx, r.text.Mark(bound)); err != nil {
			return err
		}
	}
	if r.told > 0 {
		_, err = r.s.exec(ctx, r.text.Told())
	}
	return err
}

// look reads again, now that others are excluded, whether the heads of the files are needed.
func (r *removal) look(ctx context.Context) (err error) {
	if r.of == nil {
		return nil
	}
	if r.marks, _, err = r.s.number(ctx, r.text.MarksQuery()); err != nil {
		return err
	}
	if r.of.Full {
		if r.others, _, err = r.s.number(ctx, r.text.OthersQuery()); err != nil {
			return err
		}
	}
	if err := r.foreign(ctx); err != nil {
		return err
	}
	if r.needsHeads() && !r.staged || r.marks > 0 && !r.judges {
		return tds.Retry("look", errors.New("another export has changed the tables meanwhile"))
	}
	return nil
}

// foreign counts the resources of other exports, if the ledger has no files of them: somebody may
// have deleted old rows of the ledger.
func (r *removal) foreign(ctx context.Context) error {
	if r.of == nil || !r.of.Full || r.others > 0 {
		return nil
	}
	live, _, err := r.s.number(ctx, r.text.LiveQuery())
	if err != nil {
		return err
	}
	own, _, err := r.s.number(ctx, r.text.OwnQuery())
	r.others = max(0, live-own)
	return err
}

// judge ends marks, and finds the resources that are missing for good.
func (r *removal) judge(ctx context.Context) error {
	todo := r.text.EndMarks()
	if r.counts.left > 0 {
		todo = append(todo, r.text.EndMarksOfGone())
	}
	if err := r.s.execAll(ctx, todo); err != nil || !r.of.Whole {
		return err
	}
	bound := flatten.VersionsUntil(r.of.Till)
	over, _, err := r.s.number(ctx, r.text.OverdueQuery(bound))
	if err != nil || over == 0 {
		return err
	}
	live, _, err := r.s.number(ctx, r.text.LiveQuery())
	if err != nil {
		return err
	}
	if float64(over) > r.c.MostMissing*float64(live-r.counts.left) {
		r.counts.kept = over
		return nil
	}
	r.counts.missing, err = r.s.exec(ctx, r.text.Overdue(bound))
	return err
}

// add adds the counts of the transaction.
func (r *removal) add() {
	for _, of := range []struct {
		to pipeline.ByType
		n  int64
	}{
		{r.done.Left, r.counts.left},
		{r.done.Missing, r.counts.missing},
		{r.done.Marked, r.counts.marked},
	} {
		if of.n > 0 {
			of.to[r.typ] += of.n
		}
	}
	// Another try finds the same ones again.
	delete(r.done.Kept, r.typ)
	if r.counts.kept > 0 {
		r.done.Kept[r.typ] = r.counts.kept
	}
}
