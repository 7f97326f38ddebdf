// Package duckdb implements the warehouse on DuckDB: the local default, one file, no server. It is
// the only package that needs cgo; handler/ never links it.
//
// The database file is opened for a commit and closed after it, unless other commits run or wait,
// so that other processes can read it in between. DuckDB allows one writing process or several
// reading ones, which excludes commits of other processes. Inside a process there is a lock per
// path and one per type: commits of two types share only the ledger and run concurrently, each on
// its own thread. A commit first stages without locks: it downloads the prepared Parquet into its
// own folder. Then, in one transaction, it finds the winners, replaces their rows, writes heads and
// ledger, and compares the counts before COMMIT.
//
// The cost of a batch is bounded: DuckDB by its memory limit, beyond which it spills to the
// temporary folder, and staging by the size of the batch on disk.
package duckdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// Options configure a Warehouse. Path, Lake, Views and Now are required; zero values of the others
// mean the defaults.
type Options struct {
	// Path is the database file. It and its folder are created if missing.
	Path string
	// Lake holds the prepared files.
	Lake pipeline.Lake
	// Views returns the tables of a plan.
	Views warehouse.Views
	// TempDir is the folder for staged batches and DuckDB's spilled data; empty means the system's.
	TempDir string
	// MemoryLimit bounds DuckDB's memory, in its notation; empty means 88MB. With it a gigabyte of
	// all bundled types, two types at a time, was committed in 280 MiB in total, no slower than
	// with more. Rows of long texts may need more: their commit is retried once with moreMemory.
	MemoryLimit string
	// MakeRoom, if not nil, is called before commits use memory, so that others can free theirs.
	// Its result is called when they need none any more.
	MakeRoom func() (done func())
	// Downloads limits the concurrent downloads of prepared files; 0 means 4.
	Downloads int
	// Patience bounds Check's wait for another process that uses the file.
	Patience time.Duration
	// Now dates the ledger.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger

	// before, if set, is called before every statement of a commit. Tests use it to kill the
	// process there.
	before func(step string)
}

// Warehouse implements pipeline.Warehouse on a DuckDB file.
type Warehouse struct {
	o            Options
	given        string // the caller's path, for messages
	memoryChosen bool   // the caller set MemoryLimit
	sessions     sessions
	ledgers      ledgers
}

// moreMemory is the memory for the retry of a commit that failed with the default of MemoryLimit,
// unless the caller chose a limit. DuckDB holds all texts of 2,048 rows in memory.
const moreMemory = "1GB"

// Open returns a Warehouse. It does not open the database yet.
func Open(o Options) (*Warehouse, error) {
	memoryChosen := o.MemoryLimit != ""
	o.MemoryLimit = cmp.Or(o.MemoryLimit, "88MB")
	o.Downloads = cmp.Or(o.Downloads, 4)
	o.TempDir = cmp.Or(o.TempDir, os.TempDir())
	if o.Path == "" || o.Lake == nil || o.Views == nil || o.Now == nil {
		return nil, errors.New("a warehouse on DuckDB needs a path, a lake, views and a clock")
	}
	given := o.Path
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("find database %s: %w", o.Path, err)
	}
	o.Path = path
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MakeRoom == nil {
		o.MakeRoom = func() func() { return func() {} }
	}
	if o.before == nil {
		o.before = func(string) {}
	}
	return &Warehouse{o: o, given: given, memoryChosen: memoryChosen, sessions: newSessions()}, nil
}

// Commit implements pipeline.Warehouse.
func (w *Warehouse) Commit(ctx context.Context, b pipeline.Batch) error {
	if err := w.commit(ctx, b); err != nil {
		return fmt.Errorf("commit %s of %s: %w", b.Type, b.Export, err)
	}
	return nil
}

func (w *Warehouse) commit(ctx context.Context, b pipeline.Batch) (err error) {
	if err := warehouse.Check(b); err != nil {
		return err
	}
	tables, err := w.o.Views.Tables(b.Plan, b.Type)
	if err != nil {
		return err
	}
	// Files in the ledger need not be fetched. The ledger may change until the transaction, which
	// therefore reads it again.
	b.Files, err = w.missing(ctx, b)
	if err != nil || len(b.Files) == 0 {
		return err
	}
	s, err := w.stage(ctx, b, tables)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	w.o.before("open")
	return w.write(ctx, b.Type+" in "+b.Schema, func(in *session, db *database) error {
		if err := w.apply(ctx, in, db, s); err != nil {
			return err
		}
		return in.report(ctx, db, b.Schema, b.Export)
	})
}

// missing returns the files of a batch that are not in the ledger, in the order of their numbers.
func (w *Warehouse) missing(
	ctx context.Context, b pipeline.Batch,
) ([]pipeline.PreparedFile, error) {
	there, err := w.Ledger(ctx, b.Schema, b.Export)
	if err != nil {
		return nil, err
	}
	return warehouse.Uncommitted(warehouse.Numbered(b.Files), there), nil
}

// Ledger implements pipeline.Warehouse.
func (w *Warehouse) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	if _, err := os.Stat(w.o.Path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if entries, ok := w.reported(schema, export); ok {
		return entries, nil
	}
	if entries, ok := w.ledgers.look(w.o.Path, schema, export); ok {
		return entries, nil
	}
	at, whole := stampOf(w.o.Path)
	var out []pipeline.LedgerEntry
	err := w.read(ctx, func(db *database) (err error) {
		out, err = db.ledger(ctx, schema, export)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s: %w", export, err)
	}
	if whole {
		w.ledgers.remember(at, schema, export, out)
	}
	return out, nil
}

func (w *Warehouse) makeFolder() error {
	if err := os.MkdirAll(filepath.Dir(w.o.Path), 0o700); err != nil {
		return fault.Permanentf("create the folder of the database: %w", err)
	}
	return nil
}
