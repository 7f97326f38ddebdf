package parquetfile_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatten/parquetfile"
)

// boundsOf returns the least and the greatest value of a column of a row group, as its
// statistics have them.
func boundsOf(
	t *testing.T, f *parquet.File, group, column int,
) (least, greatest parquet.Value, known bool) {
	t.Helper()
	s := f.Metadata().RowGroups[group].Columns[column].MetaData.Statistics
	if (s.MinValue == nil) != (s.MaxValue == nil) {
		t.Errorf("group %d, column %d: one bound without the other", group, column)
	}
	if s.MinValue == nil {
		return least, greatest, false
	}
	kind := f.Schema().Columns()[column]
	leaf, _ := f.Schema().Lookup(kind...)
	return leaf.Node.Type().Kind().Value(s.MinValue), leaf.Node.Type().Kind().Value(s.MaxValue),
		true
}

// Row groups carry the bounds of their columns, and every value lies within them.
func TestRowGroupsHaveBounds(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	m := &table{rng: rand.New(rand.NewPCG(7, 1))}
	w := parquetfile.NewWriter("t", columns, parquetfile.Snappy())
	w.Reset(&file)
	for _, n := range []int{3000, 5, 1} {
		if err := errors.Join(w.Write(n, m.run(n)), w.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Metadata().ColumnOrders) != len(columns) {
		t.Error("readers ignore bounds without an order")
	}
	for g, group := range f.RowGroups() {
		all := make([]parquet.Row, group.NumRows())
		r := group.Rows()
		if n, _ := r.ReadRows(all); n != len(all) {
			t.Fatalf("%d rows of %d", n, len(all))
		}
		for c, column := range columns {
			leaf, _ := f.Schema().Lookup(column.Name)
			compare := leaf.Node.Type().Compare
			least, greatest, known := boundsOf(t, f, g, c)
			values, touched := 0, 0
			for _, row := range all {
				if row[c].IsNull() {
					continue
				}
				values++
				if known && (compare(row[c], least) < 0 || compare(row[c], greatest) > 0) {
					t.Errorf("group %d: %s %.40v is not within %v and %v", g, column.Name, row[c],
						least, greatest)
				}
				if known && (compare(row[c], least) == 0 || compare(row[c], greatest) == 0) {
					touched++
				}
			}
			if known != (values > 0) || known && column.Type != parquetfile.Text && touched == 0 {
				t.Errorf("group %d: %s has %d values, bounds: %v, %d at them", g, column.Name,
					values, known, touched)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBoundsOfLongTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	for _, c := range []struct{ texts, least, greatest string }{
		{"b a c", "a", "c"},
		{long, long[:64], long[:63] + "y"},
		{strings.Repeat("é", 50) + " a", "a", ""}, // nothing in it has a next character
		{strings.Repeat("a", 63) + "é" + " z", strings.Repeat("a", 63), "z"},
		{
			strings.Repeat("a", 60) + "~~~~~~", strings.Repeat("a", 60) + "~~~~",
			strings.Repeat("a", 59) + "b",
		},
	} {
		texts := strings.Fields(c.texts)
		values := parquetfile.NewValues(parquetfile.Text)
		for i, s := range texts {
			values.Text(i, []byte(s))
		}
		for _, distinct := range []bool{true, false} {
			var file bytes.Buffer
			w := parquetfile.NewWriter("t",
				[]parquetfile.Column{{Name: "text", Distinct: distinct}}, parquetfile.Snappy())
			w.Reset(&file)
			if err := errors.Join(w.Write(len(texts), []*parquetfile.Values{values}),
				w.Close()); err != nil {
				t.Fatal(err)
			}
			f, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
			if err != nil {
				t.Fatal(err)
			}
			s := f.Metadata().RowGroups[0].Columns[0].MetaData.Statistics
			if c.greatest == "" {
				c.least = ""
			}
			if string(s.MinValue) != c.least || string(s.MaxValue) != c.greatest {
				t.Errorf("%.30s: %q and %q, want %q and %q", c.texts, s.MinValue, s.MaxValue,
					c.least, c.greatest)
			}
		}
	}
}
