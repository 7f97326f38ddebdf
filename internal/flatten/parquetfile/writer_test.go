package parquetfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatten/parquetfile"
)

var columns = []parquetfile.Column{
	{Name: "key", Required: true, Distinct: true},
	{Name: "line", Type: parquetfile.Int64, Required: true},
	{Name: "gone", Type: parquetfile.Boolean, Required: true},
	{Name: "few"},
	{Name: "many"},
	{Name: "turns"}, // few texts, then many
	{Name: "never"},
	{Name: "yes", Type: parquetfile.Boolean},
	{Name: "small", Type: parquetfile.Int32},
	{Name: "big", Type: parquetfile.Int64},
	{Name: "exact", Type: parquetfile.Decimal, Precision: 38, Scale: 12},
	{Name: "day", Type: parquetfile.Date},
	{Name: "at", Type: parquetfile.Timestamp},
}

// table generates rows for the writer, and the same rows as text.
type table struct {
	rng  *rand.Rand
	want []string
}

func (m *table) run(rows int) []*parquetfile.Values {
	out := make([]*parquetfile.Values, len(columns))
	for i, c := range columns {
		out[i] = parquetfile.NewValues(c.Type)
	}
	for row := range rows {
		at := len(m.want)
		var cells []string
		for i, c := range columns {
			v, cell := out[i], "NULL"
			if c.Required || c.Name != "never" && m.rng.IntN(4) > 0 {
				cell = m.value(v, c, row, at)
			}
			cells = append(cells, cell)
		}
		m.want = append(m.want, strings.Join(cells, "|"))
	}
	return out
}

func (m *table) value(v *parquetfile.Values, c parquetfile.Column, row, at int) string {
	n := m.rng.Int64()
	switch c.Type {
	case parquetfile.Text:
		s := fmt.Sprintf("%s-%d", c.Name, n)
		switch {
		case c.Name == "few" || c.Name == "turns" && at < 700:
			s = strings.Repeat("é", int(n%5)) // including the empty text
		case n%1000 == 0:
			s = strings.Repeat("long ", 100_000)
		}
		v.Text(row, []byte(s))
		return s
	case parquetfile.Boolean:
		v.Boolean(row, n%2 == 0)
		return fmt.Sprint(n%2 == 0)
	case parquetfile.Int32, parquetfile.Date:
		v.Int32(row, int32(n>>40))
		return fmt.Sprint(int32(n >> 40))
	case parquetfile.Int64, parquetfile.Timestamp:
		v.Int64(row, -n)
		return fmt.Sprint(-n)
	case parquetfile.Decimal:
		var d [16]byte
		binary.BigEndian.PutUint64(d[8:], uint64(n))
		v.Decimal(row, d)
		return fmt.Sprintf("%x", d)
	}
	return ""
}

// rows reads a file with the library and returns it as text.
func rows(t *testing.T, file []byte) []string {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, group := range f.RowGroups() {
		r := group.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := r.ReadRows(buf)
			for _, row := range buf[:n] {
				var cells []string
				for i, v := range row {
					switch {
					case v.IsNull():
						cells = append(cells, "NULL")
					case columns[i].Type == parquetfile.Decimal:
						cells = append(cells, fmt.Sprintf("%x", v.ByteArray()))
					default:
						cells = append(cells, v.String())
					}
				}
				out = append(out, strings.Join(cells, "|"))
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	t.Parallel()
	zstd, err := parquetfile.Zstd()
	if err != nil {
		t.Fatal(err)
	}
	for name, codec := range map[string]parquetfile.Codec{
		"snappy": parquetfile.Snappy(), "zstd": zstd, "uncompressed": parquetfile.Uncompressed(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := parquetfile.NewWriter("t", columns, codec)
			// The second file proves that no data of the first is left.
			for seed := range uint64(2) {
				t.Logf("seed %d", seed)
				m := &table{rng: rand.New(rand.NewPCG(seed, 1))}
				var file bytes.Buffer
				w.Reset(&file)
				for i, n := range []int{1, 0, 300, 2000, 7, 1000, 4000} {
					if err := w.Write(n, m.run(n)); err != nil {
						t.Fatal(err)
					}
					if i == 4 {
						if w.Waiting() == 0 {
							t.Error("nothing waits for its row group")
						}
						if err := w.Flush(); err != nil {
							t.Fatal(err)
						}
						if n := w.Waiting(); n != 0 {
							t.Errorf("%d bytes wait after the end of a row group", n)
						}
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(m.want, rows(t, file.Bytes())); d != "" {
					t.Errorf("rows (-want +got):\n%.2000s", d)
				}
			}
		})
	}
}

func TestTheSameRowsAreTheSameFile(t *testing.T) {
	t.Parallel()
	var files [2]bytes.Buffer
	for i := range files {
		m := &table{rng: rand.New(rand.NewPCG(3, 1))}
		w := parquetfile.NewWriter("t", columns, parquetfile.Snappy())
		w.Reset(&files[i])
		if err := errors.Join(w.Write(3000, m.run(3000)), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
		t.Error("the files differ")
	}
}

// A file can be rewritten from the columns in its own description.
func TestAFileDescribesColumnsThatCanBeWritten(t *testing.T) {
	t.Parallel()
	var file, again bytes.Buffer
	m := &table{rng: rand.New(rand.NewPCG(3, 1))}
	w := parquetfile.NewWriter("t", columns, parquetfile.Snappy())
	w.Reset(&file)
	if err := errors.Join(w.Write(3000, m.run(3000)), w.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	copied := parquet.NewGenericWriter[any](&again, f.Schema())
	for _, group := range f.RowGroups() {
		if _, err := copied.WriteRowGroup(group); err != nil {
			t.Fatal(err)
		}
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m.want, rows(t, again.Bytes())); d != "" {
		t.Errorf("rows (-want +got):\n%.2000s", d)
	}
}

func TestAFileWithoutRows(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	w := parquetfile.NewWriter("t", columns, parquetfile.Snappy())
	w.Reset(&file)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, file.Bytes()); len(got) != 0 {
		t.Errorf("rows: %v", got)
	}
}

func TestRowsAreTakenBack(t *testing.T) {
	t.Parallel()
	text, number := parquetfile.NewValues(parquetfile.Text),
		parquetfile.NewValues(parquetfile.Int32)
	text.Text(0, []byte("a"))
	text.Text(2, []byte("b"))
	number.Int32(1, 7)
	text.Truncate(1)
	number.Truncate(1)
	text.Text(1, []byte("c"))
	number.Int32(2, 8)
	var file bytes.Buffer
	w := parquetfile.NewWriter("t",
		[]parquetfile.Column{{Name: "text"}, {Name: "number", Type: parquetfile.Int32}},
		parquetfile.Snappy())
	w.Reset(&file)
	if err := errors.Join(w.Write(3, []*parquetfile.Values{text, number}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a|NULL", "c|NULL", "NULL|8"}, rows(t, file.Bytes())); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
}

func TestARequiredColumnNeedsEveryValue(t *testing.T) {
	t.Parallel()
	w := parquetfile.NewWriter("t", []parquetfile.Column{{Name: "key", Required: true}},
		parquetfile.Snappy())
	w.Reset(io.Discard)
	if err := w.Write(1,
		[]*parquetfile.Values{parquetfile.NewValues(parquetfile.Text)}); err == nil ||
		!strings.Contains(err.Error(), "key") {
		t.Errorf("error: %v", err)
	}
}

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no room")
	}
	return len(b), nil
}

func TestAFullDiskIsNoWholeFile(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	m := &table{rng: rand.New(rand.NewPCG(3, 1))}
	w := parquetfile.NewWriter("t", columns, parquetfile.Snappy())
	write := func(to io.Writer) error {
		m.rng, m.want = rand.New(rand.NewPCG(3, 1)), nil
		w.Reset(to)
		return errors.Join(w.Write(100, m.run(100)), w.Close())
	}
	if err := write(&file); err != nil {
		t.Fatal(err)
	}
	for left := 0; left < file.Len(); left += 97 {
		if write(&full{left}) == nil {
			t.Errorf("no error with room for %d of %d bytes", left, file.Len())
		}
	}
}
