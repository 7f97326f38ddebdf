package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
)

// Extractor makes files of the rows of a folder, one a table: <table>.parquet,
// .csv or .ndjson. All fields but Total and Read are needed.
//
// Every line is a source of rows: no version supersedes another, and loading again
// replaces the files. The tables are those of all views of the resource types that
// the folder has, with rows or without.
type Extractor struct {
	Lake      *localdir.Lake
	Flattener *prepared.Flattener
	Format    prepared.Format
	// Dir is where the files go. It is made when it is missing.
	Dir string
	Now func() time.Time
	// Token gives a fresh name of hexadecimal digits.
	Token func() string
	// Total is told the size of all files, before the first is read; Read, how
	// many bytes more were read.
	Total, Read func(bytes int64)
}

// Extract makes the files. They appear together at the end; after an error none
// does, and the report is empty.
func (x Extractor) Extract(ctx context.Context) (Report, error) {
	started := x.Now().UTC()
	report := newReport(started, x.Token)
	files, skipped, err := folder{lake: x.Lake}.scan(ctx)
	if err != nil {
		return Report{}, err
	}
	report.Skipped, report.Bytes = skipped, size(files)
	if x.Total != nil {
		x.Total(report.Bytes)
	}
	out, err := newOutputs(x.Dir)
	if err != nil {
		return Report{}, err
	}
	for typ, group := range byType(files) {
		t, err := x.table(ctx, out, &report, typ, group, started)
		if err != nil {
			return Report{}, errors.Join(fmt.Errorf("load %s: %w", typ, err), out.abort())
		}
		report.Types = append(report.Types, t)
	}
	if err := out.finish(); err != nil {
		return Report{}, errors.Join(err, out.abort())
	}
	return report, nil
}

// table writes the tables of one resource type.
func (x Extractor) table(ctx context.Context, out *outputs, all *Report, typ string, files []source, started time.Time) (pipeline.TypeReport, error) {
	report := pipeline.TypeReport{Type: typ, Files: len(files), Manifest: -1}
	e, err := x.Flattener.Extraction(Plan, typ, x.Format, func(table string) (io.WriteCloser, error) {
		return out.create(table + "." + string(x.Format))
	})
	if err != nil {
		return report, err
	}
	for _, table := range e.Tables() {
		all.Rows[table] = 0
	}
	for i, f := range files {
		done, err := x.add(ctx, e, pipeline.Flattening{
			Plan: Plan, Export: all.Export, Type: typ, Path: f.Path, LastUpdated: started,
			Dir: fmt.Sprintf("%s/%s/%06d", all.Export, typ, i),
		}, f)
		if err != nil {
			return report, err
		}
		all.add(done)
		report.Lines += done.Lines
		report.Applied += done.Heads
		report.Filtered += done.Filtered
		report.Quarantined += done.Quarantined
		report.Blank += done.Blank
		report.Deleted += done.Deleted
	}
	return report, e.Close()
}

func (x Extractor) add(ctx context.Context, e *prepared.Extraction, in pipeline.Flattening, f source) (done pipeline.Done, err error) {
	r, err := folder{x.Lake, x.Read}.open(ctx, f.File)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return e.Add(ctx, in, r)
}
