package mssql

import (
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/parquet-go/parquet-go"

	"fhirsynapse/internal/sof"
)

func FuzzTextsOnTheWire(f *testing.F) {
	for _, text := range []string{
		"", "plain", "\u00e9\u20ac", "\U0001F600\U0010FFFF", "\uFFFD", "a\x00b", "\xff broken",
		"\u65e5\u672c",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		wide := forBulk(sof.Column{}, "nvarchar(max)")
		wide(parquet.ByteArrayValue([]byte("one before, which is longer than most")))
		got, ok := wide(parquet.ByteArrayValue([]byte(text))).([]byte)
		if !ok || got == nil {
			t.Fatalf("%q gives no bytes, or NULL", text)
		}
		var units []uint16
		for pair := range slices.Chunk(got, 2) {
			units = append(units, binary.LittleEndian.Uint16(pair))
		}
		if want := utf16.Encode([]rune(text)); !slices.Equal(units, want) {
			t.Errorf("%q: %x, want %x", text, units, want)
		}
		narrow, ok := forBulk(sof.Column{},
			"varchar(64)")(parquet.ByteArrayValue([]byte(text))).([]byte)
		if !ok || string(narrow) != text {
			t.Errorf("%q as varchar: %q", text, narrow)
		}
	})
}
