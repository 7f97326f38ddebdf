package fhirtime

// The extreme offsets that a dateTime without one may mean (FHIRPath, lowBoundary): the earliest
// instant is at +14:00, the latest at -12:00.
const (
	earliestOffset = 14 * 60
	latestOffset   = -12 * 60
)

// DateBoundary appends the first or the last day that v may mean.
func DateBoundary(b []byte, v Value, high bool) []byte {
	v = fill(v, high)
	return appendDay(b, v)
}

// DateTimeBoundary appends the first or the last millisecond that v may mean.
func DateTimeBoundary(b []byte, v Value, high bool) []byte {
	if !v.Zoned {
		v.Offset = earliestOffset
		if high {
			v.Offset = latestOffset
		}
	}
	v = fill(v, high)
	b = append(appendDay(b, v), 'T')
	b = appendClock(b, v, high)
	sign, offset := byte('+'), v.Offset
	if offset < 0 {
		sign, offset = '-', -offset
	}
	if v.Zoned && offset == 0 {
		return append(b, 'Z')
	}
	b = append(b, sign)
	b = digits(b, offset/60, 2)
	b = append(b, ':')
	return digits(b, offset%60, 2)
}

// TimeBoundary appends the first or the last millisecond that v may mean.
func TimeBoundary(b []byte, v Value, high bool) []byte {
	return appendClock(b, fill(v, high), high)
}

// fill sets the parts beyond v's precision to their least or greatest value.
func fill(v Value, high bool) Value {
	if v.Precision < Month {
		v.month = pick(high, 1, 12)
	}
	if v.Precision < Day {
		v.day = pick(high, 1, daysIn(v.year, v.month))
	}
	if v.Precision < Hour {
		v.hour = pick(high, 0, 23)
	}
	if v.Precision < Minute {
		v.minute = pick(high, 0, 59)
	}
	if v.Precision < Second {
		v.second = pick(high, 0, 59)
	}
	return v
}

func pick(high bool, least, greatest int) int {
	if high {
		return greatest
	}
	return least
}

func appendDay(b []byte, v Value) []byte {
	b = digits(b, v.year, 4)
	b = append(b, '-')
	b = digits(b, v.month, 2)
	b = append(b, '-')
	return digits(b, v.day, 2)
}

func appendClock(b []byte, v Value, high bool) []byte {
	b = digits(b, v.hour, 2)
	b = append(b, ':')
	b = digits(b, v.minute, 2)
	b = append(b, ':')
	b = digits(b, v.second, 2)
	b = append(b, '.')
	millis := int(v.nano / 1_000_000)
	if high {
		// the missing digits are nines
		for unit, n := 100, 0; n < 3; unit, n = unit/10, n+1 {
			if n >= v.Digits {
				millis += 9 * unit
			}
		}
	}
	return digits(b, millis, 3)
}

func digits(b []byte, n, width int) []byte {
	for unit := pow(width - 1); unit > 0; unit /= 10 {
		b = append(b, byte('0'+n/unit%10))
	}
	return b
}

func pow(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}
