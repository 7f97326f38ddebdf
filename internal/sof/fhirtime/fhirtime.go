// Package fhirtime parses FHIR dates and times, which may be partial, and compares them as in
// FHIRPath N1: offsets are normalised, and equal values of different precision have no order.
package fhirtime

// Precision is the smallest given part. Seconds and milliseconds are one precision (FHIRPath N1,
// 6.1.1 Equals).
type Precision uint8

// The precisions, coarsest first.
const (
	Year Precision = iota + 1
	Month
	Day
	Hour
	Minute
	Second
)

// Value is a date, a dateTime or a time of day. A time of day has a precision of Hour to Second and
// no date.
type Value struct {
	Precision Precision
	TimeOnly  bool
	Zoned     bool
	Offset    int // minutes east of UTC
	Digits    int // of the fraction of the second
	year      int
	month     int
	day       int
	hour      int
	minute    int
	second    int
	nano      int64 // digits beyond nine are dropped
}

type reader struct {
	s  []byte
	ok bool
}

func (r *reader) number(digits int) int {
	if len(r.s) < digits {
		r.ok = false
		return 0
	}
	n := 0
	for _, c := range r.s[:digits] {
		if c < '0' || c > '9' {
			r.ok = false
			return 0
		}
		n = n*10 + int(c-'0')
	}
	r.s = r.s[digits:]
	return n
}

func (r *reader) sign(c byte) bool {
	if len(r.s) > 0 && r.s[0] == c {
		r.s = r.s[1:]
		return true
	}
	return false
}

// ParseDate parses YYYY, YYYY-MM, YYYY-MM-DD and, after a T, a time with optional seconds, fraction
// and offset.
func ParseDate(text []byte) (v Value, ok bool) {
	r := reader{text, true}
	v.year, v.month, v.day = r.number(4), 1, 1
	v.Precision = Year
	if r.sign('-') {
		v.month = r.number(2)
		v.Precision = Month
		if r.sign('-') {
			v.day = r.number(2)
			v.Precision = Day
		}
	}
	if r.ok && r.sign('T') {
		if v.Precision != Day {
			return Value{}, false
		}
		r.clock(&v)
		r.zone(&v)
	}
	ok = r.ok && len(r.s) == 0 && v.year > 0 && v.month >= 1 && v.month <= 12 && v.day >= 1 &&
		v.day <= daysIn(v.year, v.month)
	return v, ok
}

// ParseTime parses hh, hh:mm and hh:mm:ss with an optional fraction.
func ParseTime(text []byte) (v Value, ok bool) {
	r := reader{text, true}
	v.TimeOnly = true
	r.clock(&v)
	return v, r.ok && len(r.s) == 0
}

func (r *reader) clock(v *Value) {
	v.hour = r.number(2)
	v.Precision = Hour
	if r.sign(':') {
		v.minute = r.number(2)
		v.Precision = Minute
		if r.sign(':') {
			v.second = r.number(2)
			v.Precision = Second
			if r.sign('.') {
				r.fraction(v)
			}
		}
	}
	// FHIR's grammar allows a leap second
	if v.hour > 23 || v.minute > 59 || v.second > 60 {
		r.ok = false
	}
}

func (r *reader) fraction(v *Value) {
	unit := int64(100_000_000)
	for len(r.s) > 0 && r.s[0] >= '0' && r.s[0] <= '9' {
		v.nano += int64(r.s[0]-'0') * unit
		unit /= 10
		v.Digits++
		r.s = r.s[1:]
	}
	if v.Digits == 0 {
		r.ok = false
	}
}

func (r *reader) zone(v *Value) {
	if r.sign('Z') {
		v.Zoned = true
		return
	}
	sign := 0
	switch {
	case r.sign('+'):
		sign = 1
	case r.sign('-'):
		sign = -1
	default:
		return
	}
	h := r.number(2)
	if !r.sign(':') {
		r.ok = false
	}
	m := r.number(2)
	if h > 14 || m > 59 {
		r.ok = false
	}
	v.Zoned = true
	v.Offset = sign * (h*60 + m)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// days returns the days since 0000-03-01 of the proleptic Gregorian calendar.
func days(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1
}

// civil is the inverse of days.
func civil(n int) (year, month, day int) {
	// Howard Hinnant's civil_from_days, simplified for n >= 0
	era := n / 146097
	doe := n - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// utc returns v's parts at offset zero. Only values with hours change.
func (v Value) utc() Value {
	if !v.Zoned || v.Offset == 0 || v.Precision < Hour {
		return v
	}
	minutes := days(v.year, v.month, v.day)*24*60 + v.hour*60 + v.minute - v.Offset
	v.year, v.month, v.day = civil(minutes / (24 * 60))
	v.hour, v.minute = minutes/60%24, minutes%60
	return v
}

func (v Value) part(p Precision) int64 {
	switch p {
	case Year:
		return int64(v.year)
	case Month:
		return int64(v.month)
	case Day:
		return int64(v.day)
	case Hour:
		return int64(v.hour)
	case Minute:
		return int64(v.minute)
	case Second:
		return int64(v.second)*1_000_000_000 + v.nano
	}
	return 0
}

// Compare returns the order of v and w. known is false if FHIRPath returns empty: they agree in all
// common parts and one is more precise, or only one of two times has an offset.
func Compare(v, w Value) (order int, known bool) {
	if v.TimeOnly != w.TimeOnly {
		return 0, false
	}
	if v.Precision >= Hour && w.Precision >= Hour && v.Zoned != w.Zoned {
		return 0, false
	}
	v, w = v.utc(), w.utc()
	first := Year
	if v.TimeOnly {
		first = Hour
	}
	for p := first; p <= Second; p++ {
		if p > v.Precision || p > w.Precision {
			return 0, v.Precision == w.Precision
		}
		switch a, b := v.part(p), w.part(p); {
		case a < b:
			return -1, true
		case a > b:
			return 1, true
		}
	}
	return 0, true
}

// Key returns the same value for all values that Compare finds equal, for use as a map key.
func (v Value) Key() Value {
	v = v.utc()
	v.Offset, v.Digits = 0, 0
	if v.Precision < Hour {
		v.Zoned = false
	}
	if v.Precision < Second {
		v.second, v.nano = 0, 0
	}
	if v.Precision < Minute {
		v.minute = 0
	}
	if v.Precision < Hour {
		v.hour = 0
	}
	if v.Precision < Day && !v.TimeOnly {
		v.day = 0
	}
	if v.Precision < Month && !v.TimeOnly {
		v.month = 0
	}
	return v
}
