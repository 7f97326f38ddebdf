package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// BlobWritten is the event of a blob in the landing area. It is a hint: nothing
// is looked at before the blob has settled, and nothing is lost when it is lost.
func (p *Pipeline) BlobWritten(ctx context.Context, path, etag string, size int64) error {
	if folder, _, _ := strings.Cut(path, "/"); isJobFolder(folder) {
		return nil // fetched by us: its step knows already
	}
	if size == 0 {
		return nil // the writer creates each blob empty before it fills it
	}
	return p.send(ctx, p.Now().Add(p.Settle), Step{Kind: StepLanded, Path: path, ETag: etag})
}

var resourceType = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)

// landed prepares a blob ahead of the manifest, so that flattening goes on while
// the server still exports. Everything that speaks against it ends it quietly.
func (p *Pipeline) landed(ctx context.Context, s Step) error {
	// A server commits a blob several times, and each time is an event: all but the
	// last end here, at the cost of one request.
	f, err := p.Lake.Stat(ctx, Landing, s.Path)
	if there, err := exists(err); !there || (s.ETag != "" && f.ETag != s.ETag) {
		return err // gone, or the event of a later commit speaks for it
	}
	folder, _, _ := strings.Cut(s.Path, "/")
	owner, err := p.owner(ctx, folder)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if owner.Export == "" {
		p.Log.InfoContext(ctx, "event of a foreign folder", "folder", folder)
		return nil
	}
	s.Export, s.Job = owner.Export, owner.Job
	e, err := p.export(ctx, s.Export)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	// The manifest has the last word on the type; a wrong guess costs time only.
	s.Type, _, _ = strings.Cut(path.Base(s.Path), "-")
	if e.State.Final() || !resourceType.MatchString(s.Type) {
		return nil
	}
	err = p.prepareFile(ctx, e, s, f, time.Time{})
	if errors.Is(err, ErrNoInstant) || errors.Is(err, ErrChanged) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return p.finish(ctx, s.Export, s.Type)
}

// owner finds the job of a landing folder: "<anything>-<Folder>" or Folder.
func (p *Pipeline) owner(ctx context.Context, folder string) (folderRecord, error) {
	names := []string{folder}
	if _, id, ok := strings.Cut(folder, "-"); ok {
		names = []string{id, folder} // the longer name is the rarer one
	}
	for _, name := range names {
		d, err := readOrNew[folderRecord](ctx, p.Journal, folderKey(name))
		if err != nil || d.value.Export != "" {
			return d.value, err
		}
	}
	return folderRecord{}, nil
}

// prepare flattens one file of the manifest.
func (p *Pipeline) prepare(ctx context.Context, s Step) error {
	e, err := p.export(ctx, s.Export)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if e.State.Final() {
		return nil
	}
	j, err := p.job(ctx, s.Export, s.Job)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	f, err := p.Lake.Stat(ctx, Landing, s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Transientf("%s: the manifest lists it, but the landing area does not hold it", s)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if err := p.prepareFile(ctx, e, s, f, j.TransactionTime); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return p.finish(ctx, s.Export, s.Type)
}

// prepareFile makes the prepared form of a file at its present ETag, unless it
// is there: Parquet per table, then done.json, which alone makes it count.
func (p *Pipeline) prepareFile(ctx context.Context, e Export, s Step, f File, transactionTime time.Time) error {
	set, err := p.viewSet(ctx, e.Plan)
	if err != nil {
		return err
	}
	place := stagingOf(e.ID, s.Type, set)
	_, err = p.Lake.Stat(ctx, Staging, place.done(f))
	if there, err := exists(err); there || err != nil {
		return err
	}
	began := p.Now()
	r, err := p.Lake.Open(ctx, Landing, f.Path, f.ETag)
	if err != nil {
		return err
	}
	done, err := p.Flattener.Flatten(ctx, Flattening{
		Plan: e.Plan, Export: e.ID, Type: s.Type, Path: f.Path, LastUpdated: transactionTime, Dir: place.dir(f),
	}, r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(done)
	if err != nil {
		return err
	}
	if _, err := p.Lake.Put(ctx, Staging, place.done(f), bytes.NewReader(data)); err != nil {
		return err
	}
	p.Log.InfoContext(ctx, "prepared", "export", e.ID, "type", s.Type, "file", f.Path, "bytes", f.Size, "lines", done.Lines,
		"quarantined", done.Quarantined, "took", p.Now().Sub(began))
	return nil
}

// staging is where the prepared files of one export, type and view set are.
// The done files have a folder of their own, so that listing them is cheap.
type staging string

func stagingOf(export, typ string, viewSet int) staging {
	return staging(fmt.Sprintf("%s/%s/v%d", export, typ, viewSet))
}

func (s staging) dir(f File) string  { return string(s) + "/" + f.Path + "@" + f.ETag }
func (s staging) doneFolder() string { return string(s) + ".done/" }
func (s staging) done(f File) string { return s.doneFolder() + f.Path + "@" + f.ETag + ".json" }

// viewSet numbers the plan's present views: the first set is 1. The numbers are
// shared by all instances through the journal.
func (p *Pipeline) viewSet(ctx context.Context, plan string) (int, error) {
	print, err := p.Flattener.ViewSet(plan)
	if err != nil {
		return 0, fmt.Errorf("view set of plan %s: %w", plan, err)
	}
	known := plan + " " + print
	p.mu.Lock()
	n := p.viewSets[known]
	p.mu.Unlock()
	if n > 0 {
		return n, nil
	}
	_, err = update(ctx, p.Journal, viewSetsKey(plan), func(sets *[]string) error {
		if n = len(*sets); n > 0 && (*sets)[n-1] == print {
			return errUnchanged
		}
		*sets = append(*sets, print) // a set that comes back is a new one
		n = len(*sets)
		return nil
	})
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.viewSets[known] = n
	return n, nil
}
