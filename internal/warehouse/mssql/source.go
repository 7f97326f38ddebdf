package mssql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
)

// source is an open prepared Parquet file: in memory if it is small, otherwise an unlinked
// temporary file.
type source struct {
	*parquet.File
	path  string
	close func() error
}

// inMemory is the size up to which a file is held in memory.
const inMemory = 4 << 20

// openSource fetches a prepared file, which must have this number of rows.
func (w *stager) openSource(ctx context.Context, path string, rows int64) (_ *source, err error) {
	r, err := w.o.Lake.Open(ctx, pipeline.Staging, path, "")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var head bytes.Buffer
	n, err := io.CopyN(&head, r, inMemory+1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	s := &source{path: path, close: func() error { return nil }}
	var at io.ReaderAt = bytes.NewReader(head.Bytes())
	if n > inMemory {
		f, err := unnamedFile(w.o.TempDir)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		s.close, at = f.Close, f
		if n, err = io.Copy(f, io.MultiReader(&head, r)); err != nil {
			return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
		}
	}
	s.File, err = parquet.OpenFile(at, n, parquet.SkipPageIndex(true),
		parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, errors.Join(fault.Permanentf("read %s: %w: prepare the file again", path, err),
			s.close())
	}
	if s.NumRows() != rows {
		return nil, errors.Join(
			fault.Permanentf("%s has %d rows, %d were counted: prepare the file again", path,
				s.NumRows(), rows), s.close())
	}
	return s, nil
}

// unnamedFile creates a temporary file that disappears when it is closed or the process ends.
func unnamedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "fhirsynapse-stage-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// positions returns the positions of the named columns. Missing or other columns are Transient,
// because another process may have other views.
func (s *source) positions(names []string) (map[string]int, error) {
	at := map[string]int{}
	var got []string
	for i, c := range s.Schema().Columns() {
		at[c[0]] = i
		got = append(got, c[0])
	}
	want := slices.Sorted(slices.Values(names))
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return nil, fault.Transientf("%s has other columns than the view in this program", s.path)
	}
	return at, nil
}

// rowsAtOnce is the number of rows decoded at a time.
const rowsAtOnce = 128

// rows iterates over the rows of a file. A row is valid until the next one.
func (s *source) rows() iter.Seq2[parquet.Row, error] {
	return func(yield func(parquet.Row, error) bool) {
		buf := make([]parquet.Row, rowsAtOnce)
		for _, group := range s.RowGroups() {
			if !walk(group, s.path, buf, yield) {
				return
			}
		}
	}
}

func walk(
	group parquet.RowGroup, path string, buf []parquet.Row, yield func(parquet.Row, error) bool,
) (goOn bool) {
	r := group.Rows()
	defer r.Close() //nolint:errcheck // reading is over
	for {
		n, err := r.ReadRows(buf)
		for _, row := range buf[:n] {
			if !yield(row, nil) {
				return false
			}
		}
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", path, err))
			return false
		}
	}
}

// part is the rows of one file of the batch for one table of the stage.
type part struct {
	file int
	path string
	rows int64
	// columns maps the stage's column names to the Parquet file's.
	columns map[string]string
	// unused is a column that the stage does not have: winners carry the version, which begins with
	// the instant.
	unused string
}

// headNames maps the columns of head.parquet to the names in the stage.
var headNames = map[string]string{
	flatten.IDColumn: "id", flatten.VersionColumn: "version", "_deleted": "deleted",
	flatten.LineColumn: "line",
}

// headParts and rowParts return the files that fill a stage, in order.
func headParts(files []pipeline.PreparedFile) []part {
	var out []part
	for i, f := range files {
		if f.Done.Heads > 0 {
			out = append(out,
				part{i, f.Dir + "/" + flatten.HeadFile, f.Done.Heads, headNames, "last_updated"})
		}
	}
	return out
}

func rowParts(files []pipeline.PreparedFile, v flatten.Table) []part {
	columns := map[string]string{
		flatten.IDColumn: flatten.IDColumn, flatten.LineColumn: flatten.LineColumn,
	}
	for _, c := range v.Columns {
		columns[c.Name] = c.Name
	}
	var out []part
	for i, f := range files {
		if n := f.Done.Rows[v.Name]; n > 0 {
			out = append(out,
				part{i, flatten.File(f.Dir, v.Name), n, columns, flatten.VersionColumn})
		}
	}
	return out
}

// names returns the columns that the Parquet file must have.
func (p part) names() []string {
	var out []string
	for _, n := range p.columns {
		out = append(out, n)
	}
	return append(out, p.unused)
}
