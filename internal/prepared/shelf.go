package prepared

import (
	"slices"
	"sync"
)

// shelf keeps what was used, to be used again: at most so many things, the latest
// ones, whatever they are for. A pool of the library would be emptied by every
// garbage collection, of which there are many as long as little is kept.
type shelf[K comparable, T any] struct {
	most int

	mu   sync.Mutex
	kept []shelved[K, T]
}

type shelved[K comparable, T any] struct {
	of    K
	thing T
}

// take gives the thing that was put last for a key.
func (s *shelf[K, T]) take(of K) (thing T, ok bool) {
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

// put keeps a thing, in the place of the oldest one when there are too many.
func (s *shelf[K, T]) put(of K, thing T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, shelved[K, T]{of, thing})
	if len(s.kept) > s.most {
		s.kept = slices.Delete(s.kept, 0, 1)
	}
}

// clear throws away what is kept.
func (s *shelf[K, V]) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = nil
}
