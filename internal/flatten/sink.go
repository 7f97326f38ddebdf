package flatten

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/pipeline"
	badlines "fhirsynapse/internal/quarantine"
)

// sink writes results in order into the lake: one blob per table with rows.
type sink struct {
	o       Options
	in      pipeline.Flattening
	tables  []Table
	writers []*parquetfile.Writer // by table, heads last
	done    pipeline.Done

	uploads    *uploads
	files      []*parquetFile // like writers; nil before the first row
	quarantine *quarantine
}

func newSink(
	ctx context.Context, o Options, in pipeline.Flattening, tables []Table,
	writers []*parquetfile.Writer,
) *sink {
	p := newUploads(ctx, o.Lake)
	return &sink{
		o: o, in: in, tables: tables, writers: writers, files: make([]*parquetFile, len(writers)),
		uploads:    p,
		done:       pipeline.Done{Rows: map[string]int64{}, Longest: map[string]pipeline.Extent{}},
		quarantine: &quarantine{uploads: p, path: in.Dir + ".ndjson", told: o.Quarantined},
	}
}

func (s *sink) write(r *result) error {
	if err := s.columns(len(s.tables), "head", r.head); err != nil {
		return err
	}
	for i, t := range s.tables {
		if err := s.columns(i, t.Name, &r.parquet[i].columns); err != nil {
			return err
		}
		count(&s.done, t, r.parquet[i].rows, r.counts[i])
		for c, e := range r.longest[i] {
			if e.Bytes > 0 {
				name := t.Name + "." + t.Columns[c].Name
				s.done.Longest[name] = s.done.Longest[name].Widened(pipeline.Extent(e))
			}
		}
	}
	if err := s.quarantine.add(r.bad); err != nil {
		return err
	}
	r.tally(&s.done, s.in.Type)
	return bound(s.o.RowGroup, s.files)
}

func (s *sink) columns(i int, name string, c *columns) error {
	if c.rows == 0 {
		return nil
	}
	if s.files[i] == nil {
		s.files[i] = newParquetFile(s.uploads.start(pipeline.Staging, File(s.in.Dir, name)),
			s.writers[i])
	}
	if err := s.files[i].Write(c.rows, c.values); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// plainLimit bounds a row group before compression, except for a single row. DuckDB reads up to
// 2,048 rows of a group at a time, and long texts that compress well would exceed the memory of a
// commit.
const plainLimit = 24 << 20

// bound ends row groups, largest first, until at most limit bytes wait. Nil files have none.
func bound(limit int, files []*parquetFile) error {
	for _, f := range files {
		if f != nil && f.Plain() > plainLimit {
			if err := f.Flush(); err != nil {
				return err
			}
		}
	}
	for {
		var largest *parquetFile
		waiting, most := 0, 0
		for _, f := range files {
			if f == nil {
				continue
			}
			n := f.Waiting()
			waiting += n
			if largest == nil || n > most {
				largest, most = f, n
			}
		}
		if waiting <= limit {
			return nil
		}
		if err := largest.Flush(); err != nil {
			return err
		}
	}
}

// quarantinedText bounds the text of a bad line in the quarantine, in bytes.
const quarantinedText = 1 << 20

// quarantine holds the bad lines of a file. Its blob is created by the first one.
type quarantine struct {
	uploads *uploads
	path    string
	told    func(lines int64)
	to      *upload
}

func (q *quarantine) add(lines []badLine) error {
	if len(lines) == 0 {
		return nil
	}
	if q.told != nil {
		q.told(int64(len(lines)))
	}
	if q.to == nil {
		q.to = q.uploads.start(pipeline.Quarantine, q.path)
	}
	for _, b := range lines {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		text := string(cutText(b.line.JSON, quarantinedText))
		if err := enc.Encode(badlines.Line{
			Line: b.line.Number, Offset: b.line.Offset, Reason: b.reason, Text: text,
		}); err != nil {
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

// close finishes the files, which makes them visible, or aborts them if err is not nil. It returns
// err or its own error.
func (s *sink) close(err error) error {
	for _, f := range s.files {
		if f != nil && err == nil {
			err = f.close()
		}
	}
	if err == nil {
		err = s.quarantine.close()
	}
	return s.uploads.end(err)
}

// parquetFile is one Parquet file in progress.
type parquetFile struct {
	*parquetfile.Writer
	to io.WriteCloser
}

func newParquetFile(to io.WriteCloser, w *parquetfile.Writer) *parquetFile {
	// Many small writes become few large ones before the pipe.
	b := bufio.NewWriterSize(to, writeBuffer)
	w.Reset(b)
	return &parquetFile{w, buffered{b, to}}
}

const writeBuffer = 64 << 10

// buffered is a file with a write buffer.
type buffered struct {
	*bufio.Writer
	file io.Closer
}

func (b buffered) Close() error {
	if err := b.Flush(); err != nil {
		return err
	}
	return b.file.Close()
}

func (f *parquetFile) close() error {
	if err := f.Close(); err != nil {
		return err
	}
	return f.to.Close()
}

func codecOf(c Codec) (parquetfile.Codec, error) {
	switch c {
	case Snappy:
		return parquetfile.Snappy(), nil
	case None:
		return parquetfile.Uncompressed(), nil
	case Zstd:
		return parquetfile.Zstd()
	}
	return parquetfile.Codec{},
		fmt.Errorf("codec %q is unknown: use %s, %s or %s", c, Snappy, Zstd, None)
}

// uploads are the blobs in progress.
type uploads struct {
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

func newUploads(ctx context.Context, lake pipeline.Lake) *uploads {
	p := &uploads{lake: lake}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	return p
}

// start begins a blob. The blob becomes visible after the upload is closed.
func (p *uploads) start(area pipeline.Area, path string) *upload {
	r, w := io.Pipe()
	u := &upload{w}
	p.uploads = append(p.uploads, u)
	p.wg.Go(func() {
		err := p.put(area, path, r)
		if err != nil {
			err = fmt.Errorf("put %s: %w", path, err)
			p.mu.Lock()
			p.errs = append(p.errs, err)
			p.mu.Unlock()
		}
		// Closing the reader frees a writer that still waits if Put stopped early.
		_ = r.CloseWithError(err)
	})
	return u
}

func (p *uploads) put(area pipeline.Area, path string, r io.Reader) (err error) {
	defer caught(&err, func() string { return "store the file" })
	_, err = p.lake.Put(p.ctx, area, path, r)
	return err
}

// abort makes every unfinished Put fail.
func (p *uploads) abort(cause error) {
	for _, u := range p.uploads {
		_ = u.CloseWithError(fmt.Errorf("%w: %w", errAborted, cause))
	}
	p.cancel(cause)
}

// end waits for all Puts, or aborts them if err is not nil. It returns err or its own error.
func (p *uploads) end(err error) error {
	if err != nil {
		p.abort(err)
	}
	// A write into a closed pipe was caused by the error of its Put.
	if putErr := p.wait(); err == nil || putErr != nil && errors.Is(err, io.ErrClosedPipe) {
		return putErr
	}
	return err
}

func (p *uploads) wait() error {
	p.wg.Wait()
	p.cancel(nil)
	for _, err := range p.errs {
		if !errors.Is(err, errAborted) && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(p.errs...)
}
