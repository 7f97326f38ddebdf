package jsontape

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// blockSize is the number of bytes that a survey reads at a time, one per bit of a word.
const blockSize = 64

// survey scans the whole line before it is read. It records quotes, so that most strings are read
// in one step, and backslashes and control characters. It reports whether the line is ASCII.
func (t *lexer) survey() (ascii bool) {
	whole := len(t.Line) / blockSize
	if whole >= cap(t.quotes) {
		t.allocated(2 * 8 * whole)
		t.quotes, t.odd = nil, nil
	}
	// one block more than the line has, so that a read past its end finds one
	t.quotes = slices.Grow(t.quotes[:0], whole+1)[:whole+1]
	t.odd = slices.Grow(t.odd[:0], whole+1)[:whole+1]
	all, strange := surveyBlocks(t.Line[:whole*blockSize], t.quotes, t.odd)
	var last [blockSize]byte
	for i := copy(last[:], t.Line[whole*blockSize:]); i < len(last); i++ {
		last[i] = ' '
	}
	a, s := surveyBlocks(last[:], t.quotes[whole:], t.odd[whole:])
	t.plain = strange|s == 0
	return all|a == 0
}

// quote returns the offset of the next quote from i on, or the length of the line.
func (t *lexer) quote(i int) int {
	k := i / blockSize
	if w := t.quotes[k] >> (i % blockSize); w != 0 {
		return i + bits.TrailingZeros64(w)
	}
	for k++; k < len(t.quotes); k++ {
		if w := t.quotes[k]; w != 0 {
			return k*blockSize + bits.TrailingZeros64(w)
		}
	}
	return len(t.Line)
}

// oddIn reports whether the line has a backslash or control character from i to before end.
func (t *lexer) oddIn(i, end int) bool {
	k := i / blockSize
	w := t.odd[k] >> (i % blockSize)
	if n := end - i; n <= blockSize-i%blockSize {
		return w<<(blockSize-n) != 0
	}
	if w != 0 {
		return true
	}
	for k++; k < end/blockSize; k++ {
		if t.odd[k] != 0 {
			return true
		}
	}
	return t.odd[k]<<(blockSize-end%blockSize) != 0
}

// One byte in each of eight.
const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// special marks, by its high bit, the first byte of w that is a quote, a backslash or a control
// character. Later bytes may be marked too.
func special(w uint64) uint64 {
	q := w ^ 0x22*low
	return ((q-low)&^q)&high | odd(w)
}

// odd is special without the quotes.
func odd(w uint64) uint64 {
	s := w ^ 0x5c*low
	return (((s - low) &^ s) | ((w - 0x20*low) &^ w)) & high
}

// quotes sets bit k if byte k of w is a quote.
func quotes(w uint64) uint64 {
	q := w ^ 0x22*low
	q = ^((q&^high + ^uint64(high)) | q | ^uint64(high)) // the high bits of the zero bytes
	return q >> 7 * 0x0102040810204080 >> 56
}

// surveyInGo is surveyBlocks for processors other than amd64.
func surveyInGo(b []byte, quotesAt, oddAt []uint64) (all, strange uint64) {
	for k := range len(b) / blockSize {
		block := (*[blockSize]byte)(b[k*blockSize:])
		var at, marks uint64
		for i := 0; i < blockSize; i += 8 {
			w := binary.LittleEndian.Uint64(block[i:])
			at |= quotes(w) << i
			marks |= odd(w)
			all |= w & high
		}
		quotesAt[k], oddAt[k] = at, 0
		if marks != 0 {
			oddAt[k] = oddOf(block)
		}
		strange |= oddAt[k]
	}
	return all, strange
}

// oddOf returns one bit per byte that is a backslash or a control character.
func oddOf(block *[blockSize]byte) (marks uint64) {
	for i, c := range block {
		if c == '\\' || c < ' ' {
			marks |= 1 << i
		}
	}
	return marks
}
