package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A page's size before compression is pageBudget divided by the table's columns, within limits,
// because all pages of a table grow at the same time.
const (
	pageBudget   = 3 << 20
	smallestPage = 32 << 10
	largestPage  = 256 << 10
)

func pageSize(columns int) int {
	return min(max(pageBudget/max(columns, 1), smallestPage), largestPage)
}

// chunk is one column of the current row group: finished pages and one growing page.
type chunk struct {
	Column
	codec Codec
	full  int // size of a full page in bytes

	pages      []byte // with their headers, without the dictionary's
	plainSize  int64  // of pages and headers before compression
	values     int64  // including NULLs
	nulls      int64
	byNumber   bool // a page refers to the dictionary
	plainPage  bool // a page does not
	dictionary dictionary
	abandoned  bool
	bounds     bounds
	rows       int     // of the growing page
	count      int     // of its values
	present    []int32 // its rows with a value, unless all have one
	data       []byte  // its values, plain
	numbers    []int32 // or their numbers in the dictionary
	*scratch
}

// scratch is memory that all columns of a file share for encoding pages, one after the other.
type scratch struct{ levels, page, packed []byte }

func (c *chunk) usesDictionary() bool { return c.Type == Text && !c.Distinct && !c.abandoned }

// add appends a run of rows.
func (c *chunk) add(rows int, v *Values) error {
	if c.Required && len(v.rows) != rows {
		return fmt.Errorf("column %s has %d values for %d rows", c.Name, len(v.rows), rows)
	}
	from := 0
	for done := 0; done < rows; {
		// A full page ends in the middle of a run.
		taken, upTo, err := c.fill(v, from, rows)
		if err != nil {
			return err
		}
		if !c.Required {
			c.note(v.rows[from:from+taken], done, upTo)
		}
		c.count += taken
		from += taken
		c.rows += upTo - done
		done = upTo
		if done < rows || c.pending() >= c.full {
			if err := c.endPage(); err != nil {
				return err
			}
		}
	}
	return nil
}

// note records which rows of a run, from done to upTo, have a value.
func (c *chunk) note(rows []int32, done, upTo int) {
	if c.count == c.rows && len(rows) == upTo-done {
		return
	}
	for row := len(c.present); row < c.count; row++ {
		c.present = append(c.present, int32(row))
	}
	for _, row := range rows {
		c.present = append(c.present, int32(c.rows)+row-int32(done))
	}
}

// fill takes values from index from on, until the page is full or the dictionary is abandoned,
// which also ends a page. It returns the number of values and the row after the page's last.
func (c *chunk) fill(v *Values, from, rows int) (taken, upTo int, err error) {
	rest := v.rows[from:]
	switch {
	case c.usesDictionary():
		for i := range rest {
			n, worth := c.dictionary.number(v.data[v.start(from+i):v.ends[from+i]])
			if !worth {
				c.abandoned = true
				if i == 0 && c.rows == 0 && from == 0 {
					return c.fill(v, from, rows)
				}
				return i, int(rest[i]), nil
			}
			c.numbers = append(c.numbers, n)
		}
	case c.Type == Text:
		start := v.start(from)
		for i := range rest {
			if len(c.data)+v.start(from+i)-start >= c.full && (i > 0 || c.rows > 0) {
				c.data = append(c.data, v.data[start:v.start(from+i)]...)
				return i, int(rest[i]), nil
			}
		}
		c.data = append(c.data, v.data[start:]...)
	default:
		c.data = append(c.data, v.data[from*v.width:]...)
	}
	return len(rest), rows, nil
}

func (c *chunk) pending() int { return len(c.data) + 4*len(c.numbers) }

// size returns the bytes that wait for the end of the row group.
func (c *chunk) size() int { return len(c.pages) + c.pending() + len(c.dictionary.page) }

// plain returns the approximate size of the row group for a reader, uncompressed.
func (c *chunk) plain() int { return int(c.plainSize) + c.pending() }

// endPage encodes the growing page.
func (c *chunk) endPage() error {
	if c.rows == 0 {
		return nil
	}
	page := c.page[:0]
	count := c.rows
	if !c.Required {
		count = c.count
		var err error
		if page, err = c.appendLevels(page); err != nil {
			return err
		}
	}
	encoding := format.Plain
	switch {
	case len(c.numbers) > 0:
		encoding = format.RLEDictionary
		c.byNumber = true
		// One entry would need zero bits, which not every reader supports.
		e := rle.Encoding{BitWidth: max(1, bits.Len(uint(len(c.dictionary.ends)-1)))}
		var err error
		if c.packed, err = e.EncodeInt32(c.packed, c.numbers); err != nil {
			return fmt.Errorf("encode column %s: %w", c.Name, err)
		}
		page = append(append(page, byte(e.BitWidth)), c.packed...)
	case c.Type == Boolean:
		c.plainPage = true
		c.bounds.add(c.Type, c.data)
		page = appendBits(page, c.data)
	default:
		c.plainPage = true
		c.bounds.add(c.Type, c.data)
		page = append(page, c.data...)
	}
	c.page = page
	err := c.appendPage(&format.PageHeader{
		Type: format.DataPage,
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(c.rows), Encoding: encoding, DefinitionLevelEncoding: format.RLE,
			RepetitionLevelEncoding: format.RLE,
		}),
	}, page)
	c.values += int64(c.rows)
	c.nulls += int64(c.rows - count)
	c.clearPage()
	if len(page) > kept {
		c.data, c.page, c.packed = nil, nil, nil
	}
	return err
}

// appendPage compresses a page and appends it with its header.
func (c *chunk) appendPage(h *format.PageHeader, page []byte) error {
	c.packed = c.codec.compress(c.packed[:0], page)
	h.UncompressedPageSize, h.CompressedPageSize = int32(len(page)), int32(len(c.packed))
	header, err := thrift.Marshal(&thrift.CompactProtocol{}, h)
	if err != nil {
		return fmt.Errorf("encode a page of column %s: %w", c.Name, err)
	}
	c.pages = append(append(c.pages, header...), c.packed...)
	c.plainSize += int64(len(header) + len(page))
	return nil
}

// appendLevels appends the definition levels behind their length. A level marks whether a row has a
// value.
func (c *chunk) appendLevels(page []byte) ([]byte, error) {
	at := len(page)
	page = append(page, 0, 0, 0, 0)
	if c.count == 0 || c.count == c.rows {
		page = binary.AppendUvarint(page, uint64(c.rows)<<1)
		page = append(page, byte(min(c.count, 1)))
	} else {
		c.levels = append(c.levels[:0], make([]byte, c.rows)...)
		for _, row := range c.present {
			c.levels[row] = 1
		}
		e := rle.Encoding{BitWidth: 1}
		var err error
		if c.packed, err = e.EncodeLevels(c.packed, c.levels); err != nil {
			return nil, fmt.Errorf("encode column %s: %w", c.Name, err)
		}
		page = append(page, c.packed...)
	}
	binary.LittleEndian.PutUint32(page[at:], uint32(len(page)-at-4))
	return page, nil
}

// appendBits packs booleans, eight per byte, the first into the lowest bit.
func appendBits(page, booleans []byte) []byte {
	for i, b := range booleans {
		if i%8 == 0 {
			page = append(page, 0)
		}
		page[len(page)-1] |= b << (i % 8)
	}
	return page
}

// end writes the chunk with write, the dictionary first, and returns its metadata. offset is the
// chunk's position in the file.
func (c *chunk) end(offset int64, write func([]byte) error) (format.ColumnChunk, error) {
	if err := c.endPage(); err != nil {
		return format.ColumnChunk{}, err
	}
	meta := format.ColumnMetaData{
		Type: c.physical(), PathInSchema: []string{c.Name}, Codec: c.codec.name,
		NumValues: c.values, DataPageOffset: offset,
		Statistics: format.Statistics{NullCount: c.nulls},
	}
	size := int64(len(c.pages))
	data := c.pages
	if c.byNumber {
		c.bounds.add(Text, c.dictionary.page)
	}
	meta.Statistics.MinValue, meta.Statistics.MaxValue = c.bounds.ends()
	if c.byNumber {
		c.pages = nil
		err := c.appendPage(&format.PageHeader{
			Type: format.DictionaryPage,
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{
				NumValues: int32(len(c.dictionary.ends)), Encoding: format.Plain,
			}),
		}, c.dictionary.page)
		if err == nil {
			err = write(c.pages)
		}
		if err != nil {
			return format.ColumnChunk{}, err
		}
		meta.DictionaryPageOffset, meta.DataPageOffset = offset, offset+int64(len(c.pages))
		size += int64(len(c.pages))
		meta.Encoding = append(meta.Encoding, format.RLEDictionary)
	}
	if c.plainPage || c.byNumber {
		meta.Encoding = append(meta.Encoding, format.Plain)
	}
	// The encoding of the levels comes last, because readers take the first one for the values.
	meta.Encoding = append(meta.Encoding, format.RLE)
	if err := write(data); err != nil {
		return format.ColumnChunk{}, err
	}
	meta.TotalCompressedSize, meta.TotalUncompressedSize = size, c.plainSize
	c.pages = data
	c.reset()
	return format.ColumnChunk{FileOffset: offset, MetaData: meta}, nil
}

// reset empties the chunk.
func (c *chunk) reset() {
	if cap(c.pages) > 8*kept {
		c.pages = nil
	}
	c.pages, c.plainSize, c.values, c.nulls = c.pages[:0], 0, 0, 0
	c.byNumber, c.plainPage, c.abandoned = false, false, false
	c.dictionary.reset()
	c.bounds.reset()
	c.clearPage()
}

func (c *chunk) clearPage() {
	c.rows, c.count, c.present, c.data, c.numbers = 0, 0, c.present[:0], c.data[:0], c.numbers[:0]
}

func (c *chunk) physical() format.Type {
	switch c.Type {
	case Boolean:
		return format.Boolean
	case Int32, Date:
		return format.Int32
	case Int64, Timestamp:
		return format.Int64
	case Decimal:
		return format.FixedLenByteArray
	case Text:
	}
	return format.ByteArray
}
