package tables

import (
	"maps"
	"regexp"
	"slices"

	"fhirsynapse/internal/emulator/sqlserver"
)

// creatingStatistics matches the only form of CREATE STATISTICS that the emulator accepts: on one
// column.
var creatingStatistics = regexp.MustCompile(
	`^CREATE STATISTICS \[([^\]]+)\] ON \[([^\]]+)\]\.\[([^\]]+)\] \(\[([^\]]+)\]\)$`)

// createStatistics records the statistics of a table. It refuses an existing name, as the engines
// do.
func (s *session) createStatistics(m []string) (sqlserver.Result, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	t, err := s.db.table(m[2], m[3])
	switch {
	case err != nil:
		return sqlserver.Result{}, err
	case !slices.ContainsFunc(t.columns, func(c column) bool { return c.Name == m[4] }):
		return sqlserver.Result{},
			fail(1911, "Column name '%s' does not exist in the target table.", m[4])
	case t.statistics[m[1]]:
		return sqlserver.Result{},
			fail(1927, "There are already statistics on table '%s' named '%s'.", m[3], m[1])
	}
	if t.statistics == nil {
		t.statistics = map[string]bool{}
	}
	t.statistics[m[1]] = true
	return sqlserver.Result{}, nil
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
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.table(schema, table)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(t.statistics))
}
