package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/flatten"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/workdir"
)

// staged is a batch on the local disk.
type staged struct {
	batch  pipeline.Batch
	tables []flatten.Table
	work   *workdir.Dir
	dir    string // work folder
	// files are the batch's files. The index is the file's number.
	files []stagedFile
}

// stagedFile is one prepared file on the local disk.
type stagedFile struct {
	pipeline.PreparedFile
	head   string            // path; empty without heads
	tables map[string]string // path by table with rows
}

// stagePrefix begins the names of the folders of staged batches.
const stagePrefix = "fhirsynapse-stage-"

// stage downloads the prepared files of a batch into its own folder, and checks them against their
// counts.
func (w *Warehouse) stage(
	ctx context.Context, b pipeline.Batch, tables []flatten.Table,
) (_ *staged, err error) {
	work, err := workdir.Make(w.o.TempDir, stagePrefix, w.o.Now())
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	s := &staged{batch: b, tables: tables, work: work, dir: work.Path()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.remove())
		}
	}()
	s.files = make([]stagedFile, len(b.Files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.o.Downloads)
	for i, f := range b.Files {
		s.files[i] = stagedFile{PreparedFile: f, tables: map[string]string{}}
		if err := s.known(f); err != nil {
			return nil, errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			if err := w.fetchFile(ctx, s, i); err != nil {
				return fmt.Errorf("stage file %s: %w", f.Path, err)
			}
			return nil
		})
	}
	return s, g.Wait()
}

// known refuses rows of tables without a view in this process. They were prepared by a process with
// other views, and the next try may run there.
func (s *staged) known(f pipeline.PreparedFile) error {
	for table, n := range f.Done.Rows {
		if n > 0 && !slices.ContainsFunc(s.tables, func(t flatten.Table) bool {
			return t.Name == table
		}) {
			return fault.Transientf(
				"file %s has rows of table %s, which is not a view of plan %s in this program",
				f.Path, table,
				s.batch.Plan)
		}
	}
	return nil
}

func (s *staged) remove() error { return s.work.Remove() }

func (w *Warehouse) fetchFile(ctx context.Context, s *staged, i int) error {
	f := &s.files[i]
	if f.Done.Heads > 0 {
		f.head = filepath.Join(s.dir, fmt.Sprintf("%08d.head.parquet", i))
		if err := w.fetch(ctx, f.Dir+"/"+flatten.HeadFile, f.head, f.Done.Heads, nil); err != nil {
			return err
		}
	}
	for _, t := range s.tables {
		if f.Done.Rows[t.Name] == 0 {
			continue
		}
		to := filepath.Join(s.dir, fmt.Sprintf("%08d.%s.parquet", i, t.Name))
		if err := w.fetch(ctx, flatten.File(f.Dir, t.Name), to, f.Done.Rows[t.Name],
			&t); err != nil {
			return err
		}
		f.tables[t.Name] = to
	}
	return nil
}

// fetch downloads one Parquet file, which must have rows rows and the columns of t.
func (w *Warehouse) fetch(
	ctx context.Context, path, to string, rows int64, t *flatten.Table,
) (err error) {
	r, err := w.o.Lake.Open(ctx, pipeline.Staging, path, "")
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := io.Copy(f, r)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	p, err := parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fault.Permanentf("read %s: %w: prepare the file again", path, err)
	}
	if p.NumRows() != rows {
		return fault.Permanentf("%s has %d rows, %d were counted: prepare the file again", path,
			p.NumRows(), rows)
	}
	if t == nil {
		return nil
	}
	return sameColumns(p, path, *t)
}

func sameColumns(p *parquet.File, path string, t flatten.Table) error {
	want := []string{flatten.IDColumn, flatten.LineColumn, flatten.VersionColumn}
	for _, c := range t.Columns {
		want = append(want, c.Name)
	}
	var got []string
	for _, c := range p.Schema().Columns() {
		got = append(got, c[0])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return fault.Transientf("%s has other columns than the view in this program", path)
	}
	return nil
}
