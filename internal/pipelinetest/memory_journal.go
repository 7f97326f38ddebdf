package pipelinetest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"

	"fhirsynapse/internal/pipeline"
)

// MemoryJournal is a pipeline.Journal in memory.
type MemoryJournal struct {
	mu   sync.Mutex
	n    int
	docs map[string]pipeline.Entry
}

// NewMemoryJournal makes an empty journal.
func NewMemoryJournal() *MemoryJournal { return &MemoryJournal{docs: map[string]pipeline.Entry{}} }

// Read implements pipeline.Journal.
func (j *MemoryJournal) Read(ctx context.Context, key string) (pipeline.Entry, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Entry{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e, ok := j.docs[key]
	if !ok {
		return pipeline.Entry{}, &fs.PathError{Op: "read", Path: key, Err: fs.ErrNotExist}
	}
	return pipeline.Entry{Data: bytes.Clone(e.Data), ETag: e.ETag}, nil
}

// Write implements pipeline.Journal.
func (j *MemoryJournal) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.docs[key].ETag != etag {
		return "", fmt.Errorf("write %s: %w", key, pipeline.ErrConflict)
	}
	j.n++
	e := pipeline.Entry{Data: bytes.Clone(data), ETag: fmt.Sprintf("e%d", j.n)}
	j.docs[key] = e
	return e.ETag, nil
}

// List implements pipeline.Journal.
func (j *MemoryJournal) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		j.mu.Lock()
		var keys []string
		for k := range j.docs {
			if strings.HasPrefix(k, prefix) {
				keys = append(keys, k)
			}
		}
		j.mu.Unlock()
		slices.Sort(keys)
		for _, k := range keys {
			if !yield(k, nil) {
				return
			}
		}
	}
}
