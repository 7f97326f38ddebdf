package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// planner computes the basis of a plan's next export.
type planner struct {
	*deps
	files *surveyor
}

// basis is the state that the next export of a plan may build on: its watermarks, the exports
// that they rest on, and the committed exports that the tables do not have.
type basis struct {
	marks   map[string]time.Time
	basedOn []string
	lacks   []string
	// notices tell a person which watermarks had to be corrected.
	notices []string
}

// farBack bounds how many exports are read for a watermark. A type that none of them loaded is
// exported in full, which is always correct.
const farBack = 1000

// basis derives the watermarks of a plan from the journal. It counts an export only if the
// tables have its files: the warehouse may have been restored to an earlier time, or replaced
// by an empty one.
func (p *planner) basis(ctx context.Context, plan, schema string) (basis, error) {
	b := basis{marks: map[string]time.Time{}}
	if err := records.CheckTables(ctx, p.Journal, schema); err != nil {
		return b, err
	}
	exports, err := p.records.LastExports(ctx, plan, farBack)
	if err != nil {
		return b, err
	}
	wanted := []string{AllTypes}
	if configured, ok := p.plan(plan); ok && len(configured.Types) > 0 {
		wanted = configured.Types
	}
	var reach []covered
	neverBefore := map[string]bool{}
	for _, key := range exports {
		d, err := records.Read[records.Export](ctx, p.Journal, key)
		if err != nil {
			return b, err
		}
		b.marks = watermarks(reach, wanted)
		if e := d.Value; e.State.Committed() && coversAny(e, b.marks, neverBefore) {
			more, err := p.build(ctx, &b, schema, e)
			if err != nil {
				return b, err
			}
			reach = append(reach, more...)
			b.marks = watermarks(reach, wanted)
		}
		open := false
		for t, mark := range b.marks {
			// An export that asked for everything of a type found no earlier one to build on.
			neverBefore[t] = neverBefore[t] || d.Value.AsksInFull(t)
			open = open || mark.IsZero() && !neverBefore[t]
		}
		if !open {
			break
		}
	}
	return b, nil
}

// coversAny reports whether an export covers a type that has no watermark yet.
func coversAny(e records.Export, marks map[string]time.Time, neverBefore map[string]bool) bool {
	for t, mark := range marks {
		if mark.IsZero() && !neverBefore[t] && slices.ContainsFunc(e.Jobs, func(r Request) bool {
			return r.Asks(t)
		}) && !e.Shortfall.Holds(t) {
			return true
		}
	}
	return false
}

// build returns what the jobs of an export cover, if the tables have the export.
func (p *planner) build(
	ctx context.Context, b *basis, schema string, e records.Export,
) ([]covered, error) {
	basedOn, isCommitted, err := p.isCommitted(ctx, schema, e)
	switch {
	case err != nil:
		return nil, fmt.Errorf("look whether the tables have export %s: %w", e.ID, err)
	case !isCommitted:
		b.lacks = append(b.lacks, e.ID)
		return nil, nil
	}
	b.basedOn = append(b.basedOn, basedOn...)
	return p.cover(ctx, b, e)
}

// isCommitted reports whether the tables of a schema have a loaded export, and returns the exports
// that it rests on. The ledger has no entry for an export without files: it stands if its own
// basis stands.
func (p *planner) isCommitted(
	ctx context.Context, schema string, e records.Export,
) (basedOn []string, isCommitted bool, err error) {
	jobs, err := p.records.Jobs(ctx, e)
	if err != nil {
		return nil, false, err
	}
	g, err := p.files.filesOf(ctx, jobs, "")
	if err != nil {
		return nil, false, err
	}
	if len(g.files) == 0 {
		isCommitted, err := p.areCommitted(ctx, schema, e.BasedOn)
		return e.BasedOn, isCommitted, err
	}
	entries, err := p.Warehouse.Ledger(ctx, schema, e.ID)
	if err != nil {
		return nil, false, err
	}
	committed := map[string]bool{}
	for _, l := range entries {
		committed[l.Path] = true
	}
	for _, f := range g.files {
		if !committed[f.Path] {
			return nil, false, nil
		}
	}
	return []string{e.ID}, true, nil
}

// areCommitted reports whether the tables have all of the exports.
func (p *planner) areCommitted(ctx context.Context, schema string, ids []string) (bool, error) {
	for _, id := range ids {
		e, err := p.records.Export(ctx, id)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if _, isCommitted, err := p.isCommitted(ctx, schema, e); err != nil || !isCommitted {
			return false, err
		}
	}
	return true, nil
}

// checkBase refuses to commit an export whose basis has left the tables since it was requested, or
// whose tables only a newer version can write.
// By induction nothing is missing below an export that stands: at its own commit its basis
// stood, and a restore takes back the last commits first.
func (p *planner) checkBase(ctx context.Context, e records.Export) error {
	if err := records.CheckTables(ctx, p.Journal, e.Schema); err != nil {
		return err
	}
	isCommitted, err := p.areCommitted(ctx, e.Schema, e.BasedOn)
	if err != nil || isCommitted {
		return err
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.OurSetting,
		Err: fmt.Errorf(
			"the tables of schema %s lack what this export builds on (%s): was the warehouse restored to an earlier time, or emptied?", e.Schema, strings.Join(e.BasedOn, ", ")),
		Remedy: "nothing needs to be done: the plan's next export builds on what is there, or is full",
	}
}
