package native

import (
	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/native/jsontape"
)

// row is a node of the row plan. run fills its columns and calls resume with the rest for every row
// that it yields.
type row interface {
	run(v *Evaluator, this *item, then int) error
}

// cont is the rest of the work after a node has filled its columns: run next on this, then
// continue. Continuations are on a stack, not in closures, so that a line creates no garbage.
type cont struct {
	next     row
	this     *item
	rowIndex int
	then     int
}

// resume runs continuation k. Below zero the row is complete.
func (v *Evaluator) resume(k int) error {
	if k < 0 {
		return v.finish()
	}
	c := v.conts[k]
	inner := v.rowIndex
	v.rowIndex = c.rowIndex
	err := c.next.run(v, c.this, c.then)
	v.rowIndex = inner
	return err
}

// row compiles a row of the plan. ofRoot is set if its focus is the resource.
func (b *builder) row(r sof.Row, ofRoot bool) row {
	switch r := r.(type) {
	case *sof.Project:
		p := &projectRow{}
		for _, c := range r.Cells {
			p.add(b.cell(c, ofRoot))
		}
		return p
	case *sof.Product:
		// a Project yields exactly one row, so it runs once before its siblings instead of once per
		// row of theirs
		p := &productRow{}
		for _, first := range []bool{true, false} {
			for _, part := range r.Parts {
				if _, is := part.(*sof.Project); is == first {
					p.parts = append(p.parts, b.row(part, ofRoot))
				}
			}
		}
		return p
	case *sof.Union:
		u := &unionRow{}
		for _, branch := range r.Branches {
			u.branches = append(u.branches, b.row(branch, ofRoot))
		}
		return u
	case *sof.Iterate:
		out := newIterateRow(b.op(r.Over), b.row(r.Body, false), r)
		for _, c := range r.Index {
			zero := zeroIndex{c, []byte("0")}
			if b.columns[c].Collection {
				zero.text = []byte("[0]")
			}
			out.index = append(out.index, zero)
		}
		return out
	case *sof.Recurse:
		out := &recurseRow{body: b.row(r.Body, false)}
		for _, p := range r.Paths {
			out.paths = append(out.paths, b.op(p))
		}
		return out
	}
	b.fail("%T", r)
	return &projectRow{}
}

// projectRow fills columns. Wide tables are mostly empty, so cells that start from one member of
// the focus are visited only if the member exists.
type projectRow struct{ groups []group }

// group is a set of cells that are empty without the properties of start. A nil start means that
// they are always visited.
type group struct {
	start *hop
	cells []cell
}

func (p *projectRow) add(c cell) {
	start := c.start()
	for i := range p.groups {
		if g := &p.groups[i]; start.same(g.start) {
			if c.memo < 0 {
				c.share(g.cells)
			}
			g.cells = append(g.cells, c)
			return
		}
	}
	p.groups = append(p.groups, group{start, []cell{c}})
}

func (p *projectRow) run(v *Evaluator, this *item, then int) error {
	for i := range p.groups {
		g := &p.groups[i]
		if g.start != nil && !v.present(this.node, g.start) {
			for i := range g.cells {
				v.cells[g.cells[i].column] = nil
				if g.cells[i].refers {
					v.missed[g.cells[i].column] = Keyed
				}
			}
			continue
		}
		for i := range g.cells {
			if err := g.cells[i].fill(v, this); err != nil {
				return err
			}
		}
	}
	return v.resume(then)
}

type productRow struct{ parts []row }

func (p *productRow) run(v *Evaluator, this *item, then int) error {
	top := len(v.conts)
	for i := len(p.parts) - 1; i > 0; i-- {
		v.conts = append(v.conts, cont{p.parts[i], this, v.rowIndex, then})
		then = len(v.conts) - 1
	}
	err := p.parts[0].run(v, this, then)
	v.conts = v.conts[:top]
	return err
}

type unionRow struct{ branches []row }

func (u *unionRow) run(v *Evaluator, this *item, then int) error {
	for _, b := range u.branches {
		if err := b.run(v, this, then); err != nil {
			return err
		}
	}
	return nil
}

type iterateRow struct {
	over    op
	path    []hop // over, if it is a path from the focus
	body    row
	outer   bool
	columns []int
	index   []zeroIndex
}

// zeroIndex is %rowIndex of a row of nulls, in its column's form.
type zeroIndex struct {
	column int
	text   []byte
}

func newIterateRow(over op, body row, r *sof.Iterate) *iterateRow {
	out := &iterateRow{over: over, body: body, outer: r.Outer, columns: r.Columns}
	if p, ok := over.(*path); ok && p.in == nil {
		out.path = p.steps
	}
	return out
}

func (r *iterateRow) run(v *Evaluator, this *item, then int) error {
	base, outer := len(v.stack), v.rowIndex
	n, err := r.each(v, this, then)
	if err != nil {
		return err
	}
	v.rowIndex, v.stack = outer, v.stack[:base]
	if n == 0 {
		if !r.outer {
			return nil
		}
		for _, c := range r.columns {
			v.cells[c] = nil
		}
		if len(v.engine.views[v.view].references) > 0 {
			for _, c := range r.columns {
				v.missed[c] = Keyed
			}
		}
		for _, c := range r.index {
			v.cells[c.column] = c.text
		}
		return v.resume(then)
	}
	return nil
}

// each runs the body for every item and returns their number.
func (r *iterateRow) each(v *Evaluator, this *item, then int) (n int, err error) {
	base := len(v.stack)
	v.column = -1
	if r.path != nil {
		// one item at a time: a list may have a million
		v.push(item{node: -1})
		err = r.walk(v, this.node, r.path, then, base, &n)
		return n, err
	}
	if err := r.over.eval(v, this); err != nil {
		return 0, err
	}
	n = len(v.stack) - base
	for i := range n {
		v.rowIndex = i
		if err := r.item(v, base+i, then); err != nil {
			return n, err
		}
	}
	return n, nil
}

// item runs the body for one item of the stack. Memory for its rows is free when it returns.
func (r *iterateRow) item(v *Evaluator, at, then int) error {
	made := v.budget.made
	v.step(1)
	err := r.body.run(v, &v.stack[at], then)
	v.budget.made = made
	return err
}

// walk runs the body for the nodes that the steps reach, in the given place of the stack.
func (r *iterateRow) walk(v *Evaluator, node int32, steps []hop, then, place int, n *int) error {
	if node < 0 {
		return nil
	}
	d := &v.tape.Nodes[node]
	if d.Kind != jsontape.KindObject || d.Shape < 0 {
		return nil
	}
	h := &steps[0]
	for i := range h.properties {
		p := &h.properties[i]
		at := h.find(v, d, p)
		if at < 0 {
			continue
		}
		next := int32(-1)
		if list := &v.tape.Nodes[at]; list.Kind == jsontape.KindArray {
			if at = list.First; at >= 0 {
				next = v.tape.Nodes[at].Next
			}
		}
		for at >= 0 {
			var err error
			switch {
			case h.filters != nil && !h.takes(v, at):
				v.step(1)
			case len(steps) > 1:
				err = r.walk(v, at, steps[1:], then, place, n)
			default:
				v.stack[place] = v.itemAt(at, p.typ)
				v.rowIndex = *n
				*n++
				err = r.item(v, place, then)
			}
			if err != nil {
				return err
			}
			if at = next; at >= 0 {
				next = v.tape.Nodes[at].Next
			}
		}
	}
	return nil
}

type recurseRow struct {
	paths []op
	body  row
}

func (r *recurseRow) run(v *Evaluator, this *item, then int) error {
	outer := v.rowIndex
	count := 0
	err := r.walk(v, this, then, &count)
	v.rowIndex = outer
	return err
}

// walk recurses as deep as the line nests, which the scanner bounds.
func (r *recurseRow) walk(v *Evaluator, this *item, then int, count *int) error {
	for _, p := range r.paths {
		base := len(v.stack)
		v.column = -1
		if err := p.eval(v, this); err != nil {
			return err
		}
		n := len(v.stack) - base
		for i := range n {
			it := &v.stack[base+i]
			if !v.below(it, this) {
				return &dataError{"repeat: a path leads back to where it came from"}
			}
			v.rowIndex = *count
			*count++
			made := v.budget.made
			v.step(1)
			if err := r.body.run(v, it, then); err != nil {
				return err
			}
			v.budget.made = made
			if err := r.walk(v, it, then, count); err != nil {
				return err
			}
		}
		v.stack = v.stack[:base]
	}
	return nil
}

// below reports whether an item is inside another on the line. Items that repeat reaches must be,
// or the walk would not end.
func (v *reader) below(it, this *item) bool {
	if it.node < 0 || this.node < 0 || it.node == this.node {
		return false
	}
	inner, outer := &v.tape.Nodes[it.node], &v.tape.Nodes[this.node]
	return inner.Start >= outer.Start && inner.End <= outer.End
}
