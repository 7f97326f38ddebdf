package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// finisher detects when a type is ready to commit and when an export has ended.
type finisher struct {
	*deps
	files *surveyor
}

// check ends every step: it sends the commit of a type whose files are all prepared, or ends
// an export whose files are all loaded. typ limits the check to the type of the step; empty
// means all types, and then the ledger is read.
//
// A full check costs more with every file, so most steps ask a witness: one thing that is
// still missing after this step has added its own. The step that adds the missing thing checks
// later, and sees this step's work.
func (fi *finisher) check(ctx context.Context, export, typ string) error {
	if waits, err := fi.waits(ctx, export, export); waits || err != nil {
		return err
	}
	if typ != "" {
		place, err := fi.files.placeOf(ctx, export, typ)
		if err != nil {
			return err
		}
		if waits, err := fi.waits(ctx, export, string(place)); waits || err != nil {
			return err
		}
	}
	e, err := fi.records.Export(ctx, export)
	if err != nil || e.State.Final() {
		return err
	}
	jobs, err := fi.records.Jobs(ctx, e)
	if err != nil {
		return err
	}
	if fi.replaces(e) {
		typ = "" // no type is committed before all are prepared
	}
	g, err := fi.files.filesOf(ctx, jobs, typ)
	if err != nil {
		return err
	}
	fi.witnesses.note(export, g.lacking)
	if !g.manifests {
		return nil
	}
	if e.State == records.Exporting || e.State == records.Requested {
		if e, err = fi.loading(ctx, e.ID); err != nil || e.State.Final() {
			return err
		}
	}
	if !g.deletes {
		return nil // tombstones of the type may be in any of them
	}
	if typ != "" {
		return fi.finishType(ctx, e, typ, g.files)
	}
	return fi.finishAll(ctx, e, g.files)
}

// loading moves an export to Loading once every manifest has arrived. A poll may be faster
// than the tick that kicked off: then the export passes both states at once.
func (fi *finisher) loading(ctx context.Context, id string) (records.Export, error) {
	e, err := fi.advance(ctx, id, records.Requested, records.Exporting)
	if err != nil || e.State != records.Exporting {
		return e, err
	}
	return fi.advance(ctx, id, records.Exporting, records.Loading)
}

// finishType sends the commit of one type if its files are all prepared.
func (fi *finisher) finishType(
	ctx context.Context, e records.Export, typ string, files []listed,
) error {
	place, err := fi.files.placeOf(ctx, e.ID, typ)
	if err != nil || len(files) == 0 {
		return err
	}
	done := map[string]bool{}
	if err := fi.files.listDone(ctx, place, func(f File) { done[doneStem(f)] = true }); err != nil {
		return err
	}
	var lacking []missing
	for _, f := range files {
		if stem := place.doneStem(f.Path); !done[stem] {
			lacking = append(lacking, missing{done: stem})
		}
	}
	fi.witnesses.note(string(place), lacking)
	if len(lacking) > 0 {
		return nil // most checks end here: ETags are compared once every file is prepared
	}
	now, err := fi.files.surveyListed(ctx, e, files)
	if err != nil {
		return err
	}
	if !allPrepared(now) {
		return fi.send(ctx, time.Time{}, prepares(e, files, now, isStale)...)
	}
	return fi.send(ctx, time.Time{}, commitOf(e, typ, now))
}

func isStale(f surveyed) bool { return f.stale }

// commitOf returns the commit step of a type. Its id changes if a file was written again;
// otherwise the queue would drop it as a duplicate.
func commitOf(e records.Export, typ string, now []surveyed) Step {
	var files strings.Builder
	for _, f := range now {
		if f.Type == typ {
			files.WriteString(f.Path + "@" + f.blob.ETag + "\n")
		}
	}
	return Step{
		Kind: StepCommit, Export: e.ID, Type: typ, ETag: records.Digest(files.String()),
		Round: e.Round,
	}
}

// progress is how far the files of an export are on their way into the tables.
type progress struct {
	files  []surveyed
	ledger map[[2]string]LedgerEntry // by path and ETag
	// committed is set if the ledger has all files.
	committed bool
}

func (p progress) has(f surveyed) bool {
	_, there := p.ledger[[2]string{f.Path, f.blob.ETag}]
	return there
}

// progress compares every file of an export with the staging area and the ledger.
func (fi *finisher) progress(
	ctx context.Context, e records.Export, files []listed,
) (p progress, err error) {
	if p.files, err = fi.files.surveyListed(ctx, e, files); err != nil {
		return p, err
	}
	p.ledger = map[[2]string]LedgerEntry{}
	if len(files) > 0 {
		entries, err := fi.Warehouse.Ledger(ctx, e.Schema, e.ID)
		if err != nil {
			return p, fmt.Errorf("read the ledger of export %s: %w", e.ID, err)
		}
		for _, entry := range entries {
			p.ledger[[2]string{entry.Path, entry.ETag}] = entry
		}
	}
	p.committed = !slices.ContainsFunc(p.files, func(f surveyed) bool { return !p.has(f) })
	return p, nil
}

// finishAll compares every file with the ledger. If all files are there it ends the export,
// else it sends the commits of types that are prepared but not in the ledger.
func (fi *finisher) finishAll(ctx context.Context, e records.Export, files []listed) error {
	now, err := fi.progress(ctx, e, files)
	if err != nil {
		return err
	}
	shortfall, known, err := fi.shortfall(ctx, e)
	if err != nil {
		return err
	}
	// The step that reads the last error file checks again.
	switch {
	case !now.committed && (known || !fi.replaces(e)):
		return fi.send(ctx, time.Time{}, fi.lacking(e, files, now)...)
	case !known:
		return nil
	}
	if fi.Concluder != nil {
		return fi.send(ctx, time.Time{}, Step{
			Kind: StepConclude, Export: e.ID, Round: e.Round,
		})
	}
	return fi.end(ctx, e, shortfall, now)
}

// lacking returns the steps of files that are on their way: those that were written again are
// prepared again, and types with all files prepared are committed.
func (fi *finisher) lacking(e records.Export, files []listed, now progress) []Step {
	steps := prepares(e, files, now.files, func(f surveyed) bool { return f.stale && !now.has(f) })
	if fi.replaces(e) && slices.ContainsFunc(now.files, func(f surveyed) bool {
		return !f.prepared && !now.has(f)
	}) {
		return steps
	}
	for _, typ := range distinct(files, func(f listed) string { return f.Type }) {
		loaded, ready := true, true
		for _, f := range now.files {
			if f.Type == typ {
				loaded = loaded && now.has(f)
				ready = ready && f.prepared
			}
		}
		if !loaded && ready {
			steps = append(steps, commitOf(e, typ, now.files))
		}
	}
	return steps
}

// end makes an export loaded, or incomplete if the server could not export everything.
func (fi *finisher) end(
	ctx context.Context, e records.Export, s *records.Shortfall, now progress,
) error {
	state := records.Loaded
	if s != nil && !s.Accepted {
		state = records.Incomplete
	}
	at, ended := fi.Now(), false
	e, err := fi.updateExport(ctx, e.ID, func(e *records.Export) error {
		e.State, e.TouchedAt, e.FinishedAt, e.Shortfall, e.Retry = state, at, at, s, nil
		ended = true
		return nil
	})
	// Another step may have ended it between the two, and tells it then.
	if err != nil || !ended || !e.FinishedAt.Equal(at) {
		return err
	}
	fi.tellEnded(ctx, e, now)
	files, bad := len(now.files), int64(0)
	for _, c := range now.counts() {
		bad += c.Quarantined
	}
	if state == records.Incomplete {
		fi.Log.WarnContext(ctx, "export incomplete", "export", e.ID, "files", files,
			"quarantined", bad, "issues", records.Describe(s.Issues, s.More), "types", s.Types)
	} else {
		fi.Log.InfoContext(ctx, "export loaded", "export", e.ID, "files", files, "quarantined",
			bad)
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

// waits reports whether something of a scope is still missing, by asking its last witnesses;
// the step that adds the missing thing checks for the end later. False means that only a full
// check can decide.
func (fi *finisher) waits(ctx context.Context, export, scope string) (bool, error) {
	for range witnessesAsked {
		m, ok := fi.witnesses.last(scope)
		if !ok {
			return false, nil
		}
		if there, err := fi.arrived(ctx, export, m); err != nil || !there {
			return err == nil, err
		}
		fi.witnesses.here(scope, m)
	}
	return false, nil
}

func (fi *finisher) arrived(ctx context.Context, export string, m missing) (bool, error) {
	switch {
	case m.job > 0:
		j, err := fi.records.Job(ctx, export, m.job)
		return j.Collected(), err
	case m.deletes != "":
		_, err := fi.Journal.Read(ctx, m.deletes)
		return exists(err)
	default:
		for _, err := range fi.Lake.List(ctx, Staging, m.done) {
			return err == nil, err
		}
		return false, nil
	}
}
