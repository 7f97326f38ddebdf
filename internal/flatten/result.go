package flatten

import (
	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/sof"
)

// badLine is a line for the quarantine. Its text is a part of the block.
type badLine struct {
	line   ndjson.Line
	reason string
}

// result is the outcome of a block.
type result struct {
	head    *columns               // nil if no heads are needed
	tables  []rows                 // by table
	parquet []*parquetRows         // the same; nil for other forms
	texts   []*textRows            // the same; nil for other forms
	counts  [][]fitCounts          // by table and column
	longest [][]parquetfile.Extent // by table and column; nil for other forms
	bad     []badLine

	differences differences

	lines, blank, filtered, deleted, resources, oddIDs int64
}

// newResult returns an empty result in the prepared form.
func newResult(tables []Table) *result {
	head := newColumns(headColumns)
	r := &result{head: &head}
	r.addParquet(tables, keyColumns)
	return r
}

func (r *result) addParquet(tables []Table, keys []parquetfile.Column) {
	for i := range tables {
		p := &parquetRows{
			columns: newColumns(tableColumns(tables[i], keys)), table: &tables[i], keys: len(keys),
			clips: tables[i].Columnstore,
		}
		r.parquet = append(r.parquet, p)
		r.longest = append(r.longest, make([]parquetfile.Extent, len(tables[i].Columns)))
		r.add(p, &tables[i])
	}
}

func (r *result) add(to rows, t *Table) {
	r.tables = append(r.tables, to)
	r.counts = append(r.counts, make([]fitCounts, len(t.Columns)))
}

func (r *result) reset() {
	if r.head != nil {
		r.head.reset()
	}
	for i, t := range r.tables {
		t.reset()
		clear(r.counts[i])
	}
	for _, l := range r.longest {
		clear(l)
	}
	clear(r.bad) // so that the lines can be freed
	r.bad = r.bad[:0]
	r.differences = differences{}
	r.lines, r.blank, r.filtered, r.deleted, r.resources, r.oddIDs = 0, 0, 0, 0, 0, 0
}

// measure finds the longest texts.
func (r *result) measure() {
	for i, p := range r.parquet {
		if p.rows == 0 {
			continue
		}
		for c := range p.table.Columns {
			if col := &p.table.Columns[c]; col.Kind == sof.Text {
				r.longest[i][c] = p.values[p.keys+c].Longest(r.longest[i][c],
					col.Class == sof.Moment)
			}
		}
	}
}

// tally adds the counts of a result to the totals of its file.
func (r *result) tally(done *pipeline.Done, resource string) {
	records.Count(&done.OddIDs, resource, r.oddIDs)
	r.differences.tally(done, resource)
	done.Lines += r.lines
	done.Blank += r.blank
	done.Filtered += r.filtered
	done.Deleted += r.deleted
	done.Quarantined += int64(len(r.bad))
	done.Heads += r.resources
}
