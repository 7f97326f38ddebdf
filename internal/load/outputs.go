package load

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"fhirsynapse/internal/fault"
)

// outputs are files that appear together: each is written under a hidden name
// first. Only their owner may read them, since they hold health data.
type outputs struct {
	dir   string
	made  bool // the folder is ours
	named bool // a file has its name
	files []output
}

type output struct {
	*os.File
	name string
}

// Close ends a file, so that it outlives the machine's next crash.
func (o output) Close() error { return errors.Join(o.Sync(), o.File.Close()) }

func newOutputs(dir string) (*outputs, error) {
	_, err := os.Stat(dir)
	o := &outputs{dir: dir, made: errors.Is(err, fs.ErrNotExist)}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fault.Permanentf("make the folder of the tables: %w", err)
	}
	return o, nil
}

// create begins a file.
func (o *outputs) create(name string) (io.WriteCloser, error) {
	f, err := os.CreateTemp(o.dir, "."+name+"-*")
	if err != nil {
		return nil, fault.Permanentf("create file: %w", err)
	}
	out := output{f, filepath.Join(o.dir, name)}
	o.files = append(o.files, out)
	return out, nil
}

// finish gives the files, which are closed, their names.
func (o *outputs) finish() error {
	for _, f := range o.files {
		if err := os.Rename(f.Name(), f.name); err != nil {
			return fmt.Errorf("finish file: %w", err)
		}
		o.named = true
	}
	return nil
}

// abort removes what is unfinished, and the folder if it was made for it.
func (o *outputs) abort() error {
	var errs []error
	for _, f := range o.files {
		if err := f.File.Close(); !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
		if err := os.Remove(f.Name()); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if o.made && !o.named {
		errs = append(errs, os.Remove(o.dir))
	}
	return errors.Join(errs...)
}
