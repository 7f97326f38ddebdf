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

// fetcher copies files that a server keeps into the lake, and reads the server's error files.
type fetcher struct {
	*deps
	files    *surveyor
	preparer *preparer
	finish   *finisher
}

// fetching is one fetch step with its export, source and file.
type fetching struct {
	step   Step
	export records.Export
	job    string
	source Source
	file   OutputFile
}

// fetch streams one file that the server keeps into the lake, and sends the steps that follow.
// It uses no disk, and no memory but the lake's buffers.
func (fe *fetcher) fetch(ctx context.Context, s Step) error {
	e, err := fe.recentExport(ctx, s.Export)
	if errors.Is(err, fs.ErrNotExist) {
		return fe.ignore(ctx, s, noExport)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	f := fetching{step: s, export: e, job: records.JobID(s.Export, s.Job)}
	m, why, err := fe.files.manifestOf(ctx, s, e)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	file, kind, ok := m.File(s.File)
	if why == "" && (!ok || !file.Foreign && kind != records.ErrorKind) {
		why = noFile
	}
	if why != "" {
		return fe.ignore(ctx, s, why)
	}
	if e.State.Final() {
		return nil
	}
	if s.Round < e.Round && kind != records.ErrorKind {
		return nil // the watchdog has sent a newer one
	}
	f.file = file
	if f.source, err = fe.Source(e.Plan); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if file.Foreign && (f.source.Files == nil || fe.Landings == nil) {
		return fault.Permanentf(
			"%s: the source of plan %s is no longer one that keeps its files: once it is back, the next export brings what this one should have", s, e.Plan)
	}
	switch kind {
	case records.DeletedKind:
		err = fe.fetchDeletes(ctx, f)
	case records.ErrorKind:
		err = fe.fetchErrors(ctx, f)
	case records.OutputKind:
		err = fe.fetchOutput(ctx, f)
	}
	if err == nil {
		return nil
	}
	// Tries and turns are counted by one chain of steps. If the watchdog began another chain,
	// no count would reach its limit.
	fe.stillAtWork(ctx, e)
	if errors.Is(err, ErrThrottled) {
		return fe.anotherTurn(ctx, f, err)
	}
	return fmt.Errorf("%s: %w", s, err)
}

// stillAtWork updates TouchedAt, so that the watchdog does not find the export silent. It
// writes only if a third of SilentAfter has passed.
func (fe *fetcher) stillAtWork(ctx context.Context, e records.Export) {
	if fe.Now().Sub(e.TouchedAt) < fe.SilentAfter/3 {
		return
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	if _, err := fe.updateExport(ctx, e.ID, func(e *records.Export) error {
		e.TouchedAt, e.StalledSince = fe.Now(), time.Time{}
		return nil
	}); err != nil {
		fe.Log.WarnContext(ctx, "sign of life not written", "export", e.ID, "error", err)
	}
}

// anotherTurn sends a fetch again that the server told to wait. No try was made, so none is
// counted; the export's deadline bounds the wait.
func (fe *fetcher) anotherTurn(ctx context.Context, f fetching, cause error) error {
	j, err := fe.records.Job(ctx, f.step.Export, f.step.Job)
	if err != nil {
		return fmt.Errorf("%s: %w", f.step, err)
	}
	if fe.Now().Sub(j.ManifestAt) > fe.ExportTimeout {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err:    fmt.Errorf("%s: not downloaded within %v: %w", f.step, fe.ExportTimeout, cause),
			Remedy: "ask for fewer types at once, or for a higher limit at the server",
		}
	}
	again := f.step
	again.N++
	return fe.send(ctx, fe.Now().Add(min(max(fault.After(cause), time.Second), longestWait)), again)
}

// fetchOutput fetches one file of resources and prepares it. It sends a prepare step instead
// if the download took more than a quarter of the step's time.
func (fe *fetcher) fetchOutput(ctx context.Context, f fetching) error {
	began := fe.Now()
	blob, fresh, err := fe.land(ctx, f, f.file.Path)
	if err != nil {
		return err
	}
	m, err := fe.files.manifest(ctx, f.job)
	if err != nil {
		return err
	}
	s := Step{
		Kind: StepPrepare, Export: f.export.ID, Job: f.step.Job, Type: f.file.Type, Path: blob.Path,
		ETag: blob.ETag, Round: f.step.Round,
	}
	if fe.Now().Sub(began) > fe.StepTimeout/4 {
		return fe.send(ctx, time.Time{}, s)
	}
	return fe.preparer.prepareAndLook(ctx, f.export, s, blob, landing{
		transactionTime: m.TransactionTime, fresh: fresh,
	})
}

// land streams a file to its path, unless it is there; fresh reports that it was not. A file
// of the wrong count is read a second time before it fails: it may have been cut in transit.
func (fe *fetcher) land(
	ctx context.Context, f fetching, path string,
) (blob File, fresh bool, err error) {
	if f.step.Try+f.step.N+f.step.Round > 0 {
		blob, err := fe.Lake.Stat(ctx, Landing, path)
		if there, err := exists(err); there || err != nil {
			return blob, false, err
		}
	}
	began := fe.Now()
	var counted *lineCounter
	err = fe.retryOnWrongCount(func() error {
		r, err := fe.download(ctx, f)
		if err != nil {
			return err
		}
		counted = &lineCounter{r: fe.withHeartbeat(ctx, f.export, r), want: f.file.Count}
		blob, err = fe.Landings.Create(ctx, Landing, path, counted)
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		blob, err = fe.Lake.Stat(ctx, Landing, path) // another step was faster
		return blob, false, err
	}
	if err != nil {
		return blob, false, err
	}
	fe.Log.InfoContext(ctx, "fetched", "export", f.export.ID, "type", f.file.Type, "file", path,
		"bytes", blob.Size, "lines", counted.lines,
		"took", fe.Now().Sub(began))
	return blob, true, nil
}

// retryOnWrongCount calls do once more if do returns errCount.
func (fe *fetcher) retryOnWrongCount(do func() error) error {
	err := do()
	if errors.Is(err, errCount) {
		if err = do(); errors.Is(err, errCount) {
			return &fault.Error{
				Class: fault.Permanent, Whose: fault.TheirServer,
				Err:    fmt.Errorf("read twice: %w", err),
				Remedy: "the next export covers the same window, with files of its own",
			}
		}
	}
	return err
}

// download opens a file, with a fresh URL if its own has expired.
func (fe *fetcher) download(ctx context.Context, f fetching) (io.ReadCloser, error) {
	m, err := fe.files.manifest(ctx, f.job)
	if err != nil {
		return nil, err
	}
	r, err := f.source.Files.Download(ctx, f.file, m.RequiresToken)
	if !errors.Is(err, ErrExpired) {
		return r, err
	}
	fresh, rereadErr := fe.reread(ctx, f)
	if rereadErr != nil {
		return nil, fmt.Errorf("%w; and the manifest, read again: %w", err, rereadErr)
	}
	if fresh.URL == f.file.URL {
		return nil, err
	}
	return f.source.Files.Download(ctx, fresh, m.RequiresToken)
}

// reread asks for the manifest again and returns the file's present entry. The fresh URLs are
// kept in memory for the files that follow.
func (fe *fetcher) reread(ctx context.Context, f fetching) (OutputFile, error) {
	fe.rereading.Lock()
	defer fe.rereading.Unlock()
	old, err := fe.files.manifest(ctx, f.job)
	if err != nil {
		return f.file, err
	}
	if known, _, _ := old.File(f.step.File); known.URL != f.file.URL {
		return known, nil // another step has asked meanwhile
	}
	j, err := fe.records.Job(ctx, f.step.Export, f.step.Job)
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
		return f.file, &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err:    errors.New("the server lists other files now"),
			Remedy: "the next export covers the same window, with files of its own",
		}
	}
	if err := fe.records.KeepFresh(ctx, f.job, m); err != nil {
		return f.file, err
	}
	fe.files.remember(f.job, m)
	known, _, _ := m.File(f.step.File)
	return known, nil
}

// sameFiles reports whether two manifests list the same files in the same order, apart from
// the URLs.
func sameFiles(a, b Manifest) bool {
	if len(a.Output) != len(b.Output) || len(a.Deleted) != len(b.Deleted) ||
		len(a.Errors) != len(b.Errors) {
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
