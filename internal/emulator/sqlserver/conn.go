package sqlserver

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// conn is one connection. A goroutine reads packets, so that a running request can be canceled;
// serve does everything else.
type conn struct {
	server  *Server
	n       int
	session Session
	net.Conn

	packets chan packet
	opened  bool // the client knows of a transaction
	number  uint64
	// copying holds the bulk copy that INSERT BULK has announced.
	copying struct {
		table   string
		columns []string
	}
}

// errCut ends a connection on purpose.
var errCut = errors.New("the connection is cut")

func (c *conn) serve() {
	defer c.Close() //nolint:errcheck // it is expected to end
	c.packets = make(chan packet)
	gone := make(chan struct{})
	defer close(gone)
	c.server.serves.Go(func() {
		defer close(c.packets)
		in := bufio.NewReaderSize(c.Conn, packetSize)
		for {
			p, err := readPacket(in)
			if err != nil {
				return
			}
			select {
			case c.packets <- p:
			case <-gone:
				return
			}
		}
	})
	if err := c.login(); err != nil {
		return
	}
	defer c.session.Close()
	for {
		p, ok := <-c.packets
		if !ok || c.handle(p) != nil {
			return
		}
	}
}

func (c *conn) reply(body []byte) error {
	_, err := c.Write(framed(body))
	return err
}

// message returns the body of all packets of a message, beginning with first.
func (c *conn) message(first packet) ([]byte, error) {
	body := first.body
	for !first.last {
		var ok bool
		if first, ok = <-c.packets; !ok {
			return nil, io.ErrUnexpectedEOF
		}
		if body = append(body, first.body...); len(body) > longestMessage {
			return nil, fmt.Errorf("a message of more than %d bytes", longestMessage)
		}
	}
	return body, nil
}

func (c *conn) next(kind byte) ([]byte, error) {
	p, ok := <-c.packets
	if !ok {
		return nil, io.EOF
	}
	if p.kind != kind {
		return nil, fmt.Errorf("packet %d, want %d", p.kind, kind)
	}
	return c.message(p)
}

func (c *conn) login() error {
	asked, err := c.next(packetPrelogin)
	if err != nil {
		return err
	}
	if err := c.reply(prelogin(asked)); err != nil {
		return err
	}
	body, err := c.next(packetLogin)
	if err != nil {
		return err
	}
	l, err := parseLogin(body)
	if err != nil {
		return err
	}
	if c.server.o.Directory && l.Token == "" {
		if err := c.reply(fedAuthInfo()); err != nil {
			return err
		}
		answer, err := c.next(packetFedAuth)
		if err != nil {
			return err
		}
		l.Token = directoryToken(answer)
	}
	f := c.server.record(Request{Session: c.n, Kind: "login", Text: l.Database})
	refused := f.Error
	if refused == nil && c.server.o.Login != nil {
		refused = c.server.o.Login(l)
	}
	switch {
	case f.CutBefore, f.CutAfter:
		return errCut
	case refused != nil:
		return errors.Join(c.reply(failed(tokenDone, refused)), refused)
	}
	c.session = c.server.o.Sessions(l.Database)
	return c.reply(welcome(l.Database))
}

func (c *conn) handle(p packet) error {
	if p.kind == packetAttention {
		return c.reply(done(tokenDone, doneAttention, 0)) // too late: the answer was sent
	}
	if p.kind == packetBulk {
		return c.bulk(p)
	}
	body, err := c.message(p)
	if err != nil {
		return err
	}
	if len(body) < 4 || int(binary.LittleEndian.Uint32(body)) > len(body) {
		return errors.New("a request without headers")
	}
	body = body[binary.LittleEndian.Uint32(body):]
	switch p.kind {
	case packetBatch:
		return c.batch(fromUCS2(body))
	case packetRPC:
		text, parameters, err := parseCall(body)
		if err != nil {
			return err
		}
		return c.request(Request{
			Session: c.n, Kind: "call", Text: text,
		}, tokenDoneProc, func(ctx context.Context) (Result, error) {
			return c.session.Batch(ctx, text, parameters)
		})
	case packetTransaction:
		return c.manage(body)
	}
	return fmt.Errorf("a packet that this server does not know: %d", p.kind)
}

// batch runs a text. It handles the driver's texts for a bulk copy itself, not in the session.
func (c *conn) batch(text string) error {
	switch {
	case text == "SET FMTONLY ON", text == "SET FMTONLY OFF":
		return c.reply(done(tokenDone, 0, 0))
	case strings.HasPrefix(text, "select * from ") && strings.HasSuffix(text, " SET FMTONLY OFF"):
		table := strings.TrimSuffix(strings.TrimPrefix(text, "select * from "), " SET FMTONLY OFF")
		columns, err := c.session.Columns(c.server.ctx, table)
		return c.answer(tokenDone, Result{Columns: columns}, err)
	case strings.HasPrefix(text, "INSERT BULK "):
		table, list, _ := strings.Cut(strings.TrimPrefix(text, "INSERT BULK "), " (")
		c.copying.table, c.copying.columns = table, bulkColumns(list)
		return c.reply(done(tokenDone, 0, 0))
	}
	return c.request(Request{
		Session: c.n, Kind: "batch", Text: text,
	}, tokenDone, func(ctx context.Context) (Result, error) {
		return c.session.Batch(ctx, text, nil)
	})
}

// bulkColumns returns the names in "[a] int, [b] nvarchar(max)) WITH (..)".
func bulkColumns(list string) []string {
	var names []string
	for {
		_, after, ok := strings.Cut(list, "[")
		if !ok {
			return names
		}
		var name string
		for {
			part, rest, _ := strings.Cut(after, "]")
			name += part
			if after = rest; !strings.HasPrefix(after, "]") {
				break
			}
			name, after = name+"]", after[1:]
		}
		names, list = append(names, name), after
	}
}

// request runs do, which the client may cancel, and answers.
func (c *conn) request(r Request, kind byte, do func(context.Context) (Result, error)) error {
	f := c.server.record(r)
	if f.CutBefore {
		return errCut
	}
	ctx, cancel := context.WithCancel(c.server.ctx)
	defer cancel()
	type outcome struct {
		Result
		err error
	}
	ended := make(chan outcome, 1)
	c.server.serves.Go(func() {
		var o outcome
		switch {
		case f.Stall:
			<-ctx.Done()
		case f.Error != nil:
			o.err = f.Error
		default:
			o.Result, o.err = do(ctx)
		}
		ended <- o
	})
	var o outcome
	cancelled := false
	for waiting := true; waiting; {
		select {
		case o = <-ended:
			waiting = false
		case p, ok := <-c.packets:
			cancel()
			if !ok {
				<-ended
				return io.EOF
			}
			cancelled = cancelled || p.kind == packetAttention
		}
	}
	switch {
	case f.CutAfter:
		return errCut
	case cancelled:
		c.noteTransaction()
		return c.reply(done(tokenDone, doneAttention, 0))
	}
	return c.answer(kind, o.Result, o.err)
}

// noteTransaction returns a token if a transaction has begun or ended since the last call.
func (c *conn) noteTransaction() []byte {
	open := c.session.Transaction()
	if open == c.opened {
		return nil
	}
	c.opened = open
	c.server.transaction(c.n, open)
	if open {
		c.number++
		return transactionChange(changeBegin, c.number)
	}
	return transactionChange(changeCommit, c.number)
}

func (c *conn) answer(kind byte, r Result, err error) error {
	b := c.noteTransaction()
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Number: 50000, Message: err.Error(), Severity: 16}
		}
		return c.reply(append(b, failed(kind, e)...))
	}
	count := r.Affected
	if r.Columns != nil {
		if b, err = appendRows(b, r.Columns, r.Rows); err != nil {
			return c.reply(failed(kind, &Error{Number: 50000, Message: err.Error(), Severity: 16}))
		}
		count = int64(len(r.Rows))
	}
	return c.reply(append(b, done(kind, doneCount, count)...))
}

// manage begins or ends a transaction at the driver's request.
func (c *conn) manage(body []byte) error {
	texts := map[uint16]string{
		5: "BEGIN TRANSACTION", 7: "COMMIT TRANSACTION", 8: "ROLLBACK TRANSACTION",
	}
	text := ""
	if len(body) >= 2 {
		text = texts[binary.LittleEndian.Uint16(body)]
	}
	if text == "" {
		return errors.New("a transaction request that this server does not know")
	}
	return c.batch(text)
}

// parseCall reads a remote procedure call. It returns the statement and parameters of
// sp_executesql, and the name of any other procedure.
func parseCall(body []byte) (text string, parameters []any, err error) {
	const byNumber, executeSQL = 0xFFFF, 10
	r := &reader{in: strings.NewReader(string(body))}
	n := r.uint16()
	if n != byNumber {
		text = fromUCS2(r.bytes(2 * int(n)))
	} else if r.uint16() == executeSQL {
		text = "sp_executesql"
	}
	r.uint16() // options
	for r.err == nil {
		length := r.byte()
		if errors.Is(r.err, io.EOF) {
			r.err = nil
			break
		}
		r.bytes(2 * int(length)) // the parameter's name
		r.byte()                 // its status
		parameters = append(parameters, r.value(r.typeInfo()))
	}
	if statement, ok := first(parameters).(string); ok && text == "sp_executesql" {
		return statement, parameters[min(2, len(parameters)):], r.err
	}
	return text, parameters, r.err
}

func first(values []any) any {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}
