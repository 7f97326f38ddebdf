package native

import (
	"fmt"
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// outline walks plans and notes in the shapes what they read. It evaluates
// expressions over shapes instead of items.
type outline struct {
	root *shape
	// inputs are the shapes that an expression looks for members in.
	inputs map[sof.Expr][]*shape
	// trees are the shapes of what children() and descendants() reach.
	trees map[sof.Expr]*shape
	// total are the shapes of $total.
	total []*shape
}

// tree is the one shape of all that children() or descendants() reaches. It hangs
// below the root under a name that no member has.
func (o *outline) tree(e sof.Expr) *shape {
	s, ok := o.trees[e]
	if !ok {
		s = o.root.field(fmt.Sprintf("\x00%d", len(o.trees)))
		o.trees[e] = s
	}
	return s.find()
}

func (o *outline) repeat(e *sof.Repeat, this []*shape) []*shape {
	all := newShape()
	focus := o.expr(e.In, this)
	for range 2 {
		for _, s := range o.expr(e.Step, focus) {
			all = merge(all, s)
		}
		focus = []*shape{all}
	}
	return []*shape{all.find()}
}

func (o *outline) aggregate(e *sof.Aggregate, this []*shape) []*shape {
	outer := o.total
	defer func() { o.total = outer }()
	total := newShape()
	if e.Init != nil {
		for _, s := range o.expr(e.Init, this) {
			total = merge(total, s)
		}
	}
	in := o.expr(e.In, this)
	for range 2 {
		o.total = []*shape{total.find()}
		for _, s := range o.expr(e.Body, in) {
			total = merge(total, s)
		}
	}
	return []*shape{total.find()}
}

// fields notes that e reads these members of every shape in this, and gives their
// shapes.
func (o *outline) fields(e sof.Expr, this []*shape, names ...string) (out []*shape) {
	o.inputs[e] = append(o.inputs[e], this...)
	for _, s := range this {
		for _, name := range names {
			out = append(out, s.field(name))
		}
	}
	return out
}

// inputOf is the one shape that e looks for members in, or nil where there are
// several.
func (o *outline) inputOf(e sof.Expr) (only *shape) {
	for _, s := range o.inputs[e] {
		if s = s.find(); only != nil && s != only {
			return nil
		}
		only = s
	}
	return only
}

func (o *outline) row(r sof.Row, this []*shape) {
	switch r := r.(type) {
	case *sof.Project:
		for _, c := range r.Cells {
			o.expr(c.Value, this)
		}
	case *sof.Product:
		for _, p := range r.Parts {
			o.row(p, this)
		}
	case *sof.Union:
		for _, b := range r.Branches {
			o.row(b, this)
		}
	case *sof.Iterate:
		o.row(r.Body, o.expr(r.Over, this))
	case *sof.Recurse:
		o.recurse(r, this)
	}
}

// recurse makes all items that the paths can reach one shape, so that its
// fields lead back to itself.
func (o *outline) recurse(r *sof.Recurse, this []*shape) {
	all := newShape()
	focus := this
	for range 2 {
		for _, p := range r.Paths {
			for _, s := range o.expr(p, focus) {
				all = merge(all, s)
			}
		}
		focus = []*shape{all}
	}
	o.row(r.Body, []*shape{all.find()})
}

func (o *outline) expr(e sof.Expr, this []*shape) []*shape {
	switch e := e.(type) {
	case *sof.This:
		return this
	case *sof.Root:
		return []*shape{o.root}
	case *sof.Child:
		var names []string
		for _, p := range e.Properties {
			names = append(names, p.Name)
		}
		if e.Valueless {
			in := o.expr(e.In, this)
			for _, p := range e.Properties {
				o.fields(e, in, "_"+p.Name)
			}
			return o.fields(e, in, names...)
		}
		return o.fields(e, o.expr(e.In, this), names...)
	case *sof.Filter:
		in := o.expr(e.In, this)
		o.expr(e.Pred, in)
		return in
	case *sof.All:
		o.expr(e.Pred, o.expr(e.In, this))
	case *sof.Select:
		return o.expr(e.Body, o.expr(e.In, this))
	case *sof.OfType:
		return o.typed(e.In, e.Want, this)
	case *sof.Is:
		o.typed(e.In, e.Want, this)
	case *sof.ResourceKey:
		o.fields(e, o.expr(e.In, this), "id")
	case *sof.ReferenceKey:
		o.fields(e, o.expr(e.In, this), "reference")
	case *sof.Repeat:
		return o.repeat(e, this)
	case *sof.Aggregate:
		return o.aggregate(e, this)
	case *sof.Total:
		return o.total
	case *sof.Sort:
		in := o.expr(e.In, this)
		for _, k := range e.Keys {
			o.expr(k.By, in)
		}
		return in
	case *sof.Call:
		if e.Func == sof.FuncChildren || e.Func == sof.FuncDescendants {
			o.expr(e.In, this)
			return []*shape{o.tree(e)}
		}
		out := slices.Clone(o.expr(e.In, this))
		focus := this
		if e.Func == sof.FuncIif {
			focus = out
		}
		for _, a := range e.Args {
			out = append(out, o.expr(a, focus)...)
		}
		return out
	case *sof.Binary:
		return append(slices.Clone(o.expr(e.L, this)), o.expr(e.R, this)...)
	case *sof.Negate:
		o.expr(e.In, this)
	case *sof.Literal, *sof.RowIndex, *sof.ItemIndex:
	}
	return nil
}

// typed is the shapes of in; what resource an item is, its resourceType tells.
func (o *outline) typed(in sof.Expr, want *schema.Type, this []*shape) []*shape {
	out := o.expr(in, this)
	if want.Kind == schema.Resource {
		for _, s := range out {
			s.field("resourceType")
		}
	}
	return out
}
