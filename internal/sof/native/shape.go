package native

import (
	"fmt"
	"slices"
)

// shape says which members of a JSON object some view reads; the rest of the
// object is validated and skipped. The shapes of an engine form a trie over
// property names, with cycles where a view recurses.
type shape struct {
	fields map[string]*shape
	merged *shape // set when this shape became part of another

	// made by freeze:
	number int16
	names  []string
	below  []*shape
	slots  map[string]int
	byName []uint8 // 1 + slot by the engine's number of the name; 0 is none
	table  []uint8 // 1 + slot by hash; 0 is none
	factor uint32
	short  shortNames
}

// nameNumbers numbers the property names that an engine reads.
type nameNumbers map[string]int

func (n nameNumbers) of(name string) int {
	id, ok := n[name]
	if !ok {
		id = len(n)
		n[name] = id
	}
	return id
}

func newShape() *shape { return &shape{fields: map[string]*shape{}} }

func (s *shape) find() *shape {
	for s.merged != nil {
		s = s.merged
	}
	return s
}

func (s *shape) field(name string) *shape {
	s = s.find()
	f, ok := s.fields[name]
	if !ok {
		f = newShape()
		s.fields[name] = f
	}
	return f.find()
}

// merge makes a and b one shape.
func merge(a, b *shape) *shape {
	a, b = a.find(), b.find()
	if a == b {
		return a
	}
	b.merged = a
	for name, f := range b.fields {
		a = a.find()
		if own, ok := a.fields[name]; ok {
			merge(own, f)
		} else {
			a.fields[name] = f
		}
	}
	return a.find()
}

// maxFields is what one table can number; no FHIR type has so many elements.
const maxFields = 250

// maxShapes is what a node can number.
const maxShapes = 1<<15 - 1

// freeze numbers the fields of s and all shapes below it, and gives the shapes
// by number. A shape without fields has none: its objects are skipped.
func (s *shape) freeze(numbers nameNumbers) (all []*shape, err error) {
	s.find().sortFields(&all)
	if len(all) > maxShapes {
		return nil, fmt.Errorf("the views read more than %d kinds of object", maxShapes)
	}
	for _, f := range all {
		if len(f.names) > maxFields {
			return nil, fmt.Errorf("the views read more than %d members of one object", maxFields)
		}
		for _, name := range f.names {
			numbers.of(name)
		}
	}
	for i, f := range all {
		f.number = int16(i)
		f.byName = make([]uint8, len(numbers))
		for slot, name := range f.names {
			f.byName[numbers[name]] = uint8(slot + 1)
		}
		f.hash()
		f.short = newShortNames(f.names)
	}
	return all, nil
}

// sortFields orders the fields of s and of all shapes below it.
func (s *shape) sortFields(all *[]*shape) {
	if s.names != nil || len(s.fields) == 0 {
		return
	}
	*all = append(*all, s)
	for name := range s.fields {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
	s.slots = map[string]int{}
	s.below = make([]*shape, len(s.names))
	for i, name := range s.names {
		s.slots[name] = i
		s.below[i] = s.fields[name].find()
	}
	for _, f := range s.below {
		f.sortFields(all)
	}
}

// hash finds a multiplier and a size with which no two names collide, so that a
// lookup compares once.
func (s *shape) hash() {
	for size := 16; ; size *= 2 {
		for factor := uint32(0x9e3779b1); factor < 0x9e3779b1+512; factor += 2 {
			table := make([]uint8, size)
			clash := false
			for i, name := range s.names {
				h := hashOf([]byte(name), factor) & uint32(size-1) //nolint:gosec // size is a small power of two
				if table[h] != 0 {
					clash = true
					break
				}
				table[h] = uint8(i + 1)
			}
			// names that agree in all that the hash looks at can only be told apart
			// by the slow map; none of FHIR's do
			if !clash {
				s.table, s.factor = table, factor
				return
			}
		}
		if size > 1<<14 {
			return
		}
	}
}

func hashOf(name []byte, factor uint32) uint32 {
	n := len(name)
	if n == 0 {
		return 0
	}
	h := uint32(name[0]) | uint32(name[n-1])<<8 | uint32(name[n/2])<<16 | uint32(n)<<24 //nolint:gosec // only mixed
	h ^= uint32(name[n/3]) << 4
	h *= factor
	return h ^ h>>15
}

// lookup gives the slot of a member, or -1.
func (s *shape) lookup(name []byte) int {
	if s.table == nil {
		if i, ok := s.slots[string(name)]; ok {
			return i
		}
		return -1
	}
	i := int(s.table[int(hashOf(name, s.factor))&(len(s.table)-1)]) - 1
	if i < 0 || s.names[i] != string(name) {
		return -1
	}
	return i
}

// shortNames finds names of up to seven bytes, which most of FHIR's are, by
// their bytes as one word: no loop, no comparison of strings.
type shortNames struct {
	words  []uint64 // by hash; 0 is none
	slots  []uint8  // by hash
	factor uint64
	shift  uint8
}

// maxShort is the longest name that a word holds with a byte to spare: what
// follows it, the quote.
const maxShort = 7

func wordOf(name string) uint64 {
	var w uint64
	for i := range len(name) {
		w |= uint64(name[i]) << (8 * i)
	}
	return w
}

func newShortNames(names []string) shortNames {
	for bits := uint8(4); ; bits++ {
		for factor := uint64(0x9e3779b97f4a7c15); factor < 0x9e3779b97f4a7c15+512; factor += 2 {
			n := shortNames{make([]uint64, 1<<bits), make([]uint8, 1<<bits), factor, 64 - bits}
			if n.fill(names) {
				return n
			}
		}
	}
}

// fill says whether all short names have a place of their own.
func (n *shortNames) fill(names []string) bool {
	for slot, name := range names {
		if len(name) == 0 || len(name) > maxShort {
			continue
		}
		w := wordOf(name)
		h := w * n.factor >> n.shift
		if n.words[h] != 0 {
			return false
		}
		n.words[h], n.slots[h] = w, uint8(slot)
	}
	return true
}

// lookup gives the slot of the name with these bytes, or -1.
func (n *shortNames) lookup(w uint64) int {
	h := w * n.factor >> n.shift
	if n.words[h] != w || w == 0 {
		return -1
	}
	return int(n.slots[h])
}
