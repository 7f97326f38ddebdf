package flatten

import (
	"slices"
	"sync"
)

// freeList is a free list that keeps a limited number of the latest things, whatever their key.
// sync.Pool would be emptied by every garbage collection, and these are frequent while little
// memory is used.
type freeList[K comparable, T any] struct {
	most int

	mu   sync.Mutex
	kept []shelved[K, T]
}

type shelved[K comparable, T any] struct {
	of    K
	thing T
}

// take removes and returns the latest thing of a key.
func (s *freeList[K, T]) take(of K) (thing T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.kept) - 1; i >= 0; i-- {
		if s.kept[i].of == of {
			thing = s.kept[i].thing
			s.kept = slices.Delete(s.kept, i, i+1)
			return thing, true
		}
	}
	return thing, false
}

// put keeps a thing. It replaces the oldest one if the shelf is full.
func (s *freeList[K, T]) put(of K, thing T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, shelved[K, T]{of, thing})
	if len(s.kept) > s.most {
		s.kept = slices.Delete(s.kept, 0, 1)
	}
}

// clear drops all kept things.
func (s *freeList[K, V]) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = nil
}
