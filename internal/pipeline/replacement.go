package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// mostFewer is the share by which an export that replaces the tables may be smaller than the former
// one without a person's consent.
const mostFewer = 0.2

// errNotWhole reports that not everything of an export that replaces the tables is prepared yet.
var errNotWhole = errors.New("not all files are prepared")

// replaces reports whether an export takes the place of all resources in its tables. The ids of
// de-identified resources may be other ones than in the former export.
func (d *deps) replaces(e records.Export) bool {
	_, adds := d.Concluder.(Adder)
	return d.Concluder != nil && !adds && e.Deidentify() != nil
}

// checkReplacement compares an export that is going to replace the tables with the former one: a
// server that reports errors, or has lost many resources, replaces nothing. It returns errNotWhole
// while the export is not complete.
func (c *committer) checkReplacement(ctx context.Context, e records.Export, g gathered) error {
	former, err := c.former(ctx, e)
	if err != nil || former == nil {
		return err
	}
	now, err := c.finish.progress(ctx, e, g.files)
	if err != nil {
		return err
	}
	if len(now.ledger) > 0 {
		return nil // it has begun to replace them
	}
	if slices.ContainsFunc(now.files, func(f surveyed) bool { return !f.prepared }) {
		return errNotWhole
	}
	short, known, err := c.finish.shortfall(ctx, e)
	switch {
	case err != nil:
		return err
	case !known:
		return errNotWhole
	case short != nil && !short.Accepted:
		return c.notReplaced(e, fmt.Errorf("%s", short))
	}
	files := slices.DeleteFunc(now.files, func(f surveyed) bool {
		return f.Type != counted(former)
	})
	set, err := c.files.viewSet(ctx, e.Plan)
	if err != nil {
		return err
	}
	heads := make([]int64, len(files))
	if err := several(ctx, len(files), c.Readers, func(ctx context.Context, i int) error {
		done, err := c.readDone(ctx, stagingOf(e.ID, files[i].Type, set).done(files[i].blob))
		heads[i] = done.Heads
		return err
	}); err != nil {
		return err
	}
	var before, after int64
	for _, l := range former {
		if l.Type == counted(former) {
			before += l.Applied + l.Superseded
		}
	}
	for _, n := range heads {
		after += n
	}
	if float64(after) < (1-mostFewer)*float64(before) && !e.AcceptMissing {
		return c.notReplaced(e, fmt.Errorf(
			"the export has %d resources of %s and the former one had %d: more than %g %% are missing",
			after, counted(former), before, mostFewer*100))
	}
	return nil
}

// counted is the type whose number decides: Patient, or else the first type of the former export.
func counted(former []LedgerEntry) string {
	if slices.ContainsFunc(former, func(l LedgerEntry) bool { return l.Type == "Patient" }) {
		return "Patient"
	}
	return former[0].Type
}

func (*committer) notReplaced(e records.Export, cause error) error {
	return &fault.Error{
		Class: fault.Permanent, Err: fmt.Errorf("the tables stay as they are: %w", cause),
		Remedy: "compare with the server. If it is right, run fhirsynapse exports start " + e.Plan +
			" --accept-missing, or allow errors with allowErrors in the plan",
	}
}

// former returns the ledger of the last export before e that the tables have; nil if there is none.
func (c *committer) former(ctx context.Context, e records.Export) ([]LedgerEntry, error) {
	keys, err := c.records.LastExports(ctx, e.Plan, farBack)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		d, err := records.Read[records.Export](ctx, c.Journal, key)
		if err != nil {
			return nil, err
		}
		if d.Value.ID == e.ID || d.Value.Schema != e.Schema || !d.Value.State.Committed() {
			continue
		}
		entries, err := c.Warehouse.Ledger(ctx, e.Schema, d.Value.ID)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
	}
	return nil, nil
}

// leftBehind returns a notice for each type that the former export had and this one lacks: nothing
// takes the place of its rows.
func (c *committer) leftBehind(
	ctx context.Context, e records.Export, g gathered,
) (notices []string, err error) {
	former, err := c.former(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, typ := range distinct(former, func(l LedgerEntry) string { return l.Type }) {
		if !slices.ContainsFunc(g.files, func(f listed) bool { return f.Type == typ }) {
			notices = append(notices, fmt.Sprintf(
				"the export has no %s: the rows of the former export are still in its tables", typ))
		}
	}
	return notices, nil
}
