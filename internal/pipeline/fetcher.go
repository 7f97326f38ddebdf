package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// fetches lists the fetch steps of a job: files that are not in the lake yet, and error
// files that were not read yet.
func (p *Pipeline) fetches(ctx context.Context, e records.Export, j records.Job, m Manifest, d deletes, work []surveyed) ([]Step, error) {
	step := func(n int) Step {
		return Step{Kind: StepFetch, Export: e.ID, Job: j.N, File: n, Round: e.Round}
	}
	var steps []Step
	unread, err := p.records.UnreadErrors(ctx, j.ID, m)
	if err != nil {
		return nil, err
	}
	for _, n := range unread {
		steps = append(steps, step(n))
	}
	for _, n := range d.missing {
		steps = append(steps, step(n))
	}
	for i, f := range work {
		if f.Foreign && f.blob.ETag == "" && i < len(m.Output) {
			steps = append(steps, step(m.Number(records.OutputKind, i)))
		}
	}
	return steps, nil
}

// fetching is one fetch step with what it works on.
type fetching struct {
	step   Step
	export records.Export
	job    string
	source Source
	file   OutputFile
}

// fetch streams one file that the server keeps into the lake, and sends what
// follows from it. It touches no disk, and holds no more than the lake's buffers.
func (p *Pipeline) fetch(ctx context.Context, s Step) error {
	e, err := p.glance(ctx, s.Export)
	if errors.Is(err, fs.ErrNotExist) {
		return p.ignore(ctx, s, noExport)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	f := fetching{step: s, export: e, job: records.JobID(s.Export, s.Job)}
	m, why, err := p.manifestOf(ctx, s, e)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	file, kind, ok := m.File(s.File)
	if why == "" && (!ok || !file.Foreign && kind != records.ErrorKind) {
		why = noFile
	}
	if why != "" {
		return p.ignore(ctx, s, why)
	}
	if e.State.Final() {
		return nil
	}
	if s.Round < e.Round && kind != records.ErrorKind {
		return nil // the watchdog has sent a newer one
	}
	f.file = file
	if f.source, err = p.Source(e.Plan); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if file.Foreign && (f.source.Files == nil || p.Landings == nil) {
		return fault.Permanentf("%s: the source of plan %s is no longer one that keeps its files: once it is back, the next export brings what this one should have", s, e.Plan)
	}
	switch kind {
	case records.DeletedKind:
		err = p.fetchDeletes(ctx, f)
	case records.ErrorKind:
		err = p.fetchErrors(ctx, f)
	case records.OutputKind:
		err = p.fetchOutput(ctx, f)
	}
	if err == nil {
		return nil
	}
	// Tries and turns are counted by one chain of steps. The watchdog must not begin
	// another one, or no count comes to its end.
	p.stillAtWork(ctx, e)
	if errors.Is(err, ErrThrottled) {
		return p.anotherTurn(ctx, f, err)
	}
	return fmt.Errorf("%s: %w", s, err)
}

// stillAtWork tells the watchdog that an export is not silent, as often as that
// takes.
func (p *Pipeline) stillAtWork(ctx context.Context, e records.Export) {
	if p.Now().Sub(e.TouchedAt) < p.SilentAfter/3 {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	if _, err := p.updateExport(ctx, e.ID, func(e *records.Export) error {
		e.TouchedAt, e.StalledSince = p.Now(), time.Time{}
		return nil
	}); err != nil {
		p.Log.WarnContext(ctx, "sign of life not written", "export", e.ID, "error", err)
	}
}

// anotherTurn sends a fetch again that was told to wait: no try was made, so none
// is counted. The export's deadline bounds it.
func (p *Pipeline) anotherTurn(ctx context.Context, f fetching, cause error) error {
	j, err := p.records.Job(ctx, f.step.Export, f.step.Job)
	if err != nil {
		return fmt.Errorf("%s: %w", f.step, err)
	}
	if p.Now().Sub(j.ManifestAt) > p.ExportTimeout {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("%s: not downloaded within %v: %w", f.step, p.ExportTimeout, cause),
			Remedy: "ask for fewer types at once, or for a higher limit at the server",
		}
	}
	again := f.step
	again.N++
	return p.send(ctx, p.Now().Add(min(max(fault.After(cause), time.Second), longestWait)), again)
}

// fetchOutput lands one file of resources and prepares it, or sends the step that
// does when the download has used up a good part of this one's time.
func (p *Pipeline) fetchOutput(ctx context.Context, f fetching) error {
	began := p.Now()
	blob, fresh, err := p.land(ctx, f, f.file.Path)
	if err != nil {
		return err
	}
	m, err := p.manifest(ctx, f.job)
	if err != nil {
		return err
	}
	s := Step{Kind: StepPrepare, Export: f.export.ID, Job: f.step.Job, Type: f.file.Type, Path: blob.Path, ETag: blob.ETag, Round: f.step.Round}
	if p.Now().Sub(began) > p.StepTimeout/4 {
		return p.send(ctx, time.Time{}, s)
	}
	return p.prepareAndLook(ctx, f.export, s, blob, landing{transactionTime: m.TransactionTime, fresh: fresh})
}

// land streams a file to its path, unless it is there. A file of the wrong count
// is read a second time before it fails: it may have been cut on the way. fresh
// says that it was not there before.
func (p *Pipeline) land(ctx context.Context, f fetching, path string) (blob File, fresh bool, err error) {
	if f.step.Try+f.step.N+f.step.Round > 0 {
		blob, err := p.Lake.Stat(ctx, Landing, path)
		if there, err := exists(err); there || err != nil {
			return blob, false, err
		}
	}
	began := p.Now()
	var counted *lineCounter
	err = p.retryOnWrongCount(func() error {
		r, err := p.download(ctx, f)
		if err != nil {
			return err
		}
		counted = &lineCounter{r: p.withHeartbeat(ctx, f.export, r), want: f.file.Count}
		blob, err = p.Landings.Create(ctx, Landing, path, counted)
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		blob, err = p.Lake.Stat(ctx, Landing, path) // someone else was faster
		return blob, false, err
	}
	if err != nil {
		return blob, false, err
	}
	p.Log.InfoContext(ctx, "fetched", "export", f.export.ID, "type", f.file.Type, "file", path, "bytes", blob.Size, "lines", counted.lines,
		"took", p.Now().Sub(began))
	return blob, true, nil
}

// retryOnWrongCount calls do once more when it returns errCount.
func (p *Pipeline) retryOnWrongCount(do func() error) error {
	err := do()
	if errors.Is(err, errCount) {
		if err = do(); errors.Is(err, errCount) {
			return &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("read twice: %w", err), Remedy: "the next export covers the same window, with files of its own"}
		}
	}
	return err
}

// download opens a file, with a fresh URL where its own has ended.
func (p *Pipeline) download(ctx context.Context, f fetching) (io.ReadCloser, error) {
	m, err := p.manifest(ctx, f.job)
	if err != nil {
		return nil, err
	}
	r, err := f.source.Files.Download(ctx, f.file, m.RequiresToken)
	if !errors.Is(err, ErrExpired) {
		return r, err
	}
	fresh, rereadErr := p.reread(ctx, f)
	if rereadErr != nil {
		return nil, fmt.Errorf("%w; and the manifest, read again: %w", err, rereadErr)
	}
	if fresh.URL == f.file.URL {
		return nil, err
	}
	return f.source.Files.Download(ctx, fresh, m.RequiresToken)
}

// reread asks for the manifest again and gives the file's present entry. Fresh URLs
// are kept in memory and serve the files that come after.
func (p *Pipeline) reread(ctx context.Context, f fetching) (OutputFile, error) {
	p.rereading.Lock()
	defer p.rereading.Unlock()
	old, err := p.manifest(ctx, f.job)
	if err != nil {
		return f.file, err
	}
	if known, _, _ := old.File(f.step.File); known.URL != f.file.URL {
		return known, nil // someone else has asked meanwhile
	}
	j, err := p.records.Job(ctx, f.step.Export, f.step.Job)
	if err != nil {
		return f.file, err
	}
	status, err := f.source.Status(ctx, j.StatusURL)
	switch {
	case err != nil:
		return f.file, err
	case status.Manifest == nil:
		return f.file, fault.Transientf("the server says that the job still runs")
	}
	m := *status.Manifest
	m.TransactionTime = old.TransactionTime
	m.Place(f.job)
	if !sameFiles(old, m) {
		return f.file, &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: errors.New("the server lists other files now"), Remedy: "the next export covers the same window, with files of its own"}
	}
	if err := p.records.KeepFresh(ctx, f.job, m); err != nil {
		return f.file, err
	}
	p.remember(f.job, m)
	known, _, _ := m.File(f.step.File)
	return known, nil
}

// sameFiles says that two manifests list the same files in the same order, the URLs
// apart.
func sameFiles(a, b Manifest) bool {
	if len(a.Output) != len(b.Output) || len(a.Deleted) != len(b.Deleted) || len(a.Errors) != len(b.Errors) {
		return false
	}
	for n := 1; ; n++ {
		x, _, ok := a.File(n)
		if !ok {
			return true
		}
		y, _, _ := b.File(n)
		if x.Type != y.Type || x.Count != y.Count {
			return false
		}
	}
}
