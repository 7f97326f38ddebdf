// Package rawjson edits the text of a JSON object member by member and leaves
// every other byte as it was.
//
// A FHIR server must hand out decimals with their trailing zeros and members in
// their order; a round trip through map[string]any loses both. The package reads
// only as much of the text as it needs to find members: whoever takes text from
// outside checks it with encoding/json.Valid first.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
)

// ErrSyntax says that the text is not the JSON object or array it should be.
var ErrSyntax = errors.New("not a JSON object or array")

// Member is one member of an object, by its place in the text.
type Member struct {
	Key        string
	Start      int // the key's opening quote
	ValueStart int
	End        int // behind the value
}

// Object is the text of a JSON object that can be edited.
type Object struct {
	text    []byte
	members []Member
	edited  bool // members are those of the text before the last edit
}

// Parse finds the members of an object. The text is not copied, and not
// changed by edits either: each makes a new one.
func Parse(text []byte) (*Object, error) {
	members, err := scan(text)
	if err != nil {
		return nil, err
	}
	return &Object{text: text, members: members}, nil
}

// Text is the object as it stands.
func (o *Object) Text() []byte { return o.text }

// Members lists the object's members in order.
func (o *Object) Members() []Member {
	if o.edited {
		// An object stays one when values that are JSON go in.
		o.members, _ = scan(o.text)
		o.edited = false
	}
	return o.members
}

// Get is the text of the first member of that name, nil when there is none.
func (o *Object) Get(key string) []byte {
	if i := o.index(key); i >= 0 {
		return o.text[o.members[i].ValueStart:o.members[i].End]
	}
	return nil
}

// String is the string value of a member, empty when it is absent or no string.
func (o *Object) String(key string) string {
	var s string
	if v := o.Get(key); v == nil || json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// Set gives a member a value (JSON text), in place, or behind the last member
// when the object has none of that name.
func (o *Object) Set(key string, value []byte) error {
	if i := o.index(key); i >= 0 {
		return o.splice(o.members[i].ValueStart, o.members[i].End, value)
	}
	last := ""
	if members := o.Members(); len(members) > 0 {
		last = members[len(members)-1].Key
	}
	return o.InsertAfter(last, key, value)
}

// InsertAfter adds a member behind another one, or in front of all when the
// object has no such member.
func (o *Object) InsertAfter(after, key string, value []byte) error {
	name, err := json.Marshal(key)
	if err != nil {
		return err
	}
	member := append(append(name, ':'), value...)
	if i := o.index(after); i >= 0 {
		at := o.members[i].End
		return o.splice(at, at, append([]byte{','}, member...))
	}
	if len(o.members) > 0 {
		member = append(member, ',')
	}
	at := bytes.IndexByte(o.text, '{') + 1
	return o.splice(at, at, member)
}

// Remove takes a member away; one that is not there is no error.
func (o *Object) Remove(key string) error {
	i := o.index(key)
	switch {
	case i < 0:
		return nil
	case i > 0: // with the comma in front
		return o.splice(o.members[i-1].End, o.members[i].End, nil)
	case len(o.members) > 1: // with the comma behind
		return o.splice(o.members[0].Start, o.members[1].Start, nil)
	}
	return o.splice(o.members[0].Start, o.members[0].End, nil)
}

func (o *Object) index(key string) int {
	for i, m := range o.Members() {
		if m.Key == key {
			return i
		}
	}
	return -1
}

func (o *Object) splice(from, to int, with []byte) error {
	text := make([]byte, 0, len(o.text)-(to-from)+len(with))
	text = append(text, o.text[:from]...)
	text = append(text, with...)
	text = append(text, o.text[to:]...)
	o.text, o.edited = text, true
	return nil
}
