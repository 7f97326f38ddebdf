package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// Memory implements Blobs for tests. The zero value is ready, and safe for concurrent use.
type Memory struct {
	mu         sync.Mutex
	containers map[string]bool
	blobs      map[string]*memoryBlob // container/path
	commits    int
}

type memoryBlob struct {
	in        *Memory
	key, etag string
	staged    []byte
	content   []byte
}

// Ensure makes a container.
func (m *Memory) Ensure(ctx context.Context, container string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.containers == nil {
		m.containers, m.blobs = map[string]bool{}, map[string]*memoryBlob{}
	}
	m.containers[container] = true
	return ctx.Err()
}

// Create starts a blob.
func (m *Memory) Create(ctx context.Context, container, path string) (Blob, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.containers[container] {
		return nil, &StorageError{Status: 404, Err: errors.New("the container does not exist")}
	}
	b := &memoryBlob{in: m, key: container + "/" + path, etag: m.nextETag()}
	m.blobs[b.key] = b
	return b, ctx.Err()
}

// URL returns memory://container/path.
func (m *Memory) URL(container, path string) string { return "memory://" + container + "/" + path }

// Content returns the visible content of the blob, and whether the blob exists.
func (m *Memory) Content(container, path string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.blobs[container+"/"+path]
	if b == nil {
		return nil, false
	}
	return bytes.Clone(b.content), true
}

// Open returns the visible content of the blob, and its ETag.
func (m *Memory) Open(container, path string) (io.ReadSeekCloser, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.blobs[container+"/"+path]
	if b == nil {
		return nil, "", fs.ErrNotExist
	}
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(b.content), io.NopCloser(nil)}, b.etag, nil
}

// List returns the blobs as container/path, sorted.
func (m *Memory) List() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.blobs))
}

func (m *Memory) nextETag() string {
	m.commits++
	return fmt.Sprintf("0x%06X", m.commits)
}

func (b *memoryBlob) ETag() string { return b.etag }

func (b *memoryBlob) Write(ctx context.Context, data []byte) error {
	b.staged = append(b.staged, data...)
	return ctx.Err()
}

func (b *memoryBlob) Commit(ctx context.Context) (int64, error) {
	b.in.mu.Lock()
	defer b.in.mu.Unlock()
	if b.in.blobs[b.key] != b {
		return 0, &StorageError{
			Status: 412, Err: errors.New("the blob is not the one that was created"),
		}
	}
	b.content = bytes.Clone(b.staged)
	b.etag = b.in.nextETag()
	return int64(len(b.content)), ctx.Err()
}
