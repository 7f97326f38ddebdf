package ndjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Options are the bounds of a Reader; zero values mean the defaults.
type Options struct {
	Limit int // longest line, in bytes without its end
	Block int // size of a block; one with a longer line is longer

	// Admit is called before a line of more than Large bytes is read into memory,
	// and may wait; its error ends the reading. Nil admits every line.
	Admit func() error
	Large int
}

// Reader cuts a stream into blocks of whole lines. Where it cuts depends on the
// bytes and the options alone, never on how the stream hands the bytes out. It is
// not safe for concurrent use; the blocks are independent of it and of each other.
type Reader struct {
	r            io.Reader
	limit, block int
	admit        func() error
	large        int

	carry          []byte // read and not handed out yet
	number, offset int64  // of the first byte of carry
	started        bool
	skipping       bool  // inside a line over the limit whose beginning was handed out
	err            error // what r ended with
}

// NewReader makes a Reader of r.
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

// Next gives the next block, in buf when that is large enough. It ends with
// io.EOF, or with the error of the stream after the lines that were whole.
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
			// in one step: doubling would take half as much memory again
			size = max(size, min(r.limit+2, DefaultLimit+2))
		}
		// A byte over the limit tells, and one more, for the carriage return.
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

// cut hands out buf up to end and keeps the rest.
func (r *Reader) cut(buf []byte, end int) Block {
	r.carry = append(r.carry[:0], buf[end:]...)
	b := Block{Number: r.number, Offset: r.offset, Data: buf[:end], limit: r.limit}
	r.number += int64(bytes.Count(b.Data, []byte{'\n'}))
	r.offset += int64(end)
	return b
}

// cutLong hands out the beginning of a line over the limit.
func (r *Reader) cutLong(buf []byte) Block {
	head := bytes.Clone(buf[:min(len(buf), headSize)]) // or it would hold all of buf
	b := Block{Number: r.number, Offset: r.offset, Data: head, cut: true}
	r.offset += int64(len(buf))
	r.skipping = true
	return b
}

// skip reads to the end of the line, in buf.
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

// maxEmptyReads is how often in a row a stream may give neither bytes nor an
// error, as in bufio.
const maxEmptyReads = 100

// fill reads until buf has size bytes, or the stream has ended.
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
