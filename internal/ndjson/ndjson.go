// Package ndjson reads newline-delimited JSON as numbered lines.
//
// A line has a number, an offset and bytes; its content is not parsed. Memory is bounded by the
// line limit, whatever the size of the input. A line over the limit is reported with its beginning
// and skipped. The rules are those in the Bulk Data guide, applied leniently:
//
//   - one UTF-8 byte order mark at the very beginning is skipped;
//   - a line ends at LF or CRLF; the last one may end with the input;
//   - a line of blanks, tabs and carriage returns is a blank line: it has a number, but no JSON.
//
// [Lines] iterates over a stream. [Reader] returns blocks of whole lines, so that several
// goroutines can work on one stream.
package ndjson

import (
	"bytes"
	"errors"
	"io"
	"iter"
)

// DefaultLimit is the default limit for a line. Microsoft's own test data has a Group of 39 MB on
// one line.
const DefaultLimit = 64 << 20

// DefaultBlock is the default size of a block. It fits into a processor's cache.
const DefaultBlock = 256 << 10

// headSize bounds the part of a line over the limit that is kept for the quarantine.
const headSize = 1 << 20

// ErrTooLong reports a line over the limit. The line itself is cut to its first megabyte.
var ErrTooLong = errors.New("line over the limit")

// Line is one line of the input.
type Line struct {
	// Number counts from 1.
	Number int64
	// Offset is the offset of the line's first byte in the input.
	Offset int64
	// JSON is the line without its end; empty for a blank line. It is valid until the next line is
	// read.
	JSON []byte
}

// Blank reports whether the line is blank.
func (l Line) Blank() bool { return len(l.JSON) == 0 }

// Lines iterates over the lines of r. A line over limit bytes (0: DefaultLimit) comes with
// ErrTooLong, and the iteration can continue. Any other error is r's, comes without a line and ends
// the iteration.
func Lines(r io.Reader, limit int) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		blocks := NewReader(r, Options{Limit: limit})
		var b Block
		for {
			var err error
			b, err = blocks.Next(b.Data)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Line{}, err)
				return
			}
			for l, err := range b.Lines() {
				if !yield(l, err) {
					return
				}
			}
		}
	}
}

// Block is a run of whole lines.
type Block struct {
	// Number and Offset describe the first line.
	Number, Offset int64
	// Data holds the lines with their ends.
	Data []byte

	limit int
	cut   bool // Data is the beginning of one line over the limit
}

// Lines iterates over the lines of the block, which are valid while Data is. The only error is
// ErrTooLong.
func (b Block) Lines() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if b.cut {
			yield(Line{Number: b.Number, Offset: b.Offset, JSON: b.Data}, ErrTooLong)
			return
		}
		number, offset, rest := b.Number, b.Offset, b.Data
		for len(rest) > 0 {
			line, size := rest, len(rest)
			if i := bytes.IndexByte(rest, '\n'); i >= 0 {
				line, size = rest[:i], i+1
			}
			line, err := b.check(bytes.TrimSuffix(line, []byte{'\r'}))
			if !yield(Line{Number: number, Offset: offset, JSON: line}, err) {
				return
			}
			number, offset, rest = number+1, offset+int64(size), rest[size:]
		}
	}
}

// From returns the part of the block from one of its lines on.
func (b Block) From(l Line) Block {
	if !b.cut {
		b.Data = b.Data[l.Offset-b.Offset:]
	}
	b.Number, b.Offset = l.Number, l.Offset
	return b
}

func (b Block) check(line []byte) ([]byte, error) {
	if b.limit > 0 && len(line) > b.limit {
		return line[:min(len(line), headSize)], ErrTooLong
	}
	if blank(line) {
		return nil, nil
	}
	return line, nil
}

func blank(line []byte) bool {
	for _, c := range line {
		if c != ' ' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
