// Package native runs compiled views over NDJSON: one pass over a line feeds all views of its
// resource type.
//
// A line is validated as a whole and parsed once. Only members that some view reads are kept,
// strings are decoded only when they are used, and numbers keep their text. A line either yields
// all of its rows or an error of class fault.BadData, which names the place and never the content.
//
// A line must be one JSON object (RFC 8259) in UTF-8; white space around it is allowed, including a
// CR at its end. These make it bad: a byte order mark, a blank or truncated line, text after the
// object, an invalid byte, half of a surrogate pair, nesting beyond 1,000 levels. A repeated member
// makes it bad only if a view reads the member. null counts as absent, in lists too. An object in
// place of a list is a list of one, and a list in place of one value is all of its items. Package
// ndjson handles the length of lines and blank lines.
//
// Data of a wrong type is shown unchanged by a column that only copies it (an object as JSON text).
// An operator or function that needs the type makes the line bad. A value is present if it has a
// JSON value: a primitive with only extensions is absent.
package native

import (
	"context"
	"errors"
	"fmt"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// Option changes the requirements of an Engine.
type Option func(*Engine)

// IDOptional accepts resources without an id. By default they are bad lines, because a table needs
// the key.
func IDOptional() Option { return func(e *Engine) { e.idOptional = true } }

// Engine holds the compiled views of one resource type. It is immutable and may be shared.
type Engine struct {
	resource   string
	views      []view
	root       *jsontape.Shape
	layout     *jsontape.Layout
	resourceOf meta
	elements   *jsontape.Elements // nil without views
	memos      int                // values that several cells share
	idOptional bool
}

// view is one compiled view.
type view struct {
	name    string
	names   []string // of the columns
	columns int
	where   []op
	rows    row
	// references are the columns with keys of references.
	references []int
}

// New returns an engine for views of one resource type. Without views the engine still returns the
// Resource of every line of any type.
func New(views []*sof.View, options ...Option) (*Engine, error) {
	e := &Engine{root: jsontape.NewShape()}
	for _, o := range options {
		o(e)
	}
	for _, v := range views {
		if e.resource == "" {
			e.resource = v.Resource
		}
		if v.Resource != e.resource {
			return nil, fmt.Errorf("make engine: view %s reads %s, the others %s", v.Name,
				v.Resource, e.resource)
		}
	}
	o := outline{
		root: e.root, inputs: map[sof.Expr][]*jsontape.Shape{},
		trees: map[sof.Expr]*jsontape.Shape{},
	}
	for _, v := range views {
		for _, w := range v.Where {
			o.expr(w, []*jsontape.Shape{e.root})
		}
		o.row(v.Rows, []*jsontape.Shape{e.root})
	}
	e.resourceOf.outline(e.root)
	e.root = e.root.Find()
	common := commonValues(views)
	e.memos = len(common.values)
	var err error
	if e.layout, err = e.root.Freeze(); err != nil {
		return nil, fmt.Errorf("make engine: %w", err)
	}
	for _, v := range views {
		b := builder{
			view: v.Name, columns: v.Columns, numbers: e.layout, outline: &o, common: common,
		}
		out := view{name: v.Name, columns: len(v.Columns)}
		for _, c := range v.Columns {
			out.names = append(out.names, c.Name)
		}
		for _, w := range v.Where {
			out.where = append(out.where, b.op(w))
		}
		out.rows = b.row(v.Rows, true)
		out.references = b.references
		if b.err != nil {
			return nil, fmt.Errorf("make engine: view %s: %w", v.Name, b.err)
		}
		e.views = append(e.views, out)
	}
	e.resourceOf.number(e.layout, e.root)
	e.elements = jsontape.ElementsOf(e.resource, e.root)
	return e, nil
}

// Evaluator returns a new evaluator for one goroutine, with DefaultLimits unless others are given.
func (e *Engine) Evaluator(limits ...Limits) *Evaluator {
	v := &Evaluator{memos: make([]memo, e.memos)}
	v.engine, v.budget.limits = e, DefaultLimits()
	for _, l := range limits {
		v.budget.limits = l
	}
	v.tape = e.layout.NewTape(v.budget.limits.Values, v.budget.allocated, e.elements)
	return v
}

// LineError reports the fault of a line and its place. Its text never holds data of the line.
type LineError struct {
	Offset int // byte
	Reason string
	Limit  bool // the line exceeds one of the Limits, and may be valid
}

// Error returns the offset and the reason.
func (e *LineError) Error() string {
	if e.Limit {
		return e.Reason
	}
	return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason)
}

// dataError is a fault in the data that an expression met.
type dataError struct{ reason string }

func (e *dataError) Error() string { return e.reason }

func badData(offset int, reason string) error {
	return &fault.Error{Class: fault.BadData, Err: &LineError{Offset: offset, Reason: reason}}
}

// Evaluator evaluates lines one after the other and reuses its memory.
type Evaluator struct {
	sets
	emit func(view int, row [][]byte) error

	rowIndex  int
	itemIndex int
	total     []item // of the current aggregate()

	cells [][]byte // of the current row
	// unkeyed is the reason why a reference of the current cell has no key, missed is the same for
	// every cell of the row, and misses counts them over the rows of the line.
	unkeyed Unkeyed
	missed  []Unkeyed
	misses  []Miss
	trail   [maxLegs]int32
	memos   []memo
	lines   int64 // that were read
	conts   []cont
}

// Eval reads one resource and emits the rows of all views, view by view. A row has the cells in the
// order of the columns; a nil cell is NULL, others are canonical text. The row is valid until emit
// returns, its cells and the Resource until the next Eval.
//
// A bad line returns an error of class fault.BadData; other errors come from emit or the context.
// Rows are emitted during the evaluation: if Eval fails, the caller must discard the line's rows.
//
// A resource of another type and a deleted one have no rows.
func (v *Evaluator) Eval(
	ctx context.Context, line []byte, emit func(view int, row [][]byte) error,
) (r Resource, err error) {
	v.reset(ctx)
	v.emit = emit
	defer func() {
		v.emit = nil
		v.shrink()
		if p := recover(); p != nil {
			s, ok := p.(stopped)
			if !ok {
				panic(p) // a bug; its own stack follows this one
			}
			if r, err = (Resource{}), ctx.Err(); s.limit != nil {
				err = &fault.Error{
					Class: fault.BadData, Err: &LineError{Reason: s.limit.reason, Limit: true},
				}
			}
		}
	}()
	return v.eval(line)
}

func (v *Evaluator) eval(line []byte) (Resource, error) {
	root := v.tape.Read(line, v.engine.root)
	if root < 0 {
		at := &LineError{}
		if at.Offset, at.Reason, at.Limit = v.tape.Fault(); at.Limit {
			at.Reason = v.tooManyValues()
		}
		return Resource{}, &fault.Error{Class: fault.BadData, Err: at}
	}
	r := v.resource(root)
	if r.Type == nil {
		return Resource{}, badData(0, "there is no resourceType")
	}
	if v.engine.resource != "" && string(r.Type) != v.engine.resource {
		return r, nil
	}
	if r.ID == nil && !v.engine.idOptional {
		return Resource{}, badData(0, "the resource has no id")
	}
	if r.Deleted {
		return r, nil
	}
	v.root = v.itemAt(root, nil)
	for i := range v.engine.views {
		if err := v.run(i); err != nil {
			var d *dataError
			if errors.As(err, &d) {
				return Resource{}, badData(0, d.reason)
			}
			return Resource{}, err
		}
	}
	r.Misses = v.misses
	r.Differences = v.tape.Differences(root)
	return r, nil
}

func (v *meter) tooManyValues() string {
	return "the line is too large: the values that views read take more than " +
		bytesText(v.budget.limits.Values) + " of memory"
}

func (v *Evaluator) reset(ctx context.Context) {
	v.budget.reset(ctx)
	v.stack, v.conts, v.arena = v.stack[:0], v.conts[:0], v.arena[:0]
	v.rowIndex, v.itemIndex, v.view, v.column, v.total = 0, 0, -1, -1, nil
	v.misses = v.misses[:0]
	v.lines++
}

// shrink frees the memory that only a large line needs.
func (v *Evaluator) shrink() {
	v.tape.Shrink()
	if cap(v.arena) > jsontape.Keep {
		v.arena = nil
	}
	if cap(v.stack)*itemSize > jsontape.Keep {
		v.stack = nil
	}
	if len(v.tape.Line) > jsontape.Keep {
		// nothing here may keep the line in memory
		v.tape.Line, v.root = nil, item{}
		clear(v.cells[:cap(v.cells)])
		clear(v.memos)
		clear(v.stack[:cap(v.stack)])
		clear(v.conts[:cap(v.conts)])
	}
}

// run computes the rows of one view.
func (v *Evaluator) run(i int) error {
	w := &v.engine.views[i]
	v.view, v.column = i, -1
	if cap(v.cells) < w.columns {
		v.cells = make([][]byte, w.columns)
	}
	v.cells = v.cells[:w.columns]
	clear(v.cells)
	if len(w.references) > 0 {
		v.missed = append(v.missed[:0], make([]Unkeyed, w.columns)...)
	}
	for _, p := range w.where {
		truth, err := v.truth(p, &v.root)
		if err != nil {
			return err
		}
		if truth != yes {
			return nil
		}
	}
	return w.rows.run(v, &v.root, -1)
}
