package tsqleval

import "strings"

// Expanded returns the number of nodes of the largest expression of a statement, after a planner
// has replaced every computed column by its expression. Like planners, it replaces the columns of a
// SELECT without FROM and without TOP.
func Expanded(statement string) (int, error) {
	q, err := parse(statement)
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
	q, err := parse(statement)
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

func (w *expander) query(q query) {
	for _, s := range q {
		for _, f := range s.from {
			w.source(f)
		}
		for _, o := range s.items {
			if n := w.expr(o.expr); s.from != nil || s.top >= 0 || !w.calls {
				w.seen(n)
			}
		}
		if s.where != nil {
			w.seen(w.cond(s.where))
		}
		for _, o := range s.order {
			w.seen(w.expr(o.expr))
		}
	}
}

func (w *expander) source(f tableSource) {
	switch {
	case f.json != nil:
		w.seen(w.expr(f.json.arg))
		w.parses++
	case f.query != nil:
		w.query(f.query)
		if s := f.query[0]; len(f.query) == 1 && s.from == nil && s.top < 0 {
			for _, o := range s.items {
				w.sizes[strings.ToLower(f.alias+"."+o.name)] = w.expr(o.expr)
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

func (w *expander) exprs(all []expr) int {
	n := 0
	for _, e := range all {
		n = min(enough, n+w.expr(e))
	}
	return n
}

func (w *expander) expr(e expr) int {
	switch e := e.(type) {
	case columnRef:
		return max(w.node(), w.sizes[strings.ToLower(e.alias+"."+e.name)])
	case negative:
		return w.add(w.expr(e.x))
	case collated:
		return w.add(w.expr(e.x))
	case castExpr:
		return w.add(w.expr(e.expr))
	case binary:
		return w.add(w.expr(e.l), w.expr(e.r))
	case call:
		return min(enough, 1+w.exprs(e.args))
	case subquery:
		w.query(e.q)
	case caseExpr:
		n := w.node()
		for _, c := range e.whens {
			n = w.add(n, w.cond(c.cond), w.expr(c.val), w.expr(c.then))
		}
		return w.add(n, w.expr(e.input), w.expr(e.els))
	}
	return w.node()
}

func (w *expander) cond(c cond) int {
	switch c := c.(type) {
	case comparison:
		return w.add(w.expr(c.l), w.expr(c.r))
	case logic:
		return w.add(w.cond(c.l), w.cond(c.r))
	case notCond:
		return w.add(w.cond(c.x))
	case isNull:
		return w.add(w.expr(c.x))
	case inList:
		return w.add(w.expr(c.x), w.exprs(c.list))
	case like:
		return w.add(w.expr(c.x), w.expr(c.pattern))
	case between:
		return w.add(w.expr(c.x), w.expr(c.low), w.expr(c.high))
	}
	return w.node()
}
