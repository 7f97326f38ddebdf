package flatten

import (
	"encoding/binary"
	"math/bits"
)

// decimalSize is the size of a decimal in Parquet: 38 digits fit into 127 bits.
const decimalSize = 16

// maxExponent exceeds all valid exponents and keeps the sums below small.
const maxExponent = 1 << 20

// parseDecimal parses the number s into precision digits, scale of them after the point, as
// big-endian two's complement. Digits beyond the scale are rounded half to even.
func parseDecimal(s []byte, precision, scale int) (out [decimalSize]byte, f fit) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	whole, s := leadingDigits(s)
	var fraction []byte
	if len(s) > 0 && s[0] == '.' {
		if fraction, s = leadingDigits(s[1:]); len(fraction) == 0 {
			return out, nulled
		}
	}
	exponent, ok := parseExponent(s)
	if len(whole) == 0 || !ok {
		return out, nulled
	}
	hi, lo, f := scaled(whole, fraction, exponent, precision, scale)
	if f.null() {
		return out, f
	}
	if negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	binary.BigEndian.PutUint64(out[:8], hi)
	binary.BigEndian.PutUint64(out[8:], lo)
	return out, f
}

// scaled returns whole.fraction × 10^(exponent+scale), rounded half to even.
func scaled(whole, fraction []byte, exponent, precision, scale int) (hi, lo uint64, f fit) {
	digit := func(i int) byte {
		if i < len(whole) {
			return whole[i] - '0'
		}
		return fraction[i-len(whole)] - '0'
	}
	n, first := len(whole)+len(fraction), 0
	for first < n && digit(first) == 0 {
		first++
	}
	if first == n {
		return 0, 0, fits
	}
	// keep is the number of digits from the first one to the rounding place.
	keep := len(whole) + exponent + scale - first
	switch {
	case keep > precision:
		return 0, 0, nulled
	case keep < 0:
		return 0, 0, tooSmall
	}
	for i := first; i < first+keep; i++ {
		d := byte(0)
		if i < n {
			d = digit(i)
		}
		hi, lo = timesTen(hi, lo, d)
	}
	tie, rest := byte(0), false
	if first+keep < n {
		tie = digit(first + keep)
		for i := first + keep + 1; i < n && !rest; i++ {
			rest = digit(i) != 0
		}
	}
	switch {
	case tie == 0 && !rest:
		return hi, lo, fits
	case tie > 5, tie == 5 && (rest || lo&1 == 1):
		var carry uint64
		lo, carry = bits.Add64(lo, 1, 0)
		hi += carry
		if keep == precision && isPower(hi, lo, precision) {
			return 0, 0, nulled
		}
	case hi == 0 && lo == 0:
		return 0, 0, tooSmall
	}
	return hi, lo, rounded
}

// isPower reports whether a number is 10^exponent.
func isPower(hi, lo uint64, exponent int) bool {
	topHi, topLo := uint64(0), uint64(1)
	for range exponent {
		topHi, topLo = timesTen(topHi, topLo, 0)
	}
	return hi == topHi && lo == topLo
}

func timesTen(hi, lo uint64, plus byte) (uint64, uint64) {
	over, low := bits.Mul64(lo, 10)
	low, carry := bits.Add64(low, uint64(plus), 0)
	return hi*10 + over + carry, low
}

func leadingDigits(s []byte) (digits, rest []byte) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// parseExponent parses the text after the digits: empty, or e with a number.
func parseExponent(s []byte) (int, bool) {
	if len(s) == 0 {
		return 0, true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	negative := len(s) > 0 && s[0] == '-'
	if negative || len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	ds, rest := leadingDigits(s)
	if len(ds) == 0 || len(rest) > 0 {
		return 0, false
	}
	n := 0
	for _, c := range ds {
		n = min(10*n+int(c-'0'), maxExponent)
	}
	if negative {
		n = -n
	}
	return n, true
}

// decimalText formats a decimal with exactly scale digits after the point.
func decimalText(b []byte, scale int) []byte {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	negative := hi>>63 == 1
	if negative {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	var buf [48]byte
	i := len(buf)
	for n := 0; hi != 0 || lo != 0 || n <= scale; n++ {
		if n == scale && scale > 0 {
			i--
			buf[i] = '.'
		}
		var r uint64
		hi, r = bits.Div64(0, hi, 10)
		lo, r = bits.Div64(r, lo, 10)
		i--
		buf[i] = byte('0' + r)
	}
	if negative {
		i--
		buf[i] = '-'
	}
	return append([]byte(nil), buf[i:]...)
}
