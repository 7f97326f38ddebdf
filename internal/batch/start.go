package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// Start runs one export of one server into a warehouse, or into files.
func (r Runner) Start(ctx context.Context, q StartRequest) (report StartReport, err error) {
	to, ok := r.target(q.Scheme, q.Rest)
	if !ok {
		return report, fault.Permanentf("--to %s: start writes to %s", q.Scheme, r.schemes())
	}
	server, err := r.Connect(q, r.Now)
	if err != nil {
		return report, err
	}
	// The server has no folder on this machine, so bad lines go into the current folder.
	quarantine := cmp.Or(to.Quarantine, "start.quarantine")
	report.QuarantineFolder = quarantine
	work, err := r.tempFolder(to)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, work.Remove()) }()
	files := cmp.Or(q.Keep, filepath.Join(work.Path(), "files"))
	if err := emptyFolder(files); err != nil {
		return report, err
	}
	views, err := compiled(q.Views, q.References, to.Storage)
	if err != nil {
		return report, err
	}
	lake := localfs.New(work.Path()).WithQuarantine(quarantine).WithLanding(files)
	flattener, err := flatten.NewFlattener(flatten.Options{Lake: lake, Views: views})
	if err != nil {
		return report, err
	}
	x := r.exporter(q, server, lake, flattener)
	x.Plan.Schema = cmp.Or(q.Schema, to.Schema)
	if to.format != "" {
		report.ExportResult, err = startFiles(ctx, x, work.Path(), Extractor{
			Lake: NewFolders(files, filepath.Join(work.Path(), "extract"),
				filepath.Join(work.Path(), "bad")),
			Flattener: flattener, Format: to.format, Dir: filepath.Clean(q.Rest), Now: r.Now,
			Token:  token,
			MaxBad: q.MaxBad, Quarantine: quarantine,
		})
	} else {
		report.ExportResult, err = r.startTables(ctx, x, q, to, warehouse.OpenOptions{
			Lake: lake, Views: views, TempDir: work.Path(), MakeRoom: makeRoom(flattener),
		})
	}
	for _, t := range report.Types {
		if t.Quarantined > 0 {
			report.Quarantine = filepath.Join(quarantine, report.Export)
		}
	}
	return report, err
}

// startTables exports into the tables of an engine.
func (r Runner) startTables(
	ctx context.Context, x Exporter, q StartRequest, to target, o warehouse.OpenOptions,
) (result ExportResult, err error) {
	in, err := r.open(ctx, to, q.Rest, q.Staging, o)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	if err := room(o.TempDir); err != nil {
		return result, unusable(err)
	}
	if err := in.Tables.Check(ctx, to.Schema); err != nil {
		return result, unusable(err)
	}
	x.Warehouse = in.Warehouse
	return x.Export(ctx)
}

// unusable returns the error for a target that cannot be used, before the server is asked.
func unusable(err error) error { return fmt.Errorf("--to cannot be used: %w", err) }

// exporter returns the exporter of a request, without a warehouse.
func (r Runner) exporter(
	q StartRequest, server Server, lake *localfs.Lake, f *flatten.Flattener,
) Exporter {
	x := Exporter{
		Plan: pipeline.Plan{
			Level: q.Level, Group: q.Group, Types: q.Types, TypeFilter: q.TypeFilters,
			MaxBad: q.MaxBad, AllowErrors: q.AllowErrors,
			// A server of dialect azure cannot be asked for deletes below level system.
			Deleted: server.Landing == nil || q.Level == pipeline.LevelSystem,
		},
		Since: q.Since, Until: q.Until, Source: server.Source, Lake: lake, Landings: lake,
		Flattener: f,
		Now:       r.Now, Timer: r.Timer, Token: token, Watch: q.Watch, Patience: q.Timeout,
	}
	if server.Landing != nil {
		x.Lake, x.Shared = splitLake{lake, server.Landing}, true
	}
	return x
}

// emptyFolder makes a folder that only its owner may enter. It refuses a folder that has files,
// because the export would take them for its own.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Permanentf("make the folder for the files of the export: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fault.Permanentf("look into the folder for the files of the export: %w", err)
	}
	if len(there) > 0 {
		return fault.Permanentf("--keep %s: the folder is not empty: name one that is new or empty",
			dir)
	}
	return nil
}

// roomNeeded is the free space in bytes that an export needs on the disk to begin.
const roomNeeded = 4 << 20

// room fails when a disk is full.
func room(dir string) (err error) {
	f, err := os.CreateTemp(dir, "room-")
	if err != nil {
		return fault.Permanentf("write to the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, roomNeeded)); err != nil {
		return fault.Permanentf("there is no room on the disk: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fault.Permanentf("there is no room on the disk: %w", err)
	}
	return nil
}
