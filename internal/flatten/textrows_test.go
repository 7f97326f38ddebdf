package flatten

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"fhirsynapse/internal/sof"
)

// All formats must agree on the fit and on the value.
func FuzzTextsAgreeWithParquet(f *testing.F) {
	for _, s := range []string{
		"", "true", "12", "-007", "+5", "1.50", "-0.0", "1e400", "00.5e-3", "2024-01-02",
		"2024-01-02T", "2024-01-02T01:02:03.123456+14:00", "2024-02-30", "0000-01-01", ".",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for kind := sof.Boolean; kind <= sof.Timestamp; kind++ {
			c := sof.Column{Kind: kind}
			want, inParquet := throughParquet(t, c, s)
			got, f := appendValue(nil, &c, []byte(s))
			if kind == sof.Decimal && (inParquet == rounded || inParquet == tooSmall) {
				inParquet = fits // a text has all digits
			}
			if f != inParquet {
				t.Fatalf("%s %q: fits %d as text, %d in Parquet", kind, s, f, inParquet)
			}
			if f.null() || want == "" {
				continue
			}
			if kind == sof.Decimal {
				if !json.Valid(got) {
					t.Errorf("%q is no JSON number: %s", s, got)
				}
				precision, scale := DecimalSize(c)
				n, _ := parseDecimal(got, precision, scale)
				got = decimalText(n[:], scale)
			}
			if string(got) != want {
				t.Errorf("%s %q: %s as text, %s in Parquet", kind, s, got, want)
			}
		}
	})
}

func FuzzTextReadsBack(f *testing.F) {
	f.Add("a", "b")
	f.Add("", " ")
	f.Add("x\"y\\", "1,2\r\n\x00é\u2028")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		table := &Table{Columns: []sof.Column{{Name: "a"}, {Name: "b"}}}
		never := func(int, fit) { t.Error("a text does not fit") }
		records := newTextRows(table, CSV)
		records.add(1, [][]byte{[]byte(a), []byte(b)}, never)
		back, err := csv.NewReader(strings.NewReader(string(records.buf))).ReadAll()
		// encoding/csv reads CRLF inside quotes as LF.
		lf := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
		if err != nil || len(back) != 1 || back[0][0] != lf(a) || back[0][1] != lf(b) {
			t.Errorf("CSV %q reads back as %q, %v", records.buf, back, err)
		}
		objects := newTextRows(table, NDJSON)
		objects.add(1, [][]byte{[]byte(a), []byte(b)}, never)
		var o struct{ A, B string }
		if err := json.Unmarshal(objects.buf, &o); err != nil || o.A != a || o.B != b {
			t.Errorf("JSON %q reads back as %q, %v", objects.buf, o, err)
		}
	})
}
