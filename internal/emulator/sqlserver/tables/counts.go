package tables

import (
	"cmp"
	"fmt"
	"slices"
)

// distributions is the number of distributions of a pool; a real one has 60.
const distributions = 4

// counts returns the views of a dedicated pool that show its rows by node and distribution. An
// object_id there is unique in its distribution only.
func (d *Database) counts(name string) (names []string, rows [][]any, ok bool) {
	if !d.o.Autocommit || d.o.Conflicts {
		return nil, nil, false // another engine
	}
	switch name {
	case "sys.pdw_permanent_table_mappings":
		names = []string{"physical_name", "object_id"}
	case "sys.pdw_nodes_tables":
		names = []string{"object_id", "name", "pdw_node_id", "distribution_id"}
	case "sys.dm_pdw_nodes_db_partition_stats":
		names = []string{"object_id", "index_id", "row_count", "pdw_node_id", "distribution_id"}
	default:
		return nil, nil, false
	}
	all := d.sorted()
	slices.SortFunc(all, func(a, b *table) int { return cmp.Compare(a.id, b.id) })
	for i, t := range all {
		physical := fmt.Sprintf("Table_%d", t.id)
		if name == "sys.pdw_permanent_table_mappings" {
			rows = append(rows, []any{physical, t.id})
			continue
		}
		live := int64(t.live())
		for at := range int64(distributions) {
			id, node := 1000+(int64(i)+at)%int64(len(all)), 1+at%2
			if name == "sys.pdw_nodes_tables" {
				rows = append(rows, []any{id, physical, node, at + 1})
				continue
			}
			share := (live + distributions - 1 - at) / distributions
			rows = append(rows, []any{id, int64(0), share, node, at + 1})
		}
	}
	return names, rows, true
}

// live returns the number of committed rows.
func (t *table) live() int { return len(t.visible(nil)) }

// partitions returns the rows of sys.partitions for a table: one for the heap or the clustered
// index, and one for each other index. Without indexes it has the count of the statistics.
func (d *Database) partitions(t *table) [][]any {
	if d.o.Autocommit {
		return [][]any{{t.id, int64(0), t.counted}}
	}
	live, heap := int64(t.live()), int64(0)
	if t.columnstore || slices.ContainsFunc(t.indexes, func(i index) bool {
		return i.kind == primary || i.kind == clustered
	}) {
		heap = 1
	}
	rows := [][]any{{t.id, heap, live}}
	for n, i := range t.indexes {
		if i.kind == secondary {
			rows = append(rows, []any{t.id, int64(n + 2), live})
		}
	}
	return rows
}
