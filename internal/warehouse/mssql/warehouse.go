package mssql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
	"fhirsynapse/internal/warehouse/tds"
)

// Options configure a Warehouse. Server, Lake, Views and Now are required.
type Options struct {
	Server tds.Server
	// Pool, if set, is used in place of a new one and not closed. Warm sessions save time on some
	// servers.
	Pool *tds.Pool
	// Lake holds the prepared files.
	Lake pipeline.Lake
	// Remover removes blobs of the lake's staging area as soon as they are of no use; nil leaves
	// them.
	Remover pipeline.Remover
	// Views returns the tables of a plan.
	Views warehouse.Views
	// StagingURL is the staging area's address for engines that read files themselves:
	// https://ACCOUNT.dfs.core.windows.net/CONTAINER.
	StagingURL string
	// Documents returns the compiled views of a plan if the engine computes their rows from
	// documents. nil stages the rows that prepare has computed.
	Documents func(plan string) ([]*sof.View, error)
	// LineLimit bounds a line in bytes; 0 means the default.
	LineLimit int
	// Statements is the number of concurrent statements; 0 means 2.
	Statements int
	// Lines sends all rows as lines of JSON to engines that otherwise read Parquet.
	Lines bool
	// CommitRows bounds the rows of one transaction: more files go in groups. 0 means the engine's
	// default.
	CommitRows int64
	// NoIndexes makes no indexes and statistics after a commit. Those that are there are kept up.
	NoIndexes bool
	// TempDir is the folder for large prepared files while they are read; empty means the system's.
	TempDir string
	// LockWait bounds how long a commit waits for another on an engine whose locks have no time
	// limit of their own; 0 means a minute.
	LockWait time.Duration
	// Now dates the ledger and the stages.
	Now func() time.Time
	// Wait waits between two tries; nil means a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Log may be nil.
	Log *slog.Logger
}

// Warehouse implements pipeline.Warehouse on a server.
type Warehouse struct{ stager }

// core is the server that a Warehouse commits to.
type core struct {
	o      Options
	engine statements.Engine
	pool   *tds.Pool
	// groupBytes is the size of a row group, before compression.
	groupBytes int
	// collated is set once the collation of the database is known to tell ids apart.
	collated *atomic.Bool
}

// Open returns a Warehouse. It does not connect yet.
func Open(o Options) (*Warehouse, error) {
	if o.Lake == nil || o.Views == nil || o.Now == nil {
		return nil, errors.New(
			"a warehouse on SQL Server needs a server, a lake, views and a clock")
	}
	engine, err := statements.For(o.Server.Engine)
	if err != nil {
		return nil, err
	}
	if engine.Stage == statements.CopyInto && o.StagingURL == "" {
		return nil, fault.Permanentf(
			"%s reads from the staging container itself: give the https address of the storage account", engine.Name)
	}
	o.Lines = o.Lines && engine.Stage == statements.CopyInto
	o.TempDir = cmp.Or(o.TempDir, os.TempDir())
	o.LockWait = cmp.Or(o.LockWait, time.Minute)
	o.CommitRows = cmp.Or(o.CommitRows, engine.CommitRows)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	pool := o.Pool
	if pool == nil {
		if pool, err = tds.Connect(o.Server, tds.Options{
			Statements: o.Statements, Wait: o.Wait, Log: o.Log,
		}); err != nil {
			return nil, err
		}
	}
	return &Warehouse{stager{definer{core{
		o: o, engine: engine, pool: pool, collated: new(atomic.Bool),
		groupBytes: groupBytes(cmp.Or(o.Statements, 2)),
	}}}}, nil
}

// Close closes the idle connections.
func (w *Warehouse) Close() error {
	if w.o.Pool != nil {
		return nil
	}
	return w.pool.Close()
}

// Commit implements pipeline.Warehouse.
func (w *Warehouse) Commit(ctx context.Context, b pipeline.Batch) error {
	if err := w.commit(ctx, b); err != nil {
		return fmt.Errorf("commit %s of %s: %w", b.Type, b.Export, err)
	}
	return nil
}

func (w *Warehouse) commit(ctx context.Context, b pipeline.Batch) error {
	if err := warehouse.Check(b); err != nil {
		return err
	}
	views, err := w.o.Views.Tables(b.Plan, b.Type)
	if err != nil {
		return err
	}
	b.Files = warehouse.Numbered(b.Files)
	for _, f := range b.Files {
		if err := known(f, b.Plan, views); err != nil {
			return err
		}
	}
	return w.pool.Again(ctx, func(try int) error { return w.attempt(ctx, b, views, try) })
}

// known refuses rows of tables without a view in this process. They were prepared by a process with
// other views, and the next try may run there.
func known(f pipeline.PreparedFile, plan string, views []flatten.Table) error {
	names := map[string]bool{}
	for _, v := range views {
		names[v.Name] = true
	}
	for table, n := range f.Done.Rows {
		if n > 0 && !names[table] {
			return fault.Transientf(
				"file %s has rows of table %s, which is not a view of plan %s in this program",
				f.Path, table, plan)
		}
	}
	return nil
}

// Rows counts the rows of an export in the tables whose names are the keys of tables.
func (w *Warehouse) Rows(
	ctx context.Context, schema, export string, tables map[string]int64,
) (map[string]int64, error) {
	t := statements.Target{Engine: w.engine, Schema: schema}
	out := map[string]int64{}
	err := w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) (err error) {
			for table := range tables {
				if out[table], _, err = s.number(ctx, t.RowsQuery(table, export)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("count the rows of %s: %w", export, err)
	}
	return out, nil
}

// Ledger implements pipeline.Warehouse.
func (w *Warehouse) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	t := statements.Target{Engine: w.engine, Schema: schema}
	var out []pipeline.LedgerEntry
	err := w.pool.Again(ctx, func(int) error {
		return w.with(ctx, func(s session) (err error) {
			out, err = s.ledger(ctx, t, export)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s: %w", export, err)
	}
	return out, nil
}
