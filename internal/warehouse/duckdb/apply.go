package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/warehouse"
)

// A staged line has one number, unique in the batch: the file's number shifted, plus the line's. It
// orders lines of one version and joins faster than two columns.
const fileShift = 40

// attempt is one running commit: its statements and their results.
type attempt struct {
	*database
	w      *Warehouse
	s      *staged
	ctx    context.Context // lives as long as one call
	head   string          // the quoted head table
	ledger string
	// The temporary tables and views of the attempt.
	files, heads, losers, winners string

	staged, won, known int64
}

// apply commits a staged batch. From the read of the ledger to the end no other commit of the type
// runs, in any process.
func (w *Warehouse) apply(ctx context.Context, in *session, db *database, s *staged) error {
	if err := in.ensure(ctx, db, s); err != nil {
		return err
	}
	a := &attempt{
		database: db, w: w, s: s, ctx: ctx,
		head:   tableName(s.batch.Schema, warehouse.HeadTable(s.batch.Type)),
		ledger: tableName(s.batch.Schema, warehouse.LedgerTable),
		files:  name("files_" + s.batch.Attempt), heads: name("heads_" + s.batch.Attempt),
		losers: name("losers_" + s.batch.Attempt), winners: name("winners_" + s.batch.Attempt),
	}
	there, err := db.ledger(ctx, s.batch.Schema, s.batch.Export)
	if err != nil {
		return err
	}
	a.drop(there)
	if len(s.files) == 0 {
		return nil
	}
	began := w.o.Now()
	if err := a.prepare(); err != nil {
		return err
	}
	if err := db.inTransaction(ctx, a.transaction); err != nil {
		return err
	}
	w.o.Log.DebugContext(ctx, "committed to DuckDB", "export", s.batch.Export, "type", s.batch.Type,
		"files", len(s.files),
		"staged", a.staged, "won", a.won, "took", w.o.Now().Sub(began))
	return nil
}

// drop removes files that are in the ledger and sorts files with heads first, so that a file's
// number is its place in the list of heads.
func (a *attempt) drop(there []pipeline.LedgerEntry) {
	known := map[[2]string]bool{}
	for _, e := range there {
		known[[2]string{e.Path, e.ETag}] = true
	}
	a.s.files = slices.DeleteFunc(a.s.files, func(f stagedFile) bool {
		return known[[2]string{f.Path, f.ETag}]
	})
	slices.SortStableFunc(a.s.files, func(f, g stagedFile) int {
		switch {
		case f.head != "" && g.head == "":
			return -1
		case f.head == "" && g.head != "":
			return 1
		}
		return 0
	})
}

// prepare creates the objects that must not be created inside the transaction.
func (a *attempt) prepare() error {
	if err := a.listFiles(); err != nil {
		return err
	}
	var heads []string
	for _, f := range a.s.files {
		if f.head != "" {
			heads = append(heads, f.head)
			a.staged += f.Done.Heads
		}
	}
	source := "SELECT NULL::VARCHAR AS id, NULL::VARCHAR AS version, NULL::BOOLEAN AS deleted, NULL::BIGINT AS n WHERE false"
	if len(heads) > 0 {
		source = fmt.Sprintf(
			"SELECT id, version, deleted, (file_index::BIGINT << %d) + line AS n FROM %s",
			fileShift, parquetFiles(heads))
	}
	for _, statement := range []string{
		"CREATE TEMP VIEW " + a.heads + " AS " + source,
		"CREATE TEMP TABLE " + a.losers + " (n BIGINT)",
		"CREATE TEMP TABLE " + a.winners + " (n BIGINT, deleted BOOLEAN, known BOOLEAN)",
	} {
		if _, err := a.exec("make", statement); err != nil {
			return err
		}
	}
	return nil
}

// filesAtOnce bounds the files in one statement. A batch may have thousands.
const filesAtOnce = 500

// listFiles creates the table of the batch's files.
func (a *attempt) listFiles() error {
	if _, err := a.exec("make",
		"CREATE TEMP TABLE "+a.files+
			" (file BIGINT, path VARCHAR, etag VARCHAR, lines BIGINT, blank BIGINT, quarantined BIGINT, filtered BIGINT)"); err != nil {
		return err
	}
	number := 0
	for some := range slices.Chunk(a.s.files, filesAtOnce) {
		var places []string
		var values []any
		for _, f := range some {
			places = append(places, "(?, ?, ?, ?, ?, ?, ?)")
			values = append(values, number, f.Path, f.ETag, f.Done.Lines, f.Done.Blank,
				f.Done.Quarantined, f.Done.Filtered)
			number++
		}
		if _, err := a.exec("list", "INSERT INTO "+a.files+" VALUES "+strings.Join(places, ", "),
			values...); err != nil {
			return err
		}
	}
	return nil
}

func parquetFiles(paths []string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = text(p)
	}
	return "read_parquet([" + strings.Join(quoted, ", ") + "])"
}

// transaction commits winners, rows, heads and ledger, and checks the counts; see docs/pipeline.md.
func (a *attempt) transaction() error {
	for _, step := range []func() error{
		a.empty, a.findLosers, a.findWinners, a.replaceRows, a.replaceHeads, a.writeLedger,
		a.checkCounts,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	a.w.o.before("commit")
	return nil
}

func (a *attempt) exec(step, statement string, args ...any) (int64, error) {
	a.w.o.before(step)
	r, err := a.ExecContext(a.ctx, statement, args...)
	if err != nil {
		if a.ctx.Err() != nil {
			err = a.ctx.Err()
		}
		return 0, fmt.Errorf("%s: %w", step, classified(err))
	}
	return r.RowsAffected()
}

func (a *attempt) number(step, query string, args ...any) (n int64, err error) {
	a.w.o.before(step)
	if err := a.QueryRowContext(a.ctx, query, args...).Scan(&n); err != nil {
		if a.ctx.Err() != nil {
			err = a.ctx.Err()
		}
		return 0, fmt.Errorf("%s: %w", step, classified(err))
	}
	return n, nil
}

// empty removes all resources of the type, if the batch replaces them.
func (a *attempt) empty() error {
	if !a.s.batch.Replaces {
		return nil
	}
	n, err := a.number("ledger",
		"SELECT count(*) FROM "+a.ledger+" WHERE export = ? AND type = ?", a.s.batch.Export,
		a.s.batch.Type)
	if err != nil || n > 0 {
		return err
	}
	tables := []string{a.head}
	for _, t := range a.s.tables {
		tables = append(tables, tableName(a.s.batch.Schema, t.Name))
	}
	for _, table := range tables {
		if _, err := a.exec("empty", "DELETE FROM "+table); err != nil {
			return err
		}
	}
	return nil
}

// findLosers lists the staged lines that lose against another staged line of the same id. Few
// batches have any, so only repeated ids are ranked.
func (a *attempt) findLosers() error {
	if a.staged < 2 {
		return nil
	}
	_, err := a.exec("losers", fmt.Sprintf(`INSERT INTO %[1]s
		SELECT n FROM (
			SELECT n, row_number() OVER (PARTITION BY id ORDER BY version DESC, n) AS place FROM %[2]s
			WHERE id IN (SELECT twice.id FROM %[2]s AS twice GROUP BY twice.id HAVING count(*) > 1))
		WHERE place > 1`, a.losers, a.heads))
	return err
}

// findWinners lists, per id, the staged line that beats the head, or equals a head that was written
// with an older view set.
func (a *attempt) findWinners() error {
	heads, err := a.number("heads", "SELECT count(*) FROM (SELECT 1 FROM "+a.head+" LIMIT 1)")
	if err != nil {
		return err
	}
	lost, err := a.number("heads", "SELECT count(*) FROM "+a.losers)
	if err != nil {
		return err
	}
	notLost := ""
	if lost > 0 {
		notLost = " AND NOT EXISTS (SELECT 1 FROM " + a.losers + " AS l WHERE l.n = s.n)"
	}
	unknown := ""
	if a.s.batch.KnownDeletes {
		unknown = " AND NOT s.deleted"
	}
	if heads == 0 {
		a.won, err = a.exec("winners",
			"INSERT INTO "+a.winners+" SELECT s.n, s.deleted, false FROM "+a.heads+
				" AS s WHERE true"+unknown+notLost)
		return err
	}
	a.won, err = a.exec("winners",
		"INSERT INTO "+a.winners+" SELECT s.n, s.deleted, h.id IS NOT NULL FROM "+a.heads+
			" AS s LEFT JOIN "+a.head+` AS h ON h.id = s.id
		WHERE (h.id IS NULL`+unknown+` OR s.version > h.version OR (s.version = h.version AND h.view_set < ?))`+notLost, a.s.batch.ViewSet)
	if err != nil {
		return err
	}
	a.known, err = a.number("winners", "SELECT count(*) FROM "+a.winners+" WHERE known")
	return err
}

// knownIDs returns a query for the ids of winners that have a head.
func (a *attempt) knownIDs() string {
	return "(SELECT s.id FROM " + a.heads + " AS s JOIN " + a.winners +
		" AS w ON w.n = s.n WHERE w.known)"
}

// replaceRows deletes the rows of the winners' ids from every view's table and inserts the rows of
// the winning lines.
func (a *attempt) replaceRows() error {
	for _, t := range a.s.tables {
		table := tableName(a.s.batch.Schema, t.Name)
		if a.known > 0 {
			if _, err := a.exec("delete",
				"DELETE FROM "+table+" WHERE "+name(warehouse.IDColumn)+" IN "+
					a.knownIDs()); err != nil {
				return err
			}
		}
		if err := a.insertRows(table, t); err != nil {
			return err
		}
	}
	return nil
}

func (a *attempt) insertRows(table string, t flatten.Table) error {
	var paths, numbers []string
	var rows int64
	for i, f := range a.s.files {
		if p := f.tables[t.Name]; p != "" {
			paths, numbers = append(paths, p), append(numbers, fmt.Sprint(i))
			rows += f.Done.Rows[t.Name]
		}
	}
	if len(paths) == 0 || a.won == 0 {
		return nil
	}
	var to, from []string
	for _, c := range t.Columns {
		to, from = append(to, name(c.Name)), append(from, selected(c))
	}
	to = append(to, name(warehouse.IDColumn), name(warehouse.VersionColumn),
		name(warehouse.LastUpdatedColumn), name(warehouse.ExportColumn))
	from = append(from, "v."+name(flatten.IDColumn), "v."+name(flatten.VersionColumn),
		lastUpdated("v."), "?")
	insert := "INSERT INTO " + table + " (" + strings.Join(to, ", ") + ") SELECT " +
		strings.Join(from, ", ") + " FROM " + parquetFiles(paths) + " AS v"
	// If every staged line has won, no lookup is needed.
	if a.won < a.staged {
		insert += fmt.Sprintf(
			" WHERE (([%s]::BIGINT[])[v.file_index::BIGINT + 1] << %d) + v.%s IN (SELECT w.n FROM %s AS w WHERE NOT w.deleted)",
			strings.Join(numbers, ", "), fileShift, name(flatten.LineColumn), a.winners)
	}
	n, err := a.exec("insert", insert, a.s.batch.Export)
	if err != nil {
		return fmt.Errorf("table %s: %w", t.Name, err)
	}
	if a.won == a.staged && n != rows {
		return fault.Permanentf("table %s has taken %d of %d rows: prepare the files again", t.Name,
			n, rows)
	}
	return nil
}

// lastUpdated returns the instant that a version begins with. A version has nine digits of a
// second, the column has milliseconds.
func lastUpdated(of string) string {
	return "substr(" + of + name(flatten.VersionColumn) + ", 1, 23)::TIMESTAMP"
}

// selected returns a column of the prepared form in its table's type.
func selected(c sof.Column) string {
	if c.Kind == sof.Timestamp {
		// AT TIME ZONE would consult a calendar for each value.
		return "make_timestamp(epoch_us(v." + name(c.Name) + "))"
	}
	return "v." + name(c.Name)
}

func (a *attempt) replaceHeads() error {
	if a.known > 0 {
		if _, err := a.exec("heads",
			"DELETE FROM "+a.head+" WHERE id IN "+a.knownIDs()); err != nil {
			return err
		}
	}
	if a.won == 0 {
		return nil
	}
	where := ""
	if a.won < a.staged {
		where = " WHERE s.n IN (SELECT w.n FROM " + a.winners + " AS w)"
	}
	_, err := a.exec("heads",
		"INSERT INTO "+a.head+
			" (id, version, deleted, view_set) SELECT s.id, s.version, s.deleted, ? FROM "+a.heads+
			" AS s"+where, a.s.batch.ViewSet)
	return err
}

func (a *attempt) writeLedger() error {
	_, err := a.exec("ledger",
		fmt.Sprintf(`INSERT INTO %[1]s (path, etag, export, type, lines, blank, quarantined, filtered, applied, superseded, deleted, view_set, committed_at)
		SELECT f.path, f.etag, ?, ?, f.lines, f.blank, f.quarantined, f.filtered,
			coalesce(w.n, 0), coalesce(s.n, 0) - coalesce(w.n, 0), coalesce(w.deleted, 0), ?, ?
		FROM %[2]s AS f
		LEFT JOIN (SELECT n >> %[5]d AS file, count(*) AS n FROM %[3]s GROUP BY 1) AS s ON s.file = f.file
		LEFT JOIN (SELECT n >> %[5]d AS file, count(*) AS n, count(*) FILTER (WHERE deleted) AS deleted FROM %[4]s GROUP BY 1) AS w ON w.file = f.file
		ORDER BY f.file`, a.ledger, a.files, a.heads, a.winners, fileShift),
		a.s.batch.Export, a.s.batch.Type, a.s.batch.ViewSet,
		a.w.o.Now().UTC().Truncate(time.Microsecond))
	return err
}

// checkCounts verifies law 5 for the written rows; see docs/architecture.md#laws.
func (a *attempt) checkCounts() error {
	a.w.o.before("check")
	var path string
	var lines, sum int64
	rows, err := a.QueryContext(a.ctx,
		`SELECT l.path, l.lines, l.applied + l.superseded + l.filtered + l.quarantined + l.blank AS accounted
		FROM `+a.ledger+` AS l JOIN `+a.files+` AS f ON f.path = l.path AND f.etag = l.etag
		WHERE l.export = ? AND (accounted <> l.lines OR l.superseded < 0) LIMIT 1`, a.s.batch.Export)
	if err != nil {
		return fmt.Errorf("check the counts: %w", classified(err))
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&path, &lines, &sum); err != nil {
			return fmt.Errorf("check the counts: %w", err)
		}
		return fault.Permanentf("file %s has %d lines, but %d are accounted for: prepare it again",
			path, lines, sum)
	}
	return rows.Err()
}

// ledger lists the committed files of an export.
func (db *database) ledger(
	ctx context.Context, schema, export string,
) ([]pipeline.LedgerEntry, error) {
	there, err := db.columns(ctx, schema)
	if err != nil || there[warehouse.LedgerTable] == nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx,
		"SELECT path, etag, type, lines, applied, superseded, filtered, quarantined, blank, deleted FROM "+
			tableName(schema, warehouse.LedgerTable)+
			" WHERE export = ? ORDER BY committed_at, path, etag", export)
	if err != nil {
		return nil, classified(err)
	}
	defer rows.Close()
	var out []pipeline.LedgerEntry
	for rows.Next() {
		var e pipeline.LedgerEntry
		if err := rows.Scan(&e.Path, &e.ETag, &e.Type, &e.Lines, &e.Applied, &e.Superseded,
			&e.Filtered, &e.Quarantined, &e.Blank, &e.Deleted); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
