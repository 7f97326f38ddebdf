package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"

	"fhirsynapse/internal/sof"
	"fhirsynapse/internal/sof/schema"
)

// The oracle evaluates plans over values from encoding/json. It is slow and plain and shares no
// code with the engine; it supports the expressions of generate_test.go.

// thing is one item.
type thing struct {
	v any // string, json.Number, bool, map[string]any or []any
	t *schema.Type
}

var errOracle = errors.New("the data is at fault")

type oracle struct {
	root     thing
	rowIndex int
	index    int
}

// fail ends the evaluation; rows recovers.
func fail() { panic(errOracle) }

func (o *oracle) view(v *sof.View, line []byte) (rows [][]string, err error) {
	defer func() {
		if r := recover(); r != nil {
			if r != any(errOracle) {
				panic(r)
			}
			rows, err = nil, errOracle
		}
	}()
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		return nil, err
	}
	o.root = thing{v: root}
	for _, w := range v.Where {
		if o.truth(w, &o.root) != "t" {
			return nil, nil
		}
	}
	for _, cells := range o.row(v, v.Rows, &o.root) {
		row := make([]string, len(v.Columns))
		for i := range row {
			row[i] = "NULL"
			if c, ok := cells[i]; ok {
				row[i] = c
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

type cells map[int]string

func (o *oracle) row(v *sof.View, r sof.Row, this *thing) []cells {
	switch r := r.(type) {
	case *sof.Project:
		out := cells{}
		for _, c := range r.Cells {
			items := o.eval(c.Value, this)
			switch col := v.Columns[c.Column]; {
			case col.Collection:
				list := []any{}
				for _, it := range items {
					list = append(list, it.v)
				}
				out[c.Column] = text(list)
			case len(items) > 1:
				fail()
			case len(items) == 1:
				out[c.Column] = text(items[0].v)
			}
		}
		return []cells{out}
	case *sof.Product:
		rows := []cells{{}}
		var parts []sof.Row
		for _, first := range []bool{true, false} {
			for _, p := range r.Parts {
				if _, is := p.(*sof.Project); is == first {
					parts = append(parts, p)
				}
			}
		}
		for _, p := range parts {
			var next []cells
			for _, left := range rows {
				for _, right := range o.row(v, p, this) {
					both := cells{}
					for k, c := range left {
						both[k] = c
					}
					for k, c := range right {
						both[k] = c
					}
					next = append(next, both)
				}
			}
			rows = next
		}
		return rows
	case *sof.Union:
		var out []cells
		for _, b := range r.Branches {
			out = append(out, o.row(v, b, this)...)
		}
		return out
	case *sof.Iterate:
		items := o.eval(r.Over, this)
		if len(items) == 0 && r.Outer {
			out := cells{}
			for _, c := range r.Index {
				out[c] = "0"
				if v.Columns[c].Collection {
					out[c] = "[0]"
				}
			}
			return []cells{out}
		}
		return o.each(v, r.Body, items, new(int), func(thing) []thing { return nil })
	case *sof.Recurse:
		var down func(t thing) []thing
		down = func(t thing) []thing {
			var out []thing
			for _, p := range r.Paths {
				out = append(out, o.eval(p, &t)...)
			}
			return out
		}
		// the native engine walks path by path, which is the same for one path
		return o.each(v, r.Body, down(*this), new(int), down)
	}
	panic("unknown row")
}

func (o *oracle) each(
	v *sof.View, body sof.Row, items []thing, n *int, down func(thing) []thing,
) []cells {
	outer := o.rowIndex
	defer func() { o.rowIndex = outer }()
	var out []cells
	for _, it := range items {
		o.rowIndex = *n
		*n++
		out = append(out, o.row(v, body, &it)...)
		out = append(out, o.each(v, body, down(it), n, down)...)
	}
	return out
}

// text returns a value as a cell.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func boolThing(b bool) []thing { return []thing{{b, booleanType}} }

// truth returns "t", "f" or "" for unknown.
func (o *oracle) truth(e sof.Expr, this *thing) string {
	items := o.eval(e, this)
	switch {
	case len(items) == 0:
		return ""
	case len(items) > 1:
		fail()
	}
	b, ok := items[0].v.(bool)
	if !ok {
		fail()
	}
	if b {
		return "t"
	}
	return "f"
}

func truthThing(t string) []thing {
	if t == "" {
		return nil
	}
	return boolThing(t == "t")
}

func (o *oracle) eval(e sof.Expr, this *thing) []thing {
	switch e := e.(type) {
	case *sof.This:
		return []thing{*this}
	case *sof.Root:
		return []thing{o.root}
	case *sof.RowIndex:
		return []thing{{num(int64(o.rowIndex)), integerType}}
	case *sof.ItemIndex:
		return []thing{{num(int64(o.index)), integerType}}
	case *sof.Literal:
		if e.Value == nil {
			return nil
		}
		switch e.Value.Type.System {
		case schema.Boolean:
			return boolThing(e.Value.Text == "true")
		case schema.Integer, schema.Decimal:
			return []thing{{json.Number(e.Value.Text), e.Value.Type}}
		default:
		}
		return []thing{{e.Value.Text, e.Value.Type}}
	case *sof.Child:
		return o.child(e, this)
	case *sof.Filter:
		var out []thing
		o.over(e.In, this, func(it thing) {
			if o.truth(e.Pred, &it) == "t" {
				out = append(out, it)
			}
		})
		return out
	case *sof.Select:
		var out []thing
		o.over(e.In, this, func(it thing) { out = append(out, o.eval(e.Body, &it)...) })
		return out
	case *sof.All:
		all := true
		o.over(e.In, this, func(it thing) { all = o.truth(e.Pred, &it) == "t" && all })
		return boolThing(all)
	case *sof.OfType:
		return slices.DeleteFunc(o.eval(e.In, this), func(it thing) bool {
			return it.t == nil || !it.t.Is(e.Want)
		})
	case *sof.ResourceKey:
		return o.child(&sof.Child{
			In: e.In, Properties: []sof.Property{{Name: "id", Type: stringType}},
		}, this)
	case *sof.ReferenceKey:
		return o.referenceKey(e, this)
	case *sof.Is:
		it, ok := o.one(e.In, this)
		if !ok {
			return nil
		}
		// the generator asks for a system type, which data never has
		return boolThing(it.t == e.Want)
	case *sof.Call:
		return o.call(e, this)
	case *sof.Binary:
		return o.binary(e, this)
	}
	panic("the oracle does not know this expression")
}

func (o *oracle) over(in sof.Expr, this *thing, f func(thing)) {
	items := o.eval(in, this)
	outer := o.index
	for i, it := range items {
		o.index = i
		f(it)
	}
	o.index = outer
}

func num(n int64) json.Number { return json.Number(big.NewInt(n).String()) }

func (o *oracle) child(e *sof.Child, this *thing) []thing {
	var out []thing
	for _, it := range o.eval(e.In, this) {
		object, ok := it.v.(map[string]any)
		if !ok {
			continue
		}
		for _, p := range e.Properties {
			switch v := object[p.Name].(type) {
			case nil:
			case []any:
				for _, item := range v {
					if item != nil {
						out = append(out, thing{item, p.Type})
					}
				}
			default:
				out = append(out, thing{v, p.Type})
			}
		}
	}
	return out
}

func (o *oracle) referenceKey(e *sof.ReferenceKey, this *thing) []thing {
	var out []thing
	for _, it := range o.child(&sof.Child{
		In: e.In, Properties: []sof.Property{{Name: "reference"}},
	}, this) {
		s, ok := it.v.(string)
		if !ok || strings.ContainsAny(s, "?#") || strings.HasPrefix(s, "urn:") {
			continue
		}
		local := strings.TrimPrefix(s, "/")
		if e.Base != "" && strings.HasPrefix(s, e.Base+"/") {
			local = s[len(e.Base)+1:]
		}
		parts := strings.Split(local, "/")
		if len(parts) > 3 && parts[len(parts)-2] == "_history" {
			parts = parts[:len(parts)-2]
		}
		if len(parts) != 2 || e.Target != "" && parts[len(parts)-2] != e.Target {
			continue
		}
		out = append(out, thing{parts[len(parts)-1], stringType})
	}
	return out
}

// one returns the single item of e. ok is false for none.
func (o *oracle) one(e sof.Expr, this *thing) (thing, bool) {
	items := o.eval(e, this)
	if len(items) > 1 {
		fail()
	}
	if len(items) == 0 {
		return thing{}, false
	}
	return items[0], true
}

func isPrimitive(v any) bool {
	switch v.(type) {
	case string, json.Number, bool:
		return true
	}
	return false
}
