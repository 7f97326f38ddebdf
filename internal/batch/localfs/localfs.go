// Package localfs is a lake in a folder, with one subfolder for each area and one file for each
// blob. The commands that load files of this machine use it, and so do tests.
package localfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Lake implements pipeline.Lake on folders. A blob's ETag is its size and the time of its last
// change, so that files of other programs have an ETag too. Every Put advances that time.
//
// A lake may hold the blobs a and a/b, but a file system cannot. So the names of folders end with a
// tilde, and a file with a name that ends with a tilde gets an underscore at the end. In the
// folders of WithLanding and WithQuarantine, which people read, names stay unchanged.
type Lake struct {
	folders map[pipeline.Area]string
	temp    string
	plain   map[pipeline.Area]bool // names are unchanged

	mu sync.Mutex // makes one operation of a rename and the check of the file it replaces
}

// New makes a lake below root. The folder root need not exist yet.
func New(root string) *Lake {
	l := &Lake{
		folders: map[pipeline.Area]string{}, plain: map[pipeline.Area]bool{},
		temp: filepath.Join(root, ".tmp"),
	}
	for _, a := range []pipeline.Area{pipeline.Landing, pipeline.Staging, pipeline.Quarantine} {
		l.folders[a] = filepath.Join(root, string(a))
	}
	return l
}

// WithLanding returns the lake with another folder as its landing area, for files that are already
// there. The folder must exist when it is listed.
func (l *Lake) WithLanding(dir string) *Lake { return l.with(pipeline.Landing, dir) }

// WithQuarantine returns the lake with another folder for the bad lines. The first bad line creates
// the folder, which must be on the same disk as the lake.
func (l *Lake) WithQuarantine(dir string) *Lake { return l.with(pipeline.Quarantine, dir) }

func (l *Lake) with(area pipeline.Area, dir string) *Lake {
	other := &Lake{folders: maps.Clone(l.folders), plain: maps.Clone(l.plain), temp: l.temp}
	other.folders[area], other.plain[area] = dir, true
	return other
}

// Remove deletes all blobs in a folder of an area. A missing folder is not an error.
func (l *Lake) Remove(area pipeline.Area, folder string) error {
	// The folder on the disk is the parent of any file in it.
	name, err := l.file(area, folder+"/x")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Dir(name)); err != nil {
		return fmt.Errorf("remove %s/%s: %w", area, folder, err)
	}
	return nil
}

// file returns the path of a blob's file on the disk.
func (l *Lake) file(area pipeline.Area, path string) (string, error) {
	folder, ok := l.folders[area]
	if !ok || !fs.ValidPath(path) || path == "." || strings.ContainsRune(path, '\x00') {
		return "", fault.Permanentf("no blob can be at %s/%s", area, path)
	}
	name := filepath.FromSlash(l.encode(area, path))
	if !filepath.IsLocal(name) {
		return "", fault.Permanentf("no blob can be at %s/%s", area, path)
	}
	return filepath.Join(folder, name), nil
}

const folderMark, fileMark = "~", "_"

// encode returns the name of a blob's file below the area's folder, with slashes.
func (l *Lake) encode(area pipeline.Area, path string) string {
	if l.plain[area] {
		return path
	}
	parts := strings.Split(path, "/")
	last := len(parts) - 1
	for i := range parts[:last] {
		parts[i] += folderMark
	}
	if strings.HasSuffix(strings.TrimRight(parts[last], fileMark), folderMark) {
		parts[last] += fileMark
	}
	return strings.Join(parts, "/")
}

// decode returns the path of the blob in a file.
func (l *Lake) decode(area pipeline.Area, name string) string {
	if l.plain[area] {
		return name
	}
	parts := strings.Split(name, "/")
	last := len(parts) - 1
	for i := range parts[:last] {
		parts[i] = strings.TrimSuffix(parts[i], folderMark)
	}
	if strings.HasSuffix(strings.TrimRight(parts[last], fileMark), folderMark) {
		parts[last] = strings.TrimSuffix(parts[last], fileMark)
	}
	return strings.Join(parts, "/")
}

func describe(path string, info fs.FileInfo) pipeline.File {
	return pipeline.File{
		Path: path, ETag: etag(info), Size: info.Size(), Modified: info.ModTime().UTC(),
	}
}

func etag(info fs.FileInfo) string {
	return fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
}

// List implements pipeline.Lake.
func (l *Lake) List(
	ctx context.Context, area pipeline.Area, prefix string,
) iter.Seq2[pipeline.File, error] {
	return func(yield func(pipeline.File, error) bool) {
		files, err := l.list(ctx, area, prefix)
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				yield(pipeline.File{}, err)
				return
			}
			if !yield(f, nil) {
				return
			}
		}
		if err != nil {
			yield(pipeline.File{}, err)
		}
	}
}

func (l *Lake) list(
	ctx context.Context, area pipeline.Area, prefix string,
) ([]pipeline.File, error) {
	folder, ok := l.folders[area]
	if !ok {
		return nil, fault.Permanentf("no area %s", area)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Only files below the last whole folder of the prefix can match the prefix.
	below := folder
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		if !fs.ValidPath(prefix[:i]) {
			return nil, nil
		}
		below = filepath.Join(folder,
			filepath.Dir(filepath.FromSlash(l.encode(area, prefix[:i]+"/x"))))
	}
	var files []pipeline.File
	err := filepath.WalkDir(below, func(name string, d fs.DirEntry, err error) error {
		switch missing := errors.Is(err, fs.ErrNotExist); {
		case missing && name == folder && area == pipeline.Landing && l.plain[area]:
			return err // someone named the folder
		case missing:
			return nil // it was removed meanwhile, or never existed
		case err != nil:
			return err
		}
		rel, err := filepath.Rel(folder, name)
		path := l.decode(area, filepath.ToSlash(rel))
		if err != nil || d.IsDir() || !strings.HasPrefix(path, prefix) {
			return errors.Join(err, ctx.Err())
		}
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && info.Mode().IsRegular() {
			files = append(files, describe(path, info))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s/%s: %w", area, prefix, err)
	}
	slices.SortFunc(files, func(a, b pipeline.File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// Stat implements pipeline.Lake.
func (l *Lake) Stat(ctx context.Context, area pipeline.Area, path string) (pipeline.File, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.File{}, err
	}
	name, err := l.file(area, path)
	if err != nil {
		return pipeline.File{}, err
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return pipeline.File{}, err
	}
	return describe(path, info), nil
}

// Open implements pipeline.Lake.
func (l *Lake) Open(
	ctx context.Context, area pipeline.Area, path, etag string,
) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := l.file(area, path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err == nil && !info.Mode().IsRegular():
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case err == nil && etag != "" && etag != describe(path, info).ETag:
		err = fmt.Errorf("open %s: %w", path, pipeline.ErrChanged)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &reader{File: f, ctx: ctx, opened: info}, nil
}

// reader is an open blob. A Put leaves the old file to the reader; a file that another program
// overwrites in place makes the read fail at the end.
type reader struct {
	*os.File
	ctx    context.Context // the context of Open
	opened fs.FileInfo
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.File.Read(p)
	if errors.Is(err, io.EOF) {
		now, statErr := r.Stat()
		if statErr != nil {
			return n, statErr
		}
		if etag(now) != etag(r.opened) {
			return n, fmt.Errorf("read %s: %w", r.Name(), pipeline.ErrChanged)
		}
	}
	return n, err
}

// Put implements pipeline.Lake.
func (l *Lake) Put(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return l.write(ctx, area, path, r, os.Rename)
}

// Create implements pipeline.Landings. If several processes create a blob, only one succeeds,
// because a link is made only where no file exists.
func (l *Lake) Create(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
) (pipeline.File, error) {
	return l.write(ctx, area, path, r, func(temp, name string) error {
		if err := os.Link(temp, name); err != nil {
			return err
		}
		return os.Remove(temp)
	})
}

// write fills a temporary file and then renames it to the blob.
func (l *Lake) write(
	ctx context.Context, area pipeline.Area, path string, r io.Reader,
	into func(temp, name string) error,
) (pipeline.File, error) {
	name, err := l.file(area, path)
	if err != nil {
		return pipeline.File{}, err
	}
	if err := errors.Join(os.MkdirAll(l.temp, 0o700),
		os.MkdirAll(filepath.Dir(name), 0o700)); err != nil {
		return pipeline.File{}, fmt.Errorf("put %s: %w", path, err)
	}
	f, err := os.CreateTemp(l.temp, "put-*")
	if err != nil {
		return pipeline.File{}, fmt.Errorf("put %s: %w", path, err)
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return pipeline.File{}, errors.Join(err, os.Remove(f.Name()))
	}
	file, err := l.place(f.Name(), name, path, into)
	if err != nil {
		return pipeline.File{},
			errors.Join(fmt.Errorf("put %s: %w", path, err), os.Remove(f.Name()))
	}
	return file, nil
}

// place moves a finished file into its place. It sets the file's time past the time of the file it
// replaces, because the clocks of file systems are coarse.
func (l *Lake) place(
	temp, name, path string, into func(temp, name string) error,
) (pipeline.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := os.Stat(temp)
	if err != nil {
		return pipeline.File{}, err
	}
	if old, err := os.Stat(name); err == nil && !info.ModTime().After(old.ModTime()) {
		next := old.ModTime().Add(time.Microsecond)
		if err := os.Chtimes(temp, next, next); err != nil {
			return pipeline.File{}, err
		}
	}
	if err := into(temp, name); err != nil {
		return pipeline.File{}, err
	}
	if info, err = os.Stat(name); err != nil {
		return pipeline.File{}, err
	}
	return describe(path, info), nil
}
