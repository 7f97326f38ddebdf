package pipelinetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline"
)

// MemoryLake is a pipeline.Lake in memory.
type MemoryLake struct {
	now func() time.Time

	mu    sync.Mutex
	etag  int
	blobs map[pipeline.Area]map[string]blob
	paths map[pipeline.Area][]string // sorted
}

type blob struct {
	file pipeline.File
	data []byte
}

// NewMemoryLake makes an empty lake. now returns the time for new blobs.
func NewMemoryLake(now func() time.Time) *MemoryLake {
	return &MemoryLake{
		now: now, blobs: map[pipeline.Area]map[string]blob{}, paths: map[pipeline.Area][]string{},
	}
}

// List implements pipeline.Lake.
func (l *MemoryLake) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	return func(yield func(pipeline.File, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(pipeline.File{}, err)
			return
		}
		for _, f := range l.matching(area, prefix) {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (l *MemoryLake) matching(area pipeline.Area, prefix string) []pipeline.File {
	l.mu.Lock()
	defer l.mu.Unlock()
	var files []pipeline.File
	paths := l.paths[area]
	i, _ := slices.BinarySearch(paths, prefix)
	for ; i < len(paths) && strings.HasPrefix(paths[i], prefix); i++ {
		files = append(files, l.blobs[area][paths[i]].file)
	}
	return files
}

// Stat implements pipeline.Lake.
func (l *MemoryLake) Stat(
	ctx context.Context, area pipeline.Area, path string,
) (pipeline.File, error) {
	b, err := l.blob(ctx, area, path)
	return b.file, err
}

// Open implements pipeline.Lake.
func (l *MemoryLake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	b, err := l.blob(ctx, area, path)
	if err != nil {
		return nil, err
	}
	if etag != "" && etag != b.file.ETag {
		return nil, fmt.Errorf("open %s: %w", path, pipeline.ErrChanged)
	}
	return io.NopCloser(bytes.NewReader(b.data)), nil
}

func (l *MemoryLake) blob(ctx context.Context, area pipeline.Area, path string) (blob, error) {
	if err := ctx.Err(); err != nil {
		return blob{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.blobs[area][path]
	if !ok {
		return blob{}, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return b, nil
}

// Put implements pipeline.Lake.
func (l *MemoryLake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return l.write(ctx, area, path, r, true)
}

// Create implements pipeline.Landings.
func (l *MemoryLake) Create(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return l.write(ctx, area, path, r, false)
}

func (l *MemoryLake) write(
	ctx context.Context, area pipeline.Area, path string, r io.Reader, over bool,
) (pipeline.File, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return pipeline.File{}, err
	}
	if err := ctx.Err(); err != nil {
		return pipeline.File{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i, there := slices.BinarySearch(l.paths[area], path)
	if there && !over {
		return pipeline.File{}, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	if !there {
		l.paths[area] = slices.Insert(l.paths[area], i, path)
	}
	l.etag++
	f := pipeline.File{
		Path: path, ETag: fmt.Sprintf("0x%X", 0x8DC000+l.etag), Size: int64(len(data)),
		Modified: l.now(),
	}
	if l.blobs[area] == nil {
		l.blobs[area] = map[string]blob{}
	}
	l.blobs[area][path] = blob{file: f, data: data}
	return f, nil
}

// Remove implements pipeline.Remover.
func (l *MemoryLake) Remove(ctx context.Context, area pipeline.Area, path string) error {
	return l.RemoveAt(ctx, area, path, "")
}

// RemoveAt removes a blob at an ETag; an empty one means any. A missing blob is not an error.
func (l *MemoryLake) RemoveAt(
	ctx context.Context, area pipeline.Area, path, etag string,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, there := l.blobs[area][path]; there && etag != "" && etag != b.file.ETag {
		return fmt.Errorf("remove %s: %w", path, pipeline.ErrChanged)
	}
	delete(l.blobs[area], path)
	if i, there := slices.BinarySearch(l.paths[area], path); there {
		l.paths[area] = slices.Delete(l.paths[area], i, i+1)
	}
	return nil
}
