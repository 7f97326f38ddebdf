// Package jsontape reads one line of FHIR JSON: it validates the whole line and keeps the members
// in a Shape as nodes that refer to the line. It copies no text, and compares the members with FHIR
// R4.
package jsontape

import "unicode/utf8"

// maxDepth bounds the nesting of a line. FHIR itself stays below 50; T-SQL refuses more than 128.
const maxDepth = 1000

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds of value.
const (
	KindNone Kind = iota // the missing focus of a row of nulls
	KindObject
	KindArray
	KindString
	KindNumber
	KindTrue
	KindFalse
)

// Node is one value of the line that a view may read.
type Node struct {
	Start, End int32 // inside the quotes of a string, otherwise the whole value
	Next       int32 // in an array; -1 ends it
	First      int32 // of an array: its first item, or -1; of an object: its slots
	Shape      int16 // of an object: number of its shape, or -1
	Kind       Kind
	Escaped    bool
}

// Tape holds the values of one line. Slots of an object hold 1 + the node of each member, 0 for a
// missing one and -1 for null.
type Tape struct {
	lexer
	Nodes []Node
	Slots []int32
	depth int
	// most bounds the bytes of the values.
	most int
	// guesses hold, by shape and member, 1 + the slot of the member that followed it last time. The
	// first guess of a shape is for the first member.
	guesses []uint8

	elements    *Elements // of the resource type; nil disables the comparison
	differences []Difference
	nameEnd     int  // of the member that key has read
	limit       bool // the fault is that the values exceed most
}

// Read validates the line and keeps the members in root. It returns the node of the root object, or
// -1 after a fault.
func (t *Tape) Read(line []byte, root *Shape) int32 {
	t.Line, t.Nodes, t.Slots, t.depth, t.reason, t.limit = line, t.Nodes[:0], t.Slots[:0], 0, "",
		false
	t.differences = t.differences[:0]
	if ascii := t.survey(); !ascii && !utf8.Valid(line) {
		return int32(t.fail(invalidUTF8(line), "invalid UTF-8"))
	}
	i := t.space(0)
	if i >= len(line) {
		return int32(t.fail(i, "the line is empty"))
	}
	if line[i] != '{' {
		return int32(t.fail(i, "expected a JSON object"))
	}
	if !t.hasRoom(i) {
		return -1
	}
	i, n := t.value(i, root)
	if i < 0 {
		return -1
	}
	t.shrinkSurvey()
	if i = t.space(i); i < len(line) {
		return int32(t.fail(i, "text after the end of the JSON object"))
	}
	return n
}

// Reread reads a value of the line again with another shape. It returns the offset after it and its
// node: -1 for null, and offset -1 after a fault.
func (t *Tape) Reread(i int, s *Shape) (int, int32) {
	if t.depth = 0; t.quotes == nil {
		t.survey()
	}
	return t.value(i, s)
}

// Fault returns the place and reason of the first fault. limit is set if the values exceed their
// memory.
func (t *Tape) Fault() (offset int, reason string, limit bool) {
	return t.failedAt, t.reason, t.limit
}

// value reads the value at i, which must not be white space. It returns the offset after it and its
// node; -1 for null.
func (t *Tape) value(i int, s *Shape) (int, int32) {
	if i >= len(t.Line) {
		return t.tooShort(), -1
	}
	n := Node{Next: -1, First: -1, Shape: -1, Start: int32(i)}
	switch t.Line[i] {
	case '{':
		if len(s.names) > 0 {
			return t.object(i, s)
		}
		n.Kind = KindObject
		i = t.skip(i)
	case '[':
		return t.array(i, s)
	case '"':
		return t.stringValue(i + 1)
	case 't':
		n.Kind = KindTrue
		i = t.word(i, "true")
	case 'f':
		n.Kind = KindFalse
		i = t.word(i, "false")
	case 'n':
		return t.word(i, "null"), -1
	default:
		n.Kind = KindNumber
		i = t.number(i)
	}
	if i < 0 {
		return -1, -1
	}
	n.End = int32(i)
	return i, t.add(n)
}

// stringValue is value for a string, after its opening quote.
func (t *Tape) stringValue(i int) (int, int32) {
	end, escaped := t.text(i)
	if end < 0 {
		return -1, -1
	}

	t.Nodes = append(t.Nodes, Node{
		Start: int32(i), End: int32(end) - 1, Next: -1, First: -1, Shape: -1, Kind: KindString,
		Escaped: escaped,
	})
	return end, int32(len(t.Nodes)) - 1
}

func (t *Tape) add(n Node) int32 {
	t.Nodes = append(t.Nodes, n)
	return int32(len(t.Nodes)) - 1
}

func (t *Tape) enter(i int) bool {
	if t.depth++; t.depth > maxDepth {
		t.fail(i, "nested too deeply")
		return false
	}
	return true
}

func (t *Tape) object(i int, s *Shape) (int, int32) { //nolint:gocognit // one loop, because a call for each member is slow
	if !t.enter(i) {
		return -1, -1
	}
	self := t.add(Node{
		Shape: s.Number, Kind: KindObject, Start: int32(i), Next: -1, First: int32(len(t.Slots)),
	})
	base := len(t.Slots)
	if base+len(s.names) > cap(t.Slots) && !t.growSlots(i, len(s.names)) {
		return -1, -1
	}
	t.Slots = t.Slots[:base+len(s.names)]
	clear(t.Slots[base:])
	guess := s.guess
	i = t.space(i + 1)
	if i < len(t.Line) && t.Line[i] == '}' {
		i++
	} else {
		for {
			at := i
			slot := int(t.guesses[guess]) - 1
			if end, ok := t.guessed(i, s, slot); ok {
				i = end
			} else if i, slot = t.key(i, s); i < 0 {
				return -1, -1
			}
			if slot < 0 {
				if t.depth == 1 && t.elements != nil {
					t.skipped(at+1, t.nameEnd, i)
				}
				if i = t.skip(i); i < 0 {
					return -1, -1
				}
			} else {
				t.guesses[guess] = uint8(slot + 1)
				guess = s.guess + slot + 1
				if t.Slots[base+slot] != 0 {
					return t.fail(at, "the same member twice"), -1
				}
				if !t.hasRoom(i) {
					return -1, -1
				}
				var n int32
				if t.Line[i] == '"' {
					i, n = t.stringValue(i + 1)
				} else {
					i, n = t.value(i, s.below[slot])
				}
				if i < 0 {
					return -1, -1
				}
				if n++; n == 0 {
					n = -1
				}
				t.Slots[base+slot] = n
			}
			if i >= len(t.Line) || t.Line[i] <= ' ' {
				if i = t.space(i); i >= len(t.Line) {
					return t.tooShort(), -1
				}
			}
			if c := t.Line[i]; c == ',' {
				i = t.space(i + 1)
				continue
			} else if c == '}' {
				i++
				break
			}
			return t.fail(i, "expected a comma or }"), -1
		}
	}
	t.depth--
	t.Nodes[self].End = int32(i)
	return i, self
}

// guessed reports whether the member of a slot is at i, and returns the start of its value.
func (t *Tape) guessed(i int, s *Shape, slot int) (int, bool) {
	if slot < 0 {
		return 0, false
	}
	end, ok := s.isAt(slot, t.Line, i+1)
	return end, ok && end < len(t.Line) && t.Line[i] == '"' && t.Line[end] > ' '
}

// key reads a member name and the colon. It returns the start of the value.
func (t *Tape) key(i int, s *Shape) (int, int) {
	if i >= len(t.Line) {
		return t.tooShort(), -1
	}
	if t.Line[i] != '"' {
		return t.fail(i, "expected a member name in double quotes"), -1
	}
	start := i + 1
	i, escaped := t.text(start)
	if i < 0 {
		return -1, -1
	}
	t.nameEnd = i - 1
	var slot int
	if escaped {
		slot = s.SlotOf(string(AppendUnescaped(nil, t.Line[start:i-1])))
	} else {
		slot = s.lookup(t.Line, start, i-1)
	}
	if i+1 < len(t.Line) && t.Line[i] == ':' && t.Line[i+1] > ' ' {
		return i + 1, slot
	}
	return t.colon(i), slot
}

func (t *Tape) array(i int, s *Shape) (int, int32) {
	if !t.enter(i) {
		return -1, -1
	}
	self := t.add(Node{Shape: -1, Kind: KindArray, Start: int32(i), Next: -1, First: -1})
	last := int32(-1)
	i = t.space(i + 1)
	if i < len(t.Line) && t.Line[i] == ']' {
		i++
	} else {
		for {
			if !t.hasRoom(i) {
				return -1, -1
			}
			var n int32
			if i, n = t.value(i, s); i < 0 {
				return -1, -1
			}
			switch {
			case n < 0: // null is not an item
			case last < 0:
				t.Nodes[self].First, last = n, n
			default:
				t.Nodes[last].Next, last = n, n
			}
			if i = t.space(i); i >= len(t.Line) {
				return t.tooShort(), -1
			}
			if c := t.Line[i]; c == ',' {
				i = t.space(i + 1)
				continue
			} else if c == ']' {
				i++
				break
			}
			return t.fail(i, "expected a comma or ]"), -1
		}
	}
	t.depth--
	t.Nodes[self].End = int32(i)
	return i, self
}

// skip validates the value at i without keeping it, and returns the offset after it.
func (t *Tape) skip(i int) int {
	if i >= len(t.Line) {
		return t.tooShort()
	}
	switch t.Line[i] {
	case '"':
		i, _ = t.text(i + 1)
		return i
	case '{', '[':
		return t.skipNested(i)
	}
	return t.skipScalar(i)
}

// skipScalar is skip for numbers and words.
func (t *Tape) skipScalar(i int) int {
	switch t.Line[i] {
	case 't':
		return t.word(i, "true")
	case 'f':
		return t.word(i, "false")
	case 'n':
		return t.word(i, "null")
	}
	return t.number(i)
}

// skipNested is skip for objects and arrays. It does not recurse: bit d of open is set if level d
// is an object.
func (t *Tape) skipNested(i int) int { //nolint:gocognit // one state machine in place of recursion, for speed
	b := t.Line
	var open [maxDepth/64 + 1]uint64
	depth := 0
value:
	if i >= len(b) {
		return t.tooShort()
	}
	switch b[i] {
	case '"':
		i, _ = t.text(i + 1)
	case '{':
		if i = t.space(i + 1); i < len(b) && b[i] == '}' {
			i++
			goto after
		}
		if depth++; depth+t.depth > maxDepth {
			return t.fail(i, "nested too deeply")
		}
		open[depth>>6] |= 1 << (depth & 63)
		goto key
	case '[':
		if i = t.space(i + 1); i < len(b) && b[i] == ']' {
			i++
			goto after
		}
		if depth++; depth+t.depth > maxDepth {
			return t.fail(i, "nested too deeply")
		}
		open[depth>>6] &^= 1 << (depth & 63)
		goto value
	default:
		i = t.skipScalar(i)
	}
	if i < 0 {
		return -1
	}
after:
	if depth == 0 {
		return i
	}
	if i >= len(b) || b[i] <= ' ' {
		if i = t.space(i); i >= len(b) {
			return t.tooShort()
		}
	}
	if open[depth>>6]&(1<<(depth&63)) != 0 {
		switch b[i] {
		case ',':
			i = t.space(i + 1)
			goto key
		case '}':
			depth--
			i++
			goto after
		}
		return t.fail(i, "expected a comma or }")
	}
	switch b[i] {
	case ',':
		i = t.space(i + 1)
		goto value
	case ']':
		depth--
		i++
		goto after
	}
	return t.fail(i, "expected a comma or ]")
key:
	if i >= len(b) {
		return t.tooShort()
	}
	if b[i] != '"' {
		return t.fail(i, "expected a member name in double quotes")
	}
	if i, _ = t.text(i + 1); i < 0 {
		return -1
	}
	if i+1 < len(b) && b[i] == ':' && b[i+1] > ' ' {
		i++
	} else if i = t.colon(i); i < 0 {
		return -1
	}
	goto value
}
