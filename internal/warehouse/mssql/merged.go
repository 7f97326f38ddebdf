package mssql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/warehouse/mssql/statements"
)

// Sizes of the files for the engine before compression. A row group is held in memory; the engine's
// readers work on one file each.
const (
	groupBytes = 8 << 20
	mergeBytes = 512 << 20
)

// merged writes rows into files of the staging area, one file after the other.
type merged struct {
	w      *stager
	ctx    context.Context // of the single call that fills it
	table  statements.Table
	prefix string
	ending string
	schema *parquet.Schema // nil until the first row is known, and for lines

	made []pipeline.File // finished files

	rows        *parquet.GenericWriter[any]
	pipe        *io.PipeWriter
	put         chan error
	file        pipeline.File
	group, size int
}

// merge starts the files of a table of an attempt's stage. The area's rule for old files removes
// them later, like prepared ones.
func (w *stager) merge(ctx context.Context, a statements.Attempt, t statements.Table) *merged {
	stage := strings.TrimPrefix(a.Stage, "_")
	return &merged{
		w: w, ctx: ctx, table: t, ending: ".parquet",
		prefix: "commit/" + stage + "/" + strings.TrimPrefix(t.Name, a.Stage+"_"),
	}
}

// lines returns the writer of the rows as JSON.
func (m *merged) lines() *merged {
	return &merged{w: m.w, ctx: m.ctx, table: m.table, prefix: m.prefix + "-large", ending: ".ndjson"}
}

func (m *merged) open() {
	path := fmt.Sprintf("%s-%04d%s", m.prefix, len(m.made), m.ending)
	r, w := io.Pipe()
	m.pipe, m.put, m.group, m.size = w, make(chan error, 1), 0, 0
	go func() {
		f, err := m.w.o.Lake.Put(m.ctx, pipeline.Staging, path, r)
		m.file = f
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // stops a writer that continues
		m.put <- err
	}()
	if m.schema != nil {
		// Some readers do not support pages of version 2 or the newer encodings.
		m.rows = parquet.NewGenericWriter[any](w, m.schema, parquet.Compression(&snappy.Codec{}),
			parquet.DataPageVersion(1), parquet.DefaultEncoding(&parquet.Plain))
	}
}

// add writes one row.
func (m *merged) add(row parquet.Row, size int) error {
	if m.pipe == nil {
		m.open()
	}
	if _, err := m.rows.WriteRows([]parquet.Row{row}); err != nil {
		return fmt.Errorf("write %s: %w", m.prefix, err)
	}
	m.group, m.size = m.group+size, m.size+size
	switch {
	case m.size >= mergeBytes:
		return m.finish()
	case m.group >= groupBytes:
		m.group = 0
		if err := m.rows.Flush(); err != nil {
			return fmt.Errorf("write %s: %w", m.prefix, err)
		}
	}
	return nil
}

// addLine writes one line.
func (m *merged) addLine(line []byte) error {
	if m.pipe == nil {
		m.open()
	}
	if _, err := m.pipe.Write(line); err != nil {
		return fmt.Errorf("write %s: %w", m.prefix, err)
	}
	if m.size += len(line); m.size >= mergeBytes {
		return m.finish()
	}
	return nil
}

// finish ends the current file, if any.
func (m *merged) finish() error {
	if m.pipe == nil {
		return nil
	}
	var err error
	if m.rows != nil {
		err = m.rows.Close()
	}
	_ = m.pipe.CloseWithError(err) // nil ends the file
	err = errors.Join(err, <-m.put)
	m.pipe, m.rows = nil, nil
	if err != nil {
		return fmt.Errorf("write %s: %w", m.prefix, err)
	}
	m.made = append(m.made, m.file)
	return nil
}

// abort discards the current file.
func (m *merged) abort(because error) error {
	if m.pipe == nil {
		return nil
	}
	_ = m.pipe.CloseWithError(because)
	err := <-m.put
	m.pipe, m.rows = nil, nil
	if errors.Is(err, because) {
		return nil // the cause is known
	}
	return err
}
