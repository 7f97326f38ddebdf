package tsql

import (
	"fmt"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
)

// connected lowers and, or and implies. If the left side decides alone, the right side must not
// make the statement fail; only CASE has such an order.
func (w conditions) connected(e *sof.Binary, c scope) string {
	if e.Op == "implies" {
		return w.implied(e, c)
	}
	sign := map[string]string{"and": " AND ", "or": " OR "}[e.Op]
	var terms []string
	for i, operand := range chain(e) {
		before := w.failures
		r := w.pred(operand, c)
		if i == 0 || w.failures == before {
			terms = append(terms, r)
			continue
		}
		terms = []string{w.guardedBy(e.Op, joined(terms, sign), r, c)}
	}
	return joined(terms, sign)
}

// implied lowers a run of implies, and builds its text from both ends. Otherwise a long run would
// be copied once per operand.
func (w conditions) implied(e *sof.Binary, c scope) string {
	front, back := "", &strings.Builder{}
	for i, operand := range chain(e) {
		before := w.failures
		r := w.pred(operand, c)
		switch {
		case i == 0:
			back.WriteString(r)
		case w.failures == before:
			front += "(NOT ("
			fmt.Fprintf(back, ") OR %s)", r)
		default:
			l := fmt.Sprintf("NOT (%s%s)", front, back.String())
			front = ""
			back.Reset()
			back.WriteString(w.guardedBy(e.Op, l, r, c))
		}
	}
	return front + back.String()
}

// chain returns the operands of a run of one operator, from left to right.
func chain(e *sof.Binary) []sof.Expr {
	out := []sof.Expr{e.R}
	l := e.L
	for {
		next, ok := l.(*sof.Binary)
		if !ok || next.Op != e.Op {
			break
		}
		out = append(out, next.R)
		l = next.L
	}
	out = append(out, l)
	slices.Reverse(out)
	return out
}

func joined(terms []string, sign string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	return "(" + strings.Join(terms, sign) + ")"
}

// guardedBy connects a condition with a second one that fails for some data. The second is computed
// only where the first does not decide; the first operand of implies is already negated.
func (w conditions) guardedBy(op, l, r string, c scope) string {
	l = w.bit(l, c) + " = 1"
	if op == "and" {
		return fmt.Sprintf(
			"CASE WHEN NOT (%s) THEN 0 WHEN NOT (%s) THEN 0 WHEN %s AND %s THEN 1 END = 1", l, r, l,
			r)
	}
	return fmt.Sprintf(
		"CASE WHEN %s THEN 1 WHEN %s THEN 1 WHEN NOT (%s) AND NOT (%s) THEN 0 END = 1", l, r, l, r)
}
