package statements

import (
	"fmt"
	"strings"
	"time"
)

// Applied is the number of resources that the commits of one instant applied.
type Applied struct {
	At time.Time
	N  int64
}

// agedShare is the part of its resources, one in agedShare, after whose change the statistics of a
// table are old. The pool updates none by itself.
const agedShare = 5

// Oldest returns when the oldest statistics on the tables of the type were updated, zero if there
// are none with a date.
func Oldest(t Target) (oldest time.Time) {
	for _, i := range t.Layout {
		if !i.Updated.IsZero() && (oldest.IsZero() || i.Updated.Before(oldest)) {
			oldest = i.Updated
		}
	}
	return oldest
}

// AppliedSince returns the rows of Applied after an instant.
func AppliedSince(t Target, since time.Time) Statement {
	return Statement{
		"count changes", fmt.Sprintf(`SELECT l.[committed_at], SUM(l.[applied]) AS [n]
FROM %s AS l
WHERE l.[type] = %s AND l.[committed_at] > CAST('%s' AS datetime2(3))
GROUP BY l.[committed_at]`, t.ledger(t.Schema).quoted(), t.nameLiteral(t.Type),
			since.UTC().Format("2006-01-02T15:04:05.000")),
	}
}

// Aged returns the statements that update the statistics of the tables of which a large part has
// changed since the last time.
func Aged(t Target, applied []Applied) (out []Statement) {
	all := resources(t)
	for _, table := range t.permanent() {
		of := t
		of.Layout = t.Layout.on(table)
		oldest := Oldest(of)
		if oldest.IsZero() {
			continue
		}
		changed := int64(0)
		for _, a := range applied {
			if a.At.After(oldest) {
				changed += a.N
			}
		}
		if changed*agedShare > all {
			out = append(out, table.updateStatistics())
		}
	}
	return out
}

// resources returns the number of heads when their statistics were updated.
func resources(t Target) (n int64) {
	for _, i := range t.Layout.on(t.head(t.Schema, t.Type)) {
		n += i.Rows
	}
	return n
}

func (t Table) updateStatistics() Statement {
	return Statement{"statistics " + t.Name, "UPDATE STATISTICS " + t.quoted()}
}

// A heap keeps the pages that a DELETE has emptied. A resource that is applied a second time
// deletes the rows of the first: so the applied lines of the ledger, less the heads, count the
// resources that were replaced. The lock row holds that number as it was when the tables were last
// rebuilt.

const replacedColumn = "replaced"

// wastefulFrom is the number of replaced resources below which no table is worth a rebuild.
const wastefulFrom = 100_000

// Wasteful reports whether the tables have more than half as many replaced resources as resources.
func Wasteful(applied, resources, rebuilt int64) bool {
	replaced := applied - resources - rebuilt
	return replaced > wastefulFrom && replaced > resources/2
}

// MaybeWasteful reports whether the type is large enough to ask for the counts of Wasteful.
func MaybeWasteful(t Target) bool { return t.Distributed && resources(t) > wastefulFrom }

// Replaced counts the applied lines of the type, the heads, and the replaced resources at the last
// rebuild.
type Replaced struct{ Applied, Heads, Rebuilt Statement }

// ReplacedQueries returns the queries of Replaced.
func ReplacedQueries(t Target) Replaced {
	return Replaced{
		Applied: Statement{
			"count applied", "SELECT SUM(l.[applied]) AS [n]\nFROM " + t.ledger(t.Schema).quoted() +
				" AS l\nWHERE l.[type] = " + t.nameLiteral(t.Type),
		},
		Heads: Statement{
			"count heads", "SELECT COUNT_BIG(*) AS [n]\nFROM " +
				t.head(t.Schema, t.Type).quoted() + " AS h",
		},
		Rebuilt: Statement{
			"count rebuilt", "SELECT l.[" + replacedColumn + "] AS [n]\nFROM " +
				t.lock(t.Schema, t.Type).quoted() + " AS l",
		},
	}
}

// Rebuilt returns the statement that records the number of replaced resources after a rebuild. It
// reports false for tables of an older version, or of an engine without heaps.
func Rebuilt(t Target, there Catalog, replaced int64) (Statement, bool) {
	lock := t.lock(t.Schema, t.Type)
	_, has := there.columns(lock)[replacedColumn]
	return Statement{
		"rebuilt", fmt.Sprintf("UPDATE %s SET [%s] = %d WHERE [k] = 1", lock.quoted(),
			replacedColumn, replaced),
	}, has && t.Distributed
}

// Maintaining returns the notice for tables that are worth a rebuild.
func Maintaining(t Target, replaced int64) string {
	return strings.Join([]string{
		fmt.Sprintf("the tables of %s in schema %s keep the space of %d replaced resources:",
			t.Type, t.Schema, replaced),
		"run fhirsynapse tables maintain --to '" + string(t.Name) +
			"://HOST?database=NAME' --schema " + t.Schema + " at a quiet hour",
	}, " ")
}
