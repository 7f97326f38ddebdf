package pipeline

import (
	"context"
	"fmt"
	"time"
)

// finish is the check that ends every step: is there a type whose files are all
// prepared and not committed yet, or is everything loaded? typ narrows it to the
// type that the step was about; empty means all, and then the ledger is read.
func (p *Pipeline) finish(ctx context.Context, export, typ string) error {
	e, err := p.export(ctx, export)
	if err != nil || e.State.Final() {
		return err
	}
	jobs, err := p.jobs(ctx, e)
	if err != nil {
		return err
	}
	g, err := p.filesOf(ctx, jobs, typ)
	if err != nil || !g.manifests {
		return err
	}
	if e.State == Exporting || e.State == Requested {
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
func (p *Pipeline) loading(ctx context.Context, id string) (Export, error) {
	e, err := p.advance(ctx, id, Requested, Exporting)
	if err != nil || e.State != Exporting {
		return e, err
	}
	return p.advance(ctx, id, Exporting, Loading)
}

func (p *Pipeline) advance(ctx context.Context, id string, from, to State) (Export, error) {
	return p.updateExport(ctx, id, func(e *Export) error {
		if e.State != from {
			return errUnchanged
		}
		e.State, e.TouchedAt = to, p.Now()
		return nil
	})
}

// finishType sends the commit of one type when its files are all prepared.
func (p *Pipeline) finishType(ctx context.Context, e Export, typ string, files []listed) error {
	set, err := p.viewSet(ctx, e.Plan)
	if err != nil {
		return err
	}
	// Most steps are not the last of their type: count before comparing ETags.
	done := 0
	if err := p.listDone(ctx, stagingOf(e.ID, typ, set), func(File) { done++ }); err != nil {
		return err
	}
	if done < len(files) || len(files) == 0 {
		return nil
	}
	now, err := p.survey(ctx, e, outputs(files))
	if err != nil || !allPrepared(now) {
		return err
	}
	return p.send(ctx, time.Time{}, Step{Kind: StepCommit, Export: e.ID, Type: typ, Round: e.Round})
}

// finishAll compares every file with the ledger: all there is the end of the
// export; types that are prepared and not there are sent to their commit.
func (p *Pipeline) finishAll(ctx context.Context, e Export, files []listed) error {
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
	var commits []Step
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
			commits = append(commits, Step{Kind: StepCommit, Export: e.ID, Type: typ, Round: e.Round})
		}
		all = all && loaded
	}
	if !all {
		return p.send(ctx, time.Time{}, commits...)
	}
	_, err = p.updateExport(ctx, e.ID, func(e *Export) error {
		e.State, e.TouchedAt, e.FinishedAt = Loaded, p.Now(), p.Now()
		return nil
	})
	if err == nil {
		p.Log.InfoContext(ctx, "export loaded", "export", e.ID, "files", len(files))
	}
	return err
}

func allPrepared(files []surveyed) bool {
	for _, f := range files {
		if !f.prepared {
			return false
		}
	}
	return true
}
