package duckdb

import (
	"context"
	"strings"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// seen holds the heads of an export's files on the local disk, by resource type. Types whose heads
// decide nothing are left out.
type seen struct {
	staged *staged
	heads  map[string][]string
}

func (s *seen) remove() error {
	if s.staged == nil {
		return nil
	}
	return s.staged.remove()
}

// stageSeen downloads the heads of the types that have marks or get some.
func stageSeen(
	ctx context.Context, w *Warehouse, c pipeline.Conclusion,
) (*seen, error) {
	s := &seen{heads: map[string][]string{}}
	there, err := exists(w.o.Path)
	if err != nil || !there {
		return s, err
	}
	var wanted []pipeline.ConclusionType
	if err := w.read(ctx, func(db *database) error {
		for _, t := range c.Types {
			judges, err := db.judges(ctx, c, t)
			if err != nil {
				return err
			}
			if judges {
				wanted = append(wanted, t)
			}
		}
		return nil
	}); err != nil {
		return s, err
	}
	b := pipeline.Batch{Export: c.Record.Export}
	var types []string
	for _, t := range wanted {
		s.heads[t.Type] = nil
		for _, f := range t.Files {
			f.Done.Rows = nil // only the heads are needed
			b.Files, types = append(b.Files, f), append(types, t.Type)
		}
	}
	if s.staged, err = w.stage(ctx, b, nil); err != nil {
		return s, err
	}
	for i, f := range s.staged.files {
		if f.head != "" {
			s.heads[types[i]] = append(s.heads[types[i]], f.head)
		}
	}
	return s, nil
}

// judges reports whether the resources of a type's files decide anything: the type has marks, or it
// may get some. It gets none if the export itself has written all that the tables have of it.
func (db *database) judges(
	ctx context.Context, c pipeline.Conclusion, t pipeline.ConclusionType,
) (bool, error) {
	there, err := db.columns(ctx, c.Schema)
	if err != nil || there[strings.ToLower(warehouse.HeadTable(t.Type))] == nil {
		return false, err
	}
	if there[warehouse.MissingTable] != nil {
		marks, err := db.count(ctx, "SELECT count(*) FROM "+
			tableName(c.Schema, warehouse.MissingTable)+" WHERE type = ?", t.Type)
		if marks > 0 || err != nil {
			return true, err
		}
	}
	if !t.Full {
		return false, nil
	}
	live, err := db.count(ctx, "SELECT count(*) FROM "+
		tableName(c.Schema, warehouse.HeadTable(t.Type))+" WHERE NOT deleted")
	if err != nil {
		return false, err
	}
	written, err := db.count(ctx, "SELECT coalesce(sum(applied - deleted), 0)::BIGINT FROM "+
		tableName(c.Schema, warehouse.LedgerTable)+" WHERE export = ? AND type = ?",
		c.Record.Export, t.Type)
	return live != written, err
}

// judge ends the marks of a type and makes new ones.
func (x *conclusion) judge(t typeTables, of pipeline.ConclusionType) error {
	heads, staged := x.seen.heads[t.resource]
	if !staged {
		return nil // there is nothing to judge
	}
	seen := "(SELECT NULL::VARCHAR AS id WHERE false)"
	if len(heads) > 0 {
		seen = "(SELECT id FROM " + parquetFiles(heads) + ")"
	}
	marks, bound := x.table(warehouse.MissingTable), flatten.VersionsUntil(of.Till)
	if _, err := x.exec("marks", "DELETE FROM "+marks+" AS k WHERE type = ? AND (id IN "+seen+
		" OR NOT EXISTS (SELECT 1 FROM "+t.head+
		" AS h WHERE h.id = k.id AND h.version = k.version AND NOT h.deleted))",
		t.resource); err != nil {
		return err
	}
	if of.Whole {
		if err := x.removeMissing(t, bound); err != nil {
			return err
		}
	}
	if !of.Full {
		return nil
	}
	n, err := x.exec("marks", "INSERT INTO "+marks+
		" (type, id, version, bound, export) SELECT ?, h.id, h.version, ?, ? FROM "+t.head+
		" AS h WHERE NOT h.deleted AND h.version < ? AND h.id NOT IN "+seen+
		" AND NOT EXISTS (SELECT 1 FROM "+marks+" AS k WHERE k.type = ? AND k.id = h.id)",
		t.resource, bound, x.c.Record.Export, bound, t.resource)
	if n > 0 {
		x.done.Marked[t.resource] = n
	}
	return err
}

// removeMissing removes the resources with a mark of an earlier export, unless they are too many.
func (x *conclusion) removeMissing(t typeTables, bound string) error {
	n, err := x.exec("missing", "INSERT INTO "+x.gone+" SELECT id, version FROM "+
		x.table(warehouse.MissingTable)+" WHERE type = ? AND bound < ?", t.resource, bound)
	if err != nil || n == 0 {
		return err
	}
	live, err := x.number("missing", "SELECT count(*) FROM "+t.head+" WHERE NOT deleted")
	if err != nil {
		return err
	}
	if float64(n) > x.c.MostMissing*float64(live) {
		x.done.Kept[t.resource] = n
		_, err := x.exec("missing", "DELETE FROM "+x.gone)
		return err
	}
	x.done.Missing[t.resource] = n
	return x.remove(t, warehouse.ReasonMissing)
}
