package retry

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// picked is the definition of pick, with the whole file in memory.
func picked(text string, numbers []int64) (out string, all bool) {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for _, n := range numbers {
		if n > int64(len(lines)) {
			return out, false
		}
		out += strings.TrimSuffix(lines[n-1], "\n") + "\n"
	}
	return out, true
}

func FuzzPick(f *testing.F) {
	f.Add("a\nb\n\nc", []byte{1, 3, 4})
	f.Add("a\r\n\xff\xfe\n", []byte{2, 3})
	f.Add(strings.Repeat("x", 70_000)+"\n"+strings.Repeat("y", 140_000), []byte{1, 2})
	f.Add("", []byte{1})
	f.Fuzz(func(t *testing.T, text string, chosen []byte) {
		var numbers []int64
		for _, c := range chosen {
			numbers = append(numbers, int64(c)+1)
		}
		slices.Sort(numbers)
		numbers = slices.Compact(numbers)
		want, all := picked(text, numbers)
		var got bytes.Buffer
		err := pick(&got, iotest.DataErrReader(strings.NewReader(text)), numbers)
		if (err == nil) != all || got.String() != want {
			t.Errorf("%v of %d bytes: %v, want all: %v", numbers, len(text), err, all)
		}
	})
}
