package sof

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/schema"
)

// Option changes how strict Compile is.
type Option func(*compiler)

// Lenient lets a view name elements that R4 lacks: they become warnings and are read from the JSON
// as they are. It is for views of other FHIR versions.
func Lenient() Option { return func(c *compiler) { c.lenient = true } }

// Compile checks a ViewDefinition and returns its plan. file names src in errors, and names the
// table if the definition does not. The error joins all faults, each a *Fault.
func Compile(file string, src []byte, options ...Option) (*View, error) {
	c := &compiler{
		file: file, schema: schema.R4(), constants: map[string]*Constant{},
		places: map[Expr]origin{},
	}
	for _, o := range options {
		o(c)
	}
	fault := func(at, msg, hint string) { c.fault(&Fault{Path: at, Msg: msg, Hint: hint}) }
	tree, err := readJSON(src, fault)
	if err != nil {
		fault("", err.Error(), "")
		return nil, errors.Join(c.faults...)
	}
	def := formChecker{fault}.view(tree)
	if def == nil {
		return nil, errors.Join(c.faults...)
	}
	v := c.view(def)
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return v, nil
}

// compiler turns one definition into a plan.
type compiler struct {
	file    string
	schema  *schema.Schema
	lenient bool
	// references sets how getReferenceKey() reads references that are not relative.
	references References
	constants  map[string]*Constant
	root       Type
	faults     []error
	warnings   []string
	places     map[Expr]origin
}

func (c *compiler) fault(f *Fault) {
	f.File = c.file
	c.faults = append(c.faults, f)
}

func (c *compiler) view(def *definition) *View {
	v := &View{Name: def.name, Resource: def.resource, Description: def.description}
	if v.Name == "" {
		v.Name, _, _ = strings.Cut(path.Base(strings.ReplaceAll(c.file, `\`, "/")), ".")
	}
	t, ok := c.schema.Type(def.resource)
	if def.resource != "" && !c.schema.IsResource(def.resource) {
		if !c.lenient {
			c.fault(&Fault{
				Path: "resource", Msg: fmt.Sprintf("R4 has no resource type %q", def.resource),
				Hint: didYouMean(def.resource, c.schema.Names(schema.Resource)),
			})
		}
		ok = false
	}
	if ok {
		c.root = Type{Any: []*schema.Type{t}}
	}
	for _, k := range def.constants {
		c.constant(k)
	}
	var parts []Row
	for _, s := range def.selects {
		row, columns := c.selection(s, c.root, len(v.Columns))
		parts = append(parts, row)
		v.Columns = append(v.Columns, columns...)
	}
	v.Rows = product(parts)
	c.checkNames(def.selects)
	for _, w := range def.where {
		if e := c.expression(w, c.root); e != nil {
			if !booleans(e.Type()) {
				c.fault(&Fault{
					Path: w.path, Text: w.text,
					Msg:  "where needs a boolean, got " + typeNames(e.Type()),
					Hint: "append .exists(), or compare with a value",
				})
			}
			v.Where = append(v.Where, e)
		}
	}
	v.Warnings, v.file, v.places = c.warnings, c.file, c.places
	return v
}

// checkNames reports repeated column names, ignoring case as in SQL. The branches of a union share
// their names, so only the first branch counts.
func (c *compiler) checkNames(selects []*selectDef) {
	seen := map[string]string{}
	var walk func(s *selectDef)
	walk = func(s *selectDef) {
		for _, col := range s.columns {
			key := strings.ToLower(col.name)
			if first, twice := seen[key]; twice && key != "" {
				c.fault(&Fault{
					Path: col.path + ".name",
					Msg:  fmt.Sprintf("the column name %q is taken by %s", col.name, first),
					Hint: "names of columns differ in more than case",
				})
				continue
			}
			seen[key] = col.path
		}
		for _, n := range s.selects {
			walk(n)
		}
		if len(s.unions) > 0 {
			walk(s.unions[0])
		}
	}
	for _, s := range selects {
		walk(s)
	}
}

// expression compiles one text. It returns nil after a fault.
func (c *compiler) expression(d exprDef, focus Type) Expr {
	if strings.TrimSpace(d.text) == "" {
		return nil
	}
	tree, err := fhirpath.Parse(d.text)
	if err != nil {
		f := &Fault{Path: d.path, Text: d.text, Msg: err.Error()}
		var syntax *fhirpath.Error
		if errors.As(err, &syntax) {
			f.Offset = syntax.Pos
		}
		c.fault(f)
		return nil
	}
	t := &typer{members: members{position{c, d}}, this: focus}
	return t.expr(tree)
}

func (c *compiler) selection(s *selectDef, focus Type, base int) (Row, []Column) {
	switch {
	case s.forEach != nil:
		return c.iterate(s, *s.forEach, false, focus, base)
	case s.forEachOrNull != nil:
		return c.iterate(s, *s.forEachOrNull, true, focus, base)
	case len(s.repeat) > 0:
		return c.recurse(s, focus, base)
	}
	return c.body(s, focus, base)
}

func (c *compiler) iterate(
	s *selectDef, over exprDef, outer bool, focus Type, base int,
) (Row, []Column) {
	n := &Iterate{Over: c.expression(over, focus), Outer: outer}
	if n.Over == nil {
		// the fault is recorded, and dependent parts would only repeat it
		return &Project{}, nil
	}
	var columns []Column
	n.Body, columns = c.body(s, one(n.Over.Type()), base)
	for i := range columns {
		n.Columns = append(n.Columns, base+i)
	}
	n.Index = rowIndexes(n.Body)
	return n, columns
}

// rowIndexes returns the columns that hold %rowIndex of a level to which r's row of nulls belongs:
// r's own level, and each forEachOrNull directly below it. A unionAll opens no level, so each of
// its branches counts.
func rowIndexes(r Row) []int {
	var out []int
	switch r := r.(type) {
	case *Project:
		for _, cell := range r.Cells {
			if _, ok := cell.Value.(*RowIndex); ok {
				out = append(out, cell.Column)
			}
		}
	case *Product:
		for _, p := range r.Parts {
			out = append(out, rowIndexes(p)...)
		}
	case *Union:
		for _, b := range r.Branches {
			out = append(out, rowIndexes(b)...)
		}
		slices.Sort(out)
		out = slices.Compact(out)
	case *Iterate:
		// its collection is as empty as the surrounding one
		if r.Outer {
			out = r.Index
		}
	case *Recurse:
	}
	return out
}

// recurse types the paths over the elements that they reach. answer.item is an element of the
// items, not of the response at the start.
func (c *compiler) recurse(s *selectDef, focus Type, base int) (Row, []Column) {
	reached := Type{}
	from := one(focus)
	for {
		before := len(reached.Any)
		for _, p := range s.repeat {
			quiet := *c
			quiet.faults, quiet.warnings = nil, nil
			if e := quiet.expression(p, from); e != nil {
				reached = union(reached, e.Type())
				from = union(from, reached)
			}
		}
		if len(reached.Any) == before {
			break
		}
	}
	from.Many, reached.Many = false, false
	n := &Recurse{}
	for _, p := range s.repeat {
		if e := c.expression(p, from); e != nil {
			n.Paths = append(n.Paths, e)
		}
	}
	if len(n.Paths) < len(s.repeat) {
		return &Project{}, nil
	}
	var columns []Column
	n.Body, columns = c.body(s, reached, base)
	return n, columns
}

// body compiles the parts below the iteration of a select: its columns, its nested selects, then
// its union.
func (c *compiler) body(s *selectDef, focus Type, base int) (Row, []Column) {
	var parts []Row
	var columns []Column
	if len(s.columns) > 0 {
		p := &Project{}
		for _, def := range s.columns {
			col, e := c.column(def, focus)
			if e != nil {
				p.Cells = append(p.Cells, Cell{base + len(columns), e})
			}
			columns = append(columns, col)
		}
		parts = append(parts, p)
	}
	for _, n := range s.selects {
		row, more := c.selection(n, focus, base+len(columns))
		parts = append(parts, row)
		columns = append(columns, more...)
	}
	if len(s.unions) > 0 {
		row, more := c.union(s, focus, base+len(columns))
		parts = append(parts, row)
		columns = append(columns, more...)
	}
	return product(parts), columns
}

func product(parts []Row) Row {
	if len(parts) == 1 {
		return parts[0]
	}
	return &Product{parts}
}

func (c *compiler) union(s *selectDef, focus Type, base int) (Row, []Column) {
	u := &Union{}
	var first []Column
	for i, branch := range s.unions {
		before := len(c.faults)
		row, columns := c.selection(branch, focus, base)
		u.Branches = append(u.Branches, row)
		if i == 0 {
			first = columns
			continue
		}
		if before == len(c.faults) {
			c.sameColumns(branch, first, columns)
		}
		if before == len(c.faults) {
			for i := range first {
				first[i] = first[i].widened(columns[i])
			}
		}
	}
	return u, first
}

// sameColumns compares a branch with the first one: number, names, order, types.
func (c *compiler) sameColumns(branch *selectDef, want, got []Column) {
	names := func(columns []Column) string {
		var out []string
		for _, col := range columns {
			out = append(out, col.Name)
		}
		return strings.Join(out, ", ")
	}
	if !slices.EqualFunc(want, got, func(a, b Column) bool { return a.Name == b.Name }) {
		c.fault(&Fault{
			Path: branch.path,
			Msg: fmt.Sprintf("the columns (%s) are not those of the first branch (%s)", names(got),
				names(want)),
			Hint: "all branches of unionAll have the same columns in the same order",
		})
		return
	}
	for i, w := range want {
		g := got[i]
		if w.Kind != g.Kind || w.Collection != g.Collection || w.Precision != g.Precision ||
			w.Scale != g.Scale ||
			w.FHIRType != "" && g.FHIRType != "" && w.FHIRType != g.FHIRType {
			c.fault(&Fault{
				Path: branch.path,
				Msg: fmt.Sprintf("the column %s is %s here and %s in the first branch", g.Name,
					describe(g), describe(w)),
				Hint: "all branches of unionAll have the same types",
			})
		}
	}
}

func describe(c Column) string {
	s := c.FHIRType
	if s == "" {
		s = "untyped " + c.Kind.String()
	}
	if c.Collection {
		s = "a list of " + s
	}
	return s
}

func (c *compiler) column(def columnDef, focus Type) (Column, Expr) {
	col := Column{
		Name: def.name, Description: def.description, FHIRType: def.fhirType,
		Collection: def.collection,
	}
	e := c.expression(def.expr, focus)
	switch k, ok := kindOf(def.fhirType); {
	case def.fhirType == "" && e != nil:
		col.Kind = inferKind(e.Type())
	case def.fhirType == "":
	case !ok && !c.lenient:
		c.fault(&Fault{
			Path: def.path + ".type", Msg: fmt.Sprintf("R4 has no type %q", def.fhirType),
			Hint: didYouMean(def.fhirType,
				append(c.schema.Names(schema.Primitive), columnTypes...)),
		})
	default:
		col.Kind = k
		if e != nil && !holds(k, e.Type()) {
			c.fault(&Fault{
				Path: def.expr.path, Text: def.expr.text,
				Msg: fmt.Sprintf("the path gives %s, the column is declared %s",
					typeNames(e.Type()), def.fhirType),
				Hint: "no value would ever fit",
			})
		}
	}
	if col.Kind == Decimal {
		col.Precision, col.Scale = DefaultPrecision, DefaultScale
	}
	if def.ansiType != "" {
		if err := setAnsi(&col, def.ansiType); err != nil {
			c.fault(&Fault{Path: def.ansiPath, Msg: err.Error()})
		}
	}
	if col.Collection {
		// a list is JSON text, whatever its items are
		col.Kind, col.Precision, col.Scale = Text, 0, 0
	} else if col.Kind == Text {
		col.Class = classOf(def.fhirType, e)
	}
	return col, e
}
