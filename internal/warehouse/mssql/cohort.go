package mssql

import (
	"context"
	"maps"
	"slices"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// longestID is the most bytes of a patient's id.
const longestID = 128

// join makes the table of members the members of the export.
func (x *conclusion) join(ctx context.Context) error {
	on := x.on(x.readers())
	if err := x.create(ctx, on.Members(), on.Leavers()); err != nil {
		return err
	}
	if err := x.stageMembers(ctx, on); err != nil {
		return err
	}
	var joined, gone int64
	if err := x.alone(ctx, on, func() (err error) {
		if gone, err = x.s.exec(ctx, on.Leave()); err != nil {
			return err
		}
		if gone > 0 {
			if err := x.s.execAll(ctx, on.EndMemberships()); err != nil {
				return err
			}
		}
		joined, err = x.s.exec(ctx, on.Join())
		return err
	}); err != nil {
		return err
	}
	x.done.Joined += joined
	x.done.Gone += gone
	x.dropped(ctx)
	return nil
}

// stageMembers fills the stage of the members. No error may name one.
func (x *conclusion) stageMembers(ctx context.Context, on statements.Conclusion) error {
	ids := slices.Sorted(maps.Keys(x.c.Members))
	for _, id := range ids {
		if id == "" || len(id) > longestID {
			return fault.Permanentf(
				"the id of a member of cohort %s has %d characters, and 1 to %d are possible",
				x.c.Record.Cohort, len(id), longestID)
		}
	}
	if x.w.engine.Stage == statements.CopyInto {
		return x.copyMembers(ctx, on, ids)
	}
	b := x.s.bulk(ctx, on.Members())
	for _, id := range ids {
		if err := b.add([]any{[]byte(id)}, len(id)); err != nil {
			return err
		}
	}
	return b.flush()
}

// copyMembers lets the engine read the members from files, and removes the files.
func (x *conclusion) copyMembers(
	ctx context.Context, on statements.Conclusion, ids []string,
) error {
	if len(ids) == 0 {
		return nil
	}
	if x.w.o.Lines {
		x.stage = append(x.stage, x.w.engine.DropStaged(on.Large(on.Members())))
	}
	m := x.w.merge(ctx, on.Attempt, on.Members())
	m.prefix = x.stagePath(on, "members")
	made, err := x.w.copyRows(ctx, x.s, on.Attempt, m, len(ids),
		func(yield func(map[string]any) bool) {
			for _, id := range ids {
				if !yield(map[string]any{"patient_id": id}) {
					return
				}
			}
		})
	x.w.remove(ctx, made)
	return err
}

// remove removes files of the staging area.
func (w *stager) remove(ctx context.Context, files []pipeline.File) {
	if w.o.Remover == nil {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer done()
	for _, f := range files {
		if err := w.o.Remover.Remove(ctx, pipeline.Staging, f.Path); err != nil {
			w.o.Log.WarnContext(ctx, "a file is left in the staging area for later", "file",
				f.Path, "error", err)
		}
	}
}
