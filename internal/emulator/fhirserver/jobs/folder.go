package jobs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Folder implements Blobs in a local folder, for a server that serves its files itself. It is safe
// for concurrent use.
type Folder struct {
	dir string

	mu    sync.Mutex
	etags map[string]string // of committed blobs, by container/path
	n     int
}

// NewFolder returns a Folder with its blobs below dir.
func NewFolder(dir string) *Folder { return &Folder{dir: dir, etags: map[string]string{}} }

// Ensure makes a container.
func (f *Folder) Ensure(ctx context.Context, container string) error {
	if err := os.MkdirAll(filepath.Join(f.dir, filepath.FromSlash(container)), 0o750); err != nil {
		return fmt.Errorf("make container %s: %w", container, err)
	}
	return ctx.Err()
}

// Create starts a blob. It exists from its first commit.
func (f *Folder) Create(ctx context.Context, container, path string) (Blob, error) {
	name, err := f.name(container, path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("create blob %s: %w", path, err)
	}
	file, err := os.Create(name + ".part")
	if err != nil {
		return nil, fmt.Errorf("create blob %s: %w", path, err)
	}
	return &folderBlob{
		in: f, key: container + "/" + path, name: name, file: file,
		w: bufio.NewWriterSize(file, 64<<10), etag: f.nextETag(),
	}, ctx.Err()
}

// URL returns folder:container/path, which no client can follow.
func (f *Folder) URL(container, path string) string { return "folder:" + container + "/" + path }

// Open returns the committed content and its ETag.
func (f *Folder) Open(container, path string) (io.ReadSeekCloser, string, error) {
	name, err := f.name(container, path)
	if err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	etag := f.etags[container+"/"+path]
	f.mu.Unlock()
	file, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	return file, etag, nil
}

func (f *Folder) name(container, path string) (string, error) {
	rel := filepath.FromSlash(container + "/" + path)
	if !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s/%s is no path inside the folder", container, path)
	}
	return filepath.Join(f.dir, rel), nil
}

func (f *Folder) nextETag() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return fmt.Sprintf("f%06x", f.n)
}

type folderBlob struct {
	in        *Folder
	key, name string
	file      *os.File // nil after the commit
	w         *bufio.Writer
	size      int64
	etag      string
}

func (b *folderBlob) ETag() string { return b.etag }

func (b *folderBlob) Write(ctx context.Context, data []byte) error {
	if b.file == nil {
		return errors.New("the blob is committed")
	}
	n, err := b.w.Write(data)
	b.size += int64(n)
	return errors.Join(err, ctx.Err())
}

// Commit moves the file to its place. Further commits change only the ETag.
func (b *folderBlob) Commit(ctx context.Context) (int64, error) {
	if b.file != nil {
		err := errors.Join(b.w.Flush(), b.file.Close())
		b.file = nil
		if err == nil {
			err = os.Rename(b.name+".part", b.name)
		}
		if err != nil {
			return 0, err
		}
	}
	b.etag = b.in.nextETag()
	b.in.mu.Lock()
	b.in.etags[b.key] = b.etag
	b.in.mu.Unlock()
	return b.size, ctx.Err()
}
