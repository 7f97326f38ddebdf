package store

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// Add adds a resource, or one more version of a known id. A line with meta.versionId and
// meta.lastUpdated keeps its bytes, and missing values are added; errors never contain content.
func (s *Store) Add(line []byte) error {
	line = oneLine(line)
	h, err := readHead(line)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stamped := h.versionID != "" && !h.lastUpdated.IsZero()
	if h.versionID == "" {
		h.versionID = "1"
		if r := s.find(h.typ, h.id); r != nil {
			h.versionID = nextVersion(r)
		}
	}
	if h.lastUpdated.IsZero() {
		h.lastUpdated = s.base.Add(time.Duration(s.given/3) * time.Millisecond)
		s.given++
		if r := s.find(h.typ, h.id); r != nil {
			h.lastUpdated = after(r, h.lastUpdated)
		}
	}
	if !stamped {
		if line, err = stamp(line, h.versionID, h.lastUpdated); err != nil {
			return err
		}
	}
	return s.insert(h.version(), line)
}

// Put makes a new version of a resource at the given time, as a PUT does, and also restores a
// deleted resource. If the newest version is not older, the new version follows it by a
// millisecond.
func (s *Store) Put(line []byte, at time.Time) (Version, error) {
	line = oneLine(line)
	h, err := readHead(line)
	if err != nil {
		return Version{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(h, line, at)
}

// PutIf is Put, unless allowed refuses the newest version, which is nil for a new resource. No
// other write can come between the question and the write.
func (s *Store) PutIf(
	line []byte, at time.Time, allowed func(newest *Version) error,
) (Version, error) {
	line = oneLine(line)
	h, err := readHead(line)
	if err != nil {
		return Version{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var newest *Version
	if r := s.find(h.typ, h.id); r != nil {
		v := r.newest()
		newest = &v
	}
	if err := allowed(newest); err != nil {
		return Version{}, err
	}
	if _, err := s.put(h, line, at); err != nil {
		return Version{}, err
	}
	return s.find(h.typ, h.id).newest(), nil
}

func (s *Store) put(h head, line []byte, at time.Time) (Version, error) {
	h.versionID, h.lastUpdated, h.deleted = "1", floor(at), false
	if r := s.find(h.typ, h.id); r != nil {
		h.versionID, h.lastUpdated = nextVersion(r), after(r, at)
	}
	line, err := stamp(line, h.versionID, h.lastUpdated)
	if err != nil {
		return Version{}, err
	}
	return h.version(), s.insert(h.version(), line)
}

// Delete soft-deletes a resource at the given time. The tombstone is a version.
func (s *Store) Delete(typ, id string, at time.Time) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(typ, id, at)
}

func (s *Store) remove(typ, id string, at time.Time) (Version, error) {
	r := s.find(typ, id)
	if r == nil || r.newest().Deleted {
		return Version{}, fmt.Errorf("delete a %s: %w", typ, ErrNotFound)
	}
	v := Version{
		Type: typ, ID: id, VersionID: nextVersion(r), LastUpdated: after(r, at), Deleted: true,
	}
	line, err := tombstone(typ, id, v.VersionID, v.LastUpdated)
	if err != nil {
		return Version{}, err
	}
	return v, s.insert(v, line)
}

// Purge removes all versions of a resource without a trace, as a hard delete does.
func (s *Store) Purge(typ, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(typ, id)
	if r == nil {
		return fmt.Errorf("purge a %s: %w", typ, ErrNotFound)
	}
	t := s.types[typ]
	delete(t.byID, id)
	t.order = slices.DeleteFunc(t.order, func(other *resource) bool { return other == r })
	return nil
}

// oneLine copies a resource without line breaks, which are never content in JSON.
func oneLine(text []byte) []byte {
	line := slices.Clone(bytes.TrimSpace(text))
	for i, c := range line {
		if c == '\n' || c == '\r' {
			line[i] = ' '
		}
	}
	return line
}

func (h head) version() Version {
	return Version{
		Type: h.typ, ID: h.id, VersionID: h.versionID, LastUpdated: h.lastUpdated,
		Deleted: h.deleted,
	}
}

func floor(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// after returns at, or the first millisecond after the newest version.
func after(r *resource, at time.Time) time.Time {
	at = floor(at)
	if last := r.newest().LastUpdated; !at.After(last) {
		return floor(last).Add(time.Millisecond)
	}
	return at
}
