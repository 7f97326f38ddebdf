package tables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
	"fhirsynapse/internal/emulator/sqlserver/eval"
	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// Options holds the differences of a database from SQL Server's defaults.
type Options struct {
	// RowVersions turns READ_COMMITTED_SNAPSHOT on.
	RowVersions bool
	// Collation is the collation of the database; empty means Fabric's collation.
	Collation string
	// System adds system views, by schema.name in lower case: sys.schemas.
	System map[string]View
	// Properties replaces answers of SERVERPROPERTY and DATABASEPROPERTYEX, by name.
	Properties map[string]string
	// Denied are rights that the login lacks, as "SELECT ON fhir".
	Denied map[string]bool
	// Conflicts makes transactions read a snapshot and never wait, as on Fabric. COMMIT fails with
	// error 24556 if another transaction has committed changes to the same table meanwhile. Without
	// Conflicts, a transaction waits for the other one that has changed its row.
	Conflicts bool
	// Autocommit refuses to define anything in a transaction with error 111212, as the dedicated
	// pool does.
	Autocommit bool
	// Dialect is how the server reads texts and JSON.
	Dialect eval.Dialect
	// Now is the clock of the server. Without it statistics have no date.
	Now func() time.Time
	// Open reads the URL of a COPY INTO.
	Open func(ctx context.Context, url string) (io.ReadCloser, error)
}

// View is the answer of a system view.
type View struct {
	Columns []string
	Rows    [][]any
}

// Database holds the tables that sessions share.
type Database struct {
	o Options

	mu      sync.Mutex
	changed *sync.Cond // signals the end of a transaction
	schemas map[string]bool
	tables  map[string]*table // by schema.table, in lower case
	locks   map[string]*session
	commits int
	made    int64 // how many tables were made
	// running holds the sessions with an open transaction, and deleted the tables with rows that
	// only their snapshots show, in a database with Conflicts.
	running map[*session]bool
	deleted map[*table]bool
	// definer is the session with uncommitted schemas and tables. No other session can define
	// anything or query the catalog meanwhile.
	definer *session
}

// New returns an empty database.
func New(o Options) *Database {
	d := &Database{
		o: o, schemas: map[string]bool{"dbo": true}, tables: map[string]*table{},
		locks: map[string]*session{}, running: map[*session]bool{}, deleted: map[*table]bool{},
	}
	d.changed = sync.NewCond(&d.mu)
	return d
}

// Session opens a session on the database, for any database name.
func (d *Database) Session(string) sqlserver.Session {
	s := &session{}
	s.temporary = map[string]*table{}
	s.db, s.as = d, s
	return s
}

type column struct {
	sqlserver.Column
	notNull bool
	// codePage is set if varchar cannot hold all characters.
	codePage bool
	// collation is empty for the collation of the database.
	collation string
}

type table struct {
	schema, name string
	columns      []column
	placement
	key   []int
	rows  []*row
	byKey map[string][]*row // if there is a key
	// at is the number of the last commit that changed or deleted rows.
	at int
	// id is the object_id.
	id         int64
	indexes    []index
	counted    int64 // the rows at the last update of statistics
	utf8       bool  // varchar holds all characters, as in Fabric
	maintained []string
}

// row is one version of a row, with the sessions of the open transactions that made or deleted it.
type row struct {
	cells           []any
	madeBy, takenBy *session
	snapshots
}

func (r *row) visible(to *session) bool {
	if to != nil && to.db.o.Conflicts {
		return r.inSnapshot(to)
	}
	return (r.madeBy == nil || r.madeBy == to) && (r.takenBy == nil || r.takenBy != to) &&
		r.takenAt == 0
}

// undo records one step of a transaction, for the commit or the rollback.
type undo struct {
	table *table
	row   *row
	// made is set for a new row, and not set for a deleted row.
	made bool
	// defined undoes a definition.
	defined func()
}

func fail(number int32, format string, args ...any) error {
	return &sqlserver.Error{Number: number, Message: fmt.Sprintf(format, args...), Severity: 16}
}

// unknown returns the error for an element that the emulator does not support.
func unknown(what any) error { return syntax.Unknown(what) }

func key(schema, name string) string { return strings.ToLower(schema + "." + name) }

func (d *Database) table(schema, name string) (*table, error) {
	if t := d.tables[key(schema, name)]; t != nil {
		return t, nil
	}
	return nil, fail(208, "Invalid object name '%s.%s'.", schema, name)
}

func (t *table) column(name string) (int, error) {
	if i := slices.IndexFunc(t.columns, func(c column) bool {
		return strings.EqualFold(c.Name, name)
	}); i >= 0 {
		return i, nil
	}
	return 0, fail(207, "Invalid column name '%s'.", name)
}

// visible returns the rows that a session sees.
func (t *table) visible(to *session) []*row {
	var out []*row
	for _, r := range t.rows {
		if r.visible(to) {
			out = append(out, r)
		}
	}
	return out
}

// insert adds a row for a session.
func (t *table) insert(s *session, cells []any) error {
	for i, c := range t.columns {
		v, err := coerce(cells[i], c)
		if err != nil {
			return err
		}
		cells[i] = v
	}
	r := &row{cells: cells, madeBy: s}
	if len(t.key) > 0 {
		k := t.keyOf(r)
		for _, other := range t.byKey[k] {
			if other.takenBy != s && !s.db.o.Conflicts { // Fabric enforces no key
				return fail(2627,
					"Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object '%s.%s'.", t.schema, t.name)
			}
		}
		t.byKey[k] = append(t.byKey[k], r)
	}
	if err := t.indexed(r.cells); err != nil {
		return err
	}
	t.rows = append(t.rows, r)
	s.undo = append(s.undo, undo{table: t, row: r, made: true})
	return nil
}

func (t *table) keyOf(r *row) string {
	var k strings.Builder
	for _, i := range t.key {
		k.WriteString(literal(r.cells[i]) + "|")
	}
	return k.String()
}

// literal returns a text that differs for different values.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprintf("%T:%v", v, v)
}

// sweep removes the rows that are gone.
func (t *table) sweep(gone func(*row) bool) {
	t.rows = slices.DeleteFunc(t.rows, func(r *row) bool {
		if !gone(r) {
			return false
		}
		if len(t.key) > 0 {
			k := t.keyOf(r)
			t.byKey[k] = slices.DeleteFunc(t.byKey[k], func(other *row) bool { return other == r })
		}
		return true
	})
}

// take marks a row as deleted by a session.
func (t *table) take(s *session, r *row) {
	if s.db.o.Conflicts {
		s.snapshot.takes(t, r)
	} else {
		r.takenBy = s
	}
	s.undo = append(s.undo, undo{table: t, row: r})
}

// Content returns the tables of a schema: column names, and rows of values.
func (d *Database) Content(schema string) map[string]struct {
	Columns []sqlserver.Column
	Rows    [][]any
} {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]struct {
		Columns []sqlserver.Column
		Rows    [][]any
	}{}
	for _, t := range d.tables {
		if !strings.EqualFold(t.schema, schema) {
			continue
		}
		entry := out[t.name]
		for _, c := range t.columns {
			entry.Columns = append(entry.Columns, c.Column)
		}
		for _, r := range t.visible(nil) {
			entry.Rows = append(entry.Rows, slices.Clone(r.cells))
		}
		out[t.name] = entry
	}
	return out
}

// wait releases the database until a transaction ends.
func (d *Database) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changed.Broadcast()
	})
	defer stop()
	d.changed.Wait()
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), fail(0, "cancelled"))
	}
	return nil
}
