package jsontape

import (
	"bytes"
	"strings"
	"testing"

	"fhirsynapse/internal/testkit/randview"

	"github.com/google/go-cmp/cmp"
)

// A survey must agree with a check of each byte.
func FuzzSurveyFindsTheQuotes(f *testing.F) {
	f.Add([]byte(randview.Patient))
	f.Add([]byte(strings.Repeat(`"`, 130)))
	f.Add([]byte(strings.Repeat("x", 63) + `"` + strings.Repeat("\x21\x20\x1f", 30) + `\`))
	f.Add([]byte("\x22\x23\xa2\x00\x01\x22\x21\x22 é"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var tp Tape
		tp.Line, tp.allocated = line, func(int) {}
		ascii := tp.survey()
		if want := bytes.IndexFunc(line, func(r rune) bool {
			return r >= 0x80
		}) < 0; ascii != want {
			t.Errorf("%q: ASCII %t", line, ascii)
		}
		isOdd := func(i int) bool { return line[i] < ' ' || line[i] == '\\' }
		next := func(from int, is func(int) bool) int {
			for i := from; i < len(line); i++ {
				if is(i) {
					return i
				}
			}
			return len(line)
		}
		for i := range len(line) + 1 {
			quoteAt := next(i, func(i int) bool { return line[i] == '"' })
			if got := tp.quote(i); got != quoteAt {
				t.Fatalf("%q: the quote after %d is at %d, not at %d", line, i, got, quoteAt)
			}
			oddAt := next(i, isOdd)
			for _, end := range []int{quoteAt, oddAt, min(oddAt+1, len(line)), len(line)} {
				if got := tp.oddIn(i, end); got != (oddAt < end) {
					t.Fatalf("%q: odd from %d to %d: %t", line, i, end, got)
				}
			}
		}
		if plain := next(0, isOdd) == len(line); tp.plain != plain {
			t.Errorf("%q: plain %t", line, tp.plain)
		}
	})
}

func FuzzSurveysAgree(f *testing.F) {
	f.Add([]byte(randview.Patient))
	f.Add(bytes.Repeat([]byte("\x22\x5c\x1f\x20\x80\x7f\x00\xff"), 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := len(b) / blockSize
		b = b[:n*blockSize]
		type notes struct {
			Quotes, Odd   []uint64
			High, Strange bool
		}
		var got []notes
		for _, survey := range []func([]byte, []uint64, []uint64) (uint64, uint64){
			surveyBlocks, surveyInGo,
		} {
			s := notes{Quotes: make([]uint64, n), Odd: make([]uint64, n)}
			all, strange := survey(b, s.Quotes, s.Odd)
			s.High, s.Strange = all != 0, strange != 0
			got = append(got, s)
		}
		if d := cmp.Diff(got[0], got[1]); d != "" {
			t.Error(d)
		}
	})
}
