package mssql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/prepared"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// Options are what a Warehouse is made of. Server, Lake, Views and Now are needed.
type Options struct {
	Server Server
	// Lake holds the prepared files.
	Lake pipeline.Lake
	// Views gives the tables of a plan.
	Views warehouse.Views
	// StagingURL is the staging area as the engine reaches it, for those that read
	// files themselves: https://ACCOUNT.dfs.core.windows.net/CONTAINER.
	StagingURL string
	// Statements is how many run at the same time; 0 means 2.
	Statements int
	// TempDir is where large prepared files lie while they are read; empty means
	// the system's.
	TempDir string
	// Now dates the ledger and the stages.
	Now func() time.Time
	// Wait passes the time between two tries; nil means a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Log may be nil.
	Log *slog.Logger
}

// Warehouse is pipeline.Warehouse on a server.
type Warehouse struct {
	o      Options
	engine statements.Engine
	pool   *sql.DB
}

// Open makes a Warehouse. It does not connect yet.
func Open(o Options) (*Warehouse, error) {
	if o.Server.connector == nil || o.Lake == nil || o.Views == nil || o.Now == nil {
		return nil, errors.New("a warehouse on SQL Server needs a server, a lake, views and a clock")
	}
	engine, err := statements.For(o.Server.Engine)
	if err != nil {
		return nil, err
	}
	if engine.Stage == statements.CopyInto && o.StagingURL == "" {
		return nil, fault.Permanentf("%s reads the staging container itself: it needs the storage account's https address", engine.Name)
	}
	o.Statements = cmp.Or(o.Statements, 2)
	o.TempDir = cmp.Or(o.TempDir, os.TempDir())
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Warehouse{o: o, engine: engine, pool: sql.OpenDB(o.Server.connector)}
	// A connection runs one statement at a time.
	w.pool.SetMaxOpenConns(o.Statements)
	w.keepIdle()
	return w, nil
}

// Close ends the connections that are kept.
func (w *Warehouse) Close() error { return w.pool.Close() }

const idleTime = time.Minute

func (w *Warehouse) keepIdle() {
	w.pool.SetMaxIdleConns(w.o.Statements)
	w.pool.SetConnMaxIdleTime(idleTime)
}

// dropIdle ends the connections that nobody uses: where one was cut, others
// probably were.
func (w *Warehouse) dropIdle() {
	w.pool.SetMaxIdleConns(-1)
	w.keepIdle()
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
	return w.again(ctx, func(try int) error { return w.attempt(ctx, b, views, try) })
}

// known refuses rows of tables that this process has no view of. They were prepared
// by a process with other views: the next try may meet that one.
func known(f pipeline.PreparedFile, plan string, views []prepared.Table) error {
	names := map[string]bool{}
	for _, v := range views {
		names[v.Name] = true
	}
	for table, n := range f.Done.Rows {
		if n > 0 && !names[table] {
			return fault.Transientf("file %s has rows of table %s, which is no view of plan %s here", f.Path, table, plan)
		}
	}
	return nil
}

// tries is how often something is tried here: a server that fails over cuts the
// connections in use and those in the pool, so that two in a row say nothing.
const tries = 4

// again tries do until it succeeds, fails for good, or asks for a longer wait.
func (w *Warehouse) again(ctx context.Context, do func(try int) error) error {
	for try := 1; ; try++ {
		err := do(try)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if try == tries || !passesSoon(err) {
			return err
		}
		w.o.Log.WarnContext(ctx, "the warehouse failed, trying again", "try", try, "error", err)
		w.dropIdle()
		if err := w.o.Wait(ctx, pause(try)); err != nil {
			return err
		}
	}
}

// pause is the wait after so many tries.
func pause(try int) time.Duration {
	const first = 250 * time.Millisecond
	return first << (2 * (try - 1))
}

// Rows counts the rows that an export wrote into the tables of a schema that are
// the keys of tables.
func (w *Warehouse) Rows(ctx context.Context, schema, export string, tables map[string]int64) (map[string]int64, error) {
	t := statements.Target{Engine: w.engine, Schema: schema}
	out := map[string]int64{}
	err := w.again(ctx, func(int) error {
		return w.with(ctx, func(s *session) (err error) {
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
func (w *Warehouse) Ledger(ctx context.Context, schema, export string) ([]pipeline.LedgerEntry, error) {
	t := statements.Target{Engine: w.engine, Schema: schema}
	var out []pipeline.LedgerEntry
	err := w.again(ctx, func(int) error {
		return w.with(ctx, func(s *session) (err error) {
			out, err = s.ledger(ctx, t, export)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger of %s: %w", export, err)
	}
	return out, nil
}
