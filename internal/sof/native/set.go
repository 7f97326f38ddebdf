package native

import (
	"hash/maphash"
	"slices"

	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/native/jsontape"
)

// minHashed is the number of items from which a set is hashed. Fewer items are compared faster one
// by one.
const minHashed = 12

// set finds items that are equal to one of its own. The seed of its hashes is random, so that no
// line can cause collisions.
type set struct {
	v       *values
	items   []item
	small   int // number of items in the set
	first   map[uint64]int32
	entries []entry
	seed    maphash.Seed
}

// entry is an item under one of its hashes.
type entry struct{ item, next int32 }

// sets compares collections ignoring order.
type sets struct{ values }

// newSet returns an empty set. add adds items from the slice.
func (v *sets) newSet(items []item) set {
	s := set{v: &v.values, items: items}
	if len(items) >= minHashed && !slices.ContainsFunc(items, func(it item) bool {
		return it.isQuantity()
	}) {
		v.charge(48 * len(items))
		s.first, s.seed = make(map[uint64]int32, len(items)), maphash.MakeSeed()
		s.entries = make([]entry, 0, len(items))
	}
	return s
}

// setOf returns the set of all items of a slice.
func (v *sets) setOf(items []item) set {
	s := v.newSet(items)
	for i := range items {
		s.add(i)
	}
	return s
}

// add adds the item at an index of the slice. Items are added in order.
func (s *set) add(i int) {
	s.small = i + 1
	if s.first == nil {
		return
	}
	hashes, n := s.hashes(&s.items[i])
	for _, h := range hashes[:n] {
		next, ok := s.first[h]
		if !ok {
			next = -1
		}
		s.first[h] = int32(len(s.entries))
		s.entries = append(s.entries, entry{int32(i), next})
	}
}

// has reports whether an item of the set is equal to it.
func (s *set) has(it *item) bool {
	// quantities of different units may be equal
	if s.first == nil || it.isQuantity() {
		return s.v.has(s.items[:s.small], it)
	}
	hashes, n := s.hashes(it)
	for _, h := range hashes[:n] {
		at, ok := s.first[h]
		for ok && at >= 0 {
			s.v.step(1)
			e := s.entries[at]
			if s.v.equal(&s.items[e.item], it) == yes {
				return true
			}
			at = e.next
		}
	}
	return false
}

// hashes returns the one or two hashes of an item. Two equal items have one in common: a date
// equals a text with the same characters, and another date at the same time.
func (s *set) hashes(it *item) (out [2]uint64, n int) {
	var h maphash.Hash
	h.SetSeed(s.seed)
	s.v.step(1)
	switch it.kind {
	case jsontape.KindString:
		text := s.v.str(it)
		s.v.step(len(text) >> 5)
		out[0], n = maphash.Bytes(s.seed, text), 1
		if temporal(it.system()) {
			if m, ok := s.v.moment(it); ok {
				out[1], n = maphash.Comparable(s.seed, m.Key()), 2
			}
		}
		return out, n
	case jsontape.KindNumber:
		s.v.step(len(it.text) >> 5)
		_ = h.WriteByte('n')
		if d, ok := decimal.Parse(it.text); ok {
			_, _ = h.WriteString(d.Trim().String())
		} else {
			_, _ = h.Write(it.text)
		}
	case jsontape.KindObject, jsontape.KindArray:
		before := s.v.budget.made
		_, _ = h.Write(s.v.canonical(0, it.text, false))
		s.v.budget.made = before
	case jsontape.KindTrue, jsontape.KindFalse, jsontape.KindNone:
		_ = h.WriteByte(byte(it.kind))
	}
	out[0] = h.Sum64()
	return out, 1
}

// distinct drops repeated items from the stack above base. The first ones stay.
func (v *sets) distinct(base int) {
	before := v.budget.made
	s := v.newSet(v.stack[base:])
	kept := base
	for i := base; i < len(v.stack); i++ {
		if !s.has(&v.stack[i]) {
			v.stack[kept] = v.stack[i]
			s.add(kept - base)
			kept++
		}
	}
	v.stack = v.stack[:kept]
	v.budget.made = before
}

// equivalentLists implements ~ on collections: the items pair up one to one.
func (v *sets) equivalentLists(a, b []item) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) >= minHashed && v.hasClasses(a) && v.hasClasses(b) {
		return v.sameClasses(a, b)
	}
	v.charge(len(b))
	used := make([]bool, len(b))
	for i := range a {
		found := false
		for j := range b {
			v.step(1)
			if !used[j] && v.equivalent(&a[i], &b[j]) {
				used[j], found = true, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// hasClasses reports whether ~ divides the items into classes. It does not for numbers and dates,
// which it compares at the precision of the less precise one.
func (v *sets) hasClasses(items []item) bool {
	for i := range items {
		switch it := &items[i]; it.kind {
		case jsontape.KindString:
			if temporal(it.system()) || it.isQuantity() {
				return false
			}
		case jsontape.KindObject, jsontape.KindTrue, jsontape.KindFalse:
		case jsontape.KindNone, jsontape.KindArray, jsontape.KindNumber:
			return false
		}
	}
	return true
}

// class is the common form of all items that are equivalent to each other.
type class struct {
	kind jsontape.Kind
	hash [2]uint64
}

// sameClasses reports whether a and b have equally many items of each class.
func (v *sets) sameClasses(a, b []item) bool {
	before := v.budget.made
	v.charge(64 * len(a))
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	counts := make(map[class]int, len(a))
	for side, items := range [][]item{a, b} {
		for i := range items {
			made := v.budget.made
			it := &items[i]
			c := class{kind: it.kind}
			var text []byte
			switch it.kind {
			case jsontape.KindString:
				s := v.str(it)
				v.charge(2 * len(s))
				text = normal(s)
			case jsontape.KindObject:
				text = v.canonical(0, it.text, true)
			case jsontape.KindNone, jsontape.KindArray, jsontape.KindNumber, jsontape.KindTrue,
				jsontape.KindFalse:
			}
			v.step(1 + len(text)>>4)
			c.hash = [2]uint64{maphash.Bytes(seeds[0], text), maphash.Bytes(seeds[1], text)}
			counts[c] += 1 - 2*side
			v.budget.made = made
		}
	}
	v.budget.made = before
	for _, n := range counts {
		if n != 0 {
			return false
		}
	}
	return true
}
