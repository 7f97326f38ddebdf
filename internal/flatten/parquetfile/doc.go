// Package parquetfile writes Parquet files of flat rows, column by column. A NULL costs no space,
// because tables of FHIR resources are mostly NULL. Equal rows make equal files. Memory is bounded
// by the current row group.
//
// The files use only features that old readers support, Synapse among them: data pages of version
// 1, PLAIN and dictionary encodings, converted types together with logical ones. Reading is left to
// the library that also encodes the metadata.
package parquetfile

import (
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// Type is the type of a column's values.
type Type int

// The types. Each has a method of Values with the same name.
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
	// Distinct texts are written plainly. Other texts use a dictionary while it pays.
	Distinct bool
}

// width returns the bytes of a value, 0 for texts.
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

// Snappy is fast.
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

// Zstd is smaller and slower.
func Zstd() (Codec, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1))
	if err != nil {
		return Codec{}, fmt.Errorf("start zstd: %w", err)
	}
	return Codec{format.Zstd, func(to, from []byte) []byte { return e.EncodeAll(from, to) }}, nil
}
