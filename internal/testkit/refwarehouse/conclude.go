package refwarehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// readers holds the tables about exports, and the marks of missing resources.
type readers struct {
	exports map[string][]*string
	files   [][]*string
	deleted map[deletion][]*string
	members []member
	missing map[resource]mark
}

type resource struct{ typ, id string }

type deletion struct{ typ, id, version string }

type mark struct{ version, bound, export string }

type member struct {
	cohort, id string
	from, to   time.Time // to is zero while the patient is a member
}

func newReaders() readers {
	return readers{
		exports: map[string][]*string{}, deleted: map[deletion][]*string{},
		missing: map[resource]mark{},
	}
}

func (r readers) clone() readers {
	return readers{
		maps.Clone(r.exports), slices.Clone(r.files), maps.Clone(r.deleted),
		slices.Clone(r.members), maps.Clone(r.missing),
	}
}

// Conclude implements pipeline.Concluder.
func (w *Warehouse) Conclude(
	ctx context.Context, c pipeline.Conclusion,
) (done pipeline.Concluded, err error) {
	heads := map[string]map[string]bool{}
	for _, t := range c.Types {
		heads[t.Type] = map[string]bool{}
		for _, f := range t.Files {
			if f.Done.Heads == 0 {
				continue
			}
			for h, err := range flatten.Heads(ctx, w.lake, f.Dir) {
				if err != nil {
					return done, fmt.Errorf("conclude %s: %w", c.Record.Export, err)
				}
				heads[t.Type][h.ID] = true
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return done, err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	old := w.store.schemas[c.Schema]
	if old == nil {
		old = newSchema()
	}
	if _, there := old.exports[c.Record.Export]; there {
		return pipeline.NewConcluded(), nil
	}
	next := old.clone()
	done = next.conclude(c, heads)
	w.store.schemas[c.Schema] = next
	return done, nil
}

func (s *schema) conclude(
	c pipeline.Conclusion, heads map[string]map[string]bool,
) pipeline.Concluded {
	done := pipeline.NewConcluded()
	if c.Members != nil {
		done.Joined, done.Gone = s.join(c)
	}
	for typ := range s.heads {
		if c.Members != nil {
			for _, id := range s.strangers(typ) {
				s.remove(c, typ, id, warehouse.ReasonLeft)
				done.Left[typ]++
			}
		}
	}
	for _, t := range c.Types {
		s.judge(c, t, heads[t.Type], &done)
	}
	for typ, heads := range s.heads {
		for id, h := range heads {
			key := deletion{typ, id, h.version}
			if _, there := s.deleted[key]; h.deleted && !there {
				at := h.version[:23] + "Z"
				s.deleted[key] = []*string{
					&typ, &id, &h.version, &at, text(warehouse.ReasonDeleted), &c.Record.Export,
				}
			}
		}
	}
	s.record(c, done)
	return done
}

// join makes the table of members the set of the conclusion.
func (s *schema) join(c pipeline.Conclusion) (joined, gone int64) {
	at := c.Record.RequestedAt
	is := map[string]bool{}
	for i, m := range s.members {
		switch {
		case !m.to.IsZero():
		case m.cohort != c.Record.Cohort || !c.Members.Has([]byte(m.id)):
			s.members[i].to = at
			gone++
		default:
			is[m.id] = true
		}
	}
	for id := range c.Members {
		if !is[id] {
			s.members = append(s.members, member{cohort: c.Record.Cohort, id: id, from: at})
			joined++
		}
	}
	return joined, gone
}

// strangers lists the resources whose patients are all no members.
func (s *schema) strangers(typ string) (ids []string) {
	members := map[string]bool{}
	for _, m := range s.members {
		members[m.id] = members[m.id] || m.to.IsZero()
	}
	for id, rows := range s.rows[warehouse.CompartmentTable(typ)] {
		if !slices.ContainsFunc(rows, func(r row) bool {
			at := slices.Index(r.names, warehouse.PatientColumn)
			return at >= 0 && members[*r.cells[at]]
		}) {
			ids = append(ids, id)
		}
	}
	return ids
}

// remove removes a resource with its head.
func (s *schema) remove(c pipeline.Conclusion, typ, id, reason string) {
	h := s.heads[typ][id]
	s.deleted[deletion{typ, id, h.version}] = []*string{
		&typ, &id, &h.version, instant(c.Record.RequestedAt), &reason, &c.Record.Export,
	}
	delete(s.heads[typ], id)
	delete(s.missing, resource{typ, id})
	for table, resource := range s.types {
		if resource == typ {
			delete(s.rows[table], id)
		}
	}
}

// judge ends marks of earlier exports, and makes new ones.
func (s *schema) judge(
	c pipeline.Conclusion, t pipeline.ConclusionType, heads map[string]bool,
	done *pipeline.Concluded,
) {
	bound := flatten.VersionsUntil(t.Till)
	live := 0
	for _, h := range s.heads[t.Type] {
		if !h.deleted {
			live++
		}
	}
	var over []string
	for r, m := range s.missing {
		if r.typ != t.Type {
			continue
		}
		h, there := s.heads[r.typ][r.id]
		switch {
		case !there || h.deleted || h.version != m.version || heads[r.id]:
			delete(s.missing, r)
		case t.Whole && m.bound < bound:
			over = append(over, r.id)
		}
	}
	if float64(len(over)) > c.MostMissing*float64(live) {
		done.Kept[t.Type] = int64(len(over))
		over = nil
	}
	for _, id := range over {
		s.remove(c, t.Type, id, warehouse.ReasonMissing)
		done.Missing[t.Type]++
	}
	if !t.Full {
		return
	}
	for id, h := range s.heads[t.Type] {
		r := resource{t.Type, id}
		if _, marked := s.missing[r]; !h.deleted && h.version < bound && !heads[id] && !marked {
			s.missing[r] = mark{h.version, bound, c.Record.Export}
			done.Marked[t.Type]++
		}
	}
}

// record adds the rows of the export and of its files.
func (s *schema) record(c pipeline.Conclusion, done pipeline.Concluded) {
	r := c.Record
	var sum pipeline.Counts
	files, members := 0, 0
	for key, e := range s.ledger {
		if key.export != r.Export {
			continue
		}
		files++
		sum.Add(e.Counts)
		row := []*string{&key.export, &e.Type, &e.Path, &e.ETag}
		for _, n := range []int64{
			e.Lines, e.Blank, e.Applied, e.Superseded, e.Deleted, e.Filtered, e.Quarantined,
		} {
			row = append(row, number(n))
		}
		s.files = append(s.files, row)
	}
	for _, m := range s.members {
		if m.cohort == r.Cohort && m.to.IsZero() {
			members++
		}
	}
	row := []*string{
		&r.Export, &r.Plan, &r.State, text(strconv.FormatBool(r.Full)), instant(r.Since),
		instant(r.Till), nil, nil,
	}
	if r.Cohort != "" {
		row[6] = &r.Cohort
		if c.Members != nil {
			row[7] = number(int64(members))
		}
	}
	for _, n := range []int64{
		int64(files), sum.Lines, sum.Applied, sum.Superseded, sum.Deleted, sum.Filtered,
		sum.Quarantined, done.Missing.Sum(), done.Left.Sum(),
	} {
		row = append(row, number(n))
	}
	s.exports[r.Export] = append(row, instant(r.RequestedAt), instant(r.FinishedAt))
}

// addTo adds the tables to the content of a schema. When a file was committed is left out.
func (s *schema) addTo(c Content) {
	tables := map[string][]string{}
	for _, t := range warehouse.ReaderTables() {
		for _, column := range t.Columns {
			tables[t.Name] = append(tables[t.Name], column.Name)
		}
	}
	for _, row := range s.exports {
		c.Add(warehouse.ExportsTable, tables[warehouse.ExportsTable], row)
	}
	for _, row := range s.files {
		c.Add(warehouse.FilesTable, tables[warehouse.FilesTable], row)
	}
	for _, row := range s.deleted {
		c.Add(warehouse.DeletedTable, tables[warehouse.DeletedTable], row)
	}
	for _, m := range s.members {
		c.Add(warehouse.CohortMembersTable, tables[warehouse.CohortMembersTable],
			[]*string{&m.cohort, &m.id, instant(m.from), instant(m.to)})
	}
	for r, m := range s.missing {
		c.Add(warehouse.MissingTable, []string{"type", "id", "version", "bound", "export"},
			[]*string{&r.typ, &r.id, &m.version, &m.bound, &m.export})
	}
}

func text(s string) *string { return &s }

func number(n int64) *string { return text(strconv.FormatInt(n, 10)) }

// instant returns a time in the prepared form's format; nil for zero.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return text(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
