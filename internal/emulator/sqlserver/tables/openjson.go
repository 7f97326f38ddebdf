package tables

import (
	"encoding/json"
	"strings"

	"github.com/sqlc-dev/teesql/ast"
)

// apply runs CROSS APPLY OPENJSON(..) WITH (.. '$."name"'): one row for each object.
func (s *queries) apply(j *ast.UnqualifiedJoin, outer *scope) (from, error) {
	o, ok := j.SecondTableReference.(*ast.OpenJsonTableReference)
	if !ok || j.UnqualifiedJoinType != "CrossApply" || o.RowPattern != nil || o.Alias == nil {
		return from{}, unknown(j)
	}
	left, err := s.from(j.FirstTableReference, outer)
	if err != nil {
		return from{}, err
	}
	right := source{alias: o.Alias.Value}
	for _, item := range o.SchemaDeclarationItems {
		right.names = append(right.names, item.ColumnDefinition.ColumnIdentifier.Value)
	}
	out := from{none: append(append([]source{}, left.none...), right)}
	for _, l := range left.rows {
		v, err := s.scalar(o.Variable, &scope{sources: l, outer: outer})
		if err != nil {
			return from{}, err
		}
		text, ok := v.(string)
		if !ok {
			continue
		}
		if right.cells, err = object(text, o.SchemaDeclarationItems); err != nil {
			return from{}, err
		}
		out.rows = append(out.rows, append(append([]source{}, l...), right))
	}
	return out, nil
}

func object(text string, items []*ast.SchemaDeclarationItemOpenjson) ([]any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var members map[string]any
	if err := d.Decode(&members); err != nil {
		return nil, fail(13609, "JSON text is not properly formatted.")
	}
	cells := make([]any, len(items))
	for i, item := range items {
		path, ok := item.Mapping.(*ast.StringLiteral)
		if !ok || item.AsJson {
			return nil, unknown(item)
		}
		name, ok := strings.CutPrefix(unquoted(path), `$."`)
		if !ok {
			return nil, unknown(path)
		}
		kind, err := typeOf(item.ColumnDefinition.DataType)
		if err != nil {
			return nil, err
		}
		c := column{}
		c.Name, c.Type = name, kind
		switch v := members[strings.TrimSuffix(name, `"`)].(type) {
		case nil:
		case string:
			if cells[i], err = coerce(v, c); err != nil {
				return nil, err
			}
		case json.Number:
			n, err := intOf(v.String())
			if err != nil {
				return nil, err
			}
			if cells[i], err = coerce(n, c); err != nil {
				return nil, err
			}
		default:
			return nil, unknown(v)
		}
	}
	return cells, nil
}
