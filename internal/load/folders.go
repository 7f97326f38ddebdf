package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Folders is a pipeline.Lake over folders of this machine, for one process: the
// landing area is read only, the etag of a file is its size and time. Unlike in a
// blob store, a path cannot be a file and a folder at once.
type Folders struct {
	roots map[pipeline.Area]string
}

// NewFolders makes a lake of three folders. Those of staging and quarantine are
// made when the first file comes.
func NewFolders(landing, staging, quarantine string) *Folders {
	return &Folders{roots: map[pipeline.Area]string{
		pipeline.Landing: landing, pipeline.Staging: staging, pipeline.Quarantine: quarantine,
	}}
}

// at gives the file of a path, which cannot lead out of its area.
func (l *Folders) at(area pipeline.Area, path string) (string, error) {
	local, err := filepath.Localize(path)
	if err != nil {
		return "", fault.Permanentf("%q is no path of a file here: %w", path, err)
	}
	return filepath.Join(l.roots[area], local), nil
}

func describe(path string, info fs.FileInfo) pipeline.File {
	stamp := info.ModTime()
	return pipeline.File{
		Path: path, Size: info.Size(), Modified: stamp,
		ETag: strconv.FormatInt(stamp.UnixNano(), 16) + "-" + strconv.FormatInt(info.Size(), 16),
	}
}

// List implements pipeline.Lake.
func (l *Folders) List(ctx context.Context, area pipeline.Area, prefix string) iter.Seq2[pipeline.File, error] {
	return func(yield func(pipeline.File, error) bool) {
		var files []pipeline.File
		root := l.roots[area]
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				if name == root && area != pipeline.Landing && errors.Is(err, fs.ErrNotExist) {
					return fs.SkipAll
				}
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case entry.IsDir() && name != root && strings.HasPrefix(entry.Name(), "."):
				return fs.SkipDir
			case entry.IsDir() || strings.HasPrefix(entry.Name(), "."):
				return nil
			}
			relative, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			path := filepath.ToSlash(relative)
			if !strings.HasPrefix(path, prefix) {
				return nil
			}
			// A link counts as what it leads to.
			info, err := os.Stat(name)
			if err != nil || info.IsDir() {
				return err
			}
			files = append(files, describe(path, info))
			return nil
		})
		if err != nil {
			yield(pipeline.File{}, fmt.Errorf("list folder: %w", err))
			return
		}
		slices.SortFunc(files, func(a, b pipeline.File) int { return strings.Compare(a.Path, b.Path) })
		for _, f := range files {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Stat implements pipeline.Lake.
func (l *Folders) Stat(ctx context.Context, area pipeline.Area, path string) (pipeline.File, error) {
	name, err := l.at(area, path)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return pipeline.File{}, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return pipeline.File{}, fmt.Errorf("describe file: %w", err)
	}
	return describe(path, info), nil
}

// Open implements pipeline.Lake.
func (l *Folders) Open(ctx context.Context, area pipeline.Area, path, etag string) (io.ReadCloser, error) {
	name, err := l.at(area, path)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && etag != "" && describe(path, info).ETag != etag {
		err = fmt.Errorf("open %s: %w", path, pipeline.ErrChanged)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Put implements pipeline.Lake, except that nothing is put into the landing area.
func (l *Folders) Put(ctx context.Context, area pipeline.Area, path string, r io.Reader) (pipeline.File, error) {
	if area == pipeline.Landing {
		return pipeline.File{}, fault.Permanentf("put %s: the folder to load is only read", path)
	}
	name, err := l.at(area, path)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return pipeline.File{}, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return pipeline.File{}, fmt.Errorf("make folder: %w", err)
	}
	// A hidden name beside the file, so that half a file is never listed and the
	// rename stays on one disk.
	f, err := os.CreateTemp(filepath.Dir(name), ".put-*")
	if err != nil {
		return pipeline.File{}, fmt.Errorf("put file: %w", err)
	}
	_, err = io.Copy(f, r)
	err = errors.Join(err, f.Close(), ctx.Err())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return pipeline.File{}, fmt.Errorf("put %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return l.Stat(ctx, area, path)
}

// remove deletes a folder of an area with all it holds.
func (l *Folders) remove(area pipeline.Area, path string) error {
	name, err := l.at(area, path)
	if err != nil {
		return err
	}
	return os.RemoveAll(name)
}
