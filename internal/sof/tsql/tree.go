package tsql

import (
	"fmt"
	"slices"

	"fhirsynapse/internal/sof"
)

// operands returns the expressions that e is made of.
func operands(e sof.Expr) []sof.Expr {
	switch e := e.(type) {
	case *sof.Child:
		return []sof.Expr{e.In}
	case *sof.Filter:
		return []sof.Expr{e.In, e.Pred}
	case *sof.Select:
		return []sof.Expr{e.In, e.Body}
	case *sof.All:
		return []sof.Expr{e.In, e.Pred}
	case *sof.OfType:
		return []sof.Expr{e.In}
	case *sof.Is:
		return []sof.Expr{e.In}
	case *sof.ResourceKey:
		return []sof.Expr{e.In}
	case *sof.ReferenceKey:
		return []sof.Expr{e.In}
	case *sof.Call:
		return append([]sof.Expr{e.In}, e.Args...)
	case *sof.Binary:
		return []sof.Expr{e.L, e.R}
	case *sof.Negate:
		return []sof.Expr{e.In}
	case *sof.Repeat:
		return []sof.Expr{e.In, e.Step}
	case *sof.Aggregate:
		if e.Init != nil {
			return []sof.Expr{e.In, e.Body, e.Init}
		}
		return []sof.Expr{e.In, e.Body}
	case *sof.Sort:
		out := []sof.Expr{e.In}
		for _, k := range e.Keys {
			out = append(out, k.By)
		}
		return out
	}
	return nil
}

// mentions reports whether what holds for e or for an expression in it.
func mentions(e sof.Expr, what func(sof.Expr) bool) bool {
	return what(e) || slices.ContainsFunc(operands(e), func(o sof.Expr) bool {
		return mentions(o, what)
	})
}

// key returns a number that two expressions share if they are the same. Each expression is visited
// once, so the time is proportional to the length of a long expression.
func (w *writer) key(e sof.Expr) int {
	if k, ok := w.keys[e]; ok {
		return k
	}
	var own string
	switch e := e.(type) {
	case *sof.Literal:
		own = "{}"
		if e.Value != nil {
			own = fmt.Sprintf("%s %q", e.Value.Type.Name, e.Value.Text)
		}
	case *sof.Child:
		own = fmt.Sprint(e.Name, e.Valueless)
		for _, p := range e.Properties {
			own += " " + p.Name
		}
	case *sof.OfType:
		own = fmt.Sprint(e.Want.Path, e.Single)
	case *sof.Is:
		own = e.Want.Path
	case *sof.ReferenceKey:
		own = fmt.Sprint(e.Target, " ", e.Base, " ", e.URNs)
	case *sof.Call:
		own = string(e.Func)
	case *sof.Binary:
		own = e.Op
	}
	text := fmt.Sprintf("%T[%s]", e, own)
	for _, o := range operands(e) {
		text += fmt.Sprintf("|%d", w.key(o))
	}
	k, ok := w.numbers[text]
	if !ok {
		k = len(w.numbers) + 1
		w.numbers[text] = k
	}
	w.keys[e] = k
	return k
}

// firsts returns the calls of first() in an expression, by the keys of their lists.
func (w *writer) firsts(of sof.Expr) map[int]sof.Expr {
	if w.firstsOf == of && w.firstCalls != nil {
		return w.firstCalls
	}
	w.firstsOf, w.firstCalls = of, map[int]sof.Expr{}
	var walk func(e sof.Expr)
	walk = func(e sof.Expr) {
		if call, ok := e.(*sof.Call); ok && call.Func == sof.FuncFirst && call.In.Type().Many {
			w.firstCalls[w.key(call.In)] = call
		}
		for _, o := range operands(e) {
			walk(o)
		}
	}
	walk(of)
	return w.firstCalls
}
