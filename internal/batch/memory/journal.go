// Package memory has the journal and the queue of a run without a host. Both are in memory and end
// with the process.
//
// Tests also use this journal. Their queue is in pipelinetest, because it must fail on purpose.
package memory

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

// Journal is a pipeline.Journal in memory.
type Journal struct {
	mu   sync.Mutex
	n    int
	docs map[string]pipeline.Entry
}

// NewJournal makes an empty journal.
func NewJournal() *Journal { return &Journal{docs: map[string]pipeline.Entry{}} }

// Read implements pipeline.Journal.
func (j *Journal) Read(ctx context.Context, key string) (pipeline.Entry, error) {
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
func (j *Journal) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
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
func (j *Journal) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
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
