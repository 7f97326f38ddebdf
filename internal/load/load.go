// Package load puts the NDJSON files of a folder straight into a warehouse: the
// prepare and commit of the pipeline, without a server, a queue or a journal.
//
// Each run is an export of its own in the ledger. The newest version of each
// resource wins as everywhere, so that loading a folder twice changes nothing; a
// resource without meta.lastUpdated counts as written when the load began.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/pipeline"
)

// Plan is the plan that a load belongs to in the ledger.
const Plan = "load"

// Loader loads a folder. All fields but Total and Read are needed.
type Loader struct {
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
}

// Load loads all files into the tables of a schema, one resource type after the
// other; each becomes visible at once. After an error the report tells which
// types are there.
func (l Loader) Load(ctx context.Context, schema string) (Report, error) {
	started := l.Now().UTC()
	report := Report{Export: Plan + "-" + started.Format("20060102T150405Z") + "-" + l.Token()}
	files, err := l.scan(ctx, &report)
	if err != nil {
		return report, err
	}
	if l.Total != nil {
		var total int64
		for _, f := range files {
			total += f.Size
		}
		l.Total(total)
	}
	for typ, group := range byType(files) {
		t, err := l.commit(ctx, schema, report.Export, typ, group, started)
		if err != nil {
			return report, fmt.Errorf("load %s: %w", typ, err)
		}
		report.Types = append(report.Types, t)
	}
	return report, nil
}

// byType yields the files of each resource type, in order.
func byType(files []source) func(yield func(string, []source) bool) {
	return func(yield func(string, []source) bool) {
		slices.SortStableFunc(files, func(a, b source) int { return strings.Compare(a.typ, b.typ) })
		for i := 0; i < len(files); {
			j := i
			for j < len(files) && files[j].typ == files[i].typ {
				j++
			}
			if !yield(files[i].typ, files[i:j]) {
				return
			}
			i = j
		}
	}
}

// commit loads the files of one type. What it staged is gone when it returns.
func (l Loader) commit(ctx context.Context, schema, export, typ string, files []source, started time.Time) (report pipeline.TypeReport, err error) {
	defer func() { err = errors.Join(err, l.Lake.Remove(pipeline.Staging, export)) }()
	batch := pipeline.Batch{Schema: schema, Plan: Plan, Export: export, Type: typ, ViewSet: 1, Attempt: l.Token()}
	report = pipeline.TypeReport{Type: typ, Files: len(files), Manifest: -1}
	var lines int64
	for i, f := range files {
		p := pipeline.PreparedFile{File: f.File, Dir: fmt.Sprintf("%s/%s/%06d", export, typ, i)}
		if p.Done, err = l.flatten(ctx, export, f, p.Dir, started); err != nil {
			return report, err
		}
		lines += p.Done.Lines
		batch.Files = append(batch.Files, p)
	}
	if err := l.Warehouse.Commit(ctx, batch); err != nil {
		return report, fmt.Errorf("commit: %w", err)
	}
	entries, err := l.Warehouse.Ledger(ctx, schema, export)
	if err != nil {
		return report, fmt.Errorf("read the ledger: %w", err)
	}
	for _, e := range entries {
		if e.Type != typ {
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
	if report.Lines != lines {
		return report, fault.Permanentf("%d lines were read, the ledger has %d", lines, report.Lines)
	}
	return report, nil
}

func (l Loader) flatten(ctx context.Context, export string, f source, dir string, started time.Time) (done pipeline.Done, err error) {
	r, err := l.open(ctx, f.File)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return l.Flattener.Flatten(ctx, pipeline.Flattening{
		Plan: Plan, Export: export, Type: f.typ, Path: f.Path, LastUpdated: started, Dir: dir,
	}, r)
}

// open streams a file's lines, unpacked where its name ends in .gz.
func (l Loader) open(ctx context.Context, f pipeline.File) (io.ReadCloser, error) {
	raw, err := l.Lake.Open(ctx, pipeline.Landing, f.Path, f.ETag)
	if err != nil {
		return nil, err
	}
	counted := &counting{ReadCloser: raw, read: l.Read}
	if !strings.HasSuffix(f.Path, ".gz") {
		return counted, nil
	}
	z, err := gzip.NewReader(counted)
	if err != nil {
		return nil, errors.Join(fault.Permanentf("open %s: it is no gzip file: %w", f.Path, err), raw.Close())
	}
	return &unpacked{Reader: z, path: f.Path, under: counted}, nil
}

type counting struct {
	io.ReadCloser
	read func(int64)
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.read != nil {
		c.read(int64(n))
	}
	return n, err
}

// unpacked names the file when its packing turns out broken half way.
type unpacked struct {
	*gzip.Reader
	path  string
	under io.Closer
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // a Reader's end is io.EOF itself
		return n, err
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return n, fault.Permanentf("unpack %s: it is damaged or cut off: %w", u.path, err)
	}
	return n, fmt.Errorf("unpack %s: %w", u.path, err)
}

func (u *unpacked) Close() error { return errors.Join(u.Reader.Close(), u.under.Close()) }
