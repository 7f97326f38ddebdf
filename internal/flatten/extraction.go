package flatten

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/pipeline"
)

// Format is the file format of an Extraction.
type Format string

// The formats.
const (
	// Parquet has typed columns; a decimal has the scale of its column.
	Parquet Format = "parquet"
	// CSV follows RFC 4180 with LF at the ends of lines and a header. NULL is an empty field, the
	// empty text is "".
	CSV Format = "csv"
	// NDJSON has one object per row with a member for every column: numbers with all their digits,
	// booleans, lists, null.
	NDJSON Format = "ndjson"
)

// Extraction writes the rows of one resource type's views to files for people: one per table,
// without ids, lines and versions. Each line adds its rows, so two versions of a resource both
// appear; a tombstone adds none. It is used by one goroutine at a time.
type Extraction struct {
	f          *Flattener
	typeTables *typeTables
	tables     []Table
	format     Format
	files      []*extracted
	free       freeList[*typeTables, *result]
}

// extracted is the file of one table.
type extracted struct {
	to      io.WriteCloser
	parquet *parquetFile // for Parquet
}

// Extraction starts the files of the tables of a resource type. It calls create once for every
// table, even if the table stays empty. Close closes the created files; after an error the caller
// of Extraction must close them.
func (f *Flattener) Extraction(
	plan, resource string, format Format, create func(table string) (io.WriteCloser, error),
) (*Extraction, error) {
	k, err := f.typeTables(pipeline.Flattening{Plan: plan, Type: resource})
	if err != nil {
		return nil, err
	}
	x := &Extraction{
		f: f, typeTables: k, tables: k.tables, format: format,
		free: freeList[*typeTables, *result]{most: keptResults},
	}
	for _, t := range x.tables {
		if err := x.begin(t, create); err != nil {
			return nil, fmt.Errorf("begin %s: %w", t.Name, err)
		}
	}
	return x, nil
}

func (x *Extraction) begin(t Table, create func(table string) (io.WriteCloser, error)) error {
	to, err := create(t.Name)
	if err != nil {
		return err
	}
	file := &extracted{to: to}
	x.files = append(x.files, file)
	switch x.format {
	case Parquet:
		file.parquet = newParquetFile(to,
			parquetfile.NewWriter(t.Name, tableColumns(t, nil), x.f.codec))
	case CSV:
		_, err = to.Write(header(t))
	case NDJSON:
	default:
		err = fmt.Errorf("format %q is unknown: use %s, %s or %s", x.format, Parquet, CSV, NDJSON)
	}
	return err
}

// Tables returns the names of the tables.
func (x *Extraction) Tables() []string {
	names := make([]string, len(x.tables))
	for i, t := range x.tables {
		names[i] = t.Name
	}
	return names
}

// Add appends the rows of the lines of r. Bad lines go to the quarantine, as in Flatten. Done.Heads
// counts the resources, including tombstones. After an error the files are unusable.
func (x *Extraction) Add(
	ctx context.Context, in pipeline.Flattening, r io.Reader,
) (_ pipeline.Done, err error) {
	defer caught(&err, func() string { return "extract " + in.Path })
	done := pipeline.Done{Rows: map[string]int64{}}
	uploads := newUploads(ctx, x.f.o.Lake)
	bad := &quarantine{uploads: uploads, path: in.Dir + ".ndjson", told: x.f.o.Quarantined}
	err = x.f.run(ctx, r, in, x.typeTables, shape{
		result: x.result,
		done:   func(r *result) { x.free.put(x.typeTables, r) },
		write: func(r *result) error {
			if err := x.write(r, &done); err != nil {
				return err
			}
			r.tally(&done, in.Type)
			return bad.add(r.bad)
		},
	})
	if err == nil {
		err = bad.close()
	}
	if err := uploads.end(err); err != nil {
		return pipeline.Done{}, fmt.Errorf("extract %s: %w", in.Path, err)
	}
	return done, nil
}

func (x *Extraction) result() *result {
	if r, ok := x.free.take(x.typeTables); ok {
		return r
	}
	r := &result{}
	if x.format == Parquet {
		r.addParquet(x.tables, nil)
		return r
	}
	for i := range x.tables {
		t := newTextRows(&x.tables[i], x.format)
		r.texts = append(r.texts, t)
		r.add(t, &x.tables[i])
	}
	return r
}

func (x *Extraction) write(r *result, done *pipeline.Done) error {
	var waiting []*parquetFile
	for i, t := range x.tables {
		file, n := x.files[i], r.tables[i].mark().rows
		count(done, t, n, r.counts[i])
		var err error
		switch {
		case n == 0:
		case file.parquet != nil:
			err = file.parquet.Write(n, r.parquet[i].values)
		default:
			_, err = file.to.Write(r.texts[i].buf)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", t.Name, err)
		}
		if file.parquet != nil {
			waiting = append(waiting, file.parquet)
		}
	}
	return bound(x.f.o.RowGroup, waiting)
}

// Close finishes and closes the files. They are complete if it returns nil.
func (x *Extraction) Close() error {
	var errs []error
	for i, f := range x.files {
		var err error
		if f.parquet != nil {
			err = f.parquet.close()
		} else {
			err = f.to.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("end %s: %w", x.tables[i].Name, err))
		}
	}
	return errors.Join(errs...)
}
