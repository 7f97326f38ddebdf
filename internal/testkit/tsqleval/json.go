package tsqleval

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
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

var errJSON = errors.New("error 13609: JSON text is not properly formatted")

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
func (v jsonValue) follow(path []string, read func(string) (jsonValue, error)) (jsonValue, bool, error) {
	for _, name := range path {
		if name == firstStep && v.kind == jsonArray && len(v.items) > 0 {
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

// firstStep is the first item of an array in a path.
const firstStep = "[0]"

// readPath reads the paths of members and of first items: $.a."b c"[0].
func readPath(s string) ([]string, error) {
	bad := errors.New("error 13607: JSON path is not properly formatted: " + s)
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, bad
	}
	var out []string
	for rest != "" {
		if after, first := strings.CutPrefix(rest, "[0]"); first {
			out, rest = append(out, firstStep), after
			continue
		}
		if rest, ok = strings.CutPrefix(rest, "."); !ok || rest == "" {
			return nil, bad
		}
		if rest[0] == '"' {
			i := 1
			for i < len(rest) && rest[i] != '"' {
				if rest[i] == '\\' {
					i++
				}
				i++
			}
			if i >= len(rest) {
				return nil, bad
			}
			var name string
			if err := json.Unmarshal([]byte(rest[:i+1]), &name); err != nil {
				return nil, bad
			}
			out, rest = append(out, name), rest[i+1:]
			continue
		}
		i := 0
		for i < len(rest) && (letter(rest[i]) || i > 0 && rest[i] >= '0' && rest[i] <= '9') {
			i++
		}
		if i == 0 || rest[0] == '_' {
			// names that are not plain words must be quoted
			return nil, bad
		}
		out, rest = append(out, rest[:i]), rest[i:]
	}
	return out, nil
}
