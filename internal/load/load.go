// Package load puts the NDJSON files of a folder straight into a warehouse: the
// prepare and commit of the pipeline, without a server, a queue or a journal.
//
// Each run is an export of its own in the ledger. The newest version of each
// resource wins as everywhere, so that loading a folder twice changes nothing; a
// resource without meta.lastUpdated counts as written when the load began, or when the
// export was made that has brought it, where the folder tells.
//
// Where there is no warehouse but files, an [Extractor] takes the place of the
// [Loader]: the rows of every line, without heads and versions.
package load

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/pipeline"
)

// Plan is the plan that a load belongs to in the ledger.
const Plan = "load"

// Loader loads a folder. All fields but Dir, Total and Read are needed.
type Loader struct {
	// Dir is where the folder is: its name may tell of which export the files are.
	Dir string
	// Lake has the folder to load as its landing area.
	Lake      *localdir.Lake
	Flattener pipeline.Flattener
	Warehouse pipeline.Warehouse
	Now       func() time.Time
	// Token gives a fresh name of hexadecimal digits.
	Token func() string
	// Total is told the size of all files, before the first is read; Read, how
	// many bytes more were read.
	Total, Read func(bytes int64)
}

// NewFolders makes the lake of a load: the folder to load, one for what is staged,
// which the load empties again, and one for the bad lines.
func NewFolders(landing, staging, quarantine string) *localdir.Lake {
	return localdir.New(staging).WithLanding(landing).WithQuarantine(quarantine)
}

// Report accounts for a load.
type Report struct {
	Export string
	Types  []pipeline.TypeReport // in order of type
	// Skipped are files that hold no resources: logs, manifests.
	Skipped []string
	// Bytes is the size of the files on the disk.
	Bytes int64
	// Rows counts the rows that were made, by table; those of superseded resources
	// are among them. A table of the types that came is there even without rows.
	Rows map[string]int64
	// Nulled counts values that did not fit their column's type, by table.column.
	Nulled map[string]int64
}

func newReport(started time.Time, token func() string) Report {
	export := Plan + "-" + started.Format("20060102T150405Z") + "-" + token()
	return Report{Export: export, Rows: map[string]int64{}, Nulled: map[string]int64{}}
}

// add counts what became of a file.
func (r *Report) add(d pipeline.Done) {
	for table, n := range d.Rows {
		r.Rows[table] += n
	}
	for column, n := range d.Nulled {
		r.Nulled[column] += n
	}
}

// keeper is a Warehouse that stays open for a commit which is about to come. It has to
// be let go.
type keeper interface {
	Keep() (letGo func() error)
}

// soonRead is how many bytes of files are flattened so soon that opening a warehouse anew
// for their commit takes longer than that. Beside more, it would only hold memory.
const soonRead = 8 << 20

// keep has the warehouse stay open from the commit before, where it is worth it.
func (l Loader) keep(files []source) (letGo func() error) {
	if k, ok := l.Warehouse.(keeper); ok && size(files) <= soonRead {
		return k.Keep()
	}
	return func() error { return nil }
}

// Load loads all files into the tables of a schema, one resource type after the other,
// of which each is committed while the next one is flattened; each becomes visible at
// once. After an error the report tells which types are there.
func (l Loader) Load(ctx context.Context, schema string) (Report, error) {
	return l.load(ctx, schema, nil, nil)
}

// before is called with a batch that is about to be committed; it may be nil.
type before func(context.Context, pipeline.Batch) error

// load loads the files of some types, or of all.
func (l Loader) load(ctx context.Context, schema string, types []string, first before) (Report, error) {
	started := l.Now().UTC()
	report := newReport(started, l.Token)
	files, skipped, err := folder{lake: l.Lake}.scan(ctx)
	if err != nil {
		return report, err
	}
	if files, err = only(files, types); err != nil {
		return report, err
	}
	report.Skipped, report.Bytes = skipped, size(files)
	if l.Total != nil {
		l.Total(report.Bytes)
	}
	// A type is committed while the next one is being flattened.
	last := func() error { return nil }
	for typ, group := range byType(files) {
		letGo := l.keep(group)
		batch, err := l.prepare(ctx, &report, pipeline.Batch{
			Schema: schema, Plan: Plan, Export: report.Export, Type: typ, ViewSet: 1, Attempt: l.Token(),
		}, group, started)
		if err := errors.Join(last(), err); err != nil {
			return report, errors.Join(err, letGo(), l.Lake.Remove(pipeline.Staging, report.Export))
		}
		last = l.commit(ctx, &report, batch, first, letGo)
	}
	return report, errors.Join(last(), l.Lake.Remove(pipeline.Staging, report.Export))
}

// prepare flattens the files of one type.
func (l Loader) prepare(ctx context.Context, all *Report, b pipeline.Batch, files []source, started time.Time) (pipeline.Batch, error) {
	for i, f := range files {
		p := pipeline.PreparedFile{File: f.File, Dir: fmt.Sprintf("%s/%s/%06d", b.Export, b.Type, i)}
		var err error
		if p.Done, err = l.flatten(ctx, b.Export, f, p.Dir, l.writtenAt(f.Path, started)); err != nil {
			return b, fmt.Errorf("load %s: %w", b.Type, err)
		}
		all.add(p.Done)
		b.Files = append(b.Files, p)
	}
	return b, nil
}

// commit begins the commit of one type, after which the warehouse is let go. The end,
// which has to be waited for, reports it; what was staged is gone then.
func (l Loader) commit(ctx context.Context, all *Report, b pipeline.Batch, first before, letGo func() error) (end func() error) {
	var report pipeline.TypeReport
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if first != nil {
			err = first(ctx, b)
		}
		if err == nil {
			report, err = l.committed(ctx, b)
		}
		err = errors.Join(err, letGo(), l.Lake.Remove(pipeline.Staging, b.Export+"/"+b.Type))
	}()
	return func() error {
		<-done
		if err != nil {
			return fmt.Errorf("load %s: %w", b.Type, err)
		}
		all.Types = append(all.Types, report)
		return nil
	}
}

// committed commits a batch and says what the ledger has of it.
func (l Loader) committed(ctx context.Context, b pipeline.Batch) (pipeline.TypeReport, error) {
	report := pipeline.TypeReport{Type: b.Type, Files: len(b.Files), Manifest: -1}
	if err := l.Warehouse.Commit(ctx, b); err != nil {
		return report, fmt.Errorf("commit: %w", err)
	}
	entries, err := l.Warehouse.Ledger(ctx, b.Schema, b.Export)
	if err != nil {
		return report, fmt.Errorf("read the ledger: %w", err)
	}
	for _, e := range entries {
		if e.Type != b.Type {
			continue
		}
		report.Lines += e.Lines
		report.Applied += e.Applied
		report.Superseded += e.Superseded
		report.Filtered += e.Filtered
		report.Quarantined += e.Quarantined
		report.Blank += e.Blank
		report.Deleted += e.Deleted
	}
	var lines int64
	for _, f := range b.Files {
		lines += f.Done.Lines
	}
	if report.Lines != lines {
		return report, fault.Permanentf("%d lines were read, the ledger has %d", lines, report.Lines)
	}
	return report, nil
}

// writtenAt is the instant of lines without one: that of the export which brought the
// file, where the folder is a copy of what the pipeline has fetched, so that they are
// the versions that they are there; else when the load began.
func (l Loader) writtenAt(path string, started time.Time) time.Time {
	for _, name := range []string{path, filepath.ToSlash(l.Dir) + "/"} {
		if t, ok := pipeline.TransactionTimeOf(name); ok {
			return t
		}
	}
	return started
}

func (l Loader) flatten(ctx context.Context, export string, f source, dir string, written time.Time) (done pipeline.Done, err error) {
	r, err := folder{l.Lake, l.Read}.open(ctx, f.File)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return l.Flattener.Flatten(ctx, pipeline.Flattening{
		Plan: Plan, Export: export, Type: f.typ, Path: f.Path, LastUpdated: written, Dir: dir,
	}, r)
}
