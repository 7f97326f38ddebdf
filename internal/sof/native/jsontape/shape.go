package jsontape

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Shape lists the members of a JSON object that views read. The others are validated and skipped.
// The shapes of an engine form a trie over property names, with cycles for views that recurse.
type Shape struct {
	fields map[string]*Shape
	merged *Shape // set if this shape was merged into another

	// set by Freeze:
	Number int16
	guess  int // position of the members' guesses on the tape
	names  []string
	below  []*Shape
	Slots  map[string]int
	byName []uint8   // 1 + slot by the engine's number of the name; 0 is none
	keys   []nameKey // by slot
	table  []uint8   // 1 + slot by hash; 0 is none. Without a table: see SlotOf
	factor uint64
	shift  uint8
}

// Layout holds the frozen shapes of an engine by number, and numbers for their names.
type Layout struct {
	shapes  []*Shape
	numbers map[string]int
}

// Number returns the number of a name. A name that no shape has gets a new one.
func (l *Layout) Number(name string) int {
	id, ok := l.numbers[name]
	if !ok {
		id = len(l.numbers)
		l.numbers[name] = id
	}
	return id
}

// Slot returns the slot of a named member in objects of a shape, or -1.
func (l *Layout) Slot(shape int16, number int) int {
	if s := l.shapes[shape]; number < len(s.byName) {
		return int(s.byName[number]) - 1
	}
	return -1
}

// NewTape returns a tape for one goroutine. Its values take at most this number of bytes; allocated
// is called with the bytes allocated for a line.
func (l *Layout) NewTape(most int, allocated func(bytes int), elements *Elements) Tape {
	t := Tape{most: most, elements: elements}
	t.allocated = allocated
	if n := len(l.shapes); n > 0 {
		last := l.shapes[n-1]
		t.guesses = make([]uint8, last.guess+len(last.names)+1)
	}
	return t
}

// NewShape returns a shape without fields.
func NewShape() *Shape { return &Shape{fields: map[string]*Shape{}} }

// Find returns the shape that s was merged into, or s.
func (s *Shape) Find() *Shape {
	for s.merged != nil {
		s = s.merged
	}
	return s
}

// Field returns the shape of the objects in a member, and adds the member.
func (s *Shape) Field(name string) *Shape {
	s = s.Find()
	f, ok := s.fields[name]
	if !ok {
		f = NewShape()
		s.fields[name] = f
	}
	return f.Find()
}

// Merge merges a and b into one shape.
func Merge(a, b *Shape) *Shape {
	a, b = a.Find(), b.Find()
	if a == b {
		return a
	}
	b.merged = a
	for name, f := range b.fields {
		a = a.Find()
		if own, ok := a.fields[name]; ok {
			Merge(own, f)
		} else {
			a.fields[name] = f
		}
	}
	return a.Find()
}

// maxFields bounds the fields of one table. No FHIR type has that many elements.
const maxFields = 250

// maxShapes bounds the shape number in a node.
const maxShapes = 1<<15 - 1

// Freeze numbers the fields of s and of all shapes below it. No field can be added later.
func (s *Shape) Freeze() (*Layout, error) {
	l := &Layout{numbers: map[string]int{}}
	s.Find().sortFields(&l.shapes)
	if len(l.shapes) > maxShapes {
		return nil, fmt.Errorf("the views read more than %d kinds of object", maxShapes)
	}
	for _, f := range l.shapes {
		if len(f.names) > maxFields {
			return nil, fmt.Errorf("the views read more than %d members of one object", maxFields)
		}
		for _, name := range f.names {
			l.Number(name)
		}
	}
	guesses := 0
	for i, f := range l.shapes {
		f.Number = int16(i)
		f.guess = guesses
		guesses += len(f.names) + 1
		f.byName = make([]uint8, len(l.numbers))
		for slot, name := range f.names {
			f.byName[l.numbers[name]] = uint8(slot + 1)
		}
		f.hash()
	}
	return l, nil
}

// sortFields sorts the fields of s and of all shapes below it.
func (s *Shape) sortFields(all *[]*Shape) {
	if s.names != nil || len(s.fields) == 0 {
		return
	}
	*all = append(*all, s)
	for name := range s.fields {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	s.Slots = map[string]int{}
	s.below = make([]*Shape, len(s.names))
	for i, name := range s.names {
		s.Slots[name] = i
		s.below[i] = s.fields[name].Find()
	}
	for _, f := range s.below {
		f.sortFields(all)
	}
}

// nameKey is the part of a name that a lookup compares: the first and the last eight bytes, and the
// length. Names of up to sixteen bytes are compared completely.
type nameKey struct {
	first, last uint64
	length      int
	mask        uint64 // of the first bytes; 0 for names that isAt does not check
}

// mask returns a mask for the bytes of the first word in a name of n bytes.
func mask(n int) uint64 {
	if n >= word {
		return ^uint64(0)
	}
	return 1<<(8*n) - 1
}

// word is up to eight bytes.
const word = 8

func keyOf(name string) nameKey {
	k := nameKey{length: len(name)}
	for i := range min(len(name), word) {
		k.first |= uint64(name[i]) << (8 * i)
	}
	if len(name) > word {
		k.last = binary.LittleEndian.Uint64([]byte(name[len(name)-word:]))
	}
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		k.mask = mask(len(name))
	}
	return k
}

func (k *nameKey) same(other nameKey) bool {
	return k.first == other.first && k.length == other.length && k.last == other.last
}

func (k nameKey) hash(factor uint64, shift uint8) uint64 {
	return ((k.first + k.last*3) ^ uint64(k.length)) * factor >> shift
}

// hash finds a multiplier and a table size without collisions, so that a lookup compares once.
// Names that agree in all hashed parts need the slow map; no FHIR names do.
func (s *Shape) hash() {
	s.keys = make([]nameKey, len(s.names))
	for i, name := range s.names {
		s.keys[i] = keyOf(name)
	}
	for bits := uint8(4); bits <= 14; bits++ {
		for factor := uint64(0x9e3779b97f4a7c15); factor < 0x9e3779b97f4a7c15+512; factor += 2 {
			if table := s.tableOf(bits, factor); table != nil {
				s.table, s.factor, s.shift = table, factor, 64-bits
				return
			}
		}
	}
}

// tableOf returns the table with this factor, or nil if names collide.
func (s *Shape) tableOf(bits uint8, factor uint64) []uint8 {
	table := make([]uint8, 1<<bits)
	for i, k := range s.keys {
		h := k.hash(factor, 64-bits)
		if table[h] != 0 {
			return nil
		}
		table[h] = uint8(i + 1)
	}
	return table
}

// lookup returns the slot of the member whose name is line[start:end], or -1.
func (s *Shape) lookup(line []byte, start, end int) int {
	n := end - start
	if s.table == nil || start+word > len(line) {
		return s.SlotOf(string(line[start:end]))
	}
	k := nameKey{first: binary.LittleEndian.Uint64(line[start:]), length: n}
	if n < word {
		k.first &= mask(n)
	} else if n > word {
		k.last = binary.LittleEndian.Uint64(line[end-word:])
	}
	i := int(s.table[k.hash(s.factor, s.shift)]) - 1
	if i < 0 || !s.keys[i].same(k) || n > 2*word && s.names[i] != string(line[start:end]) {
		return -1
	}
	return i
}

// isAt reports whether the quoted name of a slot and a colon are at line[start:], and returns their
// end. It may miss one.
func (s *Shape) isAt(slot int, line []byte, start int) (end int, ok bool) {
	k := &s.keys[slot]
	end = start + k.length
	if k.mask == 0 || end+2 > len(line) || start+word > len(line) || line[end] != '"' ||
		line[end+1] != ':' ||
		binary.LittleEndian.Uint64(line[start:])&k.mask != k.first {
		return 0, false
	}
	if k.length > word &&
		(binary.LittleEndian.Uint64(line[end-word:]) != k.last ||
			k.length > 2*word && s.names[slot] != string(line[start:end])) {
		return 0, false
	}
	return end + 2, true
}

// SlotOf is the slow form of lookup.
func (s *Shape) SlotOf(name string) int {
	if i, ok := s.Slots[name]; ok {
		return i
	}
	return -1
}
