// Package workdir makes folders for files that live no longer than a process. They may
// hold health data: only their owner may enter them, and what a killed process has left
// behind is removed by the next one that makes a folder of the same kind in the same place.
//
// A folder has an owner while a process holds the lock on a file in it. The operating
// system gives the lock up when the process ends, however it ends.
package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// lockFile is the file in each folder that its owner holds a lock on.
const lockFile = ".lock"

// tries bounds how often a folder is made again that another process took for abandoned
// before it was locked.
const tries = 10

// abandonedAfter is how long a folder without a lock file has to be untouched before it
// is removed: versions before the lock made such folders.
const abandonedAfter = 24 * time.Hour

// Dir is a work folder of this process.
type Dir struct {
	path string
	lock *os.File
}

// Make makes a folder in parent, whose name begins with prefix, and parent where it is
// missing. Folders of the same prefix whose process has ended are removed first; now says
// which folders without a lock are old.
func Make(parent, prefix string, now time.Time) (*Dir, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fault.Permanentf("make a work folder: %w", err)
	}
	Clean(parent, prefix, now)
	for range tries {
		path, err := os.MkdirTemp(parent, prefix) // with mode 0700
		if err != nil {
			return nil, fault.Permanentf("make a work folder: %w", err)
		}
		lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken for abandoned
		}
		if err != nil {
			return nil, errors.Join(fault.Permanentf("make a work folder: %w", err), os.RemoveAll(path))
		}
		held, err := tryLock(lock)
		if !held && err == nil || held && !same(lock) {
			_ = lock.Close()
			continue // likewise
		}
		// Where the file system has no locks, nobody takes the folder for abandoned.
		return &Dir{path, lock}, nil
	}
	return nil, fault.Transientf("make a work folder in %s: other processes removed it each time", parent)
}

// Path returns where the folder is.
func (d *Dir) Path() string { return d.path }

// Remove removes the folder with all that is in it.
func (d *Dir) Remove() error {
	// Without its files first, so that it stays locked until they are gone.
	entries, err := os.ReadDir(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the work folder: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != lockFile {
			errs = append(errs, os.RemoveAll(filepath.Join(d.path, e.Name())))
		}
	}
	errs = append(errs, d.lock.Close(), os.RemoveAll(d.path))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the work folder: %w", err)
	}
	return nil
}

// Clean removes the folders in parent whose names begin with prefix and whose process has
// ended. What cannot be removed is left for the next time.
func Clean(parent, prefix string, now time.Time) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			removeAbandoned(filepath.Join(parent, e.Name()), now)
		}
	}
}

func removeAbandoned(path string, now time.Time) {
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// Its owner is about to lock it, has died before that, or knew no locks.
		if os.Remove(path) != nil && untouched(path, now) {
			_ = os.RemoveAll(path)
		}
		return
	}
	if err != nil {
		return // of another user
	}
	defer func() { _ = lock.Close() }()
	if held, err := tryLock(lock); err == nil && held {
		_ = os.RemoveAll(path)
	}
}

// untouched reports whether nothing in a folder has changed for a long time.
func untouched(path string, now time.Time) bool {
	old := true
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && now.Sub(info.ModTime()) < abandonedAfter {
			old = false
		}
		return err
	})
	return err == nil && old
}

// same reports whether an open file is still the one at its path.
func same(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.Name())
	return err == nil && os.SameFile(open, there)
}
