package serverless

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
	"fhirsynapse/internal/warehouse/tds"
)

// Options configure a Warehouse. Server, Lake, Published, PublishedURL and Views are required.
type Options struct {
	Server tds.Server
	// Lake holds the files of exports and their prepared forms.
	Lake pipeline.Lake
	// Published holds the lines that views read, in its staging area. No rule may delete them.
	Published pipeline.Lake
	// PublishedURL is the area's address for the pool:
	// https://ACCOUNT.dfs.core.windows.net/CONTAINER.
	PublishedURL string
	// Snapshots, if enabled, are written to Published. They need Remover to delete old ones and Now
	// for their age.
	Snapshots Snapshots
	Remover   Remover
	Now       func() time.Time
	// Views returns the compiled views of a plan.
	Views func(plan string) ([]*sof.View, error)
	// LineLimit bounds a line in bytes; 0 means the default.
	LineLimit int
	// Statements is the number of concurrent statements; 0 means 2.
	Statements int
	// Wait waits between two tries; nil means a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Log may be nil.
	Log *slog.Logger
}

// Warehouse implements pipeline.Warehouse with published files and the views of a pool.
type Warehouse struct {
	o    Options
	pool *tds.Pool

	mu sync.Mutex
	// made holds the texts of the views that this process has created, by name.
	made map[string]string
}

// Open returns a Warehouse. It does not connect yet.
func Open(o Options) (*Warehouse, error) {
	if o.Lake == nil || o.Published == nil || o.Views == nil {
		return nil, errors.New(
			"a warehouse on the serverless pool needs a lake, a place to publish, and views")
	}
	if o.PublishedURL == "" {
		return nil, fault.Permanentf(
			"the serverless pool reads the published files itself: it needs the storage account's https address")
	}
	if o.Snapshots.Every > 0 && (o.Remover == nil || o.Now == nil) {
		return nil, errors.New(
			"snapshots on the serverless pool need someone who removes them, and a clock")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	pool, err := tds.Connect(o.Server, tds.Options{
		Statements: o.Statements, Wait: o.Wait, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	return &Warehouse{o: o, pool: pool, made: map[string]string{}}, nil
}

// Close closes the idle connections.
func (w *Warehouse) Close() error { return w.pool.Close() }

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
	views, filtered, err := w.viewsOf(b.Plan, b.Schema, b.Type)
	if err != nil {
		return err
	}
	folder := b.Schema + "/" + b.Type
	there, err := w.list(ctx, folder+"/")
	if err != nil {
		return err
	}
	files, err := w.missing(ctx, there[folder].parts, folder, b)
	if err != nil || len(files) == 0 {
		return err
	}
	name := there[folder].parts.next(b.Attempt)
	dir := folder + "/part=" + name
	entries := make([]pipeline.LedgerEntry, len(files))
	for i, f := range files {
		if err := w.publish(ctx, b.Export, fmt.Sprintf("%s/%06d", dir, i), f); err != nil {
			return err
		}
		d := f.Done
		entries[i] = pipeline.LedgerEntry{
			Path: f.Path, ETag: f.ETag, Type: b.Type, Counts: d.Counts(d.Heads, d.Deleted),
		}
	}
	if err := w.put(ctx, dir+"/"+readyName, len(files)); err != nil {
		return err
	}
	if filtered {
		if err := (cohort{w, b.Schema}).show(ctx, false); err != nil {
			return err
		}
	}
	if err := w.show(ctx, b.Schema, b.Type, folder, views); err != nil {
		return err
	}
	if err := w.put(ctx, dir+"/"+donePrefix+b.Export+doneEnding, entries); err != nil {
		return err
	}
	if w.o.Snapshots.Every > 0 {
		// The batch is committed and visible to readers, with a snapshot or without.
		if err := w.compact(ctx, b, folder, views); err != nil {
			w.o.Log.WarnContext(ctx,
				"snapshots are left as they are, a later commit goes on with them", "schema",
				b.Schema, "type", b.Type, "error", err)
		}
	}
	return nil
}

// viewsOf returns the statements of the views of a type of a plan, and whether they show the
// resources of members only.
func (w *Warehouse) viewsOf(
	plan, schema, resource string,
) (out []statement, filtered bool, err error) {
	all, err := w.o.Views(plan)
	if err != nil {
		return nil, false, fmt.Errorf("read the views of plan %s: %w", plan, err)
	}
	return viewsFor(schema, resource, all)
}

// missing returns the files of a batch that no part has, in the order of their numbers.
func (w *Warehouse) missing(
	ctx context.Context, there parts, folder string, b pipeline.Batch,
) ([]pipeline.PreparedFile, error) {
	known := map[[2]string]bool{}
	for name, p := range there {
		if !slices.Contains(p.done, b.Export) {
			continue
		}
		entries, err := w.ledgerOf(ctx, folder, name, b.Export)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			known[[2]string{e.Path, e.ETag}] = true
		}
	}
	var left []pipeline.PreparedFile
	for _, f := range warehouse.Numbered(b.Files) {
		if !known[[2]string{f.Path, f.ETag}] {
			left = append(left, f)
		}
	}
	return left, nil
}

// moves bounds how often the bound is moved because others publish at the same time.
const moves = 10

// show moves the bound of a type and creates the views that this process has not created yet. It
// repeats until the parts do not change.
func (w *Warehouse) show(
	ctx context.Context, schema, resource, folder string, views []statement,
) error {
	for range moves {
		bound, err := w.bound(ctx, schema, resource, folder)
		if err != nil {
			return err
		}
		todo := w.unmade(schema, append([]statement{bound}, views...))
		if err := w.pool.Again(ctx, func(int) error {
			return w.pool.With(ctx, func(s *tds.Session) error {
				return w.make(ctx, s, schema, todo)
			})
		}); err != nil {
			return err
		}
		w.remember(schema, todo)
		if now, err := w.bound(ctx, schema, resource, folder); err != nil || now == bound {
			return err
		}
	}
	return fault.Transientf("other processes keep publishing %s", resource)
}

// bound returns the statement that makes all published parts visible.
func (w *Warehouse) bound(ctx context.Context, schema, resource, folder string) (statement, error) {
	there, err := w.list(ctx, folder+"/")
	if err != nil {
		return statement{}, err
	}
	v, err := w.visible(ctx, folder, there[folder])
	if err != nil {
		return statement{}, err
	}
	return newest(schema, resource, v), nil
}

// unmade removes views whose text this process has already created. It keeps the bound, because
// other processes move it too.
func (w *Warehouse) unmade(schema string, all []statement) []statement {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := all[:1:1]
	for _, st := range all[1:] {
		if w.made[schema+"/"+st.step] != st.text {
			out = append(out, st)
		}
	}
	return out
}

func (w *Warehouse) remember(schema string, made []statement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, st := range made {
		w.made[schema+"/"+st.step] = st.text
	}
}

// make creates the schema and the views.
func (w *Warehouse) make(
	ctx context.Context, s *tds.Session, schema string, todo []statement,
) error {
	st := schemaThere(schema)
	if _, there, err := s.Number(ctx, st.step, st.text); err != nil {
		return err
	} else if !there {
		todo = append([]statement{createSchema(schema)}, todo...)
	}
	if err := w.checkSource(ctx, s); err != nil {
		return err
	}
	for _, st := range todo {
		if _, err := s.Exec(ctx, st.step, st.text); err != nil {
			return err
		}
	}
	return nil
}

// checkSource checks the access to the published files. An administrator creates the data source
// with its credential and master key, because a credential needs CONTROL on the database.
func (w *Warehouse) checkSource(ctx context.Context, s *tds.Session) error {
	location := ""
	if err := s.Query(ctx, sourceThere.step, sourceThere.text, func(scan func(...any) error) error {
		return scan(&location)
	}); err != nil {
		return err
	}
	want := w.o.PublishedURL
	switch {
	case strings.TrimSuffix(location, "/") == want:
		return nil
	case location != "":
		return fault.Permanentf(
			"data source %s of %s is at %s and should be at %s: it was changed by hand; drop it, and the views that read from it", source, w.pool.Server(), location, want)
	}
	missing := []string{"data source " + source + " at " + want}
	for _, part := range []struct {
		there statement
		name  string
	}{{credThere, "credential " + source}, {keyThere, "master key"}} {
		n, _, err := s.Number(ctx, part.there.step, part.there.text)
		if err != nil {
			return err
		}
		if n == 0 {
			missing = append(missing, part.name)
		}
	}
	return &fault.Error{
		Class: fault.Permanent,
		Err: fmt.Errorf("database %s lacks, or this login may not see: %s",
			w.pool.Server(), strings.Join(missing, ", ")),
		Remedy: "an administrator with CONTROL on the database runs what fhirsynapse sql setup --engine synapse-serverless --principal NAME --published " + want + " prints",
	}
}

// Ledger implements pipeline.Warehouse.
func (w *Warehouse) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	there, err := w.list(ctx, schema+"/")
	if err != nil {
		return nil, err
	}
	var out []pipeline.LedgerEntry
	for _, folder := range slices.Sorted(maps.Keys(there)) {
		for _, name := range slices.Sorted(maps.Keys(there[folder].parts)) {
			if !slices.Contains(there[folder].parts[name].done, export) {
				continue
			}
			entries, err := w.ledgerOf(ctx, folder, name, export)
			if err != nil {
				return nil, fmt.Errorf("read the ledger of %s: %w", export, err)
			}
			out = append(out, entries...)
		}
	}
	return out, nil
}
