package native

import (
	"bytes"
	"strings"
	"testing"
)

// What a survey notes is what a look at each byte finds.
func FuzzSurveyFindsTheQuotes(f *testing.F) {
	f.Add([]byte(patient))
	f.Add([]byte(strings.Repeat(`"`, 130)))
	f.Add([]byte(strings.Repeat("x", 63) + `"` + strings.Repeat("\x21\x20\x1f", 30) + `\`))
	f.Add([]byte("\x22\x23\xa2\x00\x01\x22\x21\x22 é"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var tp tape
		tp.line = line
		ascii := tp.survey()
		if want := bytes.IndexFunc(line, func(r rune) bool { return r >= 0x80 }) < 0; ascii != want {
			t.Errorf("%q: ASCII %t", line, ascii)
		}
		plain := true
		for i := range len(line) + 1 {
			want := len(line)
			if j := bytes.IndexByte(line[i:], '"'); j >= 0 {
				want = i + j
			}
			if got := tp.quote(i); got != want {
				t.Fatalf("%q: the quote after %d is at %d, not at %d", line, i, got, want)
			}
			if i == len(line) || line[i] >= ' ' && line[i] != '\\' {
				continue
			}
			plain = false
			if !tp.oddIn(i, i) || !tp.oddIn(0, len(line)) {
				t.Fatalf("%q: nothing odd at %d", line, i)
			}
		}
		if tp.plain != plain {
			t.Errorf("%q: plain %t", line, tp.plain)
		}
	})
}
