package fhirtime

import (
	"testing"
	"time"
)

func TestCompareFollowsN1(t *testing.T) {
	t.Parallel()
	const unknown = 9
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"2018", "2019", -1},
		{"2018-03", "2018-03", 0},
		{"2018-03", "2018-03-01", unknown},
		{"2018-03", "2018-04-01", -1},
		{"2018-03-01T10:30:00", "2018-03-01T10:30:00", 0},
		{"2018-03-01T10:30", "2018-03-01T10:30:00", unknown},
		{"2018-03-01T10:30:00", "2018-03-01T10:30:00.0", 0},
		{"2018-03-01T10:30:00", "2018-03-01T10:30:00.001", -1},
		{"2017-11-05T01:30:00.0-04:00", "2017-11-05T01:15:00.0-05:00", -1},
		{"2017-11-05T01:30:00.0-04:00", "2017-11-05T00:30:00.0-05:00", 0},
		{"2017-12-31T23:30:00-01:00", "2018-01-01T00:30:00Z", 0},
		{"2017-12-31T23:30:00", "2018-01-01T00:30:00Z", unknown},
		{"2020-02-29", "2020-03-01", -1},
		{"2018-03-01", "2018-03-01T00:00:00Z", unknown},
	} {
		a, ok := ParseDate([]byte(c.a))
		b, ok2 := ParseDate([]byte(c.b))
		if !ok || !ok2 {
			t.Fatalf("%s or %s does not parse", c.a, c.b)
		}
		got, known := Compare(a, b)
		if !known {
			got = unknown
		}
		if got != c.want {
			t.Errorf("%s against %s: %d, want %d", c.a, c.b, got, c.want)
		}
		if back, known := Compare(b, a); known && back != -got {
			t.Errorf("%s against %s is not the reverse", c.b, c.a)
		}
	}
}

func TestBoundaries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, in, low, high string }{
		{"date", "1970-06", "1970-06-01", "1970-06-30"},
		{"date", "2020", "2020-01-01", "2020-12-31"},
		{"date", "2020-02", "2020-02-01", "2020-02-29"},
		{
			"dateTime", "2010-10-10", "2010-10-10T00:00:00.000+14:00",
			"2010-10-10T23:59:59.999-12:00",
		},
		{
			"dateTime", "2010-10-10T12:34:00Z", "2010-10-10T12:34:00.000Z",
			"2010-10-10T12:34:00.999Z",
		},
		{
			"dateTime", "2010-10-10T12:34:00.5-05:30", "2010-10-10T12:34:00.500-05:30",
			"2010-10-10T12:34:00.599-05:30",
		},
		{"time", "12:34:00", "12:34:00.000", "12:34:00.999"},
		{"time", "12:34", "12:34:00.000", "12:34:59.999"},
	} {
		var low, high []byte
		switch c.kind {
		case "date":
			v, _ := ParseDate([]byte(c.in))
			low, high = DateBoundary(nil, v, false), DateBoundary(nil, v, true)
		case "dateTime":
			v, _ := ParseDate([]byte(c.in))
			low, high = DateTimeBoundary(nil, v, false), DateTimeBoundary(nil, v, true)
		case "time":
			v, _ := ParseTime([]byte(c.in))
			low, high = TimeBoundary(nil, v, false), TimeBoundary(nil, v, true)
		}
		if string(low) != c.low || string(high) != c.high {
			t.Errorf("%s %s: %s to %s", c.kind, c.in, low, high)
		}
	}
}

func TestTextsThatAreNoDates(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "99", "2020-13", "2020-02-30", "2020-1-1", "2020T10", "2020-01-01T25:00:00Z",
		"2020-01-01T10:00:00+15:00", "2020-01-01 ", "0000",
	} {
		if _, ok := ParseDate([]byte(s)); ok {
			t.Errorf("%q parsed", s)
		}
	}
	for _, s := range []string{"", "1", "24:00", "10:60", "10:00:00.", "10:00Z"} {
		if _, ok := ParseTime([]byte(s)); ok {
			t.Errorf("%q parsed as a time", s)
		}
	}
}

func FuzzCompareAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add(int64(0), int64(86_400_000), 60, -300)
	f.Fuzz(func(t *testing.T, a, b int64, za, zb int) {
		// years 1 to 9999, without the ends that an offset would leave
		const span = 9_990 * 365 * 86_400_000
		instant := func(ms int64, zone int) time.Time {
			ms = (ms%span+span)%span - 62_000_000_000_000
			return time.UnixMilli(ms).In(time.FixedZone("", zone%(14*60)*60))
		}
		x, y := instant(a, za), instant(b, zb)
		const layout = "2006-01-02T15:04:05.000Z07:00"
		v, ok := ParseDate([]byte(x.Format(layout)))
		w, ok2 := ParseDate([]byte(y.Format(layout)))
		if !ok || !ok2 {
			t.Fatalf("%s or %s does not parse", x.Format(layout), y.Format(layout))
		}
		if got, known := Compare(v, w); !known || got != x.Compare(y) {
			t.Fatalf("%s against %s: %d %v", x.Format(layout), y.Format(layout), got, known)
		}
	})
}
