package sqlserver

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
)

// bulk reads the rows that follow INSERT BULK, as they arrive.
func (c *conn) bulk(p packet) error {
	in := &stream{conn: c, packet: p}
	rows := bulkRows(bufio.NewReaderSize(in, packetSize))
	f := c.server.record(Request{Session: c.n, Kind: "copy", Text: c.copying.table})
	if f.CutBefore {
		return errCut
	}
	// The copy reads its packets itself, so a cancellation in the middle of one ends the
	// connection.
	var n int64
	var err error
	if f.Error != nil {
		err = f.Error
	} else {
		ctx, cancel := context.WithCancel(c.server.ctx)
		n, err = c.session.Copy(ctx, c.copying.table, c.copying.columns, rows)
		cancel()
	}
	if f.CutAfter {
		return errCut
	}
	if _, rest := io.Copy(io.Discard, in); rest != nil {
		return rest
	}
	return c.answer(tokenDone, Result{Affected: n}, err)
}

// stream reads the body of a message, packet by packet.
type stream struct {
	conn *conn
	packet
}

func (s *stream) Read(p []byte) (int, error) {
	for len(s.body) == 0 {
		if s.last {
			return 0, io.EOF
		}
		next, ok := <-s.conn.packets
		if !ok {
			return 0, io.ErrUnexpectedEOF
		}
		if next.kind != packetBulk {
			return 0, errCut
		}
		s.packet = next
	}
	n := copy(p, s.body)
	s.body = s.body[n:]
	return n, nil
}

// bulkRows reads column metadata and the rows that follow.
func bulkRows(in io.Reader) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		r := &reader{in: in}
		if t := r.byte(); t != tokenColumns && r.err == nil {
			r.err = fmt.Errorf("token %#x, want columns", t)
		}
		types := make([]wireType, r.uint16())
		for i := range types {
			r.bytes(6) // user type, flags
			types[i] = r.typeInfo()
			r.shortText()
		}
		for r.err == nil {
			t := r.byte()
			if r.err != nil || t == tokenDone {
				break
			}
			if t != tokenRow {
				r.err = fmt.Errorf("token %#x, want a row", t)
				break
			}
			row := make([]any, len(types))
			for i, t := range types {
				row[i] = r.value(t)
			}
			if r.err == nil && !yield(row, nil) {
				return
			}
		}
		if r.err != nil {
			yield(nil, fmt.Errorf("read the rows of a bulk copy: %w", r.err))
		}
	}
}
