package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// BlobWritten is the event of a blob in the landing area. It is a hint: nothing
// is looked at before the blob has settled, and nothing is lost when it is lost.
func (p *Pipeline) BlobWritten(ctx context.Context, path, etag string, size int64) error {
	if folder, _, _ := strings.Cut(path, "/"); records.IsJobFolder(folder) {
		return nil // fetched by us: its step knows already
	}
	if size == 0 {
		return nil // the writer creates each blob empty before it fills it
	}
	return p.send(ctx, p.Now().Add(p.Settle), Step{Kind: StepLanded, Path: path, ETag: etag})
}

// landed prepares a blob ahead of the manifest, so that flattening goes on while
// the server still exports. Everything that speaks against it ends it quietly.
//
// It does not look for the end: a poll that has brought the manifest either sees
// what landed has made, or sends a prepare step for the file, which does look.
func (p *Pipeline) landed(ctx context.Context, s Step) error {
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
	e, err := p.glance(ctx, s.Export)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	// The manifest has the last word on the type; a wrong guess costs time only.
	s.Type, _, _ = strings.Cut(path.Base(s.Path), "-")
	if e.State.Final() || !isSpelledRight(s.Type) {
		return nil
	}
	// With the manifest come the prepare steps, and events have nothing to add.
	if collected, err := p.wasCollected(ctx, owner); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	} else if collected {
		return nil
	}
	// A server commits a blob several times, and each time is an event: all but the
	// last end here, at the cost of one request.
	f, err := p.Lake.Stat(ctx, Landing, s.Path)
	if there, err := exists(err); !there || (s.ETag != "" && f.ETag != s.ETag) {
		return err // gone, or the event of a later commit speaks for it
	}
	err = p.prepareFile(ctx, e, s, f, landing{})
	if errors.Is(err, ErrNoInstant) || errors.Is(err, ErrChanged) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return nil
}

// owner finds the job of a landing folder: "<anything>-<Folder>" or Folder.
func (p *Pipeline) owner(ctx context.Context, folder string) (records.Owner, error) {
	if known, ok := p.owners.get(folder, p.Now(), ownerFor); ok {
		return known, nil
	}
	names := []string{folder}
	if _, id, ok := strings.Cut(folder, "-"); ok {
		names = []string{id, folder} // the longer name is the rarer one
	}
	for _, name := range names {
		owner, err := p.records.Owner(ctx, name)
		if err != nil {
			return owner, err
		}
		if owner.Export != "" {
			p.owners.put(folder, owner, p.Now())
			return owner, nil
		}
	}
	return records.Owner{}, nil
}

// ownerFor is how long the owner of a folder is kept in memory. It never changes.
const ownerFor = 24 * time.Hour

// prepare flattens one file of the manifest.
func (p *Pipeline) prepare(ctx context.Context, s Step) error {
	e, err := p.glance(ctx, s.Export)
	if errors.Is(err, fs.ErrNotExist) {
		return p.ignore(ctx, s, noExport)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if e.State.Final() {
		return nil
	}
	m, why, err := p.manifestOf(ctx, s, e)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if why == "" {
		listed, err := p.lists(ctx, s, m)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		if !listed {
			why = noFile
		}
	}
	if why != "" {
		return p.ignore(ctx, s, why)
	}
	l := landing{transactionTime: m.TransactionTime}
	f := File{Path: s.Path, ETag: s.ETag}
	err = ErrChanged
	if s.ETag != "" {
		err = p.prepareAndLook(ctx, e, s, f, l)
	}
	if errors.Is(err, ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		f, err = p.Lake.Stat(ctx, Landing, s.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return fault.Transientf("%s: the manifest lists it, but the landing area does not hold it", s)
		}
		if err == nil {
			err = p.prepareAndLook(ctx, e, s, f, l)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return nil
}

// landing is what is known of a file beside its step.
type landing struct {
	transactionTime time.Time // of its job; zero before the manifest
	fresh           bool      // written just now, by this step: nobody has prepared it
}

// prepareAndLook prepares a file of the manifest, and looks whether it was the last.
// While others of this process are at files of the same type, one of them looks: it
// does so after this step's work, since it has not begun to.
func (p *Pipeline) prepareAndLook(ctx context.Context, e records.Export, s Step, f File, l landing) error {
	place, err := p.placeOf(ctx, e.ID, s.Type)
	if err != nil {
		return err
	}
	leave := p.witnesses.enter(string(place))
	defer leave()
	if err := p.prepareFile(ctx, e, s, f, l); err != nil {
		return err
	}
	p.witnesses.here(string(place), missing{done: place.doneStem(f.Path)})
	if others := leave(); others {
		return nil
	}
	return p.finish(ctx, e.ID, s.Type)
}

// prepareFile makes the prepared form of a file at its ETag, unless it is there:
// Parquet per table, then done.json, which alone makes it count.
func (p *Pipeline) prepareFile(ctx context.Context, e records.Export, s Step, f File, l landing) error {
	place, err := p.placeOf(ctx, e.ID, s.Type)
	if err != nil {
		return err
	}
	if !l.fresh {
		_, err = p.Lake.Stat(ctx, Staging, place.done(f))
		if there, err := exists(err); there || err != nil {
			return err
		}
	}
	began := p.Now()
	r, err := p.Lake.Open(ctx, Landing, f.Path, f.ETag)
	if err != nil {
		return err
	}
	bytesRead := int64(0)
	done, err := p.Flattener.Flatten(ctx, Flattening{
		Plan: e.Plan, Export: e.ID, Type: s.Type, Path: f.Path, LastUpdated: l.transactionTime, Dir: place.dir(f),
	}, readerFunc(func(b []byte) (int, error) {
		n, err := r.Read(b)
		bytesRead += int64(n)
		return n, err
	}))
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
	p.Log.InfoContext(ctx, "prepared", "export", e.ID, "type", s.Type, "file", f.Path, "bytes", bytesRead, "lines", done.Lines,
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
func (s staging) done(f File) string { return s.doneStem(f.Path) + f.ETag + ".json" }

// doneStem is where the done files of a path are, whatever its ETag.
func (s staging) doneStem(path string) string { return s.doneFolder() + path + "@" }

// doneStem is the stem of a done file.
func doneStem(f File) string { return f.Path[:strings.LastIndexByte(f.Path, '@')+1] }

// placeOf is the staging place of an export's type for the plan's present views.
func (p *Pipeline) placeOf(ctx context.Context, export, typ string) (staging, error) {
	plan, _, _ := records.CutExportID(export)
	set, err := p.viewSet(ctx, plan)
	return stagingOf(export, typ, set), err
}

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
	if n, err = p.records.ViewSet(ctx, plan, print); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.viewSets[known] = n
	return n, nil
}
