package prepared

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
)

// columns is a run of rows, column by column.
type columns struct {
	values [][]parquet.Value
	rows   int
	size   int // bytes, about
}

func newColumns(n int) *columns { return &columns{values: make([][]parquet.Value, n)} }

func (c *columns) reset() {
	for i := range c.values {
		c.values[i] = c.values[i][:0]
	}
	c.rows, c.size = 0, 0
}

// truncate takes back the rows after the first n.
func (c *columns) truncate(n, size int) {
	for i := range c.values {
		c.values[i] = c.values[i][:n]
	}
	c.rows, c.size = n, size
}

// required and optional append the value of a column of the current row.
func (c *columns) required(i int, v parquet.Value) {
	c.values[i] = append(c.values[i], v.Level(0, 0, i))
}

func (c *columns) optional(i int, v parquet.Value, size int) {
	c.values[i] = append(c.values[i], v.Level(0, 1, i))
	c.size += size
}

func (c *columns) null(i int) {
	c.values[i] = append(c.values[i], parquet.NullValue().Level(0, 0, i))
}

// badLine is a line for the quarantine. Its text is part of the block.
type badLine struct {
	line   ndjson.Line
	reason string
}

// result is what became of a block.
type result struct {
	head   *columns
	tables []*columns
	nulled [][]int64 // per table and column
	bad    []badLine
	arena  arena

	lines, blank, filtered, deleted int64
}

func newResult(tables []Table) *result {
	r := &result{head: newColumns(len(headSchema().Fields()))}
	for _, t := range tables {
		r.tables = append(r.tables, newColumns(keyColumns+len(t.Columns)))
		r.nulled = append(r.nulled, make([]int64, len(t.Columns)))
	}
	return r
}

func (r *result) reset() {
	r.head.reset()
	for i, t := range r.tables {
		t.reset()
		clear(r.nulled[i])
	}
	r.arena.reset()
	r.bad = r.bad[:0]
	r.lines, r.blank, r.filtered, r.deleted = 0, 0, 0, 0
}

// evaluation is one goroutine's evaluator with what it remembers of a line.
type evaluation struct {
	in      pipeline.Flattening
	tables  []Table
	ev      Evaluator
	emit    func(view int, row [][]byte) error
	r       *result
	number  int64
	id      int      // of the first row of the line, per table
	marks   []mark   // tables that the line has rows in
	misfits [][2]int // table and column of values that became NULL
	version []byte
}

// mark is where a table stood before the line.
type mark struct{ table, rows, size int }

func newEvaluation(in pipeline.Flattening, tables []Table, ev Evaluator) *evaluation {
	e := &evaluation{in: in, tables: tables, ev: ev}
	e.emit = e.row
	return e
}

// block evaluates the lines of a block into r. An error means that the whole file
// cannot be flattened now.
func (e *evaluation) block(b ndjson.Block, r *result) error {
	e.r = r
	valid := utf8.Valid(b.Data)
	for line, err := range b.Lines() {
		r.lines++
		switch {
		case err != nil:
			r.bad = append(r.bad, badLine{line, err.Error()})
			continue
		case line.Blank():
			r.blank++
			continue
		case !valid && !utf8.Valid(line.JSON):
			r.bad = append(r.bad, badLine{line, "the line is not valid UTF-8"})
			continue
		}
		reason, err := e.line(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", line.Number, err)
		}
		if reason != "" {
			r.bad = append(r.bad, badLine{line, reason})
		}
	}
	return nil
}

// line evaluates one line; reason is why it is bad.
func (e *evaluation) line(line ndjson.Line) (reason string, err error) {
	e.number = line.Number
	e.marks, e.misfits = e.marks[:0], e.misfits[:0]
	res, err := e.ev.Eval(line.JSON, e.emit)
	if err != nil {
		e.takeBack()
		if fault.Of(err) == fault.BadData {
			return err.Error(), nil
		}
		return "", err
	}
	lastUpdated, reason, err := e.check(&res)
	if reason != "" || err != nil {
		e.takeBack()
		return reason, err
	}
	if res.Subsetted {
		e.takeBack()
		e.r.filtered++
		return "", nil
	}
	if res.Deleted {
		e.takeBack()
		e.r.deleted++
	}
	e.keep(&res, lastUpdated)
	return "", nil
}

func (e *evaluation) check(res *Resource) (lastUpdated time.Time, reason string, err error) {
	switch {
	case string(res.Type) == "OperationOutcome" && e.in.Type != "OperationOutcome":
		return lastUpdated, "an OperationOutcome: the server reports an error instead of a resource", nil
	case string(res.Type) != e.in.Type:
		return lastUpdated, "resourceType is not " + e.in.Type, nil
	case !usableID(res.ID):
		return lastUpdated, "the resource has no id of 1 to 64 letters, digits, '-' and '.'", nil
	case !usableVersionID(res.VersionID):
		return lastUpdated, "meta.versionId is over 64 characters, or has other than visible ASCII ones", nil
	case len(res.LastUpdated) == 0 && e.in.LastUpdated.IsZero():
		return lastUpdated, "", pipeline.ErrNoInstant
	case len(res.LastUpdated) == 0:
		return e.in.LastUpdated, "", nil
	}
	lastUpdated, ok := parseInstant(res.LastUpdated)
	if !ok {
		return lastUpdated, "meta.lastUpdated is not an instant with a zone", nil
	}
	return lastUpdated, "", nil
}

// takeBack forgets the rows of the line.
func (e *evaluation) takeBack() {
	for _, m := range e.marks {
		e.r.tables[m.table].truncate(m.rows, m.size)
	}
	e.marks, e.misfits = e.marks[:0], e.misfits[:0]
}

// keep gives the rows of the line their id and the resource its head.
func (e *evaluation) keep(res *Resource, lastUpdated time.Time) {
	a, h := &e.r.arena, e.r.head
	id := parquet.ByteArrayValue(a.copy(res.ID))
	e.version = appendVersion(e.version[:0], lastUpdated, res.VersionID, res.Deleted)
	version := parquet.ByteArrayValue(a.copy(e.version))
	for _, m := range e.marks {
		t := e.r.tables[m.table]
		for i := m.rows; i < t.rows; i++ {
			t.values[0][i] = id.Level(0, 0, 0)
			t.values[2][i] = version.Level(0, 0, 2)
		}
		t.size += (t.rows - m.rows) * (len(res.ID) + len(e.version))
	}
	for _, m := range e.misfits {
		e.r.nulled[m[0]][m[1]]++
	}
	shown := lastUpdated.UTC().AppendFormat(e.version[len(e.version):], shownLayout)
	h.required(0, id)
	h.required(1, version)
	h.required(2, parquet.ByteArrayValue(a.copy(shown)))
	h.required(3, parquet.BooleanValue(res.Deleted))
	h.required(4, parquet.Int64Value(e.number))
	h.rows++
	h.size += len(res.ID) + len(e.version) + len(shownLayout) + 9
}

// row takes one row of a view. Id and version are not known yet: keep puts them in.
func (e *evaluation) row(view int, cells [][]byte) error {
	if view < 0 || view >= len(e.tables) {
		return fmt.Errorf("the engine has a row for view %d of %d", view, len(e.tables))
	}
	table, t := &e.tables[view], e.r.tables[view]
	if len(cells) != len(table.Columns) {
		return fmt.Errorf("the engine has %d cells for the %d columns of %s", len(cells), len(table.Columns), table.Name)
	}
	if !e.marked(view) {
		e.marks = append(e.marks, mark{view, t.rows, t.size})
	}
	t.required(0, parquet.Value{})
	t.required(1, parquet.Int64Value(e.number))
	t.required(2, parquet.Value{})
	t.size += 8
	for i, cell := range cells {
		if cell == nil {
			t.null(keyColumns + i)
			continue
		}
		v, fits := value(&table.Columns[i], cell, &e.r.arena)
		if !fits {
			t.null(keyColumns + i)
			e.misfits = append(e.misfits, [2]int{view, i})
			continue
		}
		t.optional(keyColumns+i, v, len(cell)+4)
	}
	t.rows++
	return nil
}

func (e *evaluation) marked(view int) bool {
	for _, m := range e.marks {
		if m.table == view {
			return true
		}
	}
	return false
}

var errAborted = errors.New("aborted")

// cutText is the beginning of a line for the quarantine, of whole characters
// where it has any.
func cutText(line []byte, limit int) []byte {
	if len(line) <= limit {
		return line
	}
	cut := line[:limit]
	for i := 1; i < utf8.UTFMax && i < len(cut); i++ {
		if tail := cut[len(cut)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return cut[:len(cut)-i]
			}
			break
		}
	}
	return bytes.Clone(cut)
}
