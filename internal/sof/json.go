package sof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// value is a JSON value of a ViewDefinition with its path. Numbers keep their text, members their
// order.
type value struct {
	path    string
	kind    byte // 'o', 'a', 's', 'n', 'b' or '0' for null
	text    string
	truth   bool
	items   []value
	members []member
}

type member struct {
	name string
	value
}

func (v value) describe() string {
	return map[byte]string{
		'o': "an object", 'a': "a list", 's': "a string", 'n': "a number", 'b': "true or false",
		'0': "null",
	}[v.kind]
}

func (v value) member(name string) (value, bool) {
	for _, m := range v.members {
		if m.name == name {
			return m.value, true
		}
	}
	return value{}, false
}

// maxViewDepth bounds the nesting of a ViewDefinition.
const maxViewDepth = 200

// readJSON parses one JSON document. It calls fault for repeated member names, and skips a byte
// order mark, which some editors write.
func readJSON(src []byte, fault func(path, msg, hint string)) (value, error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	v, err := readValue(dec, "", 0, fault)
	if err != nil {
		return value{}, place(src, dec, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return value{},
			fmt.Errorf("line %d: text after the end of the JSON object",
				lineAt(src, dec.InputOffset()))
	}
	return v, nil
}

func lineAt(src []byte, offset int64) int {
	return 1 + bytes.Count(src[:min(int(offset), len(src))], []byte("\n"))
}

func place(src []byte, dec *json.Decoder, err error) error {
	offset := dec.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset = syntax.Offset
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("line %d: the JSON ends too early", lineAt(src, offset))
	}
	return fmt.Errorf("line %d: %w", lineAt(src, offset), err)
}

func readValue(
	dec *json.Decoder, path string, depth int, fault func(path, msg, hint string),
) (value, error) {
	if depth > maxViewDepth {
		return value{}, fmt.Errorf("nested deeper than %d levels", maxViewDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return value{}, err
	}
	v := value{path: path}
	switch t := t.(type) {
	case json.Delim:
		v.kind = 'o'
		read := v.readMember
		if t == '[' {
			v.kind = 'a'
			read = v.readItem
		}
		for dec.More() {
			if err := read(dec, depth+1, fault); err != nil {
				return value{}, err
			}
		}
		if _, err := dec.Token(); err != nil {
			return value{}, err
		}
	case string:
		v.kind, v.text = 's', t
	case json.Number:
		v.kind, v.text = 'n', t.String()
	case bool:
		v.kind, v.truth, v.text = 'b', t, fmt.Sprint(t)
	case nil:
		v.kind = '0'
	}
	return v, nil
}

// readItem reads the next item of a list.
func (v *value) readItem(dec *json.Decoder, depth int, fault func(path, msg, hint string)) error {
	item, err := readValue(dec, fmt.Sprintf("%s[%d]", v.path, len(v.items)), depth, fault)
	v.items = append(v.items, item)
	return err
}

// readMember reads the next member of an object.
func (v *value) readMember(dec *json.Decoder, depth int, fault func(path, msg, hint string)) error {
	key, err := dec.Token()
	if err != nil {
		return err
	}
	name, _ := key.(string)
	item, err := readValue(dec, strings.TrimPrefix(v.path+"."+name, "."), depth, fault)
	if err != nil {
		return err
	}
	if _, twice := v.member(name); twice {
		fault(item.path, "the element is there twice", "")
	}
	v.members = append(v.members, member{name, item})
	return nil
}
