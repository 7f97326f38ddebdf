package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse"
)

// Conclude implements pipeline.Concluder, in one transaction for all types.
func (w *Warehouse) Conclude(
	ctx context.Context, c pipeline.Conclusion,
) (done pipeline.Concluded, err error) {
	if done, err = conclude(ctx, w, c); err != nil {
		return done, fmt.Errorf("end export %s in schema %s: %w", c.Record.Export, c.Schema, err)
	}
	return done, nil
}

func conclude(
	ctx context.Context, w *Warehouse, c pipeline.Conclusion,
) (done pipeline.Concluded, err error) {
	if err := warehouse.CheckConclusion(c); err != nil {
		return done, err
	}
	s, err := stageSeen(ctx, w, c)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	err = w.write(ctx, "the ends of exports in "+c.Schema,
		func(in *session, db *database) error {
			done = pipeline.NewConcluded()
			if err := in.ensureReaders(ctx, db, c.Schema); err != nil {
				return err
			}
			x := &conclusion{
				attempt: attempt{database: db, w: w, ctx: ctx}, c: c, done: &done, seen: s,
				gone: name("gone_" + c.Attempt), members: name("members_" + c.Attempt),
			}
			if err := x.begin(); err != nil {
				return err
			}
			return db.inTransaction(ctx, x.run)
		})
	return done, err
}

func (db *database) count(ctx context.Context, query string, args ...any) (n int64, err error) {
	if err := db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, classified(err)
	}
	return n, nil
}

// ensureReaders creates the tables about exports.
func (s *session) ensureReaders(ctx context.Context, db *database, schema string) error {
	s.definitions.Lock()
	defer s.definitions.Unlock()
	tables := []wanted{ledgerTable(), {warehouse.MissingTable, []column{
		{"type", "VARCHAR"},
		{"id", "VARCHAR"},
		{"version", "VARCHAR"},
		{"bound", "VARCHAR"},
		{"export", "VARCHAR"},
	}}}
	for _, t := range warehouse.ReaderTables() {
		w := wanted{table: t.Name}
		for _, c := range t.Columns {
			w.columns = append(w.columns, column{c.Name, kindOf(c)})
		}
		tables = append(tables, w)
	}
	there, err := db.columns(ctx, schema)
	if err != nil {
		return err
	}
	return db.define(ctx, schema, there, tables, "drop or rename the table: it is not ours")
}

// conclusion is the running end of an export.
type conclusion struct {
	attempt
	c             pipeline.Conclusion
	done          *pipeline.Concluded
	seen          *seen
	gone, members string
}

func (x *conclusion) table(name string) string { return tableName(x.c.Schema, name) }

// begin creates the temporary tables.
func (x *conclusion) begin() error {
	for _, statement := range []string{
		"CREATE OR REPLACE TEMP TABLE " + x.gone + " (id VARCHAR, version VARCHAR)",
		"CREATE OR REPLACE TEMP TABLE " + x.members + " (id VARCHAR)",
	} {
		if _, err := x.exec("make", statement); err != nil {
			return err
		}
	}
	ids := make([]any, 0, len(x.c.Members))
	for id := range x.c.Members {
		ids = append(ids, id)
	}
	for some := range slices.Chunk(ids, filesAtOnce) {
		if _, err := x.exec("members", "INSERT INTO "+x.members+" VALUES "+
			strings.TrimSuffix(strings.Repeat("(?), ", len(some)), ", "), some...); err != nil {
			return err
		}
	}
	return nil
}

func (x *conclusion) run() error {
	recorded, err := x.number("recorded", "SELECT count(*) FROM "+
		x.table(warehouse.ExportsTable)+" WHERE export = ?", x.c.Record.Export)
	if err != nil || recorded > 0 {
		return err
	}
	if x.c.Members != nil {
		if err := x.join(); err != nil {
			return err
		}
	}
	types, err := x.types()
	if err != nil {
		return err
	}
	for _, typ := range types {
		if err := x.concludeType(typ); err != nil {
			return fmt.Errorf("type %s: %w", typ, err)
		}
	}
	if err := x.record(); err != nil {
		return err
	}
	x.w.o.before("commit")
	return nil
}

// join makes the table of members the members of the export.
func (x *conclusion) join() (err error) {
	table, at := x.table(warehouse.CohortMembersTable), x.at()
	x.done.Gone, err = x.exec("members", "UPDATE "+table+
		" SET valid_to = ? WHERE valid_to IS NULL AND (cohort <> ? OR patient_id NOT IN (SELECT id FROM "+x.members+"))", at, x.c.Record.Cohort)
	if err != nil {
		return err
	}
	x.done.Joined, err = x.exec("members", "INSERT INTO "+table+
		" (cohort, patient_id, valid_from) SELECT ?, m.id, ? FROM "+x.members+
		" AS m WHERE NOT EXISTS (SELECT 1 FROM "+table+
		" AS t WHERE t.patient_id = m.id AND t.valid_to IS NULL)", x.c.Record.Cohort, at)
	return err
}

// at is the instant of whatever the export changes without a version.
func (x *conclusion) at() time.Time { return x.c.Record.RequestedAt.UTC() }

// types lists the types that have heads.
func (x *conclusion) types() ([]string, error) {
	tables, err := x.strings(x.ctx, `SELECT table_name FROM duckdb_tables()
		WHERE database_name = ? AND lower(schema_name) = lower(?) AND starts_with(table_name, ?)
		ORDER BY 1`, attached, x.c.Schema, warehouse.HeadTable(""))
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	for i := range tables {
		tables[i] = strings.TrimPrefix(tables[i], warehouse.HeadTable(""))
	}
	return tables, nil
}

// typeTables names the tables of one type.
type typeTables struct {
	resource, head string
	views          []string // those that exist
	compartment    string   // empty if there is none
}

func (x *conclusion) concludeType(resource string) error {
	t := typeTables{resource: resource, head: x.table(warehouse.HeadTable(resource))}
	views, err := x.w.o.Views.Tables(x.c.Plan, resource)
	if err != nil {
		return err
	}
	there, err := x.columns(x.ctx, x.c.Schema)
	if err != nil {
		return err
	}
	for _, v := range views {
		if there[strings.ToLower(v.Name)] == nil {
			continue
		}
		t.views = append(t.views, x.table(v.Name))
		if v.Name == warehouse.CompartmentTable(resource) {
			t.compartment = x.table(v.Name)
		}
	}
	if x.c.Members != nil && t.compartment != "" {
		if err := x.removeLeavers(t); err != nil {
			return err
		}
	}
	for _, of := range x.c.Types {
		if of.Type == resource {
			if err := x.judge(t, of); err != nil {
				return err
			}
		}
	}
	return x.listTold(t)
}

// removeLeavers removes the resources whose patients are all no members.
func (x *conclusion) removeLeavers(t typeTables) error {
	n, err := x.exec("leavers", fmt.Sprintf(`INSERT INTO %s SELECT h.id, h.version FROM %s AS h
		WHERE EXISTS (SELECT 1 FROM %[3]s AS c WHERE c._id = h.id) AND NOT EXISTS (
			SELECT 1 FROM %[3]s AS c JOIN %[4]s AS m ON m.id = c.%[5]s WHERE c._id = h.id)`,
		x.gone, t.head, t.compartment, x.members, warehouse.PatientColumn))
	if err != nil || n == 0 {
		return err
	}
	x.done.Left[t.resource] = n
	return x.remove(t, warehouse.ReasonLeft)
}

// remove removes the resources of the table gone, and empties it.
func (x *conclusion) remove(t typeTables, reason string) error {
	ids := " IN (SELECT id FROM " + x.gone + ")"
	for _, v := range t.views {
		if _, err := x.exec("delete", "DELETE FROM "+v+" WHERE _id"+ids); err != nil {
			return err
		}
	}
	deleted := x.table(warehouse.DeletedTable)
	for _, s := range []struct {
		text string
		args []any
	}{
		{"DELETE FROM " + t.head + " WHERE id" + ids, nil},
		{
			"DELETE FROM " + x.table(warehouse.MissingTable) + " WHERE type = ? AND id" + ids,
			[]any{t.resource},
		},
		{"DELETE FROM " + deleted + " WHERE type = ? AND (id, version) IN (SELECT id, version FROM " +
			x.gone + ")", []any{t.resource}},
		{
			"INSERT INTO " + deleted +
				" (type, id, version, deleted_at, reason, export) SELECT ?, id, version, ?, ?, ? FROM " +
				x.gone,
			[]any{t.resource, x.at(), reason, x.c.Record.Export},
		},
		{"DELETE FROM " + x.gone, nil},
	} {
		if _, err := x.exec("remove", s.text, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// listTold lists the deletes that the server has told.
func (x *conclusion) listTold(t typeTables) error {
	deleted := x.table(warehouse.DeletedTable)
	_, err := x.exec("told", "INSERT INTO "+deleted+
		" (type, id, version, deleted_at, reason, export) SELECT ?, h.id, h.version, substr(h.version, 1, 23)::TIMESTAMP, ?, ? FROM "+
		t.head+" AS h WHERE h.deleted AND NOT EXISTS (SELECT 1 FROM "+deleted+
		" AS d WHERE d.type = ? AND d.id = h.id AND d.version = h.version)",
		t.resource, warehouse.ReasonDeleted, x.c.Record.Export, t.resource)
	return err
}

// record writes the rows of the export and of its files.
func (x *conclusion) record() error {
	r := x.c.Record
	if _, err := x.exec("record", `INSERT INTO `+x.table(warehouse.FilesTable)+` (export, type, path, etag,
			lines, blank, applied, superseded, deleted, filtered, quarantined, committed_at)
		SELECT export, type, path, etag, lines, blank, applied, superseded, deleted, filtered,
			quarantined, committed_at FROM `+x.table(warehouse.LedgerTable)+` WHERE export = ?`,
		r.Export); err != nil {
		return err
	}
	var members, cohort any
	if r.Cohort != "" {
		cohort = r.Cohort
		if x.c.Members != nil {
			members = len(x.c.Members)
		}
	}
	_, err := x.exec("record", `INSERT INTO `+x.table(warehouse.ExportsTable)+` (export, plan_name, state,
			full_export, since, till, cohort, members, files, lines, applied, superseded, deleted,
			filtered, quarantined, missing, left_cohort, requested_at, finished_at)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, count(*), coalesce(sum(lines), 0), coalesce(sum(applied), 0),
			coalesce(sum(superseded), 0), coalesce(sum(deleted), 0), coalesce(sum(filtered), 0),
			coalesce(sum(quarantined), 0), ?, ?, ?, ?
		FROM `+x.table(warehouse.LedgerTable)+` WHERE export = ?`,
		r.Export, r.Plan, r.State, r.Full, orNull(r.Since), orNull(r.Till), cohort, members,
		x.done.Missing.Sum(), x.done.Left.Sum(), orNull(r.RequestedAt), orNull(r.FinishedAt),
		r.Export)
	return err
}

// orNull returns a time for a TIMESTAMP; nil for zero.
func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Truncate(time.Microsecond)
}
