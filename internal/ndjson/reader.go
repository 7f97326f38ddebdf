package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Options are the limits of a Reader. Zero values mean the defaults.
type Options struct {
	Limit int // longest line, in bytes without its end
	Block int // size of a block; a longer line makes a longer block

	// Admit is called before a line of more than Large bytes is read into memory, and may wait. Its
	// error ends the reading; nil admits every line.
	Admit func() error
	Large int
}

// Reader cuts a stream into blocks of whole lines. The cuts depend only on the bytes and the
// options, not on the sizes of the stream's reads. A Reader is not safe for concurrent use; its
// blocks are.
type Reader struct {
	r            io.Reader
	limit, block int
	admit        func() error
	large        int

	carry          []byte // read but not returned yet
	number, offset int64  // of the first byte of carry
	started        bool
	skipping       bool  // inside a line over the limit whose beginning was returned
	err            error // the end of r
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader, o Options) *Reader {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.Block <= 0 {
		o.Block = DefaultBlock
	}
	return &Reader{r: r, limit: o.Limit, block: o.Block, admit: o.Admit, large: o.Large, number: 1}
}

var bom = []byte{0xEF, 0xBB, 0xBF}

// Next returns the next block, in buf if it is large enough. It ends with io.EOF, or after the
// complete lines with the stream's error.
func (r *Reader) Next(buf []byte) (Block, error) {
	if r.skipping {
		r.skip(buf)
	}
	buf = append(buf[:0], r.carry...)
	r.carry = r.carry[:0]

	searched, size, admitted := 0, max(r.block, len(bom)), false
	for {
		for size <= len(buf) {
			size *= 2
		}
		if !admitted && r.admit != nil && size > max(r.large, r.block) {
			if err := r.admit(); err != nil {
				return Block{}, err
			}
			admitted = true
		}
		if admitted {
			// in one step: doubling would need half as much memory again
			size = max(size, min(r.limit+2, DefaultLimit+2))
		}
		// One byte over the limit reveals a long line; one more allows a carriage return.
		buf = r.fill(buf, min(size, max(r.limit+2, len(buf))))
		if !r.started {
			r.started = true
			if bytes.HasPrefix(buf, bom) {
				buf, r.offset = append(buf[:0], buf[len(bom):]...), int64(len(bom))
			}
		}
		end := bytes.LastIndexByte(buf[searched:], '\n')
		switch {
		case end >= 0:
			return r.cut(buf, searched+end+1), nil
		case len(buf) > r.limit+1:
			return r.cutLong(buf), nil
		case r.err == nil:
			searched = len(buf)
		case !errors.Is(r.err, io.EOF):
			return Block{}, fmt.Errorf("read line %d: %w", r.number, r.err)
		case len(buf) == 0:
			return Block{}, io.EOF
		default:
			return r.cut(buf, len(buf)), nil
		}
	}
}

// cut returns buf up to end and keeps the rest.
func (r *Reader) cut(buf []byte, end int) Block {
	r.carry = append(r.carry[:0], buf[end:]...)
	b := Block{Number: r.number, Offset: r.offset, Data: buf[:end], limit: r.limit}
	r.number += int64(bytes.Count(b.Data, []byte{'\n'}))
	r.offset += int64(end)
	return b
}

// cutLong returns the beginning of a line over the limit.
func (r *Reader) cutLong(buf []byte) Block {
	head := bytes.Clone(buf[:min(len(buf), headSize)]) // a slice would keep all of buf in memory
	b := Block{Number: r.number, Offset: r.offset, Data: head, cut: true}
	r.offset += int64(len(buf))
	r.skipping = true
	return b
}

// skip reads to the end of the line, using buf.
func (r *Reader) skip(buf []byte) {
	for r.err == nil {
		buf = r.fill(buf[:0], r.block)
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			r.carry = append(r.carry[:0], buf[i+1:]...)
			r.offset += int64(i + 1)
			break
		}
		r.offset += int64(len(buf))
	}
	r.number++
	r.skipping = false
}

// maxEmptyReads bounds the consecutive reads without bytes or error, as in bufio.
const maxEmptyReads = 100

// fill reads until buf has size bytes or the stream ends.
func (r *Reader) fill(buf []byte, size int) []byte {
	if cap(buf) < size {
		buf = append(make([]byte, 0, size), buf...)
	}
	for empty := 0; r.err == nil && len(buf) < size; {
		n, err := r.r.Read(buf[len(buf):size])
		buf, r.err = buf[:len(buf)+n], err
		if empty++; n > 0 {
			empty = 0
		}
		if empty == maxEmptyReads {
			r.err = io.ErrNoProgress
		}
	}
	return buf
}
