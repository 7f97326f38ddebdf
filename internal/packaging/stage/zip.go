package stage

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// zipTime is the time of every entry, so that equal folders give equal bytes. 1980 is the first
// year of the format.
var zipTime = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// Zip writes the staged folder dir as a zip file for `az functionapp deployment source config-zip`.
// Only the handler is executable, and Azure uses the modes of the zip. The same folder always gives
// the same bytes. A local.settings.json stays out, because it can hold secrets.
func Zip(dir, out string) (err error) {
	executable, err := executableName(filepath.Join(dir, hostFile))
	if err != nil {
		return fmt.Errorf("zip %s: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, executable)); err != nil {
		return fmt.Errorf("zip %s: the handler is missing: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o750); err != nil {
		return fmt.Errorf("zip %s: %w", dir, err)
	}
	// The file is renamed at the end, so that a killed run leaves no half zip file under out.
	part := out + ".part"
	// #nosec G302 -- a file for everybody
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("zip %s: %w", dir, err)
	}
	if err := errors.Join(writeZip(file, dir, executable), file.Close()); err != nil {
		return fmt.Errorf("zip %s: %w", dir, errors.Join(err, os.Remove(part)))
	}
	if err := os.Rename(part, out); err != nil {
		return fmt.Errorf("zip %s: %w", dir, err)
	}
	return nil
}

// writeZip adds the files in the order of fs.WalkDir, which sorts by name.
func writeZip(w io.Writer, dir, executable string) error {
	z := zip.NewWriter(w)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() || name == settingsFile:
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", name)
		}
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: zipTime}
		header.SetMode(0o644)
		if name == executable {
			header.SetMode(0o755)
		}
		entry, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		return addFile(entry, filepath.Join(dir, filepath.FromSlash(name)))
	})
	return errors.Join(err, z.Close())
}

func addFile(w io.Writer, path string) (err error) {
	in, err := os.Open(path) // #nosec G304 -- a file of the staged folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	_, err = io.Copy(w, in)
	return err
}
