package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// lists reports whether the manifest of a step's job lists the step's file with the step's
// type.
func (p *preparer) lists(ctx context.Context, s Step, m Manifest) (bool, error) {
	job := records.JobID(s.Export, s.Job)
	p.mu.Lock()
	types, indexed := p.paths[job]
	p.mu.Unlock()
	if !indexed {
		types = make(map[string]string, len(m.Output))
		for _, f := range m.Output {
			types[f.Path] = f.Type
		}
		p.mu.Lock()
		if len(p.paths) >= keptManifests {
			clear(p.paths)
		}
		p.paths[job] = types
		p.mu.Unlock()
	}
	if typ, listed := types[s.Path]; listed {
		return typ == s.Type, nil
	}
	d, err := p.files.deletesOf(ctx, job, m)
	return slices.ContainsFunc(d.files, func(f OutputFile) bool {
		return f.Path == s.Path && f.Type == s.Type
	}), err
}

func isSpelledRight(typ string) bool { return records.CheckTypes([]string{typ}) == nil }

// preparer flattens files into the staging area.
type preparer struct {
	*deps
	files  *surveyor
	finish *finisher

	// members belong to the last export with a cohort, and come from membersFile.
	reading     sync.Mutex
	members     Members
	membersFile string
}

// landed prepares a blob before the manifest arrives, so that flattening runs while the server
// still exports. It ends without an error if the blob is not to be prepared now.
//
// It does not check for the end: a poll that has stored the manifest either sees the result of
// landed, or sends a prepare step for the file, which does check.
func (p *preparer) landed(ctx context.Context, s Step) error {
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
	e, err := p.recentExport(ctx, s.Export)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	// The manifest decides the type; a wrong guess only costs time.
	s.Type, _, _ = strings.Cut(path.Base(s.Path), "-")
	if e.State.Final() || !isSpelledRight(s.Type) {
		return nil
	}
	observed(ctx).Step = s
	// The prepare steps are sent with the manifest, and then events add nothing.
	if collected, err := p.wasCollected(ctx, owner); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	} else if collected {
		return nil
	}
	// A server commits a blob several times, and each commit is an event: all but the last end
	// here, at the cost of one request.
	f, err := p.Lake.Stat(ctx, Landing, s.Path)
	if there, err := exists(err); !there || (s.ETag != "" && f.ETag != s.ETag) {
		return err // gone, or a later commit has its own event
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

// prepare flattens one file of the manifest.
func (p *preparer) prepare(ctx context.Context, s Step) error {
	e, err := p.recentExport(ctx, s.Export)
	if errors.Is(err, fs.ErrNotExist) {
		return p.ignore(ctx, s, noExport)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if e.State.Final() {
		return nil
	}
	m, why, err := p.files.manifestOf(ctx, s, e)
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
			return fault.Transientf(
				"%s: the manifest lists it, but the landing area does not hold it", s)
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

// landing holds facts about a file that its step does not have.
type landing struct {
	transactionTime time.Time // of its job; zero before the manifest arrives
	fresh           bool      // written just now by this step, so not prepared yet
}

// prepareAndLook prepares a file of the manifest, and checks whether it was the last. It
// leaves the check to another step of this process that works on a file of the same type: that
// step checks later, and sees this step's work.
func (p *preparer) prepareAndLook(
	ctx context.Context, e records.Export, s Step, f File, l landing,
) error {
	place, err := p.files.placeOf(ctx, e.ID, s.Type)
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
	return p.finish.check(ctx, e.ID, s.Type)
}

// prepareFile makes the prepared form of a file at its ETag, unless it exists: Parquet files
// per table, then done.json, which marks the file as prepared.
func (p *preparer) prepareFile(
	ctx context.Context, e records.Export, s Step, f File, l landing,
) error {
	place, err := p.files.placeOf(ctx, e.ID, s.Type)
	if err != nil {
		return err
	}
	if !l.fresh {
		_, err = p.Lake.Stat(ctx, Staging, place.done(f))
		if there, err := exists(err); there || err != nil {
			return err
		}
	}
	members, err := p.membersOf(ctx, e)
	if err != nil {
		return err
	}
	began := p.Now()
	r, err := p.Lake.Open(ctx, Landing, f.Path, f.ETag)
	if err != nil {
		return err
	}
	bytesRead := int64(0)
	done, err := p.Flattener.Flatten(ctx, Flattening{
		Plan: e.Plan, Export: e.ID, Type: s.Type, Path: f.Path, LastUpdated: l.transactionTime,
		Dir: place.dir(f), Members: members,
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
	observed(ctx).prepared(s.Type, bytesRead, done)
	p.Log.InfoContext(ctx, "prepared", "export", e.ID, "type", s.Type, "file", f.Path, "bytes",
		bytesRead, "lines", done.Lines,
		"quarantined", done.Quarantined, "took", p.Now().Sub(began))
	return nil
}
