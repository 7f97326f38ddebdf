package pipeline

import (
	"context"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// glanceFor is how old the sight of a document may be by which a step of one file
// decides whether it is still wanted. A step that begins so long after its export
// has ended prepares its file in vain, and no more.
const glanceFor = 5 * time.Second

// seen keeps what was read of the journal a moment ago.
type seen[T any] struct {
	mu     sync.Mutex
	values map[string]sight[T]
}

type sight[T any] struct {
	value T
	at    time.Time
}

// keptSights bounds the memory for them.
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

// glance is an export as it was a moment ago.
func (p *Pipeline) glance(ctx context.Context, id string) (records.Export, error) {
	now := p.Now()
	if e, ok := p.exports.get(id, now, glanceFor); ok {
		return e, nil
	}
	e, err := p.records.Export(ctx, id)
	if err == nil {
		p.exports.put(id, e, now)
	}
	return e, err
}

// updateExport changes an export that exists and has not ended.
func (p *Pipeline) updateExport(ctx context.Context, id string, change func(*records.Export) error) (records.Export, error) {
	e, err := p.records.UpdateExport(ctx, id, change)
	if err == nil && e.ID != "" { // one that never came to be may yet
		p.exports.put(id, e, p.Now())
	}
	return e, err
}

// wasCollected says whether the manifest of a job was here a moment ago.
func (p *Pipeline) wasCollected(ctx context.Context, f records.Owner) (bool, error) {
	id := records.JobID(f.Export, f.Job)
	p.mu.Lock()
	_, known := p.manifests[id]
	p.mu.Unlock()
	if known {
		return true, nil
	}
	now := p.Now()
	if collected, ok := p.collections.get(id, now, glanceFor); ok {
		return collected, nil
	}
	j, err := p.records.Job(ctx, f.Export, f.Job)
	if err == nil {
		p.collections.put(id, j.Collected(), now)
	}
	return j.Collected(), err
}
