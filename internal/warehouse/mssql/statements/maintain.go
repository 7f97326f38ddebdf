package statements

// Maintained is a table with the statements of its maintenance. Each is a transaction of its own.
type Maintained struct {
	Table      Table
	Statements []Statement
}

// Name returns SCHEMA.TABLE, for people.
func (m Maintained) Name() string { return m.Table.Schema + "." + m.Table.Name }

// In reports whether the table exists.
func (m Maintained) In(there Catalog) bool { return there.has(m.Table) }

// Maintain returns the statements that free the space of deleted rows and renew statistics, by
// table. It returns none for an engine that maintains its tables itself.
func (t Target) Maintain() (tables []Maintained) {
	for _, table := range t.permanent() {
		var first Statement
		switch {
		case t.Distributed:
			// A heap keeps the pages that a DELETE has emptied.
			first = Statement{"rebuild " + table.Name, "ALTER TABLE " + table.quoted() + " REBUILD"}
		case t.Keys:
			// All indexes of the table, the key among them; it stays open to readers and writers.
			first = Statement{
				"reorganize " + table.Name, "ALTER INDEX ALL ON " + table.quoted() + " REORGANIZE",
			}
		default:
			return nil
		}
		all := []Statement{first}
		if t.Keys || len(table.Estimated) > 0 {
			all = append(all, table.updateStatistics())
		}
		tables = append(tables, Maintained{table, all})
	}
	return tables
}
