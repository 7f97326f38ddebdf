package flatten

import (
	"bytes"
	"strings"
	"time"
)

const (
	instantLayout = "2006-01-02T15:04:05.000000000Z"
	// shownLayout is a layout that every engine can cast; the version keeps the full precision.
	shownLayout = "2006-01-02T15:04:05.000Z"
	numberWidth = 20
	// maxID is the length of the tables' id columns, maxFHIRID FHIR's own limit.
	maxID        = 128
	maxFHIRID    = 64
	maxVersionID = 64
)

// Version returns the sortable text of one state of a resource. Compared byte by byte, the versions
// of one id are in order of creation.
//
//	UTC lastUpdated, nine digits / versionId as a number, padded / versionId / 1 if deleted
//
// A versionId that is not a number of up to twenty digits counts as 0, and its text decides.
func Version(lastUpdated time.Time, versionID string, deleted bool) string {
	return string(appendVersion(nil, lastUpdated, []byte(versionID), deleted))
}

// VersionsUntil returns a text that is greater than every version until an instant, and not greater
// than later ones.
func VersionsUntil(t time.Time) string { return string(appendInstant(nil, t.Add(1), 9)) }

func appendVersion(to []byte, lastUpdated time.Time, versionID []byte, deleted bool) []byte {
	to = appendInstant(to, lastUpdated, 9)
	to = append(to, '/')
	number := number(versionID)
	for range numberWidth - len(number) {
		to = append(to, '0')
	}
	to = append(to, number...)
	to = append(to, '/')
	to = append(to, versionID...)
	if deleted {
		return append(to, "/1"...)
	}
	return append(to, "/0"...)
}

// appendInstant writes an instant in UTC with this number of digits of a second and cuts the rest:
// instantLayout has nine, shownLayout three. It is called twice per resource, and time.Format takes
// several times as long.
func appendInstant(to []byte, t time.Time, fraction int) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	to = appendDigits(to, year, 4)
	to = appendDigits(append(to, '-'), int(month), 2)
	to = appendDigits(append(to, '-'), day, 2)
	to = appendDigits(append(to, 'T'), hour, 2)
	to = appendDigits(append(to, ':'), minute, 2)
	to = appendDigits(append(to, ':'), second, 2)
	to = appendDigits(append(to, '.'), t.Nanosecond(), 9)
	return append(to[:len(to)-9+fraction], 'Z')
}

// appendDigits writes a number of at most width digits, padded with zeros.
func appendDigits(to []byte, n, width int) []byte {
	to = append(to, "000000000"[:width]...)
	for i := len(to) - 1; n > 0; i-- {
		to[i] = byte('0' + n%10)
		n /= 10
	}
	return to
}

// number returns versionID without leading zeros if it is a number that fits.
func number(versionID []byte) []byte {
	for _, c := range versionID {
		if c < '0' || c > '9' {
			return nil
		}
	}
	for len(versionID) > 0 && versionID[0] == '0' {
		versionID = versionID[1:]
	}
	if len(versionID) > numberWidth {
		return nil
	}
	return versionID
}

// usableVersionID reports whether a versionId can be part of a version. Warehouses keep versions in
// narrow, bytewise columns; FHIR's ids are a subset.
func usableVersionID(versionID []byte) bool {
	for _, c := range versionID {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(versionID) <= maxVersionID
}

// usableID reports whether the tables accept an id: FHIR's rule, but up to 128 characters and with
// underscores, which some servers use. It refuses ids that a warehouse would merge, such as those
// with trailing blanks.
func usableID(id []byte) bool {
	for _, c := range id {
		if !ofID[c] {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= maxID
}

// isOddID reports whether a usable id violates FHIR's rule.
func isOddID(id []byte) bool { return len(id) > maxFHIRID || bytes.IndexByte(id, '_') >= 0 }

// ofID marks the characters of an id.
var ofID = func() (is [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._" {
		is[c] = true
	}
	return is
}()

// parseInstant parses a FHIR instant: a whole day, a time with seconds, and a zone. Digits after
// the ninth of a second are cut; a leap second, 60, is the first instant of the next minute. Both
// keep the order, except for ties.
func parseInstant(s []byte) (time.Time, bool) {
	year, month, day, ok := parseDay(s)
	if !ok || len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	hour, ok1 := digits(s[11:13])
	minute, ok2 := digits(s[14:16])
	second, ok3 := digits(s[17:19])
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	nanos, rest, ok := parseFraction(s[19:])
	if !ok {
		return time.Time{}, false
	}
	east, ok := parseZone(rest)
	if !ok {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute-east, second, nanos, time.UTC)
	// A zone can move the first and the last year outside of four digits.
	return t, t.Year() >= 0 && t.Year() <= 9999
}

func parseFraction(s []byte) (nanos int, rest []byte, ok bool) {
	if len(s) == 0 || s[0] != '.' {
		return 0, s, true
	}
	i, unit := 1, 100_000_000
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		nanos += int(s[i]-'0') * unit
		unit /= 10
	}
	return nanos, s[i:], i > 1
}

// parseZone parses Z or ±hh:mm as minutes east of Greenwich.
func parseZone(s []byte) (east int, ok bool) {
	if string(s) == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[3] != ':' || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	hours, ok1 := digits(s[1:3])
	minutes, ok2 := digits(s[4:6])
	if !ok1 || !ok2 || hours > 14 || minutes > 59 {
		return 0, false
	}
	east = 60*hours + minutes
	if s[0] == '-' {
		east = -east
	}
	return east, true
}

// parseDay parses the whole day at the start of s.
func parseDay(s []byte) (year, month, day int, ok bool) {
	if len(s) < len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return 0, 0, 0, false
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 {
		return 0, 0, 0, false
	}
	// The last day of the month is the day before the first of the next.
	return year, month, day,
		day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func digits(s []byte) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// LastUpdated returns the instant at the start of a version, in milliseconds, as in the
// _last_updated column.
func LastUpdated(version string) string {
	instant, _, _ := strings.Cut(version, "/")
	if len(instant) != len(instantLayout) {
		return instant
	}
	return instant[:len(shownLayout)-1] + "Z"
}
