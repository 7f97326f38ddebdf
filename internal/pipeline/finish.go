package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// finish is the look for the end that ends every step: is there a type whose files
// are all prepared and not committed yet, or is everything loaded? typ narrows it
// to the type that the step was about; empty means all, and then the ledger is read.
//
// A look at the whole costs more with every file, so most steps ask a witness: one
// thing that is still missing after this step has brought its own. Whoever brings
// that looks later, and sees what this step brought.
func (p *Pipeline) finish(ctx context.Context, export, typ string) error {
	if waits, err := p.waits(ctx, export, export); waits || err != nil {
		return err
	}
	if typ != "" {
		place, err := p.placeOf(ctx, export, typ)
		if err != nil {
			return err
		}
		if waits, err := p.waits(ctx, export, string(place)); waits || err != nil {
			return err
		}
	}
	e, err := p.records.Export(ctx, export)
	if err != nil || e.State.Final() {
		return err
	}
	jobs, err := p.records.Jobs(ctx, e)
	if err != nil {
		return err
	}
	g, err := p.filesOf(ctx, jobs, typ)
	if err != nil {
		return err
	}
	p.witnesses.note(export, g.lacking)
	if !g.manifests {
		return nil
	}
	if e.State == records.Exporting || e.State == records.Requested {
		if e, err = p.loading(ctx, e.ID); err != nil || e.State.Final() {
			return err
		}
	}
	if !g.deletes {
		return nil // a type's tombstones may be in any of them
	}
	if typ != "" {
		return p.finishType(ctx, e, typ, g.files)
	}
	return p.finishAll(ctx, e, g.files)
}

// loading moves an export on once every manifest is here. A poll may be faster
// than the tick that kicked off: then the export passes both states at once.
func (p *Pipeline) loading(ctx context.Context, id string) (records.Export, error) {
	e, err := p.advance(ctx, id, records.Requested, records.Exporting)
	if err != nil || e.State != records.Exporting {
		return e, err
	}
	return p.advance(ctx, id, records.Exporting, records.Loading)
}

func (p *Pipeline) advance(ctx context.Context, id string, from, to records.State) (records.Export, error) {
	return p.updateExport(ctx, id, func(e *records.Export) error {
		if e.State != from {
			return records.ErrUnchanged
		}
		e.State, e.TouchedAt, e.Retry = to, p.Now(), nil
		return nil
	})
}

// finishType sends the commit of one type when its files are all prepared.
func (p *Pipeline) finishType(ctx context.Context, e records.Export, typ string, files []listed) error {
	place, err := p.placeOf(ctx, e.ID, typ)
	if err != nil || len(files) == 0 {
		return err
	}
	done := map[string]bool{}
	if err := p.listDone(ctx, place, func(f File) { done[doneStem(f)] = true }); err != nil {
		return err
	}
	var lacking []missing
	for _, f := range files {
		if stem := place.doneStem(f.Path); !done[stem] {
			lacking = append(lacking, missing{done: stem})
		}
	}
	p.witnesses.note(string(place), lacking)
	if len(lacking) > 0 {
		return nil // most looks end here: ETags are compared once all have some
	}
	now, err := p.survey(ctx, e, outputs(files))
	if err != nil {
		return err
	}
	if !allPrepared(now) {
		return p.send(ctx, time.Time{}, prepares(e, files, now, isStale)...)
	}
	return p.send(ctx, time.Time{}, commitOf(e, typ, now))
}

func isStale(f surveyed) bool { return f.stale }

// commitOf is the commit step of a type. It is another one once a file of it was
// written again, or the queue would drop it.
func commitOf(e records.Export, typ string, now []surveyed) Step {
	var files strings.Builder
	for _, f := range now {
		if f.Type == typ {
			files.WriteString(f.Path + "@" + f.blob.ETag + "\n")
		}
	}
	return Step{Kind: StepCommit, Export: e.ID, Type: typ, ETag: short(files.String()), Round: e.Round}
}

// finishAll compares every file with the ledger: all there is the end of the
// export; types that are prepared and not there are sent to their commit.
func (p *Pipeline) finishAll(ctx context.Context, e records.Export, files []listed) error {
	now, err := p.survey(ctx, e, outputs(files))
	if err != nil {
		return err
	}
	committed := map[[2]string]bool{}
	if len(files) > 0 {
		entries, err := p.Warehouse.Ledger(ctx, e.Schema, e.ID)
		if err != nil {
			return fmt.Errorf("read the ledger of export %s: %w", e.ID, err)
		}
		for _, entry := range entries {
			committed[[2]string{entry.Path, entry.ETag}] = true
		}
	}
	steps := prepares(e, files, now, func(f surveyed) bool { return f.stale && !committed[[2]string{f.Path, f.blob.ETag}] })
	all := true
	for _, typ := range distinct(files, func(f listed) string { return f.Type }) {
		loaded, ready := true, true
		for _, f := range now {
			if f.Type == typ {
				loaded = loaded && committed[[2]string{f.Path, f.blob.ETag}]
				ready = ready && f.prepared
			}
		}
		if !loaded && ready {
			steps = append(steps, commitOf(e, typ, now))
		}
		all = all && loaded
	}
	if !all {
		return p.send(ctx, time.Time{}, steps...)
	}
	shortfall, known, err := p.shortfall(ctx, e)
	if err != nil || !known {
		return err // whoever reads the last error file looks again
	}
	return p.end(ctx, e, shortfall, len(files))
}

// end makes an export loaded, or incomplete when the server could not export everything.
func (p *Pipeline) end(ctx context.Context, e records.Export, s *records.Shortfall, files int) error {
	state := records.Loaded
	if s != nil && !s.Accepted {
		state = records.Incomplete
	}
	ended := false // other steps may notice the end as well
	_, err := p.updateExport(ctx, e.ID, func(e *records.Export) error {
		e.State, e.TouchedAt, e.FinishedAt, e.Shortfall, e.Retry = state, p.Now(), p.Now(), s, nil
		ended = true
		return nil
	})
	switch {
	case err != nil || !ended:
		return err
	case state == records.Incomplete:
		p.Log.WarnContext(ctx, "export incomplete", "export", e.ID, "files", files, "issues", records.Describe(s.Issues, s.More), "types", s.Types)
	default:
		p.Log.InfoContext(ctx, "export loaded", "export", e.ID, "files", files)
	}
	return nil
}

func allPrepared(files []surveyed) bool {
	for _, f := range files {
		if !f.prepared {
			return false
		}
	}
	return true
}
