package tsqleval

import (
	"strings"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// Expanded returns the number of nodes of the largest expression of a statement, after a planner
// has replaced every computed column by its expression. Like planners, it replaces the columns of a
// SELECT without FROM and without TOP.
func Expanded(statement string) (int, error) {
	q, err := syntax.ParseSelect(statement)
	if err != nil {
		return 0, err
	}
	w := &expander{sizes: map[string]int{}}
	w.query(q)
	return w.largest, nil
}

// Cost returns the work of a statement per row: the number of passes through JSON, and the number
// of function calls after a planner has replaced every computed column by its expression.
func Cost(statement string) (parses, calls int, err error) {
	q, err := syntax.ParseSelect(statement)
	if err != nil {
		return 0, 0, err
	}
	w := &expander{sizes: map[string]int{}, calls: true}
	w.query(q)
	return w.parses, w.sum, nil
}

type expander struct {
	sizes   map[string]int // of columns, by alias.name in lower case
	largest int
	// calls is set if functions are counted instead of all nodes. sum is their number in all
	// computed expressions.
	calls       bool
	sum, parses int
}

// seen records an expression that is computed.
func (w *expander) seen(n int) {
	w.largest = max(w.largest, n)
	w.sum = min(enough, w.sum+n)
}

// node returns the count of a node that is not a function.
func (w *expander) node() int {
	if w.calls {
		return 0
	}
	return 1
}

// enough is the limit of counting, because numbers double fast.
const enough = 1 << 40

func (w *expander) query(q syntax.Query) {
	for _, s := range q {
		for _, f := range s.From {
			w.source(f)
		}
		for _, o := range s.Items {
			if n := w.expr(o.Expr); s.From != nil || s.Top >= 0 || !w.calls {
				w.seen(n)
			}
		}
		if s.Where != nil {
			w.seen(w.cond(s.Where))
		}
		for _, o := range s.Order {
			w.seen(w.expr(o.Expr))
		}
	}
}

func (w *expander) source(f syntax.Source) {
	switch {
	case f.JSON != nil:
		w.seen(w.expr(f.JSON.Arg))
		w.parses++
	case f.Query != nil:
		w.query(f.Query)
		if s := f.Query[0]; len(f.Query) == 1 && s.From == nil && s.Top < 0 {
			for _, o := range s.Items {
				w.sizes[strings.ToLower(f.Alias+"."+o.Name)] = w.expr(o.Expr)
			}
		}
	}
}

func (w *expander) add(all ...int) int {
	n := w.node()
	for _, one := range all {
		n = min(enough, n+one)
	}
	return n
}

func (w *expander) exprs(all []syntax.Expr) int {
	n := 0
	for _, e := range all {
		n = min(enough, n+w.expr(e))
	}
	return n
}

func (w *expander) expr(e syntax.Expr) int {
	switch e := e.(type) {
	case syntax.Column:
		return max(w.node(), w.sizes[strings.ToLower(e.Alias+"."+e.Name)])
	case syntax.Negative:
		return w.add(w.expr(e.X))
	case syntax.Collated:
		return w.add(w.expr(e.X))
	case syntax.Cast:
		return w.add(w.expr(e.Expr))
	case syntax.Binary:
		return w.add(w.expr(e.L), w.expr(e.R))
	case syntax.Call:
		return min(enough, 1+w.exprs(e.Args))
	case syntax.Subquery:
		w.query(e.Query)
	case syntax.Case:
		n := w.node()
		for _, c := range e.Whens {
			n = w.add(n, w.cond(c.Cond), w.expr(c.Value), w.expr(c.Then))
		}
		return w.add(n, w.expr(e.Input), w.expr(e.Else))
	}
	return w.node()
}

func (w *expander) cond(c syntax.Cond) int {
	switch c := c.(type) {
	case syntax.Compare:
		return w.add(w.expr(c.L), w.expr(c.R))
	case syntax.Logic:
		return w.add(w.cond(c.L), w.cond(c.R))
	case syntax.Not:
		return w.add(w.cond(c.X))
	case syntax.IsNull:
		return w.add(w.expr(c.X))
	case syntax.In:
		return w.add(w.expr(c.X), w.exprs(c.List))
	case syntax.Like:
		return w.add(w.expr(c.X), w.expr(c.Pattern))
	case syntax.Between:
		return w.add(w.expr(c.X), w.expr(c.Low), w.expr(c.High))
	}
	return w.node()
}
