package flatten

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Head is one resource of a prepared file.
type Head struct {
	ID, Version, LastUpdated string
	Deleted                  bool
	Line                     int64
}

// Row is one row of a table of a prepared file.
type Row struct {
	ID    string
	Line  int64
	Cells [][]byte // nil for NULL, else canonical text
}

// Heads reads the resources under dir. It holds the file in memory, so it is for tests and for
// engines without a Parquet reader.
func Heads(ctx context.Context, lake pipeline.Lake, dir string) iter.Seq2[Head, error] {
	return func(yield func(Head, error) bool) {
		f, err := open(ctx, lake, dir+"/"+HeadFile)
		if err != nil {
			yield(Head{}, err)
			return
		}
		for row, err := range values(f) {
			h := Head{}
			if err == nil {
				h = Head{
					ID: string(row[0].ByteArray()), Version: string(row[1].ByteArray()),
					LastUpdated: string(row[2].ByteArray()),
					Deleted:     row[3].Boolean(), Line: row[4].Int64(),
				}
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// Rows reads the rows of a table under dir with the columns of t. A column that the file lacks is
// NULL. It holds the file in memory.
func Rows(ctx context.Context, lake pipeline.Lake, dir string, t Table) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		f, err := open(ctx, lake, File(dir, t.Name))
		if err != nil {
			yield(Row{}, err)
			return
		}
		at := map[string]int{}
		for i, c := range f.Schema().Columns() {
			at[c[0]] = i
		}
		for row, err := range values(f) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			r := Row{
				ID: string(row[0].ByteArray()), Line: row[1].Int64(),
				Cells: make([][]byte, len(t.Columns)),
			}
			for i := range t.Columns {
				if p, ok := at[t.Columns[i].Name]; ok {
					r.Cells[i] = text(&t.Columns[i], row[p])
				}
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func open(ctx context.Context, lake pipeline.Lake, path string) (*parquet.File, error) {
	blob, err := lake.Open(ctx, pipeline.Staging, path, "")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	data, err := io.ReadAll(blob)
	if err = errors.Join(err, blob.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fault.Permanentf("read %s: %w: prepare the file again", path, err)
	}
	return f, nil
}

// rowsAtOnce is the number of rows decoded at a time.
const rowsAtOnce = 256

// values iterates over the rows of a file. A row is valid until the next one.
func values(f *parquet.File) iter.Seq2[parquet.Row, error] {
	return func(yield func(parquet.Row, error) bool) {
		r := parquet.NewReader(f)
		buf := make([]parquet.Row, rowsAtOnce)
		for {
			n, err := r.ReadRows(buf)
			for _, row := range buf[:n] {
				if !yield(row, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("read rows: %w", err))
				return
			}
		}
	}
}
