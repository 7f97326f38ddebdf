package fhirtime

// Unit is a unit of time by which a date or time can be moved.
type Unit uint8

// The units, coarsest first.
const (
	Years Unit = iota
	Months
	Weeks
	Days
	Hours
	Minutes
	Seconds
	Milliseconds
)

const (
	minutesADay  = 24 * 60
	nanosASecond = 1_000_000_000
	nanosADay    = minutesADay * 60 * nanosASecond
)

// farthest bounds the added number, so that sums do not overflow.
const farthest = 1 << 40

// Add moves v by n units and by a fraction of a second in nanoseconds, as in FHIRPath N1, 6.6.3:
// the last day of a month stays within the month, units finer than v's precision count in whole
// parts of it, and a time of day wraps around. ok is false if the result has no year of four
// digits.
func Add(v Value, n int64, u Unit, nanos int64) (out Value, ok bool) {
	if n > farthest || n < -farthest {
		return Value{}, false
	}
	if v.TimeOnly {
		return addClock(v, n, u, nanos)
	}
	if u <= Months {
		if u == Years {
			n *= 12
		}
		return addMonths(v, n)
	}
	if v.Precision < Day {
		// a month is 30 days, a year 365 (N1, 6.6.3)
		d := wholeDays(n, u)
		if v.Precision == Year {
			return addMonths(v, d/365*12)
		}
		return addMonths(v, d/30)
	}
	if v.Precision == Day {
		return addDays(v, wholeDays(n, u))
	}
	return addInstant(v, n, u, nanos)
}

// wholeDays converts a span to days, truncated towards zero.
func wholeDays(n int64, u Unit) int64 {
	switch u {
	case Weeks:
		return n * 7
	case Hours:
		return n / 24
	case Minutes:
		return n / minutesADay
	case Seconds:
		return n / (minutesADay * 60)
	case Milliseconds:
		return n / (minutesADay * 60 * 1000)
	case Years, Months, Days:
	}
	return n
}

func addMonths(v Value, n int64) (Value, bool) {
	if v.Precision == Year {
		n = n / 12 * 12
	}
	month := int64(v.year)*12 + int64(v.month-1) + n
	year := month / 12
	if month < 12 || year > 9999 {
		return Value{}, false
	}
	v.year, v.month = int(year), int(month%12)+1
	v.day = min(v.day, daysIn(v.year, v.month))
	return v, true
}

func addDays(v Value, n int64) (Value, bool) {
	const most = 9999 * 366
	if n > most || n < -most {
		return Value{}, false
	}
	d := days(v.year, v.month, v.day) + int(n)
	if d < days(1, 1, 1) || d > days(9999, 12, 31) {
		return Value{}, false
	}
	v.year, v.month, v.day = civil(d)
	return v, true
}

// span converts n units below a day to whole days and nanoseconds.
func span(n int64, u Unit, nanos int64) (wholeDays, rest int64) {
	var perDay, each int64
	switch u {
	case Weeks:
		return n * 7, nanos
	case Hours:
		perDay, each = 24, 3600*nanosASecond
	case Minutes:
		perDay, each = minutesADay, 60*nanosASecond
	case Seconds:
		perDay, each = minutesADay*60, nanosASecond
	case Milliseconds:
		perDay, each = minutesADay*60*1000, nanosASecond/1000
	case Years, Months, Days:
		return n, nanos
	}
	return n / perDay, n%perDay*each + nanos
}

func (v Value) nanos() int64 {
	return (int64(v.hour*60+v.minute)*60+int64(v.second))*nanosASecond + v.nano
}

// at sets the time of day, truncated to v's precision.
func (v Value) at(nanos int64) Value {
	minutes := nanos / (60 * nanosASecond)
	v.hour = int(minutes / 60)
	if v.Precision >= Minute {
		v.minute = int(minutes % 60)
	}
	if v.Precision >= Second {
		v.second, v.nano = int(nanos/nanosASecond%60), nanos%nanosASecond
	}
	return v
}

func addInstant(v Value, n int64, u Unit, nanos int64) (Value, bool) {
	d, rest := span(n, u, nanos)
	// units finer than the precision count in whole parts of it
	switch v.Precision {
	case Hour:
		rest -= rest % (3600 * nanosASecond)
	case Minute:
		rest -= rest % (60 * nanosASecond)
	case Year, Month, Day, Second:
	}
	rest += v.nanos()
	for rest < 0 {
		rest, d = rest+nanosADay, d-1
	}
	d, rest = d+rest/nanosADay, rest%nanosADay
	v, ok := addDays(v, d)
	return v.at(rest), ok
}

func addClock(v Value, n int64, u Unit, nanos int64) (Value, bool) {
	if u < Hours {
		return Value{}, false
	}
	_, rest := span(n, u, nanos)
	switch v.Precision {
	case Hour:
		rest -= rest % (3600 * nanosASecond)
	case Minute:
		rest -= rest % (60 * nanosASecond)
	case Year, Month, Day, Second:
	}
	return v.at(((v.nanos()+rest)%nanosADay + nanosADay) % nanosADay), true
}

// Append appends v in FHIR's form with its precision.
func (v Value) Append(b []byte) []byte {
	if !v.TimeOnly {
		b = digits(b, v.year, 4)
		if v.Precision >= Month {
			b = digits(append(b, '-'), v.month, 2)
		}
		if v.Precision >= Day {
			b = digits(append(b, '-'), v.day, 2)
		}
		if v.Precision < Hour {
			return b
		}
		b = append(b, 'T')
	}
	b = digits(b, v.hour, 2)
	if v.Precision >= Minute {
		b = digits(append(b, ':'), v.minute, 2)
	}
	if v.Precision >= Second {
		b = digits(append(b, ':'), v.second, 2)
		b = v.appendFraction(b)
	}
	return v.appendZone(b)
}

// appendFraction appends the fraction with v's digits, and more if a sum needs them.
func (v Value) appendFraction(b []byte) []byte {
	wanted, rest := v.Digits, v.nano
	for n, unit := 0, int64(nanosASecond); rest%unit != 0 && n <= 9; n, unit = n+1, unit/10 {
		wanted = max(wanted, n+1)
	}
	if wanted == 0 {
		return b
	}
	b = append(b, '.')
	for unit := int64(nanosASecond / 10); wanted > 0; wanted, unit = wanted-1, unit/10 {
		if unit == 0 {
			b = append(b, '0')
			continue
		}
		b = append(b, '0'+byte(rest/unit%10))
	}
	return b
}

func (v Value) appendZone(b []byte) []byte {
	if !v.Zoned {
		return b
	}
	sign, offset := byte('+'), v.Offset
	if offset < 0 {
		sign, offset = '-', -offset
	}
	if offset == 0 {
		return append(b, 'Z')
	}
	b = digits(append(b, sign), offset/60, 2)
	return digits(append(b, ':'), offset%60, 2)
}
