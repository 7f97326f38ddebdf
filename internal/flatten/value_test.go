package flatten

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/flatten/parquetfile"
	"fhirsynapse/internal/sof"
)

func TestAVersionSortsAsTheServerWrote(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		i, ok := parseInstant([]byte(s))
		if !ok {
			t.Fatalf("no instant: %s", s)
		}
		return i
	}
	ordered := []string{
		Version(at("2024-01-01T00:00:00Z"), "99", true),
		Version(at("2024-01-01T00:00:00.000000001Z"), "a", false),
		Version(at("2024-01-01T00:00:00.000000001Z"), "b", false),
		Version(at("2024-01-01T00:00:00.000000001Z"), "2", false),
		Version(at("2024-01-01T00:00:00.000000001Z"), "2", true),
		Version(at("2024-01-01T00:00:00.000000001Z"), "10", false),
		Version(at("2024-01-01T00:00:00.000000001Z"), "18446744073709551616", false),
		Version(at("2024-01-01T02:00:00.5+01:00"), "1", false),
		Version(at("2024-01-01T01:00:00.51Z"), "1", false),
		Version(at("2016-12-31T23:59:60Z").AddDate(10, 0, 0), "1", false),
	}
	for i := range ordered[1:] {
		if ordered[i] >= ordered[i+1] {
			t.Errorf("%s is not before %s", ordered[i], ordered[i+1])
		}
	}
	if want := "2024-01-01T00:00:00.000000001Z/00000000000000000002/2/1"; ordered[4] != want {
		t.Errorf("got %s, want %s", ordered[4], want)
	}
	if want := "2024-01-01T01:00:00.500Z"; LastUpdated(ordered[7]) != want {
		t.Errorf("got %s, want %s", LastUpdated(ordered[7]), want)
	}
}

func TestInstants(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000000Z"},
		{"2024-01-01T00:00:00.1234567899+00:00", "2024-01-01T00:00:00.123456789Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000000Z"},
		{"2024-01-01T00:30:00+14:00", "2023-12-31T10:30:00.000000000Z"},
		{"2024-01-01T00:30:00-00:45", "2024-01-01T01:15:00.000000000Z"},
		{"0000-01-01T00:00:00+00:00", "0000-01-01T00:00:00.000000000Z"},
		{"0000-01-01T00:00:00+00:01", ""},
		{"9999-12-31T23:59:59-00:01", ""},
		{"2023-02-29T00:00:00Z", ""},
		{"2024-01-01", ""},
		{"2024-01-01T00:00Z", ""},
		{"2024-01-01T00:00:00", ""},
		{"2024-01-01T00:00:00.Z", ""},
		{"2024-01-01T24:00:00Z", ""},
		{"2024-01-01T00:00:61Z", ""},
		{"2024-01-01T00:00:00+0100", ""},
		{"2024-01-01 00:00:00Z", ""},
		{"2024-13-01T00:00:00Z", ""},
		{"2024-00-10T00:00:00Z", ""},
		{"yesterday", ""},
		{"", ""},
		{"2024-01-01T00:00:00Z ", ""},
	}
	for _, tt := range tests {
		got, ok := parseInstant([]byte(tt.in))
		if ok != (tt.want != "") {
			t.Errorf("%q: usable is %v", tt.in, ok)
		}
		if ok && got.Format(instantLayout) != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got.Format(instantLayout), tt.want)
		}
	}
}

func TestCellsBecomeTheirColumnsType(t *testing.T) {
	t.Parallel()
	dec := sof.Column{Kind: sof.Decimal}
	small := sof.Column{Kind: sof.Decimal, Precision: 5, Scale: 2}
	tests := []struct {
		column   sof.Column
		in, want string // empty want means NULL
		fit      fit
	}{
		{sof.Column{}, "x", "x", fits},
		{sof.Column{Kind: sof.Boolean}, "true", "true", fits},
		{sof.Column{Kind: sof.Boolean}, "TRUE", "", nulled},
		{sof.Column{Kind: sof.Integer}, "-2147483648", "-2147483648", fits},
		{sof.Column{Kind: sof.Integer}, "2147483648", "", nulled},
		{sof.Column{Kind: sof.Integer}, "1.0", "", nulled},
		{sof.Column{Kind: sof.BigInt}, "9223372036854775807", "9223372036854775807", fits},
		{sof.Column{Kind: sof.BigInt}, "9223372036854775808", "", nulled},
		{dec, "12.340", "12.340000000000000000", fits},
		{dec, "-0", "0.000000000000000000", fits},
		{dec, "0.1", "0.100000000000000000", fits},
		{dec, "0.05898711471314295", "0.058987114713142950", fits},
		{dec, "4.0e-13", "0.000000000000400000", fits},
		{dec, "1e3", "1000.000000000000000000", fits},
		{dec, "-1.5E-2", "-0.015000000000000000", fits},
		{
			dec, "99999999999999999999.999999999999999999",
			"99999999999999999999.999999999999999999",
			fits,
		},
		{dec, "99999999999999999999.9999999999999999995", "", nulled},
		{dec, "100000000000000000000", "", nulled},
		{
			dec, "-99999999999999999999.999999999999999999",
			"-99999999999999999999.999999999999999999", fits,
		},
		{dec, "0.0000000000000000005", "", tooSmall},
		{dec, "-0.00000000000000000050000000000000000001", "-0.000000000000000001", rounded},
		{dec, "0.0000000000000000015", "0.000000000000000002", rounded},
		{dec, "-0.0000000000000000025", "-0.000000000000000002", rounded},
		{dec, "0.00000000000000000250", "0.000000000000000002", rounded},
		{dec, "0.0000000000000000251e-1", "0.000000000000000003", rounded},
		{dec, "4.0e-19", "", tooSmall},
		{dec, "1.5000000000000000000000000", "1.500000000000000000", fits},
		{dec, "0.00000000000000000049", "", tooSmall},
		{dec, "1e-999999999999", "", tooSmall},
		{dec, "1e999999999999", "", nulled},
		{dec, "0e999999999999", "0.000000000000000000", fits},
		{dec, "1.", "", nulled},
		{dec, ".5", "", nulled},
		{dec, "1e", "", nulled},
		{dec, "+1", "", nulled},
		{dec, "NaN", "", nulled},
		{dec, "", "", nulled},
		{small, "999.994", "999.99", rounded},
		{small, "999.995", "", nulled},
		{small, "-999.995", "", nulled},
		{sof.Column{Kind: sof.Decimal, Precision: 3, Scale: 0}, "12.5", "12", rounded},
		{sof.Column{Kind: sof.Decimal, Precision: 3, Scale: 0}, "13.5", "14", rounded},
		{sof.Column{Kind: sof.Decimal, Precision: 3, Scale: 0}, "0.5", "", tooSmall},
		{sof.Column{Kind: sof.Decimal, Precision: 3, Scale: 0}, "0.51", "1", rounded},
		{
			sof.Column{Kind: sof.Decimal, Precision: 38, Scale: 38},
			"0.99999999999999999999999999999999999999", "0.99999999999999999999999999999999999999",
			fits,
		},
		{
			sof.Column{Kind: sof.Decimal, Precision: 38, Scale: 38},
			"0.999999999999999999999999999999999999995", "", nulled,
		},
		{sof.Column{Kind: sof.Date}, "1969-12-31", "1969-12-31", fits},
		{sof.Column{Kind: sof.Date}, "2024-02-29T10:00:00Z", "2024-02-29", fits},
		{sof.Column{Kind: sof.Date}, "2024-02", "", noDay},
		{sof.Column{Kind: sof.Date}, "2023-02-29", "", nulled},
		{sof.Column{Kind: sof.Date}, "2024-02-29x", "", nulled},
		{
			sof.Column{Kind: sof.Timestamp},
			"2024-02-29T10:00:00.1239+02:00",
			"2024-02-29T08:00:00.123Z", fits,
		},
		{
			sof.Column{Kind: sof.Timestamp},
			"1950-01-01T00:00:00.0001Z", "1950-01-01T00:00:00.000Z",
			fits,
		},
		{sof.Column{Kind: sof.Timestamp}, "2024-02-29", "", noTime},
		{sof.Column{Kind: sof.Timestamp}, "2024-02", "", noTime},
		{sof.Column{Kind: sof.Timestamp}, "2024", "", noTime},
		{sof.Column{Kind: sof.Timestamp}, "2023-02-29", "", nulled},
		{sof.Column{Kind: sof.Timestamp}, "2024-13", "", nulled},
		{sof.Column{Kind: sof.Timestamp}, "0000", "", nulled},
		{sof.Column{Kind: sof.Timestamp}, "10:00:00", "", nulled},
		{sof.Column{Kind: sof.Timestamp}, "2024-02-29T10:00:00", "", nulled},
		{sof.Column{Kind: sof.Date}, "2024", "", noDay},
		{sof.Column{Kind: sof.Date}, "2024-00", "", nulled},
		{sof.Column{Kind: sof.Date}, "24", "", nulled},
	}
	for _, tt := range tests {
		got, f := throughParquet(t, tt.column, tt.in)
		if f != tt.fit {
			t.Errorf("kind %d, %q: fits %d, want %d", tt.column.Kind, tt.in, f, tt.fit)
			continue
		}
		if got != tt.want {
			t.Errorf("kind %d, %q: got %s, want %s", tt.column.Kind, tt.in, got, tt.want)
		}
	}
}

func FuzzDecimalsAgreeWithBigNumbers(f *testing.F) {
	f.Add("12.340", uint8(38), uint8(12))
	f.Add("-9.995e1", uint8(4), uint8(2))
	f.Fuzz(func(t *testing.T, s string, precision, scale uint8) {
		c := sof.Column{Kind: sof.Decimal, Precision: 1 + int(precision)%38}
		c.Scale = int(scale) % (c.Precision + 1)
		got, f := parseDecimal([]byte(s), c.Precision, c.Scale)
		want, wantFit := bigDecimal(s, c.Precision, c.Scale)
		if f != wantFit {
			t.Fatalf("%q as DECIMAL(%d,%d): fits %d, want %d", s, c.Precision, c.Scale, f, wantFit)
		}
		if !f.null() && !bytes.Equal(decimalText(got[:], c.Scale), []byte(want)) {
			t.Fatalf("%q as DECIMAL(%d,%d): got %s, want %s", s, c.Precision, c.Scale,
				decimalText(got[:], c.Scale), want)
		}
	})
}

// bigDecimal is the reference for parseDecimal, for short numbers.
func bigDecimal(s string, precision, scale int) (string, fit) {
	digits := strings.TrimPrefix(s, "-")
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(digits), "e")
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	all := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	sign := strings.TrimLeft(exponent, "+-")
	if !all(whole) || hasPoint && !all(fraction) ||
		hasExponent && (!all(sign) || len(exponent)-len(sign) > 1) {
		return "", nulled
	}
	if len(strings.TrimLeft(sign, "0")) > 4 {
		if strings.Trim(whole+fraction, "0") == "" {
			return new(big.Rat).FloatString(scale), fits
		}
		if len(s) > 1000 {
			return parseAs(s, precision, scale)
		}
		if exponent[0] == '-' {
			return "", tooSmall
		}
		return "", nulled
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return "", nulled
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	units := new(big.Rat).Mul(r, new(big.Rat).SetInt(ten))
	// Half to even: the floor of units + 1/2, minus one if that is an odd tie.
	half := new(big.Rat).Add(units, big.NewRat(1, 2))
	n := new(big.Int).Div(half.Num(), half.Denom())
	if half.IsInt() && n.Bit(0) == 1 {
		n.Sub(n, big.NewInt(1))
	}
	switch {
	case len(new(big.Int).Abs(n).String()) > precision:
		return "", nulled
	case n.Sign() == 0 && r.Sign() != 0:
		return "", tooSmall
	}
	f := fits
	if !units.IsInt() {
		f = rounded
	}
	return new(big.Rat).SetFrac(n, ten).FloatString(scale), f
}

// parseAs returns parseDecimal's result as text, where the reference would be too slow.
func parseAs(s string, precision, scale int) (string, fit) {
	got, f := parseDecimal([]byte(s), precision, scale)
	return string(decimalText(got[:], scale)), f
}

// throughParquet returns a cell after writing and reading a file.
func throughParquet(t *testing.T, c sof.Column, cell string) (got string, f fit) {
	t.Helper()
	c.Name = "c"
	columns := tableColumns(Table{Columns: []sof.Column{c}}, nil)
	v := parquetfile.NewValues(columns[0].Type)
	f = put(v, 0, &c, []byte(cell))
	var file bytes.Buffer
	w := parquetfile.NewWriter("t", columns, parquetfile.Uncompressed())
	w.Reset(&file)
	if err := errors.Join(w.Write(1, []*parquetfile.Values{v}), w.Close()); err != nil {
		t.Fatal(err)
	}
	opened, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range values(opened) {
		if err != nil {
			t.Fatal(err)
		}
		if row[0].IsNull() != f.null() {
			t.Fatalf("%s %q: NULL although it fits, or not", c.Kind, cell)
		}
		got = string(text(&c, row[0]))
	}
	return got, f
}

func TestInstantsAreWrittenAsTheirLayoutsSay(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		{},
		time.Unix(0, 0), time.Unix(-1, 999_999_999),
		time.Date(9999, 12, 31, 23, 59, 59, 120_000_001, time.UTC),
		time.Date(2024, 2, 29, 23, 30, 0, 5_000_000, time.FixedZone("", -3600)),
	} {
		for fraction, layout := range map[int]string{9: instantLayout, 3: shownLayout} {
			if got, want := string(appendInstant([]byte("x"), at, fraction)),
				"x"+at.UTC().Format(layout); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

func TestQuarantinedTextEndsAtACharacter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aé", 2, "a"},
		{"aéb", 3, "aé"},
		{"a\U0001F600", 4, "a"},
		{"\xff\xff\xff", 2, "\xff\xff"},
	} {
		if got := string(cutText([]byte(tt.in), tt.limit)); got != tt.want {
			t.Errorf("%q to %d: got %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}
