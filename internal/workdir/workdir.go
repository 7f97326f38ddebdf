// Package workdir creates folders for files that live no longer than a process. The files may hold
// health data: only their owner may enter the folders, and the next process that makes a folder
// with the same prefix and parent removes the folders of killed processes.
//
// A folder has an owner while a process holds the lock on a file in it. The operating system
// releases the lock whenever the process ends.
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

// lockFile is the file in each folder that its owner locks.
const lockFile = ".lock"

// tries bounds how often a folder is made again after another process removed it before it was
// locked.
const tries = 10

// abandonedAfter is the age at which an unchanged folder without a lock file is removed. Versions
// before the lock made such folders.
const abandonedAfter = 24 * time.Hour

// Dir is a work folder of this process.
type Dir struct {
	path string
	lock *os.File
}

// Make creates a folder in parent whose name begins with prefix, and parent if it is missing. It
// first removes folders of the same prefix whose process has ended; now decides which folders
// without a lock are old.
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
			continue // another process removed it as abandoned
		}
		if err != nil {
			return nil, errors.Join(fault.Permanentf("make a work folder: %w", err),
				os.RemoveAll(path))
		}
		held, err := tryLock(lock)
		if !held && err == nil || held && !same(lock) {
			_ = lock.Close()
			continue // see above
		}
		// Without locks in the file system nobody removes the folder.
		return &Dir{path, lock}, nil
	}
	return nil, fault.Transientf("make a work folder in %s: other processes removed it each time",
		parent)
}

// Path returns the folder's path.
func (d *Dir) Path() string { return d.path }

// Remove removes the folder and its content.
func (d *Dir) Remove() error {
	// The other files go first, so that the folder stays locked until they are gone.
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

// Clean removes the folders in parent whose names begin with prefix and whose process has ended. A
// folder that cannot be removed stays until the next call.
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
		// The owner is about to lock it, died before, or ran without locks.
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

// untouched reports whether a folder has not changed for abandonedAfter.
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

// same reports whether an open file is still the file at its path.
func same(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.Name())
	return err == nil && os.SameFile(open, there)
}
