package native

import "unicode/utf8"

// maxDepth bounds how deep a line may nest. FHIR itself stays below 50; T-SQL
// refuses beyond 128.
const maxDepth = 1000

type kind uint8

const (
	kindNone kind = iota // the missing focus of a row of nulls
	kindObject
	kindArray
	kindString
	kindNumber
	kindTrue
	kindFalse
)

// node is one value of the line that a view may read.
type node struct {
	start, end int32 // of a string without its quotes, of other values whole
	next       int32 // in an array; -1 ends it
	first      int32 // of an array: its first item, or -1; of an object: its slots
	shape      int16 // of an object: number of its shape, or -1
	kind       kind
	escaped    bool
}

// tape holds the values of one line. Slots of an object hold 1 + the node of
// each member, 0 where it is missing, -1 where it is null.
type tape struct {
	lexer
	nodes []node
	slots []int32
	depth int
	// most is how many bytes the values may take.
	most int
	// guesses are by shape and member the slot of the member behind it, plus 1,
	// as it was last time; the first of a shape is the member at the beginning.
	guesses []uint8

	elements    *elements // of the resource type; nil compares none
	differences []Difference
	nameEnd     int  // of the member that key has read
	limit       bool // the fault is that the values take more than most
}

// read validates the line and keeps what root asks for. It gives the node of
// the root object, or -1 after a fault.
func (t *tape) read(line []byte, root *shape) int32 {
	t.line, t.nodes, t.slots, t.depth, t.reason, t.limit = line, t.nodes[:0], t.slots[:0], 0, "", false
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

// value reads the value at i, which is no space, and gives the offset behind it
// and its node; -1 for null.
func (t *tape) value(i int, s *shape) (int, int32) {
	if i >= len(t.line) {
		return t.tooShort(), -1
	}
	n := node{next: -1, first: -1, shape: -1, start: int32(i)}
	switch t.line[i] {
	case '{':
		if len(s.names) > 0 {
			return t.object(i, s)
		}
		n.kind = kindObject
		i = t.skip(i)
	case '[':
		return t.array(i, s)
	case '"':
		return t.stringValue(i + 1)
	case 't':
		n.kind = kindTrue
		i = t.word(i, "true")
	case 'f':
		n.kind = kindFalse
		i = t.word(i, "false")
	case 'n':
		return t.word(i, "null"), -1
	default:
		n.kind = kindNumber
		i = t.number(i)
	}
	if i < 0 {
		return -1, -1
	}
	n.end = int32(i)
	return i, t.add(n)
}

// stringValue is value for a string, behind its opening quote.
func (t *tape) stringValue(i int) (int, int32) {
	end, escaped := t.text(i)
	if end < 0 {
		return -1, -1
	}

	t.nodes = append(t.nodes, node{start: int32(i), end: int32(end) - 1, next: -1, first: -1, shape: -1, kind: kindString, escaped: escaped})
	return end, int32(len(t.nodes)) - 1
}

func (t *tape) add(n node) int32 {
	t.nodes = append(t.nodes, n)
	return int32(len(t.nodes)) - 1
}

func (t *tape) enter(i int) bool {
	if t.depth++; t.depth > maxDepth {
		t.fail(i, "nested too deeply")
		return false
	}
	return true
}

func (t *tape) object(i int, s *shape) (int, int32) {
	if !t.enter(i) {
		return -1, -1
	}
	self := t.add(node{shape: s.number, kind: kindObject, start: int32(i), next: -1, first: int32(len(t.slots))})
	base := len(t.slots)
	if base+len(s.names) > cap(t.slots) && !t.growSlots(i, len(s.names)) {
		return -1, -1
	}
	t.slots = t.slots[:base+len(s.names)]
	clear(t.slots[base:])
	guess := s.guess
	i = t.space(i + 1)
	if i < len(t.line) && t.line[i] == '}' {
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
				if t.slots[base+slot] != 0 {
					return t.fail(at, "the same member twice"), -1
				}
				if !t.hasRoom(i) {
					return -1, -1
				}
				var n int32
				if t.line[i] == '"' {
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
				t.slots[base+slot] = n
			}
			if i >= len(t.line) || t.line[i] <= ' ' {
				if i = t.space(i); i >= len(t.line) {
					return t.tooShort(), -1
				}
			}
			if c := t.line[i]; c == ',' {
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
	t.nodes[self].end = int32(i)
	return i, self
}

// guessed says that the member of a slot is at i, and where its value starts.
func (t *tape) guessed(i int, s *shape, slot int) (int, bool) {
	if slot < 0 {
		return 0, false
	}
	end, ok := s.isAt(slot, t.line, i+1)
	return end, ok && end < len(t.line) && t.line[i] == '"' && t.line[end] > ' '
}

// key reads a member name and the colon; it gives where the value starts.
func (t *tape) key(i int, s *shape) (int, int) {
	if i >= len(t.line) {
		return t.tooShort(), -1
	}
	if t.line[i] != '"' {
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
		slot = s.slotOf(string(appendUnescaped(nil, t.line[start:i-1])))
	} else {
		slot = s.lookup(t.line, start, i-1)
	}
	if i+1 < len(t.line) && t.line[i] == ':' && t.line[i+1] > ' ' {
		return i + 1, slot
	}
	return t.colon(i), slot
}

func (t *tape) array(i int, s *shape) (int, int32) {
	if !t.enter(i) {
		return -1, -1
	}
	self := t.add(node{shape: -1, kind: kindArray, start: int32(i), next: -1, first: -1})
	last := int32(-1)
	i = t.space(i + 1)
	if i < len(t.line) && t.line[i] == ']' {
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
			case n < 0: // null is no item
			case last < 0:
				t.nodes[self].first, last = n, n
			default:
				t.nodes[last].next, last = n, n
			}
			if i = t.space(i); i >= len(t.line) {
				return t.tooShort(), -1
			}
			if c := t.line[i]; c == ',' {
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
	t.nodes[self].end = int32(i)
	return i, self
}

// skip validates the value at i without keeping anything, and gives the offset
// behind it.
func (t *tape) skip(i int) int {
	if i >= len(t.line) {
		return t.tooShort()
	}
	switch t.line[i] {
	case '"':
		i, _ = t.text(i + 1)
		return i
	case '{', '[':
		return t.skipNested(i)
	case 't':
		return t.word(i, "true")
	case 'f':
		return t.word(i, "false")
	case 'n':
		return t.word(i, "null")
	}
	return t.number(i)
}

// skipNested is skip for objects and arrays. It does not recurse: bit d of open
// says that level d is an object.
func (t *tape) skipNested(i int) int {
	b := t.line
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
	case 't':
		i = t.word(i, "true")
	case 'f':
		i = t.word(i, "false")
	case 'n':
		i = t.word(i, "null")
	default:
		i = t.number(i)
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
