// Package flatparquet writes Parquet files of flat rows, column by column. A NULL
// costs nothing, which is what tables of FHIR resources consist of mostly; a file
// is a function of its rows; memory is what its row group under way takes.
//
// The files keep to what old readers know (data pages of version 1, PLAIN and
// dictionary encodings, converted types beside logical ones): Synapse's is among
// them. Reading is the business of the library that also encodes the metadata.
package flatparquet

import (
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// Type is the type of a column's values.
type Type int

// The types. The method of Values that takes each is named like it.
const (
	Text      Type = iota // UTF-8
	Boolean               //
	Int32                 //
	Int64                 //
	Decimal               // 16 bytes, big-endian two's complement
	Date                  // days since 1970-01-01
	Timestamp             // milliseconds since 1970-01-01T00:00:00Z
)

// Column describes a column.
type Column struct {
	Name             string
	Type             Type
	Precision, Scale int // of a Decimal
	// Required columns have a value in every row.
	Required bool
	// Distinct texts are written as they are; others are looked up in a dictionary
	// as long as that is worth it.
	Distinct bool
}

// width is the bytes of a value, 0 for texts.
func (t Type) width() int {
	switch t {
	case Boolean:
		return 1
	case Int32, Date:
		return 4
	case Int64, Timestamp:
		return 8
	case Decimal:
		return 16
	case Text:
	}
	return 0
}

// Codec compresses pages.
type Codec struct {
	name     format.CompressionCodec
	compress func(to, from []byte) []byte
}

// Uncompressed leaves pages as they are.
func Uncompressed() Codec {
	return Codec{format.Uncompressed, func(to, from []byte) []byte { return append(to, from...) }}
}

// Snappy is quick.
func Snappy() Codec {
	return Codec{format.Snappy, func(to, from []byte) []byte {
		n := len(to)
		most := s2.MaxEncodedLen(len(from))
		if cap(to)-n < most {
			grown := make([]byte, n, max(2*cap(to), n+most))
			copy(grown, to)
			to = grown
		}
		return to[:n+len(s2.EncodeSnappy(to[n:n+most], from))]
	}}
}

// Zstd is small, and slower.
func Zstd() (Codec, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return Codec{}, fmt.Errorf("start zstd: %w", err)
	}
	return Codec{format.Zstd, func(to, from []byte) []byte { return e.EncodeAll(from, to) }}, nil
}
