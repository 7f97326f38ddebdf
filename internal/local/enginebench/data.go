package enginebench

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fhirsynapse/internal/local/fhirserver/synthetic"
)

// parts are the files of a run, with their share of it in fifths.
var parts = []struct {
	resource string
	fifths   int64
}{{"Patient", 1}, {"Observation", 4}}

// maxMadeUp is the longest made-up line that is taken: one note of a megabyte
// would else be a third of all.
const maxMadeUp = 16 << 10

// makeData writes the files of a run into dir, and gives their size. The same
// source and the same size give the same bytes.
func (b *Bench) makeData(dir string) (size int64, err error) {
	from := b.Data
	if from == "" {
		from = filepath.Join(b.Dir, "made-up")
		if err := makeUp(from, b.Seed); err != nil {
			return 0, fmt.Errorf("make up data: %w", err)
		}
	}
	for _, p := range parts {
		one := filepath.Join(b.Dir, "one", p.resource)
		if err := only(p.resource, from, one); err != nil {
			return 0, fmt.Errorf("find %s files: %w", p.resource, err)
		}
		length, err := synthetic.Size(one)
		if err != nil {
			return 0, err
		}
		want := b.Megabytes * 1_000_000 * p.fifths / 5
		written, err := synthetic.MultiplyFolder(one, dir, int(max(1, (want+length/2)/length)))
		if err != nil {
			return 0, fmt.Errorf("multiply %s: %w", p.resource, err)
		}
		size += written
	}
	return size, nil
}

// only makes a folder of links to the files of one resource type.
func only(resource, from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, resource+".*"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no %s.*", from, resource)
	}
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	for _, f := range files {
		target, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, filepath.Join(to, filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}

func makeUp(dir string, seed uint64) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	files := map[string]*bufio.Writer{}
	for _, p := range parts {
		f, err := os.Create(filepath.Join(dir, p.resource+".ndjson"))
		if err != nil {
			return err
		}
		w := bufio.NewWriter(f)
		files[p.resource] = w
		defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
	}
	return synthetic.Generate(synthetic.Options{Seed: seed, Patients: 500}, func(typ string, line []byte) error {
		if w := files[typ]; w != nil && len(line) <= maxMadeUp {
			w.Write(line)
			w.WriteByte('\n')
		}
		return nil
	})
}
