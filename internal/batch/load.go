package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/warehouse"
)

// checkPatience is how long a load waits for another process that uses the database.
const checkPatience = 5 * time.Second

// Load loads the files of a folder into a warehouse, or into files.
func (r Runner) Load(ctx context.Context, q LoadRequest) (LoadReport, error) {
	report, err := r.load(ctx, q)
	if err != nil {
		return report, fmt.Errorf("load %s: %w", q.Dir, err)
	}
	return report, nil
}

func (r Runner) load(ctx context.Context, q LoadRequest) (report LoadReport, err error) {
	to, ok := r.target(q.Scheme, q.Rest)
	if !ok {
		return report, notLoaded(q.Scheme, r.Engines[q.Scheme] != nil)
	}
	views, err := compiled(q.Views, q.References, to.Storage)
	if err != nil {
		return report, err
	}
	work, err := r.tempFolder(to)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, work.Remove()) }()
	dir, err := filepath.Abs(q.Dir)
	if err != nil {
		return report, err
	}
	// The folder and its parent may be read-only.
	quarantine := cmp.Or(to.Quarantine, filepath.Base(dir)+".quarantine")
	lake := NewFolders(q.Dir, filepath.Join(work.Path(), "staging"), quarantine)
	flattener, err := flatten.NewFlattener(flatten.Options{
		Lake: lake, Views: views, Codec: flatten.Codec(q.Compression), LineLimit: q.LineLimit,
		Quarantined: q.Progress.Bad,
	})
	if err != nil {
		return report, err
	}
	if to.format != "" {
		report, err = Extractor{
			Lake: lake, Flattener: flattener, Format: to.format, Dir: filepath.Clean(q.Rest),
			Now: r.Now, Token: token,
			LineLimit: q.LineLimit, MaxBad: q.MaxBad, Quarantine: quarantine,
			Total: q.Progress.Total, Read: q.Progress.Add,
		}.Extract(ctx)
	} else {
		report, err = r.loadTables(ctx, q, to, Loader{
			Dir: dir, Lake: lake, Flattener: flattener, Now: r.Now, Token: token,
			LineLimit: q.LineLimit, MaxBad: q.MaxBad, Quarantine: quarantine,
			Total: q.Progress.Total, Read: q.Progress.Add,
		}, loadOptions(q, lake, views, flattener, work.Path()))
	}
	report.Base = q.References.Base
	for _, t := range report.Types {
		if t.Quarantined > 0 {
			report.Quarantine = filepath.Join(quarantine, report.Export)
		}
	}
	return report, err
}

// loadOptions returns the options to open the warehouse of a load.
func loadOptions(
	q LoadRequest, lake *localfs.Lake, views flatten.PlanViews, f *flatten.Flattener, work string,
) warehouse.OpenOptions {
	o := warehouse.OpenOptions{
		Lake: lake, Views: views, TempDir: work, LineLimit: q.LineLimit,
		EngineTransforms: q.EngineTransforms,
		Patience:         checkPatience, MakeRoom: makeRoom(f),
	}
	if q.EngineTransforms {
		o.Lake = Documents(lake)
	}
	return o
}

// loadTables opens the warehouse, and loads or rebuilds its tables.
func (r Runner) loadTables(
	ctx context.Context, q LoadRequest, to target, l Loader, o warehouse.OpenOptions,
) (report LoadReport, err error) {
	in, err := r.open(ctx, to, q.Rest, q.Staging, o)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	schema := cmp.Or(q.Schema, to.Schema)
	// A warehouse that cannot be used is reported before hours of reading.
	if err := in.Tables.Check(ctx, schema); err != nil {
		return report, err
	}
	l.Warehouse, l.Hold = in.Warehouse, in.Hold
	switch {
	case q.Rebuild && in.InPlace != nil:
		report, err = l.RebuildInPlace(ctx, schema, q.RebuildTypes, in.InPlace)
	case q.Rebuild:
		report, err = l.Rebuild(ctx, schema, q.RebuildTypes, in.Beside)
	default:
		report, err = l.Load(ctx, schema)
	}
	if err != nil {
		return report, err
	}
	// Rows of superseded resources were counted, but are in no table.
	report.Rows, err = in.Tables.Rows(ctx, schema, report.Export, report.Rows)
	return report, err
}
