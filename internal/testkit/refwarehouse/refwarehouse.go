// Package refwarehouse implements the commit from the laws, in plain Go: the greatest version per
// id, and the rows of exactly the line that won. The suite of the warehouses compares every engine
// with it, and tests of the pipeline use it if they need tables and no database.
package refwarehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// Store holds the tables of all schemas. Several warehouses may share one, as several processes
// share a database.
type Store struct {
	mu      sync.Mutex
	schemas map[string]*schema
}

// NewStore makes an empty store.
func NewStore() *Store { return &Store{schemas: map[string]*schema{}} }

// Warehouse implements pipeline.Warehouse on a Store.
type Warehouse struct {
	store *Store
	lake  pipeline.Lake
	views warehouse.Views
}

// NewWarehouse makes a warehouse with a store of its own.
func NewWarehouse(lake pipeline.Lake, views warehouse.Views) *Warehouse {
	return NewStore().Warehouse(lake, views)
}

// Warehouse makes a warehouse on the store.
func (s *Store) Warehouse(lake pipeline.Lake, views warehouse.Views) *Warehouse {
	return &Warehouse{store: s, lake: lake, views: views}
}

type schema struct {
	kinds  map[string]map[string]sof.Kind // by table and column
	heads  map[string]map[string]head     // by resource type and id
	rows   map[string]map[string][]row    // by table and id
	types  map[string]string              // the resource type of each table
	ledger map[fileKey]entry
	readers
}

type fileKey struct{ export, path, etag string }

type entry struct {
	pipeline.LedgerEntry
	order int
}

type head struct {
	version string
	deleted bool
	viewSet int
}

type row struct {
	names []string
	cells []*string
}

func newSchema() *schema {
	return &schema{
		kinds: map[string]map[string]sof.Kind{}, heads: map[string]map[string]head{},
		rows: map[string]map[string][]row{}, ledger: map[fileKey]entry{},
		types: map[string]string{}, readers: newReaders(),
	}
}

// clone copies the parts that a commit changes: the maps, not the rows.
func (s *schema) clone() *schema {
	c := newSchema()
	for t, m := range s.kinds {
		c.kinds[t] = maps.Clone(m)
	}
	maps.Copy(c.types, s.types)
	for t, m := range s.heads {
		c.heads[t] = maps.Clone(m)
	}
	for t, m := range s.rows {
		c.rows[t] = maps.Clone(m)
	}
	maps.Copy(c.ledger, s.ledger)
	c.readers = s.readers.clone()
	return c
}

// staged holds the content of a file.
type staged struct {
	file  pipeline.PreparedFile
	heads []flatten.Head
	rows  map[string]map[int64][]row // by table and line
}

// place is one line of a batch.
type place struct {
	file int
	flatten.Head
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
	tables, err := w.views.Tables(b.Plan, b.Type)
	if err != nil {
		return err
	}
	var files []staged
	for _, f := range warehouse.Numbered(b.Files) {
		s, err := w.stage(ctx, f, tables)
		if err != nil {
			return err
		}
		files = append(files, s)
	}
	if err := ctx.Err(); err != nil {
		return err
	}

	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	old := w.store.schemas[b.Schema]
	if old == nil {
		old = newSchema()
	}
	next := old.clone()
	if err := next.ensure(b.Type, tables); err != nil {
		return err
	}
	next.apply(b, tables, files)
	w.store.schemas[b.Schema] = next
	return nil
}

func (w *Warehouse) stage(
	ctx context.Context, f pipeline.PreparedFile, tables []flatten.Table,
) (staged, error) {
	s := staged{file: f, rows: map[string]map[int64][]row{}}
	if f.Done.Heads > 0 {
		for h, err := range flatten.Heads(ctx, w.lake, f.Dir) {
			if err != nil {
				return s, err
			}
			s.heads = append(s.heads, h)
		}
	}
	if n := int64(len(s.heads)); n != f.Done.Heads {
		return s, fault.Permanentf("file %s has %d heads, %d were counted: prepare it again",
			f.Path, n, f.Done.Heads)
	}
	for _, t := range tables {
		if f.Done.Rows[t.Name] == 0 {
			continue
		}
		byLine, n := map[int64][]row{}, int64(0)
		for r, err := range flatten.Rows(ctx, w.lake, f.Dir, t) {
			if err != nil {
				return s, err
			}
			n++
			out := row{}
			for i, cell := range r.Cells {
				if cell != nil {
					text := string(cell)
					out.names, out.cells = append(out.names, t.Columns[i].Name),
						append(out.cells, &text)
				}
			}
			byLine[r.Line] = append(byLine[r.Line], out)
		}
		if n != f.Done.Rows[t.Name] {
			return s, fault.Permanentf(
				"file %s has %d rows of %s, %d were counted: prepare it again", f.Path, n, t.Name,
				f.Done.Rows[t.Name])
		}
		s.rows[t.Name] = byLine
	}
	return s, nil
}

func (s *schema) ensure(resource string, tables []flatten.Table) error {
	if s.heads[resource] == nil {
		s.heads[resource] = map[string]head{}
	}
	for _, t := range tables {
		s.types[t.Name] = resource
		if s.kinds[t.Name] == nil {
			s.kinds[t.Name], s.rows[t.Name] = map[string]sof.Kind{}, map[string][]row{}
		}
		for _, c := range t.Columns {
			if k, there := s.kinds[t.Name][c.Name]; there && k != c.Kind {
				return fault.Permanentf(
					"column %s.%s has another type than before: give it another name", t.Name,
					c.Name)
			}
			s.kinds[t.Name][c.Name] = c.Kind
		}
	}
	return nil
}

func (s *schema) apply(b pipeline.Batch, tables []flatten.Table, files []staged) {
	if b.Replaces {
		s.empty(b, tables)
	}
	best := map[string]place{}
	for n, f := range files {
		if _, there := s.ledger[fileKey{b.Export, f.file.Path, f.file.ETag}]; there {
			continue
		}
		for _, h := range f.heads {
			// Of equal versions the first line stays.
			if was, there := best[h.ID]; !there || h.Version > was.Version {
				best[h.ID] = place{n, h}
			}
		}
	}
	applied, deleted := make([]int64, len(files)), make([]int64, len(files))
	for id, p := range best {
		old, known := s.heads[b.Type][id]
		if known && (p.Version < old.version ||
			p.Version == old.version && old.viewSet >= b.ViewSet) {
			continue
		}
		if !known && p.Deleted && b.KnownDeletes {
			continue
		}
		applied[p.file]++
		if p.Deleted {
			deleted[p.file]++
		}
		s.heads[b.Type][id] = head{p.Version, p.Deleted, b.ViewSet}
		for _, t := range tables {
			delete(s.rows[t.Name], id)
			if rows := files[p.file].rows[t.Name][p.Line]; len(rows) > 0 && !p.Deleted {
				s.rows[t.Name][id] = withKeys(rows, p.Head, b.Export)
			}
		}
	}
	for n, f := range files {
		key := fileKey{b.Export, f.file.Path, f.file.ETag}
		if _, there := s.ledger[key]; there {
			continue
		}
		d := f.file.Done
		s.ledger[key] = entry{pipeline.LedgerEntry{
			Path: f.file.Path, ETag: f.file.ETag, Type: b.Type,
			Counts: d.Counts(applied[n], deleted[n]),
		}, len(s.ledger)}
	}
}

// empty removes all resources of a type, unless the ledger has a file of the export and type.
func (s *schema) empty(b pipeline.Batch, tables []flatten.Table) {
	for key, e := range s.ledger {
		if key.export == b.Export && e.Type == b.Type {
			return
		}
	}
	if len(b.Files) == 0 {
		return
	}
	s.heads[b.Type] = map[string]head{}
	for _, t := range tables {
		s.rows[t.Name] = map[string][]row{}
	}
}

// withKeys puts the key columns before the view's columns.
func withKeys(rows []row, h flatten.Head, export string) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = row{
			names: append([]string{
				warehouse.IDColumn, warehouse.VersionColumn, warehouse.LastUpdatedColumn,
				warehouse.ExportColumn,
			}, r.names...),
			cells: append([]*string{&h.ID, &h.Version, &h.LastUpdated, &export}, r.cells...),
		}
	}
	return out
}

// Ledger implements pipeline.Warehouse.
func (w *Warehouse) Ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	s := w.store.schemas[schema]
	if s == nil {
		return nil, nil
	}
	var entries []entry
	for key, e := range s.ledger {
		if key.export == export {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.order - b.order })
	var out []pipeline.LedgerEntry
	for _, e := range entries {
		out = append(out, e.LedgerEntry)
	}
	return out, nil
}

// Content returns all tables of a schema as text: view tables and heads.
func (w *Warehouse) Content(ctx context.Context, schema string) (Content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	c := Content{}
	s := w.store.schemas[schema]
	if s == nil {
		return c, nil
	}
	for table, byID := range s.rows {
		for _, rows := range byID {
			for _, r := range rows {
				c.Add(table, r.names, r.cells)
			}
		}
	}
	names := []string{"id", "version", "deleted", "view_set"}
	for resource, heads := range s.heads {
		for id, h := range heads {
			deleted, set := strconv.FormatBool(h.deleted), strconv.Itoa(h.viewSet)
			c.Add(warehouse.HeadTable(resource), names, []*string{&id, &h.version, &deleted, &set})
		}
	}
	s.addTo(c)
	c.Sort()
	return c, nil
}
