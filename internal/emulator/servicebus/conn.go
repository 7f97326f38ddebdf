package servicebus

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// softOutbox is the number of unwritten bytes at which deliveries to a connection pause.
	softOutbox = 1 << 20
	// hardOutbox is the number of unwritten bytes at which a connection ends: its peer sends but
	// does not read.
	hardOutbox = 16 << 20
	// maxSessions bounds the sessions of a connection; the SDK opens one per link pair.
	maxSessions = 5000
	// maxPartial bounds the bytes of unfinished deliveries of a connection.
	maxPartial = 8 << 20

	// heartbeat keeps the SDK connected: it gives up after 60 s of silence.
	heartbeat = 10 * time.Second
	// maxSilence ends a connection after the peer is gone.
	maxSilence = 4 * time.Minute
	// idleTimeout is the announced timeout in ms. Peers send at least twice in this time.
	idleTimeout = 120_000
)

type conn struct {
	s        *Server
	nc       net.Conn
	out      outbox
	idle     *time.Timer
	maxFrame int // the peer's limit
	sessions map[uint16]*session
	claims   map[string]bool // addresses, lower case, for which a token was shown
	partial  int             // bytes of unfinished incoming deliveries
	dead     bool            // cut: nothing is written any longer
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{
		s: s, nc: nc, out: outbox{ready: make(chan struct{}, 1)}, maxFrame: minFrame,
		sessions: map[uint16]*session{}, claims: map[string]bool{},
		idle: time.AfterFunc(maxSilence, func() { _ = nc.Close() }),
	}
}

// outbox holds unwritten frames. Its own mutex lets the writer work while the namespace is busy.
type outbox struct {
	ready chan struct{} // has room for one signal: there is work

	mu     sync.Mutex
	frames [][]byte
	size   int // bytes of the frames, and of the frames being written
	closed bool
}

// put adds a frame. It returns false if the outbox exceeds its hard limit.
func (o *outbox) put(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true
	}
	o.frames = append(o.frames, b)
	o.size += len(b)
	o.wake()
	return o.size <= hardOutbox
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

func (o *outbox) take() (frames [][]byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames, o.frames = o.frames, nil
	return frames, o.closed
}

// written subtracts n bytes and reports whether deliveries may resume.
func (o *outbox) written(n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.size
	o.size -= n
	return was > softOutbox && o.size <= softOutbox
}

func (o *outbox) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size > softOutbox
}

// close lets the writer end after it has written the content of the outbox.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}

// frame sends a frame, unless the connection was cut.
func (c *conn) frame(typ byte, channel uint16, performative described, payload []byte) {
	if c.dead {
		return
	}
	if !c.out.put(encodeFrame(typ, channel, performative, payload)) {
		c.s.log.Warn("service bus stand-in: client does not read, connection cut")
		c.cut()
	}
}

// cut ends the connection without a further word, as a broken network does.
func (c *conn) cut() {
	c.dead = true
	_ = c.nc.Close() // reader and writer notice it
}

func (c *conn) write() {
	defer c.idle.Stop()
	defer func() { _ = c.nc.Close() }()
	w := bufio.NewWriter(c.nc)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var frames [][]byte
		var closed bool
		select {
		case <-c.out.ready:
			frames, closed = c.out.take()
		case <-beat.C:
			if _, err := w.Write([]byte{0, 0, 0, 8, 2, frameAMQP, 0, 0}); err != nil {
				return
			}
		}
		n := 0
		for _, b := range frames {
			n += len(b)
			if _, err := w.Write(b); err != nil {
				return
			}
		}
		if err := w.Flush(); err != nil {
			return
		}
		if c.out.written(n) {
			c.s.mu.Lock()
			c.pump()
			c.s.mu.Unlock()
		}
		if closed {
			return
		}
	}
}

func (c *conn) read() {
	err := c.run()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	delete(c.s.conns, c)
	for _, ses := range c.sessions {
		ses.drop()
	}
	c.sessions = nil
	c.out.close()
	switch {
	case c.dead, err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.ErrClosedPipe):
		c.s.log.Debug("service bus stand-in: connection closed")
	default:
		c.s.log.Warn("service bus stand-in: connection lost", slog.Any("error", err))
	}
	c.s.notify()
}

func (c *conn) run() error {
	r := bufio.NewReader(c.nc)
	if err := c.handshake(r); err != nil {
		return err
	}
	for {
		f, err := readFrame(r)
		if err != nil {
			return err
		}
		c.idle.Reset(maxSilence)
		if f.code == 0 {
			continue
		}
		end, err := c.locked(f)
		if end || err != nil {
			return err
		}
	}
}

// handshake answers the protocol headers: SASL if the client asks for it, then AMQP.
func (c *conn) handshake(r io.Reader) error {
	var h [8]byte
	for {
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return err
		}
		switch string(h[:]) {
		case "AMQP\x00\x01\x00\x00":
			c.out.put(h[:])
			return nil
		case "AMQP\x03\x01\x00\x00":
		default:
			return fmt.Errorf("amqp: protocol header % x is not one", h)
		}
		c.out.put([]byte(string(h[:])))
		// Clients authenticate to $cbs. The Go client asks for ANONYMOUS, the .NET client for the
		// service's own name of the same mechanism.
		c.out.put(encodeFrame(frameSASL, 0,
			described{codeSASLMechanisms, []any{symbols("MSSBCBS", "ANONYMOUS")}}, nil))
		if _, err := readFrame(r); err != nil {
			return err
		}
		c.out.put(encodeFrame(frameSASL, 0, described{codeSASLOutcome, []any{uint8(0)}}, nil))
	}
}

// locked handles a frame while holding the mutex.
func (c *conn) locked(f frame) (end bool, err error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	defer c.s.notify()
	if c.dead {
		return true, nil
	}
	return c.handle(f)
}

func (c *conn) handle(f frame) (end bool, err error) {
	ses := c.sessions[f.channel]
	if ses == nil && f.code > codeBegin && f.code < codeClose {
		return false, nil // was under way while we ended the session
	}
	switch f.code {
	case codeOpen:
		c.maxFrame = maxFrame
		if n := f.fields.uint32(2); n >= minFrame && n < maxFrame {
			c.maxFrame = int(n)
		}
		c.frame(frameAMQP, 0,
			described{
				codeOpen, []any{
					"servicebus", nil, uint32(maxFrame), uint16(maxSessions - 1),
					uint32(idleTimeout),
				},
			}, nil)
	case codeBegin:
		if ses != nil || len(c.sessions) >= maxSessions {
			return false, fmt.Errorf("amqp begin: channel %d is taken, or there are too many",
				f.channel)
		}
		c.begin(f)
	case codeAttach:
		return false, ses.attach(f.fields)
	case codeFlow:
		ses.flow(f.fields)
	case codeTransfer:
		return false, ses.transfer(f.fields, f.payload)
	case codeDisposition:
		ses.disposition(f.fields)
	case codeDetach:
		ses.detach(f.fields.uint32(0))
	case codeEnd:
		ses.drop()
		delete(c.sessions, f.channel)
		c.frame(frameAMQP, f.channel, described{codeEnd, []any{}}, nil)
	case codeClose:
		c.frame(frameAMQP, 0, described{codeClose, []any{}}, nil)
		return true, nil
	default:
		return false, fmt.Errorf("amqp: no performative 0x%x", f.code)
	}
	return false, nil
}

// pump resumes deliveries to every link of the connection.
func (c *conn) pump() {
	for _, ses := range c.sessions {
		ses.pump()
	}
}
