package batch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/workdir"
)

// outputs writes files in a hidden folder and renames them together at the end. Only their owner
// may read them, because they hold health data.
type outputs struct {
	dir   string
	work  *workdir.Dir
	made  bool // the folder was made for the files
	named bool // a file has its final name
	files []output
}

type output struct {
	*os.File
	name string
}

// Close syncs and closes a file, so that it survives a crash of the machine.
func (o output) Close() error { return errors.Join(o.Sync(), o.File.Close()) }

// WorkPrefix begins the names of folders for unfinished files.
const WorkPrefix = ".fhirsynapse-load-"

func newOutputs(dir string, now time.Time) (*outputs, error) {
	_, err := os.Stat(dir)
	o := &outputs{dir: dir, made: errors.Is(err, fs.ErrNotExist)}
	if o.work, err = workdir.Make(dir, WorkPrefix, now); err != nil {
		return nil, fmt.Errorf("make the folder of the tables: %w", err)
	}
	return o, nil
}

// create opens a new file.
func (o *outputs) create(name string) (io.WriteCloser, error) {
	f, err := os.OpenFile(filepath.Join(o.work.Path(), name), os.O_RDWR|os.O_CREATE|os.O_EXCL,
		0o600)
	if err != nil {
		return nil, fault.Permanentf("create file: %w", err)
	}
	out := output{f, filepath.Join(o.dir, name)}
	o.files = append(o.files, out)
	return out, nil
}

// finish renames the files, which are closed, to their final names.
func (o *outputs) finish() error {
	for _, f := range o.files {
		if err := os.Rename(f.Name(), f.name); err != nil {
			return fmt.Errorf("finish file: %w", err)
		}
		o.named = true
	}
	return o.work.Remove()
}

// abort removes the unfinished files, and the folder if it was made for them.
func (o *outputs) abort() error {
	var errs []error
	for _, f := range o.files {
		if err := f.File.Close(); !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, o.work.Remove())
	if o.made && !o.named {
		errs = append(errs, os.Remove(o.dir))
	}
	return errors.Join(errs...)
}
