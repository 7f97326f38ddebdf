package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// concluder ends exports in the tables.
type concluder struct {
	*deps
	files   *surveyor
	planner *planner
	members *preparer
	finish  *finisher
}

// mostMissing is the share of a type's resources that a full export may lack without a person's
// consent. More are rather a fault of the server than deletes.
const mostMissing = 0.05

// conclude ends an export in the tables, once all its files are committed, and then in the journal.
func (c *concluder) conclude(ctx context.Context, s Step) error {
	e, jobs, err := c.runningExport(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if jobs == nil {
		return nil
	}
	g, err := c.files.filesOf(ctx, jobs, "")
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if !g.complete() || e.State != records.Loading {
		return c.finish.check(ctx, e.ID, "")
	}
	now, err := c.finish.progress(ctx, e, g.files)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	short, known, err := c.finish.shortfall(ctx, e)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if !now.committed || !known {
		return c.finish.check(ctx, e.ID, "")
	}
	if err := c.planner.checkBase(ctx, e); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	in, err := c.conclusion(ctx, e, short, now)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	done, err := c.Concluder.Conclude(ctx, in)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if err := c.record(ctx, e, done); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return c.finish.end(ctx, e, short, now)
}

// conclusion returns the end of an export whose files are all committed.
func (c *concluder) conclusion(
	ctx context.Context, e records.Export, short *records.Shortfall, now progress,
) (Conclusion, error) {
	members, err := c.members.membersOf(ctx, e)
	if err != nil {
		return Conclusion{}, err
	}
	jobs, err := c.planner.cover(ctx, &basis{}, e)
	if err != nil {
		return Conclusion{}, err
	}
	set, err := c.files.viewSet(ctx, e.Plan)
	if err != nil {
		return Conclusion{}, err
	}
	state := records.Loaded
	if short != nil && !short.Accepted {
		state = records.Incomplete
	}
	in := Conclusion{
		Schema: e.Schema, Plan: e.Plan, Attempt: c.Token(), Members: members,
		MostMissing: mostMissing,
		Record: ExportRecord{
			Export: e.ID, Plan: e.Plan, State: string(state), Full: e.IsFull(), Cohort: e.Cohort,
			RequestedAt: e.RequestedAt, FinishedAt: c.Now(),
		},
	}
	if e.AcceptMissing {
		in.MostMissing = 1
	}
	for i, j := range jobs {
		if i == 0 || j.Since.Before(in.Record.Since) {
			in.Record.Since = j.Since
		}
		if i == 0 || j.till.Before(in.Record.Till) {
			in.Record.Till = j.till
		}
	}
	for _, typ := range typesAsked(jobs, now.files) {
		t := endOf(typ, e, jobs, now)
		if short != nil && (slices.Contains(short.Types, typ) ||
			slices.Contains(short.Types, AllTypes)) {
			t.Full, t.Whole = false, false // whether the errors are accepted or not
		}
		for i := range t.Files {
			t.Files[i].Dir = stagingOf(e.ID, typ, set).dir(t.Files[i].File)
		}
		in.Types = append(in.Types, t)
	}
	return in, nil
}

// typesAsked lists the types that an export asked for. If it asked for all, they are FHIR's, and
// whatever else is in its files.
func typesAsked(jobs []covered, files []surveyed) []string {
	types := map[string]bool{}
	for _, j := range jobs {
		asked := j.Types
		if len(asked) == 0 {
			asked = records.KnownTypes
		}
		for _, t := range asked {
			types[t] = true
		}
	}
	for _, f := range files {
		types[f.Type] = true
	}
	return slices.Sorted(maps.Keys(types))
}

// endOf returns what an export has of a type. Its files have no folder yet.
func endOf(typ string, e records.Export, jobs []covered, now progress) ConclusionType {
	t := ConclusionType{Type: typ, Full: e.IsFullIn(typ), Whole: true}
	asked := false
	for _, j := range jobs {
		if !j.Asks(typ) {
			continue
		}
		if !asked || j.till.Before(t.Till) {
			t.Till = j.till
		}
		asked = true
	}
	var heads int64
	for _, f := range now.files {
		if f.Type != typ {
			continue
		}
		entry := now.ledger[[2]string{f.Path, f.blob.ETag}]
		p := PreparedFile{File: f.blob, Done: Done{
			Lines: entry.Lines, Blank: entry.Blank, Quarantined: entry.Quarantined,
			Filtered: entry.Filtered, Heads: entry.Applied + entry.Superseded,
		}}
		if p.Done.Heads > 0 {
			t.Files = append(t.Files, p)
		}
		heads += p.Done.Heads
		// A bad line may be any resource. The views may have changed since the commit.
		t.Whole = t.Whole && p.Done.Quarantined == 0 && f.prepared
	}
	// The ids of de-identified resources may be others in each export.
	t.Whole = t.Whole && asked && e.Deidentify() == nil && !t.Till.IsZero()
	// A server that has nothing at all of a type has rather failed, unless a person says otherwise.
	t.Full = t.Full && t.Whole && (heads > 0 || e.AcceptMissing)
	if !t.Whole {
		t.Files = nil
	}
	return t
}

// record notes in the journal what the end of an export has changed, for people.
func (c *concluder) record(ctx context.Context, e records.Export, done Concluded) error {
	if done.IsZero() {
		return nil
	}
	c.Log.InfoContext(ctx, "tables follow the server", "export", e.ID, "joined", done.Joined,
		"left", done.Gone, "leftResources", done.Left.Sum(), "missing", done.Missing.Sum(),
		"marked", done.Marked.Sum(), "kept", done.Kept.Sum())
	_, err := c.updateExport(ctx, e.ID, func(e *records.Export) error {
		e.TouchedAt, e.StalledSince = c.Now(), time.Time{}
		e.End = &records.End{
			Joined: done.Joined, Gone: done.Gone, Left: done.Left, Missing: done.Missing,
			Kept: done.Kept,
		}
		for _, typ := range slices.Sorted(maps.Keys(done.Kept)) {
			notice := fmt.Sprintf(
				"%d resources of %s are in the tables and were not in the last full export, more than %g %%: they stay. If they were deleted at the server, run fhirsynapse exports start %s --accept-missing",
				done.Kept[typ], typ, mostMissing*100, e.Plan)
			if !slices.Contains(e.Notices, notice) {
				e.Notices = append(e.Notices, notice)
			}
		}
		return nil
	})
	return err
}
