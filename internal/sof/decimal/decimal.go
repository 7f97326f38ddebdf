// Package decimal does exact decimal arithmetic: 0.1 + 0.2 is 0.3, and 1.0 keeps its one digit
// after the point.
package decimal

import (
	"math/big"
	"strings"
)

// maxScale bounds exponents, so that a short text such as 1e999999999 cannot become a number of a
// billion digits. FHIR decimals have 18 digits or fewer.
const maxScale = 400

// longest bounds the text of a number with 800 digits and any exponent. Longer texts are refused
// before they are copied.
const longest = 4 * maxScale

// QuotientScale is the number of digits after the point to which an inexact quotient is rounded.
const QuotientScale = 20

// Decimal is coefficient * 10^-scale with a scale of at least 0. It is immutable; the zero value is
// 0.
type Decimal struct {
	coef  big.Int
	scale int
}

// Parse parses a number in JSON's grammar, with or without an exponent. ok is false for other
// texts, for exponents beyond 400 and for more than 800 digits.
func Parse[T string | []byte](text T) (d Decimal, ok bool) {
	if len(text) > longest {
		return Decimal{}, false
	}
	s := string(text)
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		if exponent, ok = parseExponent(s[i+1:]); !ok {
			return Decimal{}, false
		}
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	digits := whole + frac
	if len(digits) > 2*maxScale || !isNumber(whole, frac, strings.Contains(mantissa, ".")) {
		return Decimal{}, false
	}
	if _, ok := d.coef.SetString(strings.TrimPrefix(digits, "+"), 10); !ok {
		return Decimal{}, false
	}
	d.scale = len(frac) - exponent
	if d.scale > 2*maxScale || d.scale < -maxScale {
		return Decimal{}, false
	}
	if d.scale < 0 {
		d.coef.Mul(&d.coef, pow10(-d.scale))
		d.scale = 0
	}
	return d, true
}

func parseExponent(s string) (int, bool) {
	sign := 1
	if s != "" && (s[0] == '+' || s[0] == '-') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n = n*10 + int(s[i]-'0'); n > maxScale {
			return 0, false
		}
	}
	return sign * n, s != ""
}

func isNumber(whole, frac string, point bool) bool {
	whole = strings.TrimPrefix(strings.TrimPrefix(whole, "+"), "-")
	if whole == "" || point && frac == "" {
		return false
	}
	for _, s := range []string{whole, frac} {
		for i := range len(s) {
			if s[i] < '0' || s[i] > '9' {
				return false
			}
		}
	}
	return true
}

// Int returns n as a Decimal.
func Int(n int64) Decimal {
	var d Decimal
	d.coef.SetInt64(n)
	return d
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// align returns the coefficients of a and b at one scale.
func align(a, b Decimal) (x, y *big.Int, scale int) {
	x, y = &a.coef, &b.coef
	switch {
	case a.scale < b.scale:
		x = new(big.Int).Mul(x, pow10(b.scale-a.scale))
	case b.scale < a.scale:
		y = new(big.Int).Mul(y, pow10(a.scale-b.scale))
	}
	return x, y, max(a.scale, b.scale)
}

// Cmp returns -1, 0 or 1 if d is less than, equal to or greater than e by value.
func (d Decimal) Cmp(e Decimal) int {
	x, y, _ := align(d, e)
	return x.Cmp(y)
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int { return d.coef.Sign() }

// Scale returns the number of digits after the point, as written.
func (d Decimal) Scale() int { return d.scale }

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	r := Decimal{scale: d.scale}
	r.coef.Neg(&d.coef)
	return r
}

// Add returns d + e.
func (d Decimal) Add(e Decimal) Decimal {
	x, y, scale := align(d, e)
	r := Decimal{scale: scale}
	r.coef.Add(x, y)
	return r
}

// Sub returns d - e.
func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// Mul returns d * e.
func (d Decimal) Mul(e Decimal) Decimal {
	r := Decimal{scale: d.scale + e.scale}
	r.coef.Mul(&d.coef, &e.coef)
	return r
}

// Div returns d / e, exact if the quotient ends within QuotientScale digits, else rounded half to
// even there. ok is false if e is 0.
func (d Decimal) Div(e Decimal) (q Decimal, ok bool) {
	if e.Sign() == 0 {
		return Decimal{}, false
	}
	scale := max(QuotientScale, d.scale, e.scale)
	num := new(big.Int).Mul(&d.coef, pow10(scale+e.scale))
	den := new(big.Int).Mul(&e.coef, pow10(d.scale))
	rem := new(big.Int)
	q.scale = scale
	q.coef.QuoRem(num, den, rem)
	twice := rem.Abs(rem.Lsh(rem, 1))
	if c := twice.CmpAbs(den); c > 0 || c == 0 && q.coef.Bit(0) == 1 {
		step := int64(1)
		if num.Sign()*den.Sign() < 0 {
			step = -1
		}
		q.coef.Add(&q.coef, big.NewInt(step))
	}
	return q.Trim(), true
}

// IntDiv returns the quotient truncated towards zero. ok is false if e is 0.
func (d Decimal) IntDiv(e Decimal) (q Decimal, ok bool) {
	if e.Sign() == 0 {
		return Decimal{}, false
	}
	x, y, _ := align(d, e)
	q.coef.Quo(x, y)
	return q, true
}

// Mod returns the remainder of IntDiv, with the sign of d. ok is false if e is 0.
func (d Decimal) Mod(e Decimal) (r Decimal, ok bool) {
	if e.Sign() == 0 {
		return Decimal{}, false
	}
	x, y, scale := align(d, e)
	r.coef.Rem(x, y)
	r.scale = scale
	return r, true
}

// Trim returns d without trailing zeros in its fraction.
func (d Decimal) Trim() Decimal {
	ten, rem, q := big.NewInt(10), new(big.Int), new(big.Int)
	for d.scale > 0 {
		if q.QuoRem(&d.coef, ten, rem); rem.Sign() != 0 {
			break
		}
		d.coef.Set(q)
		d.scale--
	}
	return d
}

// IntDigits returns the number of digits before the point, without leading zeros.
func (d Decimal) IntDigits() int {
	whole, _ := d.IntDiv(Int(1))
	if whole.Sign() == 0 {
		return 0
	}
	return len(strings.TrimPrefix(whole.String(), "-"))
}

// Int64 returns d as a whole number. ok is false if it has a fraction or is too large.
func (d Decimal) Int64() (n int64, ok bool) {
	t := d.Trim()
	return t.coef.Int64(), t.scale == 0 && t.coef.IsInt64()
}

// Round returns d with at most scale digits after the point. Ties are rounded away from zero, like
// SQL's ROUND.
func (d Decimal) Round(scale int) Decimal {
	if d.scale <= scale {
		return d
	}
	den := pow10(d.scale - scale)
	r := Decimal{scale: scale}
	rem := new(big.Int)
	r.coef.QuoRem(&d.coef, den, rem)
	if rem.Lsh(rem, 1).CmpAbs(den) >= 0 {
		r.coef.Add(&r.coef, big.NewInt(int64(d.Sign())))
	}
	return r
}

// RoundHalfEven returns d with at most scale digits after the point. A tie goes to the even digit,
// as in IEEE 754, so that sums of rounded values do not drift.
func (d Decimal) RoundHalfEven(scale int) Decimal {
	if d.scale <= scale {
		return d
	}
	den := pow10(d.scale - scale)
	r := Decimal{scale: scale}
	rem := new(big.Int)
	r.coef.QuoRem(&d.coef, den, rem)
	if c := rem.Lsh(rem, 1).CmpAbs(den); c > 0 || c == 0 && r.coef.Bit(0) == 1 {
		r.coef.Add(&r.coef, big.NewInt(int64(d.Sign())))
	}
	return r
}

// Boundaries returns the least and the greatest value that d may mean at its precision: 1.0 means
// 0.95 to 1.05.
func (d Decimal) Boundaries() (low, high Decimal) {
	half := Decimal{scale: d.scale + 1}
	half.coef.SetInt64(5)
	return d.Sub(half), d.Add(half)
}

// Size returns the maximum number of bytes that Append writes.
func (d Decimal) Size() int {
	const digitsPerBit = 0.302
	return int(float64(d.coef.BitLen())*digitsPerBit) + d.scale + 4
}

// Append appends d without an exponent, with the digits of its scale.
func (d Decimal) Append(b []byte) []byte {
	var digits [64]byte
	s := d.coef.Append(digits[:0], 10)
	if s[0] == '-' {
		b = append(b, '-')
		s = s[1:]
	}
	if d.scale == 0 {
		return append(b, s...)
	}
	for len(s) <= d.scale {
		s = append([]byte{'0'}, s...)
	}
	b = append(b, s[:len(s)-d.scale]...)
	b = append(b, '.')
	return append(b, s[len(s)-d.scale:]...)
}

// String returns d in the form of Append.
func (d Decimal) String() string { return string(d.Append(nil)) }
