package parquetfile

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const magic = "PAR1"

// Writer writes one file at a time. It is used by one goroutine at a time.
type Writer struct {
	name   string
	schema []format.SchemaElement
	chunks []*chunk

	to     io.Writer
	offset int64
	rows   int64 // of the current row group
	total  int64
	groups []format.RowGroup
	err    error
}

// NewWriter returns a Writer of files with a named schema. Reset sets the file to write.
func NewWriter(name string, columns []Column, codec Codec) *Writer {
	w := &Writer{name: name, schema: schemaOf(name, columns)}
	room := &scratch{}
	for _, c := range columns {
		w.chunks = append(w.chunks, &chunk{
			Column: c, codec: codec, full: pageSize(len(columns)), scratch: room,
		})
	}
	return w
}

// Reset discards the current file, complete or not, and begins a file in to.
func (w *Writer) Reset(to io.Writer) {
	for _, c := range w.chunks {
		c.reset()
	}
	w.to, w.offset, w.rows, w.total, w.groups, w.err = to, 0, 0, 0, nil, nil
}

// Write appends a run of rows: the values of each column, in column order. It does not keep them.
// After an error the file is unusable.
func (w *Writer) Write(rows int, values []*Values) error {
	if len(values) != len(w.chunks) {
		return fmt.Errorf("%d columns for the %d of %s", len(values), len(w.chunks), w.name)
	}
	for i, c := range w.chunks {
		if err := c.add(rows, values[i]); err != nil {
			return err
		}
	}
	w.rows += int64(rows)
	return nil
}

// Waiting returns the bytes in memory that wait for the end of their row group.
func (w *Writer) Waiting() (bytes int) {
	for _, c := range w.chunks {
		bytes += c.size()
	}
	return bytes
}

// Plain returns the uncompressed size of the row group, which is a reader's memory for it.
func (w *Writer) Plain() (bytes int) {
	for _, c := range w.chunks {
		bytes += c.plain()
	}
	return bytes
}

// Flush ends the row group.
func (w *Writer) Flush() error {
	if w.rows == 0 {
		return w.err
	}
	w.begin()
	group := format.RowGroup{NumRows: w.rows, FileOffset: w.offset, Ordinal: int16(len(w.groups))}
	for _, c := range w.chunks {
		column, err := c.end(w.offset, w.write)
		if err != nil {
			return err
		}
		group.Columns = append(group.Columns, column)
		group.TotalByteSize += column.MetaData.TotalUncompressedSize
		group.TotalCompressedSize += column.MetaData.TotalCompressedSize
	}
	w.groups = append(w.groups, group)
	w.total += w.rows
	w.rows = 0
	return w.err
}

// Close ends the file. It does not close the underlying writer.
func (w *Writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.begin()
	orders := make([]format.ColumnOrder, len(w.chunks))
	for i := range orders {
		orders[i].Value = &format.TypeDefinedOrder{} // without it readers ignore the bounds
	}
	footer, err := thrift.Marshal(&thrift.CompactProtocol{}, &format.FileMetaData{
		Version: 1, Schema: w.schema, NumRows: w.total, RowGroups: w.groups,
		CreatedBy:    "fhirsynapse version 1 (build 1)",
		ColumnOrders: orders,
	})
	if err != nil {
		return fmt.Errorf("encode the footer of %s: %w", w.name, err)
	}
	size := len(footer)
	footer = binary.LittleEndian.AppendUint32(footer, uint32(size))
	return w.write(append(footer, magic...))
}

// begin writes the start of a file.
func (w *Writer) begin() {
	if w.offset == 0 {
		_ = w.write([]byte(magic))
	}
}

// write keeps the first error.
func (w *Writer) write(b []byte) error {
	if w.err == nil {
		var n int
		n, w.err = w.to.Write(b)
		w.offset += int64(n)
	}
	return w.err
}

func schemaOf(name string, columns []Column) []format.SchemaElement {
	schema := []format.SchemaElement{{Name: name, NumChildren: thrift.New(int32(len(columns)))}}
	for _, c := range columns {
		e := format.SchemaElement{
			Name: c.Name, Type: thrift.New((&chunk{Column: c}).physical()),
			RepetitionType: thrift.New(format.Optional),
		}
		if c.Required {
			e.RepetitionType.V = format.Required
		}
		switch c.Type {
		case Text:
			e.ConvertedType, e.LogicalType.Value = thrift.New(deprecated.UTF8), &format.StringType{}
		case Date:
			e.ConvertedType, e.LogicalType.Value = thrift.New(deprecated.Date), &format.DateType{}
		case Timestamp:
			e.ConvertedType = thrift.New(deprecated.TimestampMillis)
			e.LogicalType.Value = &format.TimestampType{
				IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: &format.MilliSeconds{}},
			}
		case Decimal:
			scale, precision := int32(c.Scale), int32(c.Precision)
			e.ConvertedType, e.LogicalType.Value = thrift.New(deprecated.Decimal),
				&format.DecimalType{Scale: scale, Precision: precision}
			e.Scale, e.Precision, e.TypeLength = thrift.New(scale), thrift.New(precision),
				thrift.New(int32(c.Type.width()))
		case Boolean, Int32, Int64:
		}
		schema = append(schema, e)
	}
	return schema
}
