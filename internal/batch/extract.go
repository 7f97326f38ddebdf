package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// Extractor writes the rows of a folder into files, one for each table: <table>.parquet, .csv or
// .ndjson. All fields but Total and Read are needed.
//
// Every line makes rows: no version supersedes another, and loading again replaces the files. Each
// view of the resource types in the folder has a table, with or without rows.
type Extractor struct {
	Lake      *localfs.Lake
	Flattener *flatten.Flattener
	Format    flatten.Format
	// Dir is the folder of the files. It is made when it is missing.
	Dir string
	Now func() time.Time
	// Token returns a new name of hexadecimal digits.
	Token func() string
	// LineLimit is the longest line in bytes; 0 means 64 MB.
	LineLimit int
	// MaxBad is the share of bad lines of a resource type, 0 to 1, above which no file appears.
	// Quarantine is the folder with the bad lines, for the message.
	MaxBad     float64
	Quarantine string
	// Total is called with the size of all files before the first is read, and Read with the number
	// of bytes read since its last call. After another Total, the files are read once more.
	Total, Read func(bytes int64)
}

// Extract writes the files. They appear together at the end; after an error none appears, and the
// report has only the files that were left out.
func (x Extractor) Extract(ctx context.Context) (LoadReport, error) {
	started := x.Now().UTC()
	report, _, err := flattenAgainIfMixed(newReport(started,
		x.Token()), x.Lake, func(report *LoadReport, whole bool) (struct{}, error) {
		return struct{}{}, x.extract(ctx, report, started, whole)
	})
	if err != nil {
		return LoadReport{Export: report.Export, LeftOut: report.LeftOut}, err
	}
	return report, nil
}

// extract writes the files of all types in the folder.
func (x Extractor) extract(
	ctx context.Context, report *LoadReport, started time.Time, whole bool,
) error {
	d := folder{
		lake: x.Lake, lineLimit: x.LineLimit, read: x.Read,
		hasViews: func(typ string) (bool, error) {
			return x.Flattener.HasViews(LoadPlan, typ)
		},
	}
	sources, left, err := d.scan(ctx, whole)
	report.LeftOut = left
	if err != nil {
		return err
	}
	if x.Total != nil {
		x.Total(unpackedSize(sources))
	}
	out, err := newOutputs(x.Dir, started)
	if err != nil {
		return err
	}
	for typ, group := range byType(sources) {
		t, err := x.table(ctx, d, out, report, typ, group, started)
		if err != nil {
			return errors.Join(fmt.Errorf("load %s: %w", typ, err), out.abort())
		}
		report.Types = append(report.Types, t)
	}
	if err := tooBad(report.Types, x.MaxBad, x.Quarantine, report.Export); err != nil {
		return errors.Join(err, out.abort())
	}
	if err := out.finish(); err != nil {
		return errors.Join(err, out.abort())
	}
	return nil
}

// table writes the tables of one resource type.
func (x Extractor) table(
	ctx context.Context, d folder, out *outputs, all *LoadReport, typ string, sources []source,
	started time.Time,
) (pipeline.TypeReport, error) {
	report := pipeline.TypeReport{Type: typ, Files: len(sources), Manifest: -1}
	e, err := x.Flattener.Extraction(LoadPlan, typ,
		x.Format, func(table string) (io.WriteCloser, error) {
			return out.create(table + "." + string(x.Format))
		})
	if err != nil {
		return report, err
	}
	for _, table := range e.Tables() {
		all.Rows[table] = 0
	}
	report.NoView = len(e.Tables()) == 0
	for i, src := range sources {
		var done pipeline.Done
		in := src.flattening(pipeline.Flattening{
			Plan: LoadPlan, Export: all.Export, LastUpdated: started,
			Dir: fmt.Sprintf("%s/%s/%06d", all.Export, typ, i),
		})
		n, err := d.flatten(ctx, src, func(r io.Reader) (err error) {
			done, err = e.Add(ctx, in, r)
			return err
		})
		if err != nil {
			return report, err
		}
		all.Bytes += n
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
