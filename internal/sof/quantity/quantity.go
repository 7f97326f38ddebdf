// Package quantity computes with FHIRPath's quantities: numbers with a unit, which is a UCUM code
// or a word of the calendar.
package quantity

import (
	"math/big"
	"strings"

	"fhirsynapse/internal/sof/decimal"
	"fhirsynapse/internal/sof/fhirpath"
	"fhirsynapse/internal/sof/fhirtime"
	"fhirsynapse/internal/sof/ucum"
)

// Quantity is a number with its unit. The unit "1" means none.
type Quantity struct {
	Value decimal.Decimal
	// Unit is a UCUM code or, if Calendar is true, a word such as "days".
	Unit     string
	Calendar bool
}

// Parse parses FHIRPath's form: 4.5 'mg', 4 days, or a number.
func Parse(text string) (q Quantity, ok bool) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	if number == "" || strings.ContainsAny(number, "eE") {
		return Quantity{}, false
	}
	if q.Value, ok = decimal.Parse(number); !ok {
		return Quantity{}, false
	}
	switch unit = strings.TrimSpace(unit); {
	case unit == "":
		q.Unit = "1"
	case fhirpath.IsCalendarUnit(unit):
		q.Unit, q.Calendar = unit, true
	case len(unit) > 2 && unit[0] == '\'' && unit[len(unit)-1] == '\'' &&
		strings.IndexByte(unit[1:len(unit)-1], '\'') < 0:
		q.Unit = unit[1 : len(unit)-1]
	default:
		return Quantity{}, false
	}
	return q, true
}

// Append appends q in the form that Parse reads.
func (q Quantity) Append(b []byte) []byte {
	b = append(q.Value.Append(b), ' ')
	if q.Calendar {
		return append(b, q.Unit...)
	}
	b = append(append(b, '\''), q.Unit...)
	return append(b, '\'')
}

// String returns q in the form of Append.
func (q Quantity) String() string { return string(q.Append(nil)) }

// definite maps the calendar units of fixed length to UCUM codes.
var definite = map[string]string{
	"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms",
}

// word returns the unit of a calendar quantity in the singular.
func (q Quantity) word() string { return strings.TrimSuffix(q.Unit, "s") }

// code returns the unit as a UCUM code; empty for calendar months and years.
func (q Quantity) code() string {
	if q.Calendar {
		return definite[q.word()]
	}
	return q.Unit
}

// months returns the number of calendar months in one unit, or 0.
func (q Quantity) months() int64 {
	switch {
	case !q.Calendar:
		return 0
	case q.word() == "year":
		return 12
	case q.word() == "month":
		return 1
	}
	return 0
}

// ratio returns how many units of r are in one of q. ok is false if they do not compare.
func (q Quantity) ratio(r Quantity) (*big.Rat, bool) {
	if m, n := q.months(), r.months(); m > 0 || n > 0 {
		if m == 0 || n == 0 {
			return nil, false
		}
		return big.NewRat(m, n), true
	}
	if q.code() == r.code() {
		return big.NewRat(1, 1), true
	}
	u, ok := ucum.Parse(q.code())
	v, ok2 := ucum.Parse(r.code())
	if !ok || !ok2 {
		return nil, false
	}
	return ucum.Ratio(u, v)
}

// Compare returns the order of q and r. known is false if their units measure different things, or
// may do so.
func Compare(q, r Quantity) (order int, known bool) {
	ratio, ok := q.ratio(r)
	if !ok {
		return 0, false
	}
	return ratio.Mul(ratio, q.Value.Rat()).Cmp(r.Value.Rat()), true
}

// Equivalent implements the operator ~: calendar units equal UCUM units, and numbers of one unit
// are compared at the precision of the less precise one.
func Equivalent(q, r Quantity) bool {
	if q.months() > 0 && r.months() == 0 || q.months() == 0 && r.months() > 0 {
		q, r = q.approximate(), r.approximate()
	}
	ratio, ok := q.ratio(r)
	if !ok {
		return false
	}
	if ratio.IsInt() && ratio.Num().IsInt64() && ratio.Num().Int64() == 1 {
		x, y := q.Value.Trim(), r.Value.Trim()
		scale := min(x.Scale(), y.Scale())
		return x.Round(scale).Cmp(y.Round(scale)) == 0
	}
	return ratio.Mul(ratio, q.Value.Rat()).Cmp(r.Value.Rat()) == 0
}

// approximate converts a quantity of calendar months or years to UCUM.
func (q Quantity) approximate() Quantity {
	switch q.months() {
	case 12:
		return Quantity{Value: q.Value, Unit: "a"}
	case 1:
		return Quantity{Value: q.Value, Unit: "mo"}
	}
	return q
}

// Calendared converts a quantity of UCUM years or months to the calendar. FHIR defines this for a
// Quantity that is compared with a calendar one.
func (q Quantity) Calendared() Quantity {
	switch {
	case q.Calendar:
	case q.Unit == "a":
		return Quantity{q.Value, "year", true}
	case q.Unit == "mo":
		return Quantity{q.Value, "month", true}
	}
	return q
}

// Months reports whether the unit is a calendar month or year.
func (q Quantity) Months() bool { return q.months() > 0 }

// Add returns q + r in the finer of the two units. ok is false if they cannot be added.
func Add(q, r Quantity) (sum Quantity, ok bool) {
	ratio, ok := q.ratio(r)
	if !ok {
		return Quantity{}, false
	}
	switch ratio.Cmp(big.NewRat(1, 1)) {
	case 0:
		return Quantity{q.Value.Add(r.Value), q.Unit, q.Calendar}, true
	case 1:
		return Quantity{
			decimal.FromRat(ratio.Mul(ratio, q.Value.Rat()), decimal.QuotientScale).Add(r.Value),
			r.Unit, r.Calendar,
		}, true
	}
	inverse := ratio.Inv(ratio)
	return Quantity{
		decimal.FromRat(inverse.Mul(inverse, r.Value.Rat()), decimal.QuotientScale).Add(q.Value),
		q.Unit, q.Calendar,
	}, true
}

// Neg returns -q.
func (q Quantity) Neg() Quantity { return Quantity{q.Value.Neg(), q.Unit, q.Calendar} }

// Mul returns q * r. ok is false if a unit cannot be multiplied.
func Mul(q, r Quantity) (Quantity, bool) {
	unit, ok := combined(q, r, ".")
	return Quantity{Value: q.Value.Mul(r.Value), Unit: unit}, ok
}

// Div returns q / r. ok is false if r is 0 or a unit cannot be divided.
func Div(q, r Quantity) (Quantity, bool) {
	unit, ok := combined(q, r, "/")
	if !ok {
		return Quantity{}, false
	}
	v, ok := q.Value.Div(r.Value)
	return Quantity{Value: v, Unit: unit}, ok
}

func combined(q, r Quantity, sign string) (string, bool) {
	a, b := q.code(), r.code()
	for _, code := range []string{a, b} {
		if _, ok := ucum.Parse(code); !ok {
			return "", false
		}
	}
	switch {
	case b == "1":
		return a, true
	case sign == "/" && a == b:
		return "1", true
	case sign == "." && a == "1":
		return b, true
	}
	if strings.ContainsAny(b, "./") {
		b = "(" + b + ")"
	}
	unit := a + sign + b
	_, ok := ucum.Parse(unit)
	return unit, ok
}

// In converts q to another unit, and reports whether the units are comparable.
func (q Quantity) In(unit string) (Quantity, bool) {
	out := Quantity{Unit: unit, Calendar: fhirpath.IsCalendarUnit(unit)}
	ratio, ok := q.ratio(out)
	if !ok {
		return Quantity{}, false
	}
	out.Value = q.Value
	if ratio.Cmp(big.NewRat(1, 1)) != 0 {
		out.Value = decimal.FromRat(ratio.Mul(ratio, q.Value.Rat()), decimal.QuotientScale)
	}
	return out, true
}

var spans = map[string]fhirtime.Unit{
	"year": fhirtime.Years, "month": fhirtime.Months, "week": fhirtime.Weeks, "day": fhirtime.Days,
	"hour":   fhirtime.Hours,
	"minute": fhirtime.Minutes, "second": fhirtime.Seconds, "millisecond": fhirtime.Milliseconds,
	"wk": fhirtime.Weeks, "d": fhirtime.Days, "h": fhirtime.Hours, "min": fhirtime.Minutes,
	"s": fhirtime.Seconds, "ms": fhirtime.Milliseconds,
}

// MovesTime reports whether dates can be moved by this unit. UCUM months and years cannot move
// them, because they are not whole days.
func (q Quantity) MovesTime() bool {
	_, ok := q.span()
	return ok
}

func (q Quantity) span() (fhirtime.Unit, bool) {
	word := q.Unit
	if q.Calendar {
		word = q.word()
	}
	u, ok := spans[word]
	return u, ok && (q.Calendar || u > fhirtime.Months)
}

// Move returns v moved by q. For units above seconds the fraction of q is ignored (N1, 6.6.3).
func (q Quantity) Move(v fhirtime.Value) (fhirtime.Value, bool) {
	u, ok := q.span()
	if !ok {
		return fhirtime.Value{}, false
	}
	whole, _ := q.Value.IntDiv(decimal.Int(1))
	n, ok := whole.Int64()
	if !ok {
		return fhirtime.Value{}, false
	}
	var nanos int64
	if u >= fhirtime.Seconds {
		perUnit := int64(1_000_000_000)
		if u == fhirtime.Milliseconds {
			perUnit = 1_000_000
		}
		rest, _ := q.Value.Sub(whole).Mul(decimal.Int(perUnit)).IntDiv(decimal.Int(1))
		nanos, _ = rest.Int64()
	}
	return fhirtime.Add(v, n, u, nanos)
}
