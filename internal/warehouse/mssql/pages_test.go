package mssql_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/sof/tsql"
)

// The files for COPY INTO use only common features of Parquet: pages of version 1, plain or
// dictionary encoding, snappy.
func TestPagesThatEveryReaderKnows(t *testing.T) {
	t.Parallel()
	for _, engine := range []tsql.Engine{tsql.Dedicated, tsql.Fabric} {
		w := newWorld(t, engine)
		files := 0
		for f, err := range w.lake.List(t.Context(), pipeline.Staging, "commit/") {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(f.Path, ".parquet") {
				continue
			}
			files++
			for _, column := range columnsOf(t, w, f) {
				m := column.MetaData
				if m.Codec != format.Snappy {
					t.Errorf("%s, %s: packed by %s", f.Path, m.PathInSchema, m.Codec)
				}
				if len(m.EncodingStats) == 0 {
					t.Errorf("%s, %s: says nothing of its pages", f.Path, m.PathInSchema)
				}
				for _, p := range m.EncodingStats {
					if p.PageType != format.DictionaryPage && p.PageType != format.DataPage {
						t.Errorf("%s, %s: a page of type %s", f.Path, m.PathInSchema, p.PageType)
					}
					if !slices.Contains([]format.Encoding{format.Plain, format.RLEDictionary},
						p.Encoding) {
						t.Errorf("%s, %s: values in %s", f.Path, m.PathInSchema, p.Encoding)
					}
				}
			}
		}
		if files == 0 {
			t.Errorf("%s: no files were written", engine)
		}
	}
}

func columnsOf(t *testing.T, w *world, f pipeline.File) (all []format.ColumnChunk) {
	t.Helper()
	r, err := w.lake.Open(t.Context(), pipeline.Staging, f.Path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Metadata().RowGroups {
		all = append(all, group.Columns...)
	}
	return all
}
