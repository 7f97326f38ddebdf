package flatten

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/ndjson"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/native/jsontape"
)

// columns holds a run of rows by column.
type columns struct {
	values []*parquetfile.Values
	rows   int
}

func newColumns(of []parquetfile.Column) columns {
	c := columns{values: make([]*parquetfile.Values, len(of))}
	for i := range of {
		c.values[i] = parquetfile.NewValues(of[i].Type)
	}
	return c
}

func (c *columns) reset() {
	for _, v := range c.values {
		v.Reset()
	}
	c.rows = 0
}

// evaluation is one goroutine's evaluator with its state of the current line.
type evaluation struct {
	size    int // approximate bytes of the cells in r
	in      pipeline.Flattening
	tables  []Table
	ev      Evaluator
	another func() Evaluator // makes one in the place of a broken one
	storing bool             // rows of the line are being stored
	emit    func(view int, row [][]byte) error
	r       *result
	number  int64
	marks   []before // tables with rows of the line
	view    int      // of the current row
	told    func(column int, f fit)
	misfits []misfit // of the line
	version []byte
	nested  *jsontape.Nested // nil if no view reads the type
	limits  [][]keyLimit     // by table
	badKey  string           // why a key of the line is bad

	compartment int  // the number of the table with the resource's patients, or -1
	member      bool // one of the line's patients is a member
}

// misfit is a value that its column cannot hold unchanged.
type misfit struct {
	table, column int
	fit           fit
}

// before is the position of a table before the line.
type before struct {
	table int
	mark
}

// newEvaluation returns an evaluation in a room. ev is nil, or an evaluator of that room.
func newEvaluation(
	in pipeline.Flattening, of *typeTables, room Room, ev Evaluator,
) *evaluation {
	e := &evaluation{
		in: in, tables: of.tables, ev: ev, compartment: of.compartment,
		another: func() Evaluator { return of.engine(room) },
	}
	if ev == nil {
		e.ev = e.another()
	}
	if len(e.tables) > 0 {
		e.nested = jsontape.NewNested()
	}
	for _, t := range e.tables {
		e.limits = append(e.limits, keyLimits(t))
	}
	e.emit = e.store
	e.told = func(column int, f fit) { e.misfits = append(e.misfits, misfit{e.view, column, f}) }
	return e
}

// errTooLarge reports that a line needs more memory than its evaluator may use.
var errTooLarge = errors.New("the line needs more memory")

// block evaluates the lines of a block into r. The returned block has the remaining lines, which
// are too large or have too many rows and must be evaluated one by one. An error means that the
// whole file cannot be flattened now.
func (e *evaluation) block(
	ctx context.Context, b ndjson.Block, r *result,
) (rest ndjson.Block, err error) {
	e.r, e.size = r, 0
	for line, err := range b.Lines() {
		if e.size > resultSize {
			return b.From(line), nil
		}
		wanted, err := e.begin(line, err)
		if err != nil {
			return ndjson.Block{}, err
		}
		if !wanted {
			continue
		}
		reason, err := e.line(ctx, line)
		switch {
		case errors.Is(err, errTooLarge):
			r.lines--
			return b.From(line), nil
		case err != nil:
			return ndjson.Block{}, fmt.Errorf("line %d: %w", line.Number, err)
		case reason != "":
			if err := e.refuse(line, reason); err != nil {
				return ndjson.Block{}, err
			}
		}
	}
	return ndjson.Block{}, nil
}

// begin counts a line and reports whether it must be evaluated.
func (e *evaluation) begin(line ndjson.Line, err error) (wanted bool, _ error) {
	e.number = line.Number
	e.marks, e.misfits, e.badKey, e.member = e.marks[:0], e.misfits[:0], "", false
	if e.leavesOut(line.JSON) {
		return false, nil
	}
	e.r.lines++
	switch {
	case err != nil:
		return false, e.refuse(line, err.Error())
	case line.Blank():
		e.r.blank++
		return false, nil
	}
	return true, nil
}

// refuse adds a line to the bad lines.
func (e *evaluation) refuse(line ndjson.Line, reason string) error {
	if e.stopsAt(line.JSON) {
		return fmt.Errorf("line %d: %w", line.Number, pipeline.ErrMixed)
	}
	e.r.bad = append(e.r.bad, badLine{line, reason})
	return nil
}

// leavesOut reports whether a line belongs to another flattening of the same file.
func (e *evaluation) leavesOut(line []byte) bool {
	switch e.in.Foreign {
	case pipeline.ForeignElsewhere:
		return len(e.in.Others) > 0 && slices.Contains(e.in.Others, LineType(line))
	case pipeline.ForeignSkipped:
		return LineType(line) != e.in.Type
	case pipeline.ForeignBad, pipeline.ForeignStops:
	}
	return false
}

// stopsAt reports whether a bad line has another type. The file must then be flattened once per
// type.
func (e *evaluation) stopsAt(line []byte) bool {
	if e.in.Foreign != pipeline.ForeignStops {
		return false
	}
	typ := LineType(line)
	return typ != "" && typ != e.in.Type
}

// line evaluates one line. If the line is bad, reason is the cause.
func (e *evaluation) line(ctx context.Context, line ndjson.Line) (reason string, err error) {
	size := e.size
	res, err := e.eval(ctx, line.JSON, e.emit)
	if isTooLarge(err) {
		e.takeBack()
		e.size = size
		return "", errTooLarge
	}
	lastUpdated, reason, err := e.judge(&res, err)
	if reason != "" || err != nil {
		e.takeBack()
		return reason, err
	}
	if res.Subsetted || e.isStranger(&res) {
		e.takeBack()
		e.r.filtered++
		return "", nil
	}
	if res.Deleted {
		e.takeBack()
		e.r.deleted++
	}
	e.keep(&res, lastUpdated)
	if e.nested != nil && !res.Deleted && comparesNested(line.Number, len(line.JSON)) {
		res.Differences = append(res.Differences, e.nested.Compare(line.JSON)...)
	}
	if len(res.Differences) > 0 {
		e.r.differences.add(res.Differences)
	}
	return "", nil
}

// panicked explains a bad line.
const panicked = "%s: report this as a bug of fhirsynapse, and load the line again with a version that mends it"

// eval evaluates a line. A panic of the evaluator makes the line bad, so that a fault of the
// program at one line does not keep a whole export from the tables. A panic while the rows are
// stored goes on, because the tables of the result may be broken.
func (e *evaluation) eval(
	ctx context.Context, line []byte, emit func(view int, row [][]byte) error,
) (res Resource, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if e.storing {
			panic(p)
		}
		e.ev = e.another()
		res, err = Resource{}, fault.BadDataf(panicked, panicText(p))
	}()
	return e.ev.Eval(ctx, line, emit)
}

// store is row, for eval.
func (e *evaluation) store(view int, cells [][]byte) error {
	e.storing = true
	err := e.row(view, cells)
	e.storing = false
	return err
}

// judge returns the reason why a line is bad, or else its meta.lastUpdated. err is the evaluator's
// error, if any.
func (e *evaluation) judge(
	res *Resource, err error,
) (lastUpdated time.Time, reason string, _ error) {
	switch {
	case err == nil:
		return e.check(res)
	case fault.Of(err) == fault.BadData:
		return time.Time{}, err.Error(), nil
	}
	return time.Time{}, "", err
}

func (e *evaluation) check(res *Resource) (lastUpdated time.Time, reason string, err error) {
	switch {
	case string(res.Type) == "OperationOutcome" && e.in.Type != "OperationOutcome":
		return lastUpdated,
			"an OperationOutcome: the server reports an error instead of a resource", nil
	case string(res.Type) != e.in.Type:
		return lastUpdated, "resourceType is not " + e.in.Type, nil
	case !usableID(res.ID):
		return lastUpdated, "the resource has no id of 1 to 128 letters, digits, '-', '.' and '_'",
			nil
	case !usableVersionID(res.VersionID):
		return lastUpdated, "meta.versionId is over 64 characters or not visible ASCII", nil
	case e.badKey != "" && !res.Deleted && !res.Subsetted:
		return lastUpdated, e.badKey, nil
	case len(res.LastUpdated) == 0 && e.in.LastUpdated.IsZero():
		return lastUpdated, "", pipeline.ErrNoInstant
	case len(res.LastUpdated) == 0:
		return e.in.LastUpdated, "", nil
	}
	lastUpdated, ok := parseInstant(res.LastUpdated)
	if !ok || lastUpdated.Year() < 1 { // no database has the year 0
		return lastUpdated, "meta.lastUpdated is not an instant with a zone", nil
	}
	return lastUpdated, "", nil
}

// takeBack removes the rows of the line.
func (e *evaluation) takeBack() {
	for _, m := range e.marks {
		e.r.tables[m.table].truncate(m.mark)
	}
	e.marks, e.misfits = e.marks[:0], e.misfits[:0]
}

// keep counts the resource. It also sets the ids of the line's rows and adds the head, if the form
// has them.
func (e *evaluation) keep(res *Resource, lastUpdated time.Time) {
	e.version = appendVersion(e.version[:0], lastUpdated, res.VersionID, res.Deleted)
	version := e.version
	e.keepRows(res.ID, version)
	for _, m := range res.Misses {
		e.r.counts[m.View][m.Column][missFits[m.Why]] += m.Rows
	}
	if isOddID(res.ID) {
		e.r.oddIDs++
	}
	e.r.resources++
	h := e.r.head
	if h == nil {
		return
	}
	shown := appendInstant(version[len(version):], lastUpdated, 3)
	h.values[0].Text(h.rows, res.ID)
	h.values[1].Text(h.rows, version)
	h.values[2].Text(h.rows, shown)
	h.values[3].Boolean(h.rows, res.Deleted)
	h.values[4].Int64(h.rows, e.number)
	h.rows++
}

// keepRows counts the line's misfits. It also sets the id and version of its rows, if the form has
// them.
func (e *evaluation) keepRows(id, version []byte) {
	for _, m := range e.misfits {
		e.r.counts[m.table][m.column][m.fit]++
	}
	if e.r.head != nil {
		for _, m := range e.marks {
			e.r.parquet[m.table].key(m.mark, id, version)
		}
	}
	e.marks, e.misfits = e.marks[:0], e.misfits[:0]
}

// rowOverhead is the approximate size of a row's keys in bytes.
const rowOverhead = 200

// row adds one row of a view.
func (e *evaluation) row(view int, cells [][]byte) error {
	if err := e.checkRow(view, cells); err != nil {
		return err
	}
	e.noteMember(view, cells)
	t := e.r.tables[view]
	if !e.marked(view) {
		e.marks = append(e.marks, before{view, t.mark()})
	}
	e.view = view
	e.size += rowOverhead
	for _, cell := range cells {
		e.size += len(cell)
	}
	t.add(e.number, cells, e.told)
	return nil
}

// checkRow checks that a row has the form of its table.
func (e *evaluation) checkRow(view int, cells [][]byte) error {
	if view < 0 || view >= len(e.tables) {
		return fmt.Errorf("the engine has a row for view %d of %d", view, len(e.tables))
	}
	if table := &e.tables[view]; len(cells) != len(table.Columns) {
		return fmt.Errorf("the engine has %d cells for the %d columns of %s", len(cells),
			len(table.Columns), table.Name)
	}
	for _, k := range e.limits[view] {
		if reason := k.refuse(cells[k.column]); reason != "" {
			e.badKey = reason
		}
	}
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

// cutText returns the beginning of a line for the quarantine, cut between characters if it has any.
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
