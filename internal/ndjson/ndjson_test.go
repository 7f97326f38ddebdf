package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// got is a line in a form that a test can compare.
type got struct {
	Number, Offset int64
	JSON           string
	TooLong        bool
}

func collect(t testing.TB, r io.Reader, o Options) ([]got, error) {
	t.Helper()
	var all []got
	blocks := NewReader(r, o)
	var b Block
	for {
		var err error
		if b, err = blocks.Next(b.Data); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return all, err
		}
		for l, err := range b.Lines() {
			if err != nil && !errors.Is(err, ErrTooLong) {
				t.Fatalf("line %d: %v", l.Number, err)
			}
			all = append(all, got{l.Number, l.Offset, string(l.JSON), err != nil})
		}
	}
}

// naive applies the same rules to the whole input at once.
func naive(data []byte, limit int) []got {
	offset := 0
	if bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")) {
		offset = 3
	}
	var all []got
	for n := int64(1); offset < len(data); n++ {
		line, _, _ := strings.Cut(string(data[offset:]), "\n")
		g := got{Number: n, Offset: int64(offset)}
		offset += len(line) + 1
		line = strings.TrimSuffix(line, "\r")
		switch {
		case len(line) > limit:
			g.TooLong = true
		case strings.Trim(line, " \t\r") != "":
			g.JSON = line
		}
		all = append(all, g)
	}
	return all
}

func TestLinesHaveNumbersAndOffsets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     []got
	}{
		{"nothing", "", nil},
		{"a byte order mark alone", "\xEF\xBB\xBF", nil},
		{"one line", "{}\n", []got{{1, 0, "{}", false}}},
		{"a last line without its end", "{}\n[]", []got{{1, 0, "{}", false}, {2, 3, "[]", false}}},
		{"carriage returns", "{}\r\n[]\r\n", []got{{1, 0, "{}", false}, {2, 4, "[]", false}}},
		{
			"blank lines are counted", "\n \t\r\n{}\n\n",
			[]got{{1, 0, "", false}, {2, 1, "", false}, {3, 5, "{}", false}, {4, 8, "", false}},
		},
		{
			"one byte order mark is skipped, a second is content", "\xEF\xBB\xBF\xEF\xBB\xBF{}\n",
			[]got{{1, 3, "\xEF\xBB\xBF{}", false}},
		},
		{
			"a byte order mark further down is content", "{}\n\xEF\xBB\xBF{}",
			[]got{{1, 0, "{}", false}, {2, 3, "\xEF\xBB\xBF{}", false}},
		},
		{"trailing NULs are content", "{}\x00\x00", []got{{1, 0, "{}\x00\x00", false}}},
		{"blanks round the content stay", " {} \n", []got{{1, 0, " {} ", false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all, err := collect(t, strings.NewReader(tt.in), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, all); d != "" {
				t.Errorf("lines (-want +got):\n%s", d)
			}
		})
	}
}

func TestALineOverTheLimitIsReportedAndSkipped(t *testing.T) {
	t.Parallel()
	in := "{1}\n" + strings.Repeat("x", 100) + "\n{3}\n" + strings.Repeat("y", 11) + "\n" +
		strings.Repeat("z", 10) + "\r\n"
	for _, block := range []int{1, 4, 16, 64, 1024} {
		t.Run(fmt.Sprint("block ", block), func(t *testing.T) {
			t.Parallel()
			all, err := collect(t, strings.NewReader(in), Options{Limit: 10, Block: block})
			if err != nil {
				t.Fatal(err)
			}
			for i := range all {
				if all[i].TooLong {
					if !strings.HasPrefix(in[all[i].Offset:], all[i].JSON) ||
						len(all[i].JSON) < 10 {
						t.Errorf("line %d does not come with its beginning", all[i].Number)
					}
					all[i].JSON = ""
				}
			}
			want := []got{
				{1, 0, "{1}", false},
				{2, 4, "", true},
				{3, 105, "{3}", false},
				{4, 109, "", true},
				{5, 121, "zzzzzzzzzz", false},
			}
			if d := cmp.Diff(want, all); d != "" {
				t.Errorf("lines (-want +got):\n%s", d)
			}
		})
	}
}

// repeat reads the byte c n times, and records the largest read.
type repeat struct {
	c       byte
	n       int
	largest int
}

func (r *repeat) Read(p []byte) (int, error) {
	r.largest = max(r.largest, len(p))
	n := min(len(p), r.n)
	if n == 0 {
		return 0, io.EOF
	}
	for i := range p[:n] {
		p[i] = r.c
	}
	r.n -= n
	return n, nil
}

func TestALineOverTheLimitIsNotHeld(t *testing.T) {
	t.Parallel()
	long := &repeat{c: 'x', n: 64 << 20}
	var lines int
	for l, err := range Lines(io.MultiReader(long, strings.NewReader("\n{}")), 2<<20) {
		lines++
		switch l.Number {
		case 1:
			if !errors.Is(err, ErrTooLong) || len(l.JSON) != headSize {
				t.Errorf("line 1: %v, %d bytes", err, len(l.JSON))
			}
		case 2:
			if err != nil || string(l.JSON) != "{}" || l.Offset != 64<<20+1 {
				t.Errorf("line 2: %v, %q at %d", err, l.JSON, l.Offset)
			}
		}
	}
	if lines != 2 {
		t.Errorf("%d lines", lines)
	}
	if long.largest > 4<<20 {
		t.Errorf("%d bytes were asked for at once", long.largest)
	}
}

func TestAnErrorOfTheStreamComesAfterTheWholeLines(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	all, err := collect(t, io.MultiReader(strings.NewReader("{1}\n{2}\n{3"), iotest.ErrReader(cut)),
		Options{})
	if !errors.Is(err, cut) {
		t.Errorf("error: %v", err)
	}
	if d := cmp.Diff([]got{{1, 0, "{1}", false}, {2, 4, "{2}", false}}, all); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
}

func TestAStreamThatGivesNothingEnds(t *testing.T) {
	t.Parallel()
	for l, err := range Lines(stuck{}, 0) {
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("line %d: %v", l.Number, err)
		}
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestTheWalkCanStop(t *testing.T) {
	t.Parallel()
	for l, err := range Lines(strings.NewReader("1\n2\n3\n"), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if l.Number == 2 {
			return
		}
	}
	t.Error("line 2 did not come")
}

func FuzzReaderAgreesWithTheModel(f *testing.F) {
	f.Add([]byte("\xEF\xBB\xBF{}\r\n\n \nlonger than ten\nx"), 10, 4)
	f.Add([]byte("a\nbb\n\nccc"), 2, 1)
	f.Fuzz(func(t *testing.T, data []byte, limit, block int) {
		limit, block = 1+abs(limit)%64, 1+abs(block)%64
		whole, err := collect(t, bytes.NewReader(data), Options{Limit: limit, Block: block})
		if err != nil {
			t.Fatal(err)
		}
		bytewise, err := collect(t, iotest.OneByteReader(bytes.NewReader(data)), Options{
			Limit: limit, Block: block,
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(whole, bytewise); d != "" {
			t.Errorf("blocks depend on how the stream hands out its bytes:\n%s", d)
		}
		for i := range whole {
			if whole[i].TooLong {
				whole[i].JSON = ""
			}
		}
		if d := cmp.Diff(naive(data, limit), whole); d != "" {
			t.Errorf("limit %d, block %d (-model +got):\n%s", limit, block, d)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
