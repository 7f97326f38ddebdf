package native

import (
	"fmt"
	"slices"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
	"fhirsynapse/internal/sof/schema"
)

// outline walks plans and records in the shapes which members they read. It evaluates expressions
// over shapes instead of items.
type outline struct {
	root *jsontape.Shape
	// inputs are the shapes in which an expression looks up members.
	inputs map[sof.Expr][]*jsontape.Shape
	// trees are the shapes that children() and descendants() reach.
	trees map[sof.Expr]*jsontape.Shape
	// total are the shapes of $total.
	total []*jsontape.Shape
}

// tree returns the one shape of everything that children() or descendants() reaches. It is below
// the root under an impossible member name.
func (o *outline) tree(e sof.Expr) *jsontape.Shape {
	s, ok := o.trees[e]
	if !ok {
		s = o.root.Field(fmt.Sprintf("\x00%d", len(o.trees)))
		o.trees[e] = s
	}
	return s.Find()
}

func (o *outline) repeat(e *sof.Repeat, this []*jsontape.Shape) []*jsontape.Shape {
	all := jsontape.NewShape()
	focus := o.expr(e.In, this)
	for range 2 {
		for _, s := range o.expr(e.Step, focus) {
			all = jsontape.Merge(all, s)
		}
		focus = []*jsontape.Shape{all}
	}
	return []*jsontape.Shape{all.Find()}
}

func (o *outline) aggregate(e *sof.Aggregate, this []*jsontape.Shape) []*jsontape.Shape {
	outer := o.total
	defer func() { o.total = outer }()
	total := jsontape.NewShape()
	if e.Init != nil {
		for _, s := range o.expr(e.Init, this) {
			total = jsontape.Merge(total, s)
		}
	}
	in := o.expr(e.In, this)
	for range 2 {
		o.total = []*jsontape.Shape{total.Find()}
		for _, s := range o.expr(e.Body, in) {
			total = jsontape.Merge(total, s)
		}
	}
	return []*jsontape.Shape{total.Find()}
}

// fields records that e reads these members of every shape in this, and returns their shapes.
func (o *outline) fields(
	e sof.Expr, this []*jsontape.Shape, names ...string,
) (out []*jsontape.Shape) {
	o.inputs[e] = append(o.inputs[e], this...)
	for _, s := range this {
		for _, name := range names {
			out = append(out, s.Field(name))
		}
	}
	return out
}

// inputOf returns the one shape in which e looks up members, or nil if there are several.
func (o *outline) inputOf(e sof.Expr) (only *jsontape.Shape) {
	for _, s := range o.inputs[e] {
		if s = s.Find(); only != nil && s != only {
			return nil
		}
		only = s
	}
	return only
}

func (o *outline) row(r sof.Row, this []*jsontape.Shape) {
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

// recurse assigns one shape to all items that the paths can reach, so that its fields lead back to
// it.
func (o *outline) recurse(r *sof.Recurse, this []*jsontape.Shape) {
	all := jsontape.NewShape()
	focus := this
	for range 2 {
		for _, p := range r.Paths {
			for _, s := range o.expr(p, focus) {
				all = jsontape.Merge(all, s)
			}
		}
		focus = []*jsontape.Shape{all}
	}
	o.row(r.Body, []*jsontape.Shape{all.Find()})
}

func (o *outline) expr(e sof.Expr, this []*jsontape.Shape) []*jsontape.Shape {
	switch e := e.(type) {
	case *sof.This:
		return this
	case *sof.Root:
		return []*jsontape.Shape{o.root}
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
			return []*jsontape.Shape{o.tree(e)}
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

// typed returns the shapes of in. An item's resourceType tells which resource it is.
func (o *outline) typed(in sof.Expr, want *schema.Type, this []*jsontape.Shape) []*jsontape.Shape {
	out := o.expr(in, this)
	if want.Kind == schema.Resource {
		for _, s := range out {
			s.Field("resourceType")
		}
	}
	return out
}
