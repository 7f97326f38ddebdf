package tsqltest

import "strings"

// Expanded is the number of nodes of the largest expression of a statement, once a
// planner has put every computed column in the place of its name: those of a SELECT
// without FROM and without TOP, as planners do.
func Expanded(statement string) (int, error) {
	q, err := parse(statement)
	if err != nil {
		return 0, err
	}
	w := &expander{sizes: map[string]int{}}
	w.query(q)
	return w.largest, nil
}

type expander struct {
	sizes   map[string]int // of columns, by alias.name in lower case
	largest int
}

// enough is where counting ends: numbers double fast.
const enough = 1 << 40

func (w *expander) query(q query) {
	for _, s := range q {
		for _, f := range s.from {
			w.source(f)
		}
		for _, o := range s.items {
			w.largest = max(w.largest, w.expr(o.expr))
		}
		if s.where != nil {
			w.largest = max(w.largest, w.cond(s.where))
		}
		for _, o := range s.order {
			w.largest = max(w.largest, w.expr(o.expr))
		}
	}
}

func (w *expander) source(f tableSource) {
	switch {
	case f.json != nil:
		w.largest = max(w.largest, w.expr(f.json.arg))
	case f.query != nil:
		w.query(f.query)
		if s := f.query[0]; len(f.query) == 1 && s.from == nil && s.top < 0 {
			for _, o := range s.items {
				w.sizes[strings.ToLower(f.alias+"."+o.name)] = w.expr(o.expr)
			}
		}
	}
}

func (w *expander) sum(all ...int) int {
	n := 1
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
		return max(1, w.sizes[strings.ToLower(e.alias+"."+e.name)])
	case negative:
		return w.sum(w.expr(e.x))
	case collated:
		return w.sum(w.expr(e.x))
	case castExpr:
		return w.sum(w.expr(e.expr))
	case binary:
		return w.sum(w.expr(e.l), w.expr(e.r))
	case call:
		return w.sum(w.exprs(e.args))
	case subquery:
		w.query(e.q)
	case caseExpr:
		n := 1
		for _, c := range e.whens {
			n = w.sum(n, w.cond(c.cond), w.expr(c.val), w.expr(c.then))
		}
		return w.sum(n, w.expr(e.input), w.expr(e.els))
	}
	return 1
}

func (w *expander) cond(c cond) int {
	switch c := c.(type) {
	case comparison:
		return w.sum(w.expr(c.l), w.expr(c.r))
	case logic:
		return w.sum(w.cond(c.l), w.cond(c.r))
	case notCond:
		return w.sum(w.cond(c.x))
	case isNull:
		return w.sum(w.expr(c.x))
	case inList:
		return w.sum(w.expr(c.x), w.exprs(c.list))
	case like:
		return w.sum(w.expr(c.x), w.expr(c.pattern))
	case between:
		return w.sum(w.expr(c.x), w.expr(c.low), w.expr(c.high))
	}
	return 1
}
