package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// document reads a YAML tree node by node. A decoder would stop at the first fault; this reports
// all, each with its line.
type document struct {
	name   string
	faults []error
}

func (d *document) fault(at ast.Node, format string, args ...any) {
	line := 1
	if at != nil {
		if t := at.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
	}
	d.faults = append(d.faults, fmt.Errorf("%s:%d: %w", d.name, line, fmt.Errorf(format, args...)))
}

// parse returns the root of the file's only document, or nil after a fault.
func (d *document) parse(data []byte) ast.Node {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	var positioned yaml.Error
	switch {
	case errors.As(err, &positioned) && positioned.GetToken() != nil &&
		positioned.GetToken().Position != nil:
		d.faults = append(d.faults,
			fmt.Errorf("%s:%d: %s", d.name, positioned.GetToken().Position.Line,
				positioned.GetMessage()))
		return nil
	case err != nil:
		d.faults = append(d.faults, fmt.Errorf("%s: %w", d.name, err))
		return nil
	}
	var roots []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			roots = append(roots, doc.Body)
		}
	}
	switch len(roots) {
	case 0:
		d.fault(nil, "the file is empty: start from exports.sample.yaml")
		return nil
	case 1:
		return roots[0]
	}
	d.fault(roots[1], "a second document begins here: one is enough")
	return nil
}

// field is one entry of an object, in the order of the file.
type field struct {
	name  string
	key   ast.Node
	value ast.Node
}

// entries returns an object's fields. If n is not an object, it records a fault and returns nil.
func (d *document) entries(n ast.Node, what string) []field {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.fault(n, "%s must be an object, not %s", what, kind(n))
		return nil
	}
	var out []field
	for _, v := range values {
		name, ok := scalar(v.Key)
		if !ok {
			d.fault(v.Key, "%s: a key must be plain text: anchors, aliases and merges are not supported", what)
			continue
		}
		if slices.ContainsFunc(out, func(f field) bool { return f.name == name }) {
			d.fault(v.Key, "%s is given twice in %s", name, what)
			continue
		}
		out = append(out, field{name: name, key: v.Key, value: v.Value})
	}
	return out
}

// object is an object with known keys. A key without a value counts as absent.
type object struct {
	d      *document
	at     ast.Node
	what   string
	fields map[string]ast.Node
}

// object reads n. If n is not an object, it records a fault and returns false.
func (d *document) object(n ast.Node, what string, known ...string) (object, bool) {
	before := len(d.faults)
	list := d.entries(n, what)
	if list == nil && len(d.faults) > before {
		return object{}, false
	}
	o := object{d: d, at: n, what: what, fields: make(map[string]ast.Node, len(list))}
	for _, f := range list {
		switch {
		case !slices.Contains(known, f.name):
			d.fault(f.key, "unknown key %s in %s%s", f.name, what, hint(f.name, known))
		case f.value != nil && f.value.Type() != ast.NullType:
			o.fields[f.name] = f.value
		}
	}
	return o, true
}

func (o object) has(name string) bool { return o.fields[name] != nil }

// place returns the node for a fault about a field: the field, or the object if the field is
// absent.
func (o object) place(name string) ast.Node {
	if n := o.fields[name]; n != nil {
		return n
	}
	return o.at
}

func (o object) fault(name, format string, args ...any) {
	o.d.fault(o.place(name), "%s: %s: %w", o.what, name, fmt.Errorf(format, args...))
}

// text returns a field's text, or fallback if it is absent.
func (o object) text(name, fallback string) string {
	n := o.fields[name]
	if n == nil {
		return fallback
	}
	s, ok := scalar(n)
	if !ok {
		o.fault(name, "must be text, not %s", kind(n))
		return fallback
	}
	return s
}

// texts returns a field's list of texts.
func (o object) texts(name string) []string {
	n := o.fields[name]
	if n == nil {
		return nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		o.fault(name, "must be a list, not %s", kind(n))
		return nil
	}
	var out []string
	for _, v := range list.Values {
		s, ok := scalar(v)
		if !ok || s == "" {
			o.d.fault(v, "%s: %s: each entry must be text, not %s", o.what, name, kind(v))
			continue
		}
		out = append(out, s)
	}
	return out
}

func (o object) boolean(name string, fallback bool) bool {
	n := o.fields[name]
	if n == nil {
		return fallback
	}
	b, ok := n.(*ast.BoolNode)
	if !ok {
		o.fault(name, "must be true or false, not %s", kind(n))
		return fallback
	}
	return b.Value
}

// number returns a field's whole number, or 0 if it is absent.
func (o object) number(name string, least, most int) int {
	text := o.text(name, "")
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		o.fault(name, "%q is not a number from %d to %d", text, least, most)
		return 0
	}
	return n
}

// duration returns a field's duration, which may not be negative.
func (o object) duration(name string, fallback time.Duration) time.Duration {
	text := o.text(name, "")
	if text == "" {
		return fallback
	}
	v, err := parseDuration(text)
	switch {
	case err != nil:
		o.fault(name, "%w", err)
		return fallback
	case v < 0:
		o.fault(name, "%q may not be negative", text)
		return fallback
	}
	return v
}

// scalar returns the source text of a plain value, so that an id of digits keeps its zeros.
func scalar(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode:
		return v.Token.Value, true
	case *ast.FloatNode:
		return v.Token.Value, true
	}
	return "", false
}

// kind describes a node's type for people.
func kind(n ast.Node) string {
	if n == nil {
		return "nothing"
	}
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "an object"
	case ast.SequenceType:
		return "a list"
	case ast.BoolType:
		return "true or false (quote it if it is text)"
	case ast.NullType:
		return "nothing"
	case ast.StringType, ast.LiteralType:
		return "text"
	case ast.IntegerType, ast.FloatType:
		return "a number"
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType:
		return "an anchor or alias (they are not supported)"
	default:
		return "this"
	}
}
