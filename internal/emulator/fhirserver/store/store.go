// Package store holds the data of the FHIR server emulator: every version of every resource,
// including deletes, as the lines that a server would export.
//
// A line is added as text and keeps its bytes; the store only adds meta.versionId and
// meta.lastUpdated if they are missing. The store does not depend on exports or HTTP. It is safe
// for concurrent use, and a returned Version stays readable until Close.
package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrNotFound reports that a resource does not exist or is deleted.
var ErrNotFound = errors.New("no such resource")

// Options configures a store. The zero value is a store in memory with added resources dated from
// 2020.
type Options struct {
	// Base is the lastUpdated of the first added resource without one; the next such resources
	// follow, three per millisecond. Zero means 2020-01-01.
	Base time.Time
	// Spill is a folder that holds the lines instead of memory, for data of a gigabyte and more.
	// The index stays in memory, about 300 bytes per resource.
	Spill string
}

// Version is one version of one resource. It is a value; Store.Line reads its text.
type Version struct {
	Type, ID, VersionID string
	LastUpdated         time.Time // UTC, milliseconds
	Deleted             bool
	at                  span
}

type span struct {
	offset int64
	length int
	line   []byte // in memory; nil if spilled
}

// Store holds the resources.
type Store struct {
	base  time.Time
	spill *os.File

	mu          sync.RWMutex
	types       map[string]*table
	given       int64  // resources added without lastUpdated
	size        int64  // of the spill file
	generations uint64 // calls of Change
}

type table struct {
	byID  map[string]*resource
	order []*resource // in the order of adding
}

type resource struct{ versions []Version } // oldest first

// New returns an empty store.
func New(o Options) (*Store, error) {
	s := &Store{base: o.Base.UTC(), types: map[string]*table{}}
	if o.Base.IsZero() {
		s.base = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Spill != "" {
		f, err := os.CreateTemp(o.Spill, "fhirserver-*.ndjson")
		if err != nil {
			return nil, fmt.Errorf("create the spill file: %w", err)
		}
		s.spill = f
	}
	return s, nil
}

// Close closes the spill file. A store in memory needs no Close.
func (s *Store) Close() error {
	if s.spill == nil {
		return nil
	}
	return errors.Join(s.spill.Close(), os.Remove(s.spill.Name()))
}

// Types returns all resource types that the store has held, sorted.
func (s *Store) Types() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.types))
}

// Current returns the newest version of a resource, which may be a tombstone.
func (s *Store) Current(typ, id string) (Version, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.find(typ, id)
	if r == nil {
		return Version{}, false
	}
	return r.newest(), true
}

// Line returns the text of a version, without a newline. Callers must not change it.
func (s *Store) Line(v Version) ([]byte, error) {
	if v.at.line != nil {
		return v.at.line, nil
	}
	buf := make([]byte, v.at.length)
	if _, err := s.spill.ReadAt(buf, v.at.offset); err != nil {
		return nil, fmt.Errorf("read the spill file: %w", err)
	}
	return buf, nil
}

// Window chooses versions by their lastUpdated.
type Window struct {
	Since, Till time.Time // zero means open
	// TillIncluded makes the window [Since, Till] instead of [Since, Till).
	TillIncluded bool
	// AsOf selects each resource in its state at Till. Without it, a resource that changed after
	// Till is omitted, because its newest version is not inside.
	AsOf bool
	// History includes all versions inside the window, not just the newest.
	History bool
	// Deleted includes tombstones.
	Deleted bool
}

func (w Window) afterTill(t time.Time) bool {
	if w.Till.IsZero() {
		return false
	}
	return t.After(w.Till) || !w.TillIncluded && t.Equal(w.Till)
}

// In returns the versions of a type inside the window, oldest first.
func (s *Store) In(typ string, w Window) []Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.types[typ]
	if t == nil {
		return nil
	}
	out := make([]Version, 0, len(t.order))
	for _, r := range t.order {
		out = r.choose(w, out)
	}
	slices.SortStableFunc(out, func(a, b Version) int {
		return a.LastUpdated.Compare(b.LastUpdated)
	})
	return out
}

func (r *resource) choose(w Window, out []Version) []Version {
	for i := len(r.versions) - 1; i >= 0; i-- {
		v := r.versions[i]
		switch {
		case w.afterTill(v.LastUpdated):
			if !w.AsOf && !w.History {
				return out
			}
			continue
		case v.LastUpdated.Before(w.Since):
			return out
		case !v.Deleted || w.Deleted:
			out = append(out, v)
		}
		if !w.History {
			return out
		}
	}
	return out
}

// Present writes the present state: the newest version of each resource that is not deleted, one
// line each, type by type and sorted by id. A full load must produce this state.
func (s *Store) Present(w func(typ string) (io.Writer, error)) error {
	for _, typ := range s.Types() {
		present := s.In(typ, Window{})
		if len(present) == 0 {
			continue
		}
		slices.SortFunc(present, func(a, b Version) int { return cmp.Compare(a.ID, b.ID) })
		out, err := w(typ)
		if err != nil {
			return fmt.Errorf("open the output for %s: %w", typ, err)
		}
		for _, v := range present {
			line, err := s.Line(v)
			if err != nil {
				return err
			}
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("write %s: %w", typ, err)
			}
			if _, err := io.WriteString(out, "\n"); err != nil {
				return fmt.Errorf("write %s: %w", typ, err)
			}
		}
	}
	return nil
}

// Counts returns the number of present resources by type, without types that have none.
func (s *Store) Counts() map[string]int {
	counts := map[string]int{}
	for _, typ := range s.Types() {
		if n := len(s.In(typ, Window{})); n > 0 {
			counts[typ] = n
		}
	}
	return counts
}

func (s *Store) find(typ, id string) *resource {
	if t := s.types[typ]; t != nil {
		return t.byID[id]
	}
	return nil
}

func (r *resource) newest() Version { return r.versions[len(r.versions)-1] }

// insert adds a version to its resource, in order of time. The caller holds the lock.
func (s *Store) insert(v Version, line []byte) error {
	at, err := s.keep(line)
	if err != nil {
		return err
	}
	v.at = at
	t := s.types[v.Type]
	if t == nil {
		t = &table{byID: map[string]*resource{}}
		s.types[v.Type] = t
	}
	r := t.byID[v.ID]
	if r == nil {
		r = &resource{}
		t.byID[v.ID] = r
		t.order = append(t.order, r)
	}
	r.versions = append(r.versions, v)
	slices.SortStableFunc(r.versions, func(a, b Version) int {
		return a.LastUpdated.Compare(b.LastUpdated)
	})
	return nil
}

func (s *Store) keep(line []byte) (span, error) {
	if s.spill == nil {
		return span{line: line}, nil
	}
	at := span{offset: s.size, length: len(line)}
	if _, err := s.spill.WriteAt(line, at.offset); err != nil {
		return span{}, fmt.Errorf("write the spill file: %w", err)
	}
	s.size += int64(len(line))
	return at, nil
}
