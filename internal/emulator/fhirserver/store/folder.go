package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LoadFolder adds the lines of a folder's data files, and returns their number. Errors name the
// file and line, never the content.
func (s *Store) LoadFolder(dir string) (int, error) {
	folder := os.DirFS(dir)
	files, err := DataFiles(folder)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	total := 0
	for _, name := range files {
		err := Lines(folder, name, func(_ int, line []byte) error {
			total++
			return s.Add(line)
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// DataFiles returns the *.ndjson and *.ndjson.gz files of a folder, sorted by name. A folder
// without such files is an error.
func DataFiles(dir fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("list the data folder: %w", err)
	}
	var files []string
	for _, e := range entries { // sorted by name
		if name := strings.TrimSuffix(e.Name(), ".gz"); !e.IsDir() &&
			strings.HasSuffix(name, ".ndjson") {
			files = append(files, e.Name())
		}
	}
	if len(files) == 0 {
		return nil, errors.New("no *.ndjson or *.ndjson.gz file in the folder")
	}
	return files, nil
}

// Lines reads the non-blank lines of an NDJSON file, plain or .gz, with their numbers; the slice is
// valid until the next call. It stops at the first error and adds its position.
func Lines(dir fs.FS, name string, each func(number int, line []byte) error) (err error) {
	f, err := dir.Open(name)
	if err != nil {
		return fmt.Errorf("open data: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		r = z
	}
	in := bufio.NewReaderSize(r, 1<<16)
	var long []byte
	for number := 1; ; number++ {
		line, err := readLine(in, &long)
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := each(number, line); err != nil {
				return fmt.Errorf("%s line %d: %w", name, number, err)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
}

func readLine(in *bufio.Reader, long *[]byte) ([]byte, error) {
	part, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, err
	}
	*long = (*long)[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		*long = append(*long, part...)
		part, err = in.ReadSlice('\n')
	}
	*long = append(*long, part...)
	return *long, err
}

// Dump writes the present state into <dir>/<Type>.ndjson, creates the folder if needed, and returns
// the counts. It keeps other files of the folder.
func (s *Store) Dump(dir string) (map[string]int, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the dump folder: %w", err)
	}
	var open []*dumpFile
	err := s.Present(func(typ string) (io.Writer, error) {
		f, err := os.Create(filepath.Clean(filepath.Join(dir, typ+".ndjson")))
		if err != nil {
			return nil, err
		}
		d := &dumpFile{Writer: bufio.NewWriterSize(f, 1<<20), f: f}
		open = append(open, d)
		return d, nil
	})
	for _, d := range slices.Backward(open) {
		err = errors.Join(err, d.Flush(), d.f.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("dump the present state: %w", err)
	}
	return s.Counts(), nil
}

type dumpFile struct {
	*bufio.Writer
	f *os.File
}
