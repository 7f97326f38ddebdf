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

// Sizes of the files for the engine. Its readers work on one file each, and best on large ones.
const (
	fileBytes  = 256 << 20
	mostBytes  = 64 << 20 // of a row group, before compression
	leastBytes = 8 << 20
	// groupMemory bounds the row groups of all concurrent commits together. A merge of 25 columns
	// was measured at a heap of 47 MB with groups of 8 MB, 70 MB with 32 and 104 MB with 64. Two
	// merges with 32 leave room for flattening within the 300 MiB of docs/benchmarks.md.
	groupMemory = 64 << 20
)

// groupBytes returns the size of a row group for a number of concurrent commits. A group is held in
// memory.
func groupBytes(commits int) int {
	return max(leastBytes, min(mostBytes, groupMemory/commits))
}

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
	written     *counted // the bytes of the current file
}

// counted counts the written bytes.
type counted struct {
	io.Writer
	n int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += n
	return n, err
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
	return &merged{
		w: m.w, ctx: m.ctx, table: m.table, prefix: m.prefix + "-large", ending: ".ndjson",
	}
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
		m.written = &counted{Writer: w}
		m.rows = parquet.NewGenericWriter[any](m.written, m.schema,
			parquet.Compression(&snappy.Codec{}),
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
	if m.group += size; m.group < m.w.groupBytes {
		return nil
	}
	m.group = 0
	if err := m.rows.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", m.prefix, err)
	}
	if m.written.n >= fileBytes {
		return m.finish()
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
	if m.size += len(line); m.size >= fileBytes {
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
