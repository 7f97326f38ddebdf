package batch

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/workdir"
	"fhirsynapse/views"
)

// Runner loads and exports at a person's request, with the adapters of its program. Engines and Now
// are needed; the other fields only by the requests that use them.
type Runner struct {
	Engines warehouse.Engines
	// Connect makes the client of the FHIR server of an export.
	Connect func(q StartRequest, now func() time.Time) (Server, error)
	// Staging opens the container of a storage account.
	Staging func(url string) (Staging, error)
	Now     func() time.Time
	// Timer returns a channel that fires at a time of Now's clock; nil means a timer of the system.
	Timer func(at time.Time) (fires <-chan time.Time, stop func())
}

// Server is a FHIR server.
type Server struct {
	Source pipeline.Source
	// Landing is the container that the server writes into; nil for a server that keeps its files.
	Landing pipeline.Lake
}

// target is the destination of a run: the tables of an engine, or files of a format.
type target struct {
	warehouse.Local
	engine warehouse.Engine
	format flatten.Format // empty with an engine
}

var formats = []flatten.Format{flatten.Parquet, flatten.CSV, flatten.NDJSON}

// target returns the target of a scheme and an address, and whether a run can write there.
func (r Runner) target(scheme, address string) (target, bool) {
	if format := flatten.Format(scheme); slices.Contains(formats, format) {
		dir := filepath.Clean(address)
		local := warehouse.Local{
			Schema: "main", Dir: filepath.Dir(dir), Quarantine: dir + ".quarantine",
		}
		return target{format: format, Local: local}, true
	}
	engine, known := r.Engines[scheme]
	if !known {
		return target{}, false
	}
	local, ok := engine.Local(address)
	return target{engine: engine, Local: local}, ok
}

// schemes lists the schemes of all targets.
func (r Runner) schemes() string {
	var all []string
	for _, f := range formats {
		all = append(all, string(f))
	}
	for scheme := range r.Engines {
		if _, ok := r.target(scheme, ""); ok {
			all = append(all, scheme)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// tempFolder makes a folder for temporary files, for DuckDB and for files on the disk of the
// output, so that finished files can be renamed. It removes folders that killed processes
// left behind.
func (r Runner) tempFolder(to target) (*workdir.Dir, error) {
	work, err := workdir.Make(cmp.Or(to.Dir, os.TempDir()), WorkPrefix, r.Now())
	if err != nil {
		return nil, fmt.Errorf("make a folder for temporary files: %w", err)
	}
	return work, nil
}

// compiled returns the bundled views and the views of a folder, if there is one.
func compiled(
	folder string, references sof.References, o storage.Options,
) (flatten.PlanViews, error) {
	set, err := views.WithFolder(folder, sof.WithReferences(references))
	if err != nil {
		return nil, err
	}
	return flatten.Stored{
		Native:  func(string) ([]*sof.View, error) { return set, nil },
		Storage: func(string) storage.Options { return o },
	}, nil
}

// tables are the open tables of a run.
type tables struct {
	warehouse.Opened
	staging *stagingFolder // nil without a staging container
}

// open opens the tables of a target. With the URL of a staging container, the engine reads the
// files of the run from there.
func (r Runner) open(
	ctx context.Context, to target, address, staging string, o warehouse.OpenOptions,
) (tables, error) {
	var in *stagingFolder
	var err error
	if staging != "" {
		if in, err = openStagingFolder(ctx, o.Lake, staging, r.Staging); err != nil {
			return tables{}, err
		}
		o.Lake, o.StagingURL = in, in.url
	}
	o.Now = r.Now
	opened, err := to.engine.Open(address, o)
	if err != nil {
		return tables{}, err
	}
	return tables{opened, in}, nil
}

// close closes the tables and empties the staging container.
func (t tables) close(ctx context.Context) error {
	err := t.Tables.Close()
	if t.staging != nil {
		err = errors.Join(err, t.staging.remove(ctx))
	}
	return err
}

// makeRoom returns a function that frees the memory of a flattener for the commits.
func makeRoom(f *flatten.Flattener) func() (done func()) {
	return func() func() {
		f.GiveUp()
		debug.FreeOSMemory()
		return func() {}
	}
}

func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, according to its documentation
	return hex.EncodeToString(b[:])
}

// notLoaded returns the error for a target that a load cannot write to.
func notLoaded(scheme string, known bool) error {
	if known {
		return fault.Permanentf(
			"%s loads nothing, its views read files of a storage account, which a folder of this machine is not: "+
				"let an export run into it, with this warehouse in the setting Warehouse", scheme)
	}
	return fault.Permanentf(
		"load goes to duckdb:FILE, sqlserver://HOST, synapse-dedicated://HOST, fabric://HOST, "+
			"parquet:DIR, csv:DIR or ndjson:DIR, not to %q", scheme)
}
