package decimal

import "math/big"

// Rat returns d as a fraction.
func (d Decimal) Rat() *big.Rat { return new(big.Rat).SetFrac(&d.coef, pow10(d.scale)) }

// FromRat returns r as a Decimal, rounded half to even at scale digits after the point if it does
// not end sooner.
func FromRat(r *big.Rat, scale int) Decimal {
	num := Decimal{scale: 0}
	num.coef.Set(r.Num())
	den := Decimal{}
	den.coef.Set(r.Denom())
	out := Decimal{scale: scale}
	rem := new(big.Int)
	out.coef.QuoRem(new(big.Int).Mul(&num.coef, pow10(scale)), &den.coef, rem)
	twice := rem.Abs(rem.Lsh(rem, 1))
	if c := twice.CmpAbs(&den.coef); c > 0 || c == 0 && out.coef.Bit(0) == 1 {
		out.coef.Add(&out.coef, big.NewInt(int64(r.Sign())))
	}
	return out.Trim()
}

// RootScale is the number of digits after the point to which inexact roots, powers and logarithms
// are rounded.
const RootScale = 18

// precision is the number of bits for roots and logarithms: enough for RootScale digits of numbers
// below maxArgument.
const precision = 640

func float(d Decimal) *big.Float { return new(big.Float).SetPrec(precision).SetRat(d.Rat()) }

func newFloat() *big.Float { return new(big.Float).SetPrec(precision) }

func fromFloat(f *big.Float) Decimal {
	r, _ := f.Rat(nil)
	return FromRat(r, RootScale)
}

// Sqrt returns the square root. ok is false for numbers below 0.
func (d Decimal) Sqrt() (r Decimal, ok bool) {
	if d.Sign() < 0 || size(d) > maxArgument {
		return Decimal{}, false
	}
	return fromFloat(newFloat().Sqrt(float(d))), true
}

// maxArgument bounds the digits of arguments to functions without an exact result.
const maxArgument = 100

// maxResult bounds the digits of the results of Exp and Power.
const maxResult = 100

// size returns the number of digits before the point, or of zeros after it.
func size(d Decimal) int {
	n := len(d.coef.Text(10)) - d.scale
	return max(n, -n)
}

// Exp returns e to the power of d. ok is false beyond 100 digits.
func (d Decimal) Exp() (r Decimal, ok bool) {
	const most = 230 // e^230 has a hundred digits
	if d.Cmp(Int(most)) > 0 {
		return Decimal{}, false
	}
	if d.Cmp(Int(-most)) < 0 {
		return Decimal{}, true
	}
	return fromFloat(exp(float(d))), true
}

// exp sums the series of x / 2^k and squares the result k times.
func exp(x *big.Float) *big.Float {
	const k = 16
	x = newFloat().SetMantExp(x, -k)
	sum, term := newFloat().SetInt64(1), newFloat().SetInt64(1)
	for n := int64(1); term.Sign() != 0 && term.MantExp(nil) > sum.MantExp(nil)-precision; n++ {
		term.Quo(term.Mul(term, x), newFloat().SetInt64(n))
		sum.Add(sum, term)
	}
	for range k {
		sum.Mul(sum, sum)
	}
	return sum
}

// Ln returns the natural logarithm. ok is false for numbers that are not above 0.
func (d Decimal) Ln() (r Decimal, ok bool) {
	if d.Sign() <= 0 || size(d) > maxArgument {
		return Decimal{}, false
	}
	return fromFloat(ln(float(d))), true
}

// ln computes k ln 2 + ln m, with m between 2/3 and 4/3.
func ln(x *big.Float) *big.Float {
	m := newFloat()
	k := x.MantExp(m)
	if m.Cmp(big.NewFloat(2.0/3)) < 0 {
		m.SetMantExp(m, 1)
		k--
	}
	two := lnNear(newFloat().SetInt64(2))
	return newFloat().Add(lnNear(m), two.Mul(two, newFloat().SetInt64(int64(k))))
}

// lnNear computes 2 artanh((x-1)/(x+1)) as a series.
func lnNear(x *big.Float) *big.Float {
	one := newFloat().SetInt64(1)
	z := newFloat().Quo(newFloat().Sub(x, one), newFloat().Add(x, one))
	square := newFloat().Mul(z, z)
	sum, power := newFloat(), newFloat().Set(z)
	for n := int64(1); power.Sign() != 0 &&
		(sum.Sign() == 0 || power.MantExp(nil) > sum.MantExp(nil)-precision); n += 2 {
		sum.Add(sum, newFloat().Quo(power, newFloat().SetInt64(n)))
		power.Mul(power, square)
	}
	return sum.SetMantExp(sum, 1)
}

// Log returns the logarithm of d to a base. ok is false if it does not exist.
func (d Decimal) Log(base Decimal) (r Decimal, ok bool) {
	if d.Sign() <= 0 || base.Sign() <= 0 || base.Cmp(Int(1)) == 0 || size(d) > maxArgument ||
		size(base) > maxArgument {
		return Decimal{}, false
	}
	return fromFloat(newFloat().Quo(ln(float(d)), ln(float(base)))), true
}

// Power returns d to the power of e, exact for whole e of up to 100. ok is false if the result is
// not a real number or has more than 100 digits.
func (d Decimal) Power(e Decimal) (r Decimal, ok bool) {
	n, whole := e.Int64()
	switch {
	case size(d) > maxArgument || size(e) > maxArgument:
		return Decimal{}, false
	case whole && n >= 0 && n <= 100:
		return wholePower(d, int(n))
	case d.Sign() == 0:
		return Decimal{}, e.Sign() > 0
	case whole && n < 0 && n >= -100:
		if r, ok = wholePower(d, int(-n)); !ok {
			return Decimal{}, false
		}
		return Int(1).Div(r)
	case d.Sign() < 0:
		return Decimal{}, false
	}
	x := newFloat().Mul(ln(float(d)), float(e))
	if x.MantExp(nil) > 8 {
		return Decimal{}, x.Sign() < 0
	}
	r = fromFloat(exp(x))
	return r, size(r) <= maxResult
}

func wholePower(d Decimal, n int) (Decimal, bool) {
	d = d.Trim()
	if len(d.coef.Text(10))*n > maxScale {
		return Decimal{}, false
	}
	r := Int(1)
	for range n {
		r = r.Mul(d)
	}
	return r, r.scale <= maxScale
}
