package eval

import (
	"fmt"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// documents reads JSON for OPENJSON, and each text only once.
type documents struct {
	jsonb  bool
	parses *int
	texts  map[string]jsonValue
}

// read reads JSON text, and each text only once.
func (d *documents) read(text string) (jsonValue, error) {
	if v, ok := d.texts[text]; ok {
		return v, nil
	}
	v, err := d.parsed([]byte(text))
	if err == nil {
		d.texts[text] = v
	}
	return v, err
}

func (d *documents) parsed(raw []byte) (jsonValue, error) {
	if !d.jsonb {
		return readJSON(raw)
	}
	raw, err := jsonb(raw)
	if err != nil {
		return jsonValue{}, err
	}
	v, err := readJSON(raw)
	if v.kind == jsonString {
		v.text = undecoded(v.raw)
	}
	return v, err
}

// opened returns the array or the object that OPENJSON goes through. ok is false for NULL.
func (d *documents) opened(arg eval, f *frame) (v jsonValue, ok bool, err error) {
	in, err := arg(f)
	if err != nil || in.null {
		return v, false, err
	}
	if d.parses != nil {
		*d.parses++
	}
	v, err = d.read(in.s)
	if err == nil && v.kind != jsonArray && v.kind != jsonObject {
		err = errJSON
	}
	return v, true, err
}

func (d *documents) listed(arg eval, f *frame) ([][]value, error) {
	v, ok, err := d.opened(arg, f)
	if err != nil || !ok {
		return nil, err
	}
	var out [][]value
	for i, item := range v.items {
		it, err := d.read(string(item))
		if err != nil {
			return nil, err
		}
		key := fmt.Sprint(i)
		if v.kind == jsonObject {
			key = v.keys[i]
		}
		text := textValue(it.text)
		switch it.kind {
		case jsonNull:
			text = null
		case jsonArray, jsonObject:
			text = textValue(it.raw)
		}
		out = append(out, []value{textValue(key), text, intValue(int64(it.kind))})
	}
	return out, nil
}

func (d *documents) shredded(
	arg eval, f *frame, columns []syntax.JSONColumn, paths [][]string,
) ([][]value, error) {
	v, ok, err := d.opened(arg, f)
	if err != nil || !ok {
		return nil, err
	}
	rows := []jsonValue{v}
	if v.kind == jsonArray {
		rows = nil
		for _, item := range v.items {
			it, err := d.read(string(item))
			if err != nil {
				return nil, err
			}
			rows = append(rows, it)
		}
	}
	var out [][]value
	for _, r := range rows {
		row := make([]value, len(columns))
		for i, k := range columns {
			it, ok, err := r.follow(paths[i], d.read)
			if err != nil {
				return nil, err
			}
			nested := it.kind == jsonArray || it.kind == jsonObject
			switch {
			case !ok || it.kind == jsonNull || nested != k.JSON:
				row[i] = null
			case nested:
				row[i] = textValue(it.raw)
			case k.Type.Max:
				row[i] = textValue(it.text)
			default:
				if row[i], err = typed(it, k); err != nil {
					return nil, err
				}
			}
			if d.jsonb && !row[i].null {
				row[i] = cut(row[i].s, textType(longestShredded))
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// typed returns a scalar of JSON in the type of a column with a bound.
func typed(it jsonValue, k syntax.JSONColumn) (value, error) {
	switch {
	case it.kind == jsonTruth && k.Type.Base == "bit":
		return intValue(map[string]int64{"true": 1}[it.text]), nil
	case k.Type.Text() && len(units(it.text)) > k.Type.Size:
		return null, fail(2628, "string or binary data would be truncated in column '%s'", k.Name)
	}
	return convert(textValue(it.text), maxText, k.Type)
}
