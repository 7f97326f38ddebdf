package prepared

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"fhirsynapse/internal/pipeline"
)

// sink writes results, in order, into the lake: one blob a table that has rows.
type sink struct {
	o      Options
	in     pipeline.Flattening
	tables []Table
	done   pipeline.Done

	puts       *puts
	head       *parquetFile
	files      []*parquetFile // by table; nil before the first row
	quarantine *quarantine
}

func newSink(ctx context.Context, o Options, in pipeline.Flattening, tables []Table) *sink {
	p := newPuts(ctx, o.Lake)
	return &sink{
		o: o, in: in, tables: tables, files: make([]*parquetFile, len(tables)), puts: p,
		done:       pipeline.Done{Rows: map[string]int64{}},
		quarantine: &quarantine{puts: p, path: in.Dir + ".ndjson", told: o.Quarantined},
	}
}

func (s *sink) write(r *result) error {
	if err := s.columns(&s.head, "head", headSchema, r.head); err != nil {
		return err
	}
	for i, t := range s.tables {
		if err := s.columns(&s.files[i], t.Name, func() *parquet.Schema { return tableSchema(t) }, &r.parquet[i].columns); err != nil {
			return err
		}
		count(&s.done, t, r.parquet[i].rows, r.nulled[i])
	}
	if err := s.quarantine.add(r.bad); err != nil {
		return err
	}
	r.tally(&s.done)
	return bound(s.o.RowGroup, append(s.files, s.head))
}

// count adds the rows of a table and its misfits to the counts of a file.
func count(done *pipeline.Done, t Table, rows int, nulled []int64) {
	if rows > 0 {
		done.Rows[t.Name] += int64(rows)
	}
	for i, n := range nulled {
		if n > 0 {
			if done.Nulled == nil {
				done.Nulled = map[string]int64{}
			}
			done.Nulled[t.Name+"."+t.Columns[i].Name] += n
		}
	}
}

func (s *sink) columns(file **parquetFile, name string, schema func() *parquet.Schema, c *columns) error {
	if c.rows == 0 {
		return nil
	}
	if *file == nil {
		codec, err := codecOf(s.o.Codec)
		if err != nil {
			return err
		}
		*file = newParquetFile(s.puts.start(pipeline.Staging, File(s.in.Dir, name)), schema(), codec)
	}
	if err := (*file).write(c); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// bound ends row groups, largest first, until no more than limit bytes wait for
// theirs. A nil file has none.
func bound(limit int, files []*parquetFile) error {
	for {
		var largest *parquetFile
		waiting := 0
		for _, f := range files {
			if f == nil {
				continue
			}
			waiting += f.waiting
			if largest == nil || f.waiting > largest.waiting {
				largest = f
			}
		}
		if waiting <= limit {
			return nil
		}
		if err := largest.flush(); err != nil {
			return err
		}
	}
}

// quarantined is a line of the quarantine file.
type quarantined struct {
	Line   int64  `json:"line"`
	Offset int64  `json:"offset"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// quarantinedText is how much of a bad line the quarantine keeps.
const quarantinedText = 1 << 20

// quarantine is the bad lines of a file; it is made by the first.
type quarantine struct {
	puts *puts
	path string
	told func(lines int64)
	to   *upload
}

func (q *quarantine) add(lines []badLine) error {
	if len(lines) == 0 {
		return nil
	}
	if q.told != nil {
		q.told(int64(len(lines)))
	}
	if q.to == nil {
		q.to = q.puts.start(pipeline.Quarantine, q.path)
	}
	for _, b := range lines {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		text := string(cutText(b.line.JSON, quarantinedText))
		if err := enc.Encode(quarantined{b.line.Number, b.line.Offset, b.reason, text}); err != nil {
			return fmt.Errorf("quarantine line %d: %w", b.line.Number, err)
		}
		if _, err := q.to.Write(buf.Bytes()); err != nil {
			return fmt.Errorf("quarantine line %d: %w", b.line.Number, err)
		}
	}
	return nil
}

func (q *quarantine) close() error {
	if q.to == nil {
		return nil
	}
	return q.to.Close()
}

// close ends the files, so that they become visible, or gives them up when err is
// not nil. It returns err, or what went wrong.
func (s *sink) close(err error) error {
	for _, f := range append(s.files, s.head) {
		if f != nil && err == nil {
			err = f.close()
		}
	}
	if err == nil {
		err = s.quarantine.close()
	}
	return s.puts.end(err)
}

// parquetFile is one Parquet file under way.
type parquetFile struct {
	to      io.WriteCloser
	w       *parquet.Writer //nolint:staticcheck // its columns are written one by one; the generic writer wants a Go struct
	columns []*parquet.ColumnWriter
	waiting int // bytes that wait for their row group
}

func codecOf(c Codec) (compress.Codec, error) {
	switch c {
	case Snappy:
		return &snappy.Codec{}, nil
	case None:
		return &uncompressed.Codec{}, nil
	case Zstd:
		return &zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}, nil
	}
	return nil, fmt.Errorf("no codec %q: use %s, %s or %s", c, Snappy, Zstd, None)
}

const (
	// maxDictionary keeps columns of distinct texts from growing a dictionary that
	// is of no use to them.
	maxDictionary = 64 << 10
	pageSize      = 256 << 10
	writeBuffer   = 256 << 10
)

func newParquetFile(to io.WriteCloser, schema *parquet.Schema, codec compress.Codec) *parquetFile {
	w := parquet.NewWriter(to, schema,
		parquet.CreatedBy("fhirsynapse", "1", ""),
		parquet.Compression(codec),
		parquet.DataPageVersion(1), // Synapse's reader is an old one
		parquet.DataPageStatistics(false),
		parquet.DictionaryMaxBytes(maxDictionary),
		parquet.PageBufferSize(pageSize),
		parquet.WriteBufferSize(writeBuffer),
	)
	return &parquetFile{to: to, w: w, columns: w.ColumnWriters()}
}

func (f *parquetFile) write(c *columns) error {
	for i, values := range c.values {
		if _, err := f.columns[i].WriteRowValues(values); err != nil {
			return err
		}
	}
	f.waiting += c.size
	return nil
}

func (f *parquetFile) flush() error {
	f.waiting = 0
	return f.w.Flush()
}

func (f *parquetFile) close() error {
	if err := f.w.Close(); err != nil {
		return err
	}
	return f.to.Close()
}

// puts are the blobs under way.
type puts struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	lake   pipeline.Lake
	wg     sync.WaitGroup

	mu      sync.Mutex
	uploads []*upload
	errs    []error
}

// upload is the writing end of a blob.
type upload struct{ *io.PipeWriter }

func newPuts(ctx context.Context, lake pipeline.Lake) *puts {
	p := &puts{lake: lake}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	return p
}

// start begins a blob; it becomes visible when the upload was closed.
func (p *puts) start(area pipeline.Area, path string) *upload {
	r, w := io.Pipe()
	u := &upload{w}
	p.uploads = append(p.uploads, u)
	p.wg.Go(func() {
		_, err := p.lake.Put(p.ctx, area, path, r)
		if err != nil {
			err = fmt.Errorf("put %s: %w", path, err)
			p.mu.Lock()
			p.errs = append(p.errs, err)
			p.mu.Unlock()
		}
		// A Put that did not read to the end leaves nobody waiting for it.
		_ = r.CloseWithError(err)
	})
	return u
}

// abort makes every unfinished Put fail.
func (p *puts) abort(cause error) {
	for _, u := range p.uploads {
		_ = u.CloseWithError(fmt.Errorf("%w: %w", errAborted, cause))
	}
	p.cancel(cause)
}

// end waits for all Puts, which it aborts when err is not nil. It returns err, or
// what went wrong.
func (p *puts) end(err error) error {
	if err != nil {
		p.abort(err)
	}
	// A write into a closed pipe has its cause in the Put behind it.
	if putErr := p.wait(); err == nil || putErr != nil && errors.Is(err, io.ErrClosedPipe) {
		return putErr
	}
	return err
}

func (p *puts) wait() error {
	p.wg.Wait()
	p.cancel(nil)
	for _, err := range p.errs {
		if !errors.Is(err, errAborted) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(p.errs...)
}
