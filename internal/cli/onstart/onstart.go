// Package onstart is what the command start does: one export of one server into any
// warehouse. The packages onduck and onsql open the warehouses.
package onstart

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/app"
	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/batch"
	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/cli"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/workdir"
)

// Site is what a warehouse is opened with.
type Site struct {
	Request   cli.StartRequest
	Lake      *localfs.Lake
	Views     prepared.PlanViews
	Flattener *prepared.Flattener
	// Work is a folder that is removed at the end of the run.
	Work string
	// Quarantine is the folder of bad lines.
	Quarantine string
	Now        func() time.Time
}

// Target is a warehouse for one run.
type Target struct {
	pipeline.Warehouse
	// Schema is that of the tables, where the person names none.
	Schema string
	// Check opens the warehouse, before anything is asked of the server.
	Check func(context.Context) error
	// Finish comes after an export that was committed, with the folder of its files; nil
	// means that nothing is left to do.
	Finish func(ctx context.Context, files string) error
	// Close comes last, also after a failure.
	Close func(context.Context) error
}

// Kind opens the warehouses of one scheme.
type Kind struct {
	// Places returns the folder for temporary files and the folder for bad lines.
	Places func(rest string) (parent, quarantine string)
	// Open checks the address. It does not connect yet.
	Open func(ctx context.Context, s Site) (Target, error)
}

// Kinds are the warehouses by scheme.
type Kinds map[string]Kind

// Clock times a run: Timer gives a channel that fires at a time of Now's clock, nil
// means a timer of the system.
type Clock struct {
	Now   func() time.Time
	Timer func(at time.Time) (fires <-chan time.Time, stop func())
}

// Starter returns the command start --once.
func Starter(clock Clock, kinds Kinds) cli.Starter {
	return func(ctx context.Context, r cli.StartRequest) (cli.StartReport, error) {
		kind, ok := kinds[r.Scheme]
		if !ok {
			return cli.StartReport{}, fault.Permanentf("--to %s: start writes to %s", r.Scheme, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		return start(ctx, r, kind, clock)
	}
}

func start(ctx context.Context, r cli.StartRequest, kind Kind, clock Clock) (out cli.StartReport, err error) {
	landing, err := landingOf(r)
	if err != nil {
		return out, err
	}
	source, err := sourceOf(r, landing, clock.Now)
	if err != nil {
		return out, err
	}
	parent, quarantine := kind.Places(r.Rest)
	out.QuarantineFolder = quarantine
	work, err := workdir.Make(parent, batch.WorkPrefix, clock.Now())
	if err != nil {
		return out, fmt.Errorf("make a folder for temporary files: %w", err)
	}
	defer func() { err = errors.Join(err, work.Remove()) }()
	files := cmp.Or(r.Keep, filepath.Join(work.Path(), "files"))
	if err := emptyFolder(files); err != nil {
		return out, err
	}
	views, err := app.Views(r.Views, sof.WithReferences(r.References))
	if err != nil {
		return out, err
	}
	lake := localfs.New(work.Path()).WithQuarantine(quarantine).WithLanding(files)
	flattener, err := prepared.NewFlattener(prepared.Options{Lake: lake, Views: views})
	if err != nil {
		return out, err
	}
	to, err := kind.Open(ctx, Site{Request: r, Lake: lake, Views: views, Flattener: flattener, Work: work.Path(), Quarantine: quarantine, Now: clock.Now})
	if err != nil {
		return out, err
	}
	defer func() {
		if to.Close != nil {
			err = errors.Join(err, to.Close(ctx))
		}
	}()
	for _, check := range []func() error{func() error { return room(work.Path()) }, func() error { return to.Check(ctx) }} {
		if err := check(); err != nil {
			return out, fmt.Errorf("--to cannot be used: %w", err)
		}
	}
	out.Result, err = export(ctx, r, to, lake, source, landing, flattener, clock)
	for _, t := range out.Types {
		if t.Quarantined > 0 {
			out.Quarantine = filepath.Join(quarantine, out.Export)
		}
	}
	if err == nil && to.Finish != nil {
		err = to.Finish(ctx, files)
	}
	return out, err
}

func export(ctx context.Context, r cli.StartRequest, to Target, lake *localfs.Lake, source pipeline.Source, landing *azure.Lake, f *prepared.Flattener, clock Clock) (batch.Result, error) {
	o := batch.Options{
		Plan: pipeline.Plan{
			Level: r.Level, Group: r.Group, Types: r.Types, TypeFilter: r.TypeFilters, Schema: cmp.Or(r.Schema, to.Schema), MaxBad: r.MaxBad, AllowErrors: r.AllowErrors,
			// Below level system a server of dialect azure cannot be asked for deletes.
			Deleted: landing == nil || r.Level == pipeline.LevelSystem,
		},
		Since: r.Since, Until: r.Until, Source: source, Lake: lake, Landings: lake, Warehouse: to, Flattener: f,
		Now: clock.Now, Timer: clock.Timer, Token: token, Watch: r.Watch, Patience: r.Timeout,
	}
	if landing != nil {
		o.Lake, o.Shared = splitLake{lake, landing}, true
	}
	return batch.Run(ctx, o)
}

// emptyFolder makes a folder that only its owner may enter. One that has files is
// refused: they would be taken for those of the export.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Permanentf("make the folder for the files of the export: %w", err)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return fault.Permanentf("look into the folder for the files of the export: %w", err)
	}
	if len(there) > 0 {
		return fault.Permanentf("--keep %s: the folder is not empty: name one that is new or empty", dir)
	}
	return nil
}

// roomNeeded is how much must fit on the disk for an export to begin.
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

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:])
}
