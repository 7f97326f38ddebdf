package native

import (
	"fhirsynapse/internal/sof"
)

// row is a node of the row plan. run fills its columns and, for every row it
// yields, resumes with what is left to do.
type row interface {
	run(v *Evaluator, this *item, then int) error
}

// cont is what is left to do once a node has filled its columns: run next on
// this, then go on. Continuations live in a stack, not in closures, so that a
// line makes no garbage.
type cont struct {
	next     row
	this     *item
	rowIndex int
	then     int
}

// resume goes on with continuation k; below zero the row is complete.
func (v *Evaluator) resume(k int) error {
	if k < 0 {
		v.rows = append(v.rows, rowRef{v.view, len(v.out)})
		v.out = append(v.out, v.cells...)
		return nil
	}
	c := v.conts[k]
	inner := v.rowIndex
	v.rowIndex = c.rowIndex
	err := c.next.run(v, c.this, c.then)
	v.rowIndex = inner
	return err
}

// row makes a row of the plan run; ofRoot says that its focus is the resource.
func (b *builder) row(r sof.Row, ofRoot bool) row {
	switch r := r.(type) {
	case *sof.Project:
		p := &projectRow{}
		for _, c := range r.Cells {
			p.add(b.cell(c, ofRoot))
		}
		return p
	case *sof.Product:
		// a Project yields exactly one row, so it may run before its siblings,
		// once, instead of once for each of their rows
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
		out := &iterateRow{over: b.op(r.Over), body: b.row(r.Body, false), outer: r.Outer, columns: r.Columns}
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

// projectRow fills columns. Wide tables are mostly empty, so the cells that start
// from one member of the focus are looked at only where it is there.
type projectRow struct{ groups []group }

// group is cells that are all empty without any of the properties of start; a
// nil start is no such condition.
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
	body    row
	outer   bool
	columns []int
	index   []zeroIndex
}

// zeroIndex is %rowIndex of a row of nulls, as its column has it.
type zeroIndex struct {
	column int
	text   []byte
}

func (r *iterateRow) run(v *Evaluator, this *item, then int) error {
	base := len(v.stack)
	if err := r.over.eval(v, this); err != nil {
		return err
	}
	n := len(v.stack) - base
	if n == 0 {
		if !r.outer {
			return nil
		}
		for _, c := range r.columns {
			v.cells[c] = nil
		}
		for _, c := range r.index {
			v.cells[c.column] = c.text
		}
		return v.resume(then)
	}
	outer := v.rowIndex
	for i := range n {
		v.rowIndex = i
		if err := r.body.run(v, &v.stack[base+i], then); err != nil {
			return err
		}
	}
	v.rowIndex = outer
	v.stack = v.stack[:base]
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

// walk goes as deep as the line nests, which the scanner bounds.
func (r *recurseRow) walk(v *Evaluator, this *item, then int, count *int) error {
	for _, p := range r.paths {
		base := len(v.stack)
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
			if err := r.body.run(v, it, then); err != nil {
				return err
			}
			if err := r.walk(v, it, then, count); err != nil {
				return err
			}
		}
		v.stack = v.stack[:base]
	}
	return nil
}

// below says that an item lies inside another on the line: what repeat reaches
// must, or the walk would have no end.
func (v *Evaluator) below(it, this *item) bool {
	if it.node < 0 || this.node < 0 || it.node == this.node {
		return false
	}
	inner, outer := &v.tape.nodes[it.node], &v.tape.nodes[this.node]
	return inner.start >= outer.start && inner.end <= outer.end
}
