package tables

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/emulator/sqlserver"
)

// creatingStatistics matches the only form of CREATE STATISTICS that the emulator accepts: on one
// column.
var creatingStatistics = regexp.MustCompile(
	`^CREATE STATISTICS \[([^\]]+)\] ON \[([^\]]+)\]\.\[([^\]]+)\] \(\[([^\]]+)\]\)$`)

// droppingStatistics matches DROP STATISTICS of one name.
var droppingStatistics = regexp.MustCompile(
	`^DROP STATISTICS \[([^\]]+)\]\.\[([^\]]+)\]\.\[([^\]]+)\]$`)

// createStatistics records the statistics of a table. It refuses an existing name, as the engines
// do. A name that begins with _WA_Sys_ belongs to the optimizer.
func (s *session) createStatistics(m []string) (sqlserver.Result, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	t, err := s.db.table(m[2], m[3])
	if err != nil {
		return sqlserver.Result{}, err
	}
	if _, err := t.column(m[4]); err != nil {
		return sqlserver.Result{},
			fail(1911, "Column name '%s' does not exist in the target table.", m[4])
	}
	if t.named(m[1]) >= 0 {
		return sqlserver.Result{},
			fail(1927, "There are already statistics on table '%s' named '%s'.", m[3], m[1])
	}
	kind := byHand
	if strings.HasPrefix(m[1], "_WA_Sys_") {
		kind = byItself
	}
	t.indexes = append(t.indexes, index{
		name: m[1], kind: kind, columns: []string{m[4]}, updated: s.db.now(),
	})
	t.counted = int64(len(t.visible(s)))
	return sqlserver.Result{}, nil
}

func (d *Database) dropStatistics(m []string) (sqlserver.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(m[1], m[2])
	at := -1
	if err == nil {
		at = t.named(m[3])
	}
	if at < 0 || !t.indexes[at].isStatistics() {
		return sqlserver.Result{}, fail(3701,
			"Cannot drop the statistics '%s', because it does not exist or you do not have permission.", m[3])
	}
	t.indexes = slices.Delete(slices.Clone(t.indexes), at, at+1)
	return sqlserver.Result{}, nil
}

// now returns the time of the server, or zero.
func (d *Database) now() time.Time {
	if d.o.Now == nil {
		return time.Time{}
	}
	return d.o.Now()
}

// maintaining matches the statements of the maintenance of a table.
var maintaining = regexp.MustCompile(
	`^(UPDATE STATISTICS|ALTER INDEX ALL ON|ALTER TABLE) \[([^\]]+)\]\.\[([^\]]+)\](| REORGANIZE| REBUILD)$`)

// maintain records the maintenance of a table. It changes no row.
func (s *session) maintain(m []string) (sqlserver.Result, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	t, err := s.db.table(m[2], m[3])
	switch {
	case err != nil:
		return sqlserver.Result{}, err
	case s.open:
		return sqlserver.Result{},
			fail(574, "%s statement cannot be used inside a user transaction.", m[1])
	}
	if m[1] == "UPDATE STATISTICS" {
		for i := range t.indexes {
			t.indexes[i].updated = s.db.now()
		}
		t.counted = int64(len(t.visible(s)))
	}
	t.maintained = append(t.maintained, m[1]+m[4])
	return sqlserver.Result{}, nil
}

// Maintained returns what was done to maintain a table, in order.
func (d *Database) Maintained(schema, table string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(schema, table)
	if err != nil {
		return nil
	}
	return slices.Clone(t.maintained)
}

// Statistics returns the names of the statistics on a table, in order.
func (d *Database) Statistics(schema, table string) []string {
	return d.names(schema, table, index.isStatistics)
}

// Indexes returns the names of the indexes and keys of a table, in order.
func (d *Database) Indexes(schema, table string) []string {
	return d.names(schema, table, func(i index) bool { return !i.isStatistics() })
}

func (d *Database) names(schema, table string, wanted func(index) bool) (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(schema, table)
	if err != nil {
		return nil
	}
	for _, i := range t.indexes {
		if wanted(i) {
			names = append(names, i.name)
		}
	}
	slices.Sort(names)
	return names
}
