package eval

import (
	"bytes"
	"encoding/json"

	"fhirsynapse/internal/emulator/sqlserver/syntax"
)

// The types of JSON values, as OPENJSON numbers them.
const (
	jsonNull = iota
	jsonString
	jsonNumber
	jsonTruth
	jsonArray
	jsonObject
)

// jsonValue is a value with its text as written.
type jsonValue struct {
	kind int
	raw  string
	text string // decoded, of a scalar
	// of an object or an array; keys are nil for an array
	keys  []string
	items []json.RawMessage
}

var errJSON = fail(13609, "JSON text is not properly formatted")

func readJSON(raw []byte) (jsonValue, error) {
	raw = bytes.TrimSpace(raw)
	v := jsonValue{raw: string(raw)}
	if !json.Valid(raw) {
		return v, errJSON
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	switch raw[0] {
	case '{', '[':
		v.kind = jsonArray
		if raw[0] == '{' {
			v.kind = jsonObject
		}
		if _, err := dec.Token(); err != nil {
			return v, err
		}
		for dec.More() {
			if v.kind == jsonObject {
				key, err := dec.Token()
				if err != nil {
					return v, err
				}
				v.keys = append(v.keys, key.(string))
			}
			var item json.RawMessage
			if err := dec.Decode(&item); err != nil {
				return v, err
			}
			v.items = append(v.items, item)
		}
	case '"':
		v.kind = jsonString
		return v, json.Unmarshal(raw, &v.text)
	case 't', 'f':
		v.kind, v.text = jsonTruth, v.raw
	case 'n':
		v.kind = jsonNull
	default:
		v.kind, v.text = jsonNumber, v.raw
	}
	return v, nil
}

// follow returns the value at a lax path. ok is false if there is none.
func (v jsonValue) follow(
	path []string, read func(string) (jsonValue, error),
) (jsonValue, bool, error) {
	for _, name := range path {
		if name == syntax.FirstItem && v.kind == jsonArray && len(v.items) > 0 {
			var err error
			if v, err = read(string(v.items[0])); err != nil {
				return v, false, err
			}
			continue
		}
		if v.kind != jsonObject {
			return jsonValue{}, false, nil
		}
		found := false
		for i, k := range v.keys {
			if k == name {
				var err error
				if v, err = read(string(v.items[i])); err != nil {
					return v, false, err
				}
				found = true
				break
			}
		}
		if !found {
			return jsonValue{}, false, nil
		}
	}
	return v, true, nil
}
