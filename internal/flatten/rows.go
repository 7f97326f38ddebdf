package flatten

import (
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/storage"
)

// mark is a position in a run of rows.
type mark struct{ rows, size int } // size is the bytes of text, for text rows

// rows is a run of rows of one table.
type rows interface {
	// add adds a row of a line, with cells as an Evaluator emits them. A text that is not a value
	// of its column's type becomes NULL; told is called with each misfit.
	add(line int64, cells [][]byte, told func(column int, f fit))
	mark() mark
	// truncate removes the rows after m.
	truncate(m mark)
	reset()
}

// parquetRows are rows in Parquet's form.
type parquetRows struct {
	columns
	table *Table
	keys  int  // columns before the view's: keyColumns in the prepared form
	clips bool // cuts long texts, for a columnstore
}

func (p *parquetRows) add(line int64, cells [][]byte, told func(column int, f fit)) {
	if p.keys > 0 {
		// Id and version are unknown here; key sets them.
		p.values[1].Int64(p.rows, line)
	}
	for i, cell := range cells {
		if cell == nil {
			continue
		}
		if p.table.Columns[i].Kind == sof.Text {
			if p.clips && len(cell) > storage.Longest && p.table.Clips(p.table.Columns[i]) {
				whole := len(cell)
				if cell = storage.Cut(cell); len(cell) < whole {
					told(i, clipped)
				}
			}
			p.values[p.keys+i].Text(p.rows, cell)
		} else if f := put(p.values[p.keys+i], p.rows, &p.table.Columns[i], cell); f != fits {
			told(i, f)
		}
	}
	p.rows++
}

func (p *parquetRows) mark() mark { return mark{rows: p.rows} }

func (p *parquetRows) truncate(m mark) {
	for _, v := range p.values {
		v.Truncate(m.rows)
	}
	p.rows = m.rows
}

// key sets the id and version of the rows after m.
func (p *parquetRows) key(m mark, id, version []byte) {
	for row := m.rows; row < p.rows; row++ {
		p.values[0].Text(row, id)
		p.values[2].Text(row, version)
	}
}
