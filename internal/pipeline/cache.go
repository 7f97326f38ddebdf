package pipeline

import (
	"context"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// seen caches documents that were recently read from the journal.
type seen[T any] struct {
	mu     sync.Mutex
	values map[string]sight[T]
}

type sight[T any] struct {
	value T
	at    time.Time
}

// keptSights bounds the memory of one cache.
const keptSights = 1000

func (s *seen[T]) get(key string, now time.Time, atMost time.Duration) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return v.value, ok && now.Sub(v.at) < atMost
}

func (s *seen[T]) put(key string, value T, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil || len(s.values) >= keptSights {
		s.values = map[string]sight[T]{}
	}
	s.values[key] = sight[T]{value, now}
}

// recentFor is the maximum age of a cached document by which a step of one file decides
// whether to run. A step that begins within this time after its export has ended prepares its
// file in vain, without other harm.
const recentFor = 5 * time.Second

// recentExport returns an export from the cache, at most recentFor old.
func (d *deps) recentExport(ctx context.Context, id string) (records.Export, error) {
	now := d.Now()
	if e, ok := d.exports.get(id, now, recentFor); ok {
		return e, nil
	}
	e, err := d.records.Export(ctx, id)
	if err == nil {
		d.exports.put(id, e, now)
	}
	return e, err
}

// wasCollected reports whether the manifest of a job is in the journal. A negative answer may
// be recentFor old.
func (d *deps) wasCollected(ctx context.Context, f records.Owner) (bool, error) {
	id := records.JobID(f.Export, f.Job)
	d.mu.Lock()
	_, known := d.manifests[id]
	d.mu.Unlock()
	if known {
		return true, nil
	}
	now := d.Now()
	if collected, ok := d.collections.get(id, now, recentFor); ok {
		return collected, nil
	}
	j, err := d.records.Job(ctx, f.Export, f.Job)
	if err == nil {
		d.collections.put(id, j.Collected(), now)
	}
	return j.Collected(), err
}

// owner returns the job that owns a landing folder: "<anything>-<Folder>" or Folder.
func (d *deps) owner(ctx context.Context, folder string) (records.Owner, error) {
	if known, ok := d.owners.get(folder, d.Now(), ownerFor); ok {
		return known, nil
	}
	names := []string{folder}
	if _, id, ok := strings.Cut(folder, "-"); ok {
		names = []string{id, folder} // the longer name is rarer
	}
	for _, name := range names {
		owner, err := d.records.Owner(ctx, name)
		if err != nil {
			return owner, err
		}
		if owner.Export != "" {
			d.owners.put(folder, owner, d.Now())
			return owner, nil
		}
	}
	return records.Owner{}, nil
}

// ownerFor is how long the owner of a folder is cached. The owner never changes.
const ownerFor = 24 * time.Hour
