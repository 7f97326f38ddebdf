package native

import (
	"context"
	"fmt"
	"runtime"

	"fhirsynapse/internal/sof/native/jsontape"
)

// Limits bound the resources of one line. A line beyond one of them is bad, and its LineError has
// Limit set.
type Limits struct {
	Values int   // bytes of memory for the values that views read
	Memory int   // bytes of text and collections that expressions create for one row
	Items  int   // items in all collections open at one time
	Text   int   // bytes of a text that an expression creates, and of a cell
	Row    int   // bytes of all cells of a row
	Rows   int   // rows of all views
	Output int   // bytes of the cells of all rows
	Steps  int64 // items that expressions visit
}

// DefaultLimits returns the default limits of a line. They suffice for a Group of 64 MB, and keep
// an Evaluator below 200 MB of memory.
func DefaultLimits() Limits {
	return Limits{
		Values: 80 << 20, Memory: 48 << 20, Items: 1 << 20, Text: 16 << 20, Row: 20 << 20,
		Rows: 2_000_000, Output: 256 << 20,
		Steps: 200_000_000,
	}
}

// stopped ends an evaluation from any depth by panic; only Eval recovers from it. A nil limit means
// that the context has ended.
type stopped struct{ limit *limitError }

// budget counts the resources that a line has used.
type budget struct {
	limits Limits
	done   <-chan struct{} // of the context

	made   int   // bytes of text and collections for the current row
	fresh  int   // bytes allocated since the last garbage collection
	steps  int64 // items visited
	look   int64 // steps at which the limit and the context are checked again
	rows   int
	output int // bytes of cells
}

const (
	// stepsPerLook is the number of items between two checks of the context.
	stepsPerLook = 1 << 14
	// freshLimit is the memory that a line may allocate before its garbage is collected. The
	// collector alone would let it double the memory of a large line.
	freshLimit = 32 << 20
)

func (b *budget) reset(ctx context.Context) {
	fresh := b.fresh
	if fresh < jsontape.Keep {
		fresh = 0 // for common sizes the collector needs no help
	}
	*b = budget{limits: b.limits, done: ctx.Done(), look: stepsPerLook, fresh: fresh}
}

// allocated records the allocation of n bytes, and collects garbage if there may be much of it.
func (b *budget) allocated(n int) {
	if b.fresh += n; b.fresh >= freshLimit {
		runtime.GC()
		b.fresh = 0
	}
}

// meter charges the work of an evaluation to the budget of its line.
type meter struct {
	engine *Engine
	budget budget
	// the current view and column; below zero: none
	view, column int
}

// step records that n items were or will be visited. It ends the evaluation of the line if there
// were too many, or if its context has ended.
func (v *meter) step(n int) {
	if v.budget.steps += int64(n); v.budget.steps >= v.budget.look {
		v.lookUp()
	}
}

func (v *meter) lookUp() {
	b := &v.budget
	b.look = b.steps + stepsPerLook
	select {
	case <-b.done:
		panic(stopped{}) // Eval has the context
	default:
	}
	if b.steps > b.limits.Steps {
		v.exceed("its expressions visit more than %d items", b.limits.Steps)
	}
}

// charge records that n bytes of text or of a collection will be created. It ends the evaluation of
// the line beyond a limit, so call it before allocating.
func (v *meter) charge(n int) {
	b := &v.budget
	v.step(n >> 5)
	if n > b.limits.Memory-b.made {
		v.exceed("its expressions make more than %s of text and collections for one row",
			bytesText(b.limits.Memory))
	}
	b.made += n
	b.allocated(n)
}

// chargeText is charge for one text.
func (v *meter) chargeText(n int) {
	if n > v.budget.limits.Text {
		v.exceed("an expression makes a text of more than %s", bytesText(v.budget.limits.Text))
	}
	v.charge(n)
}

// arenaSize is the smallest piece of memory for text.
const arenaSize = 16 << 10

// memory holds the values that expressions create for the current row.
type memory struct {
	meter
	stack []item // of the collections being computed
	arena []byte // text that is not in the line
}

// room ensures that n more bytes of text fit into the arena without moving it, and charges them.
func (v *memory) room(n int) {
	b := &v.budget
	if n > b.limits.Memory-b.made {
		v.charge(n)
	}
	b.made += n
	if cap(v.arena)-len(v.arena) >= n {
		return
	}
	// Earlier text stays in the old arena while something refers to it.
	size := max(arenaSize, n, min(2*cap(v.arena), 1<<20))
	v.step(n >> 5)
	v.arena = make([]byte, 0, size)
	b.allocated(size)
}

// roomText is room for one text.
func (v *memory) roomText(n int) {
	if n > v.budget.limits.Text {
		v.chargeText(n)
	}
	v.room(n)
}

// itemSize is the size of an item in bytes.
const itemSize = 40

// push puts an item on the stack.
func (v *memory) push(it item) {
	if len(v.stack) == cap(v.stack) {
		v.growStack()
	}
	v.stack = append(v.stack, it)
}

func (v *memory) growStack() {
	n := cap(v.stack)
	if n >= v.budget.limits.Items {
		v.exceed("its expressions hold more than %d items at a time", v.budget.limits.Items)
	}
	size := max(64, 2*n)
	if n > 1<<16 {
		size = n + n/2
	}
	size = min(size, v.budget.limits.Items)
	stack := make([]item, len(v.stack), size)
	copy(stack, v.stack)
	v.stack = stack
	v.budget.allocated(size * itemSize)
}

// exceed ends the evaluation of a line that is beyond a limit.
func (v *meter) exceed(format string, args ...any) {
	place := ""
	if v.view >= 0 {
		w := &v.engine.views[v.view]
		place = "view " + w.name
		if v.column >= 0 {
			place += ", column " + w.names[v.column]
		}
		place += ": "
	}
	panic(stopped{&limitError{place + "the line is too large: " + fmt.Sprintf(format, args...)}})
}

// limitError names the exceeded limit.
type limitError struct{ reason string }

func (e *limitError) Error() string { return e.reason }

// row counts the finished row.
func (b *budget) row(cells [][]byte) (size int) {
	for _, c := range cells {
		size += len(c)
	}
	b.rows++
	b.output += size
	return size
}

// finish emits the finished row.
func (v *Evaluator) finish() error {
	b := &v.budget
	size := b.row(v.cells)
	if size > b.limits.Text || b.rows > b.limits.Rows || b.output > b.limits.Output {
		v.refuseRow(size)
	}
	v.step(1)
	v.countMisses()
	return v.emit(v.view, v.cells)
}

// refuseRow ends the evaluation of a line whose row is beyond a limit.
func (v *Evaluator) refuseRow(size int) {
	b := &v.budget
	v.column = -1
	for i, c := range v.cells {
		if len(c) > b.limits.Text {
			v.column = i
			v.exceed("a value of more than %s", bytesText(b.limits.Text))
		}
	}
	switch {
	case size > b.limits.Row:
		v.exceed("a row of more than %s", bytesText(b.limits.Row))
	case b.rows > b.limits.Rows:
		v.exceed("it makes more than %d rows", b.limits.Rows)
	case b.output > b.limits.Output:
		v.exceed("its rows have more than %s", bytesText(b.limits.Output))
	}
}

func bytesText(n int) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
