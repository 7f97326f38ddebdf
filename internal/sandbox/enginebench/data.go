package enginebench

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fhirsynapse/internal/emulator/fhirserver/synthetic"
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
		if err := b.makeUp(from); err != nil {
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
		want := b.share(p.fifths)
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

// share is the bytes that a resource type has in the run.
func (b *Bench) share(fifths int64) int64 { return b.Megabytes * 1_000_000 * fifths / 5 }

// madeUpCopies is how often, at least, made-up lines are in the run, with other
// ids.
const madeUpCopies = 10

// madeUpPatients bound what is made up.
const madeUpPatients = 100

// makeUp writes lines for a tenth of the run, or fewer.
func (b *Bench) makeUp(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	files := map[string]*bufio.Writer{}
	left := map[string]int64{}
	for _, p := range parts {
		f, err := os.Create(filepath.Join(dir, p.resource+".ndjson"))
		if err != nil {
			return err
		}
		w := bufio.NewWriter(f)
		files[p.resource], left[p.resource] = w, b.share(p.fifths)/madeUpCopies
		defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
	}
	return synthetic.Generate(synthetic.Options{Seed: b.Seed, Patients: madeUpPatients}, func(typ string, line []byte) error {
		if w := files[typ]; w != nil && left[typ] > 0 && len(line) <= maxMadeUp {
			left[typ] -= int64(len(line)) + 1
			w.Write(line)
			w.WriteByte('\n')
		}
		return nil
	})
}
