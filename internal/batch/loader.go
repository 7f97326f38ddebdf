package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// LoadPlan is the name of the plan of all loads in the ledger.
const LoadPlan = "load"

// Loader loads a folder into an open warehouse. Lake, Flattener, Warehouse, Now and Token are
// needed.
type Loader struct {
	// Dir is the path of the folder; its name may contain the export that the files are from.
	Dir string
	// Lake has the folder to load as its landing area.
	Lake      *localfs.Lake
	Flattener pipeline.Flattener
	Warehouse pipeline.Warehouse
	// Hold keeps the warehouse open between two commits, until release is called. It is nil for a
	// warehouse that always stays open.
	Hold func() (release func() error)
	Now  func() time.Time
	// Token returns a new name of hexadecimal digits.
	Token func() string
	// LineLimit is the longest line in bytes; 0 means 64 MB.
	LineLimit int
	// MaxBad is the share of bad lines of a resource type, 0 to 1, above which nothing is
	// committed. Quarantine is the folder with the bad lines, for the message.
	MaxBad     float64
	Quarantine string
	// Total is called with the size of all files before the first is read, and Read with the number
	// of bytes read since its last call. After another Total, the files are read once more.
	Total, Read func(bytes int64)
}

// NewFolders returns the lake of a load: the folder to load, a folder for prepared files, which the
// load empties again, and a folder for the bad lines.
func NewFolders(landing, staging, quarantine string) *localfs.Lake {
	return localfs.New(staging).WithLanding(landing).WithQuarantine(quarantine)
}

func newReport(started time.Time, token string) LoadReport {
	export := LoadPlan + "-" + started.Format("20060102T150405Z") + "-" + token
	return LoadReport{Export: export, Rows: map[string]int64{}}
}

// add adds the counts of a file.
func (r *LoadReport) add(d pipeline.Done) {
	for table, n := range d.Rows {
		r.Rows[table] += n
	}
	r.Add(d.ValueCounts)
}

// Load loads all files into the tables of a schema. It flattens all of them first, and commits
// nothing when too many lines are bad. After an error the report lists the types that are
// committed.
func (l Loader) Load(ctx context.Context, schema string) (LoadReport, error) {
	return l.load(ctx, schema, nil, nil)
}

// before is called with a batch that is about to be committed; it may be nil.
type before func(context.Context, pipeline.Batch) error

// readyBatch is the batch of one resource type, with the sizes of its files.
type readyBatch struct {
	pipeline.Batch
	size int64
}

// load loads the files of some types, or of all.
func (l Loader) load(
	ctx context.Context, schema string, types []string, first before,
) (LoadReport, error) {
	started := l.Now().UTC()
	report, batches, err := flattenAgainIfMixed(newReport(started,
		l.Token()), l.Lake, func(report *LoadReport, whole bool) ([]readyBatch, error) {
		return l.prepareAll(ctx, report, schema, types, started, whole)
	})
	if err == nil {
		err = l.commitAll(ctx, &report, batches, first)
	}
	return report, errors.Join(err, l.Lake.Remove(pipeline.Staging, report.Export))
}

// flattenAgainIfMixed calls flatten again, with all lines known, when a file turns out to have
// lines of several resource types. It removes the prepared files of the first call.
func flattenAgainIfMixed[T any](
	report LoadReport, lake *localfs.Lake, flatten func(report *LoadReport, whole bool) (T, error),
) (LoadReport, T, error) {
	fresh := LoadReport{Export: report.Export, Rows: map[string]int64{}}
	done, err := flatten(&report, false)
	if !errors.Is(err, pipeline.ErrMixed) {
		return report, done, err
	}
	if err := errors.Join(lake.Remove(pipeline.Staging, report.Export),
		lake.Remove(pipeline.Quarantine, report.Export)); err != nil {
		return report, done, err
	}
	done, err = flatten(&fresh, true)
	return fresh, done, err
}

// prepareAll flattens the files of some types, or of all, and compares the number of bad lines with
// the limit.
func (l Loader) prepareAll(
	ctx context.Context, report *LoadReport, schema string, types []string, started time.Time,
	whole bool,
) ([]readyBatch, error) {
	d := folder{
		lake: l.Lake, lineLimit: l.LineLimit, read: l.Read,
		hasViews: func(typ string) (bool, error) {
			return l.Flattener.HasViews(LoadPlan, typ)
		},
	}
	sources, left, err := d.scan(ctx, whole)
	report.LeftOut = left
	if err != nil {
		return nil, err
	}
	if sources, err = only(sources, types); err != nil {
		return nil, err
	}
	if l.Total != nil {
		l.Total(unpackedSize(sources))
	}
	var all []readyBatch
	for typ, group := range byType(sources) {
		b := readyBatch{size: packedSize(group), Batch: pipeline.Batch{
			Schema: schema, Plan: LoadPlan, Export: report.Export, Type: typ, ViewSet: 1,
			Attempt: l.Token(),
		}}
		if err := l.prepare(ctx, d, report, &b.Batch, group, started); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	var counts []pipeline.TypeReport
	for _, b := range all {
		counts = append(counts, linesOf(b.Batch))
	}
	return all, tooBad(counts, l.MaxBad, l.Quarantine, report.Export)
}

// prepare flattens the files of one type.
func (l Loader) prepare(
	ctx context.Context, d folder, all *LoadReport, b *pipeline.Batch, sources []source,
	started time.Time,
) error {
	for i, s := range sources {
		p := pipeline.PreparedFile{
			File: s.File, Dir: fmt.Sprintf("%s/%s/%06d", b.Export, b.Type, i),
		}
		p.Path = s.ledgerPath()
		in := s.flattening(pipeline.Flattening{
			Plan: LoadPlan, Export: b.Export, LastUpdated: l.writtenAt(s.Path, started), Dir: p.Dir,
		})
		n, err := d.flatten(ctx, s, func(r io.Reader) (err error) {
			p.Done, err = l.Flattener.Flatten(ctx, in, r)
			return err
		})
		if err != nil {
			return fmt.Errorf("load %s: %w", b.Type, err)
		}
		all.Bytes += n
		all.add(p.Done)
		b.Files = append(b.Files, p)
	}
	return nil
}

// flatten calls do with the lines of a source. It returns the size of the file, or 0 if another
// source of the same file has counted it.
func (d folder) flatten(
	ctx context.Context, s source, do func(io.Reader) error,
) (bytes int64, err error) {
	r, err := d.reader(ctx, s)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(do(r), r.Close()); err != nil {
		return 0, err
	}
	if !s.main {
		return 0, nil
	}
	return r.size.n, nil
}

// linesOf counts the lines of a batch before it is committed.
func linesOf(b pipeline.Batch) pipeline.TypeReport {
	t := pipeline.TypeReport{Type: b.Type}
	for _, f := range b.Files {
		t.Lines += f.Done.Lines
		t.Quarantined += f.Done.Quarantined
	}
	return t
}

// tooBad refuses types with more bad lines than the limit allows.
func tooBad(types []pipeline.TypeReport, limit float64, quarantine, export string) error {
	var faults []error
	for _, t := range types {
		if float64(t.Quarantined) > limit*float64(t.Lines) {
			faults = append(faults,
				fmt.Errorf("%s: %d of %d lines are bad, more than %g %%", t.Type, t.Quarantined,
					t.Lines, limit*100))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &fault.Error{
		Class: fault.Permanent, Err: fmt.Errorf("nothing was loaded: %w", errors.Join(faults...)),
		Remedy: "see the lines and their reasons in " + filepath.Join(quarantine, export) +
			", or allow more with --max-bad",
	}
}

// soonCommitted is the size of files, in bytes, that take less time to commit than a warehouse
// takes to open again.
const soonCommitted = 8 << 20

// hold keeps the warehouse open after a commit if the next commit is short.
func (l Loader) hold(size int64) (release func() error) {
	if l.Hold != nil && size <= soonCommitted {
		return l.Hold()
	}
	return func() error { return nil }
}

// sideBySide is the number of types committed at the same time.
const sideBySide = 2

// commitAll commits the types, two at a time, or one at a time with first. It begins no commit
// after a failure.
func (l Loader) commitAll(
	ctx context.Context, all *LoadReport, batches []readyBatch, first before,
) error {
	var mu sync.Mutex
	errs := make([]error, len(batches))
	failed := false
	var g errgroup.Group
	g.SetLimit(sideBySide)
	if first != nil {
		g.SetLimit(1)
	}
	for i, b := range batches {
		release := l.hold(b.size)
		g.Go(func() error {
			mu.Lock()
			stop := failed
			mu.Unlock()
			if stop {
				errs[i] = release()
				return nil
			}
			t, err := l.commit(ctx, b.Batch, first)
			err = errors.Join(err, release())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[i], failed = fmt.Errorf("load %s: %w", b.Type, err), true
				return nil
			}
			all.Types = append(all.Types, t)
			return nil
		})
	}
	_ = g.Wait() // errs holds the errors, in order of the batches
	slices.SortFunc(all.Types, func(a, b pipeline.TypeReport) int {
		return strings.Compare(a.Type, b.Type)
	})
	return errors.Join(errs...)
}

// commit commits one type, and then removes its prepared files.
func (l Loader) commit(
	ctx context.Context, b pipeline.Batch, first before,
) (report pipeline.TypeReport, err error) {
	if first != nil {
		err = first(ctx, b)
	}
	if err == nil {
		report, err = l.committed(ctx, b)
	}
	return report, errors.Join(err, l.Lake.Remove(pipeline.Staging, b.Export+"/"+b.Type))
}

// committed commits a batch and returns its counts from the ledger.
func (l Loader) committed(ctx context.Context, b pipeline.Batch) (pipeline.TypeReport, error) {
	report := pipeline.TypeReport{Type: b.Type, Files: len(b.Files), Manifest: -1}
	read, err := l.Flattener.HasViews(b.Plan, b.Type)
	if err != nil {
		return report, err
	}
	report.NoView = !read
	b.Notify = func(notice string) { report.Notices = append(report.Notices, notice) }
	if err := l.Warehouse.Commit(ctx, b); err != nil {
		return report, fmt.Errorf("commit: %w", err)
	}
	entries, err := l.Warehouse.Ledger(ctx, b.Schema, b.Export)
	if err != nil {
		return report, fmt.Errorf("read the ledger: %w", err)
	}
	for _, e := range entries {
		if e.Type == b.Type {
			report.Add(e.Counts)
		}
	}
	if lines := linesOf(b).Lines; report.Lines != lines {
		return report, fault.Permanentf("%d lines were read, the ledger has %d", lines,
			report.Lines)
	}
	return report, nil
}

// writtenAt returns the timestamp for resources without meta.lastUpdated: the transaction time of
// the export if the folder is a copy of a fetched one, else the start of the load.
func (l Loader) writtenAt(path string, started time.Time) time.Time {
	for _, name := range []string{path, filepath.ToSlash(l.Dir) + "/"} {
		if t, ok := records.TransactionTimeOf(name); ok {
			return t
		}
	}
	return started
}
