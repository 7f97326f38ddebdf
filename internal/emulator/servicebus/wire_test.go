package servicebus

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValuesSurviveTheWire(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		nil, true, false, uint8(1), uint16(2), uint32(3), uint64(4), int8(-1), int32(-2), int64(-3),
		1.5,
		[]byte("b"), "s", symbol("y"),
		[]any{},
		[]any{uint32(1), nil, []any{"x"}},
		map[any]any{"k": uint32(1), symbol("s"): nil},
		described{0x24, []any{}},
		described{1 << 40, "x"},
	} {
		b := appendValue(nil, v)
		got, rest, err := decodeValue(append(b, 0xff))
		if err != nil || len(rest) != 1 {
			t.Errorf("%#v: rest %d, error %v", v, len(rest), err)
			continue
		}
		if diff := cmp.Diff(v, got, cmp.AllowUnexported(described{})); diff != "" {
			t.Errorf("%#v: %s", v, diff)
		}
	}
}

func TestWhatIsNotAValueIsRefused(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing":             {},
		"short uint":          {0x70, 0, 0},
		"short string":        {0xb1, 0, 0, 0, 9, 'x'},
		"count over size":     {0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff},
		"no such constructor": {0x13},
		"nested too deep":     bytes.Repeat([]byte{0x00, 0x53, 0x24}, 100),
	} {
		if v, _, err := decodeValue(b); err == nil {
			t.Errorf("%s: got %#v", name, v)
		}
	}
}

func TestAnUnhashableMapKeyIsLeftOut(t *testing.T) {
	t.Parallel()
	b := appendCompound(nil, 0xd1, 4, []byte{0x45, 0x41, 0xa1, 1, 'k', 0x42})
	got, _, err := decodeValue(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[any]any{"k": false}, got); diff != "" {
		t.Fatal(diff)
	}
}

func FuzzDecodeValue(f *testing.F) {
	for _, v := range []any{
		described{codeOpen, []any{"id", nil, uint32(65536)}},
		map[any]any{symbol("a"): []any{"b"}},
		[]byte("x"),
	} {
		f.Add(appendValue(nil, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := decodeValue(b)
		if err == nil && len(rest) >= len(b) {
			t.Fatal("a value of no bytes")
		}
		if err != nil {
			return
		}
		// A decoded value can be encoded again, with the same meaning.
		again, rest, err := decodeValue(appendValue(nil, v))
		if err != nil || len(rest) != 0 {
			t.Fatalf("again: %v, rest %d", err, len(rest))
		}
		// maps have no order
		if x, y := appendValue(nil, v), appendValue(nil, again); len(x) != len(y) {
			t.Fatalf("% x became % x", x, y)
		}
	})
}

// conversation returns the bytes of a peer that says hello, opens a session, shows no token and
// sends junk.
func conversation(frames ...[]byte) []byte {
	b := []byte("AMQP\x00\x01\x00\x00")
	b = append(b, encodeFrame(frameAMQP, 0, described{codeOpen, []any{"fuzz", nil, uint32(512)}},
		nil)...)
	b = append(b, encodeFrame(frameAMQP, 0,
		described{codeBegin, []any{nil, uint32(0), uint32(1), uint32(1)}}, nil)...)
	return append(b, bytes.Join(frames, nil)...)
}

func attachFrame(handle uint32, receiver bool, addr string) []byte {
	node := described{0x28, []any{addr}}
	return encodeFrame(frameAMQP, 0,
		described{codeAttach, []any{"l", handle, receiver, uint8(2), uint8(1), node, node}}, nil)
}

// talk sends b to a server, and returns when the server is done with it.
func talk(t *testing.T, b []byte) {
	t.Helper()
	srv := New(Options{})
	defer srv.Close()
	srv.AddQueue("jobs", QueueConfig{})
	peer := srv.Pipe()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, peer)
	}()
	_, _ = peer.Write(b) // the server may hang up at any byte
	_ = peer.Close()
	<-read
	srv.Close()
	if n := len(srv.conns); n != 0 {
		t.Fatalf("%d connections left", n)
	}
}

func FuzzConnection(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	f.Add([]byte("AMQP\x03\x01\x00\x00\x00\x00\x00\x08\x02\x01\x00\x00AMQP\x00\x01\x00\x00"))
	f.Add(conversation(
		attachFrame(0, false, "$cbs"), attachFrame(1, true, "$cbs"), attachFrame(2, true, "jobs"),
		encodeFrame(frameAMQP, 0,
			described{
				codeFlow, []any{
					uint32(0), uint32(9), uint32(0), uint32(9), uint32(1), uint32(0), uint32(9),
					nil, true, true,
				},
			}, nil),
		encodeFrame(frameAMQP, 0,
			described{
				codeTransfer, []any{uint32(0), uint32(0), []byte("t"), uint32(0), false, false},
			}, []byte("\x00\x53\x75\xa0\x01x")),
		encodeFrame(frameAMQP, 0,
			described{
				codeDisposition, []any{true, uint32(0), uint32(1<<32 - 1), true, stateAccepted},
			}, nil),
		encodeFrame(frameAMQP, 0, described{codeDetach, []any{uint32(0), true}}, nil),
		encodeFrame(frameAMQP, 0, described{codeEnd, []any{}}, nil),
		encodeFrame(frameAMQP, 0, described{codeClose, []any{}}, nil),
	))
	f.Fuzz(talk)
}

func TestGarbageEndsTheConnectionAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"http":              []byte("GET / HTTP/1.1\r\n\r\n"),
		"tls":               {0x16, 3, 1, 2, 0, 1, 0, 1},
		"huge frame":        append(conversation(), 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0),
		"tiny frame":        append(conversation(), 0, 0, 0, 1, 2, 0, 0, 0),
		"offset past end":   append(conversation(), 0, 0, 0, 8, 9, 0, 0, 0),
		"not a performance": append(conversation(), 0, 0, 0, 9, 2, 0, 0, 0, 0x40),
		"same handle twice": conversation(attachFrame(0, false, "$cbs"),
			attachFrame(0, false, "$cbs")),
		"session twice": append(conversation(), conversation()[8:]...),
		"cut short":     conversation()[:30],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			talk(t, b)
		})
	}
}

func TestADispositionOfFourBillionDeliveriesIsQuick(t *testing.T) {
	t.Parallel()
	ses := &session{c: &conn{dead: true}, unsettled: map[uint32]delivery{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ses.disposition(fields{true, uint32(1), uint32(0), false, stateAccepted})
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("still counting")
	}
}

func TestAPeerThatNeverFinishesItsDeliveriesIsCut(t *testing.T) {
	t.Parallel()
	srv := New(Options{})
	defer srv.Close()
	srv.AddQueue("jobs", QueueConfig{})
	c := newConn(srv, nopConn{})
	defer c.idle.Stop()
	srv.mu.Lock()
	defer srv.mu.Unlock()
	c.begin(frame{})
	ses := c.sessions[0]
	chunk := make([]byte, maxFrame-frameOverhead)
	for handle := uint32(0); ; handle++ {
		ses.links[handle] = &link{ses: ses, handle: handle, addr: cbsNode}
		for range maxMessage / len(chunk) {
			if err := ses.transfer(fields{handle, uint32(0), []byte("t"), uint32(0), false, true},
				chunk); err != nil {
				if c.partial > maxPartial+len(chunk) {
					t.Fatalf("holds %d bytes", c.partial)
				}
				ses.drop()
				if c.partial != 0 {
					t.Fatalf("still holds %d bytes", c.partial)
				}
				return
			}
		}
		if handle > 2*maxPartial/maxMessage {
			t.Fatal("not cut")
		}
	}
}

type nopConn struct{ net.Conn }

func (nopConn) Close() error { return nil }

func TestAPeerThatDoesNotReadIsCut(t *testing.T) {
	t.Parallel()
	c := newConn(New(Options{}), nopConn{})
	defer c.idle.Stop()
	payload := make([]byte, 60<<10)
	for n := 0; !c.dead; n++ {
		if n*len(payload) > 2*hardOutbox {
			t.Fatal("not cut")
		}
		c.frame(frameAMQP, 0, described{codeTransfer, []any{}}, payload)
	}
	if !c.out.full() {
		t.Fatal("cut early")
	}
}

func TestADeliveryWaitsForTheWindow(t *testing.T) {
	t.Parallel()
	srv := New(Options{})
	c := newConn(srv, nopConn{})
	defer c.idle.Stop()
	c.maxFrame = minFrame
	ses := &session{c: c, window: 2, links: map[uint32]*link{}}
	l := &link{ses: ses, sender: true, credit: 5}
	ses.links[0] = l
	msg := bytes.Repeat([]byte("x"), 5*(minFrame-frameOverhead))
	l.send([]byte("t"), msg, true)
	if frames, _ := c.out.take(); len(frames) != 2 || len(ses.backlog) != 3 || l.takes() {
		t.Fatalf("%d frames out, %d wait", len(frames), len(ses.backlog))
	}
	ses.flow(fields{uint32(2), uint32(10), uint32(0), uint32(10)})
	frames, _ := c.out.take()
	if len(frames) != 3 || len(ses.backlog) != 0 || ses.nextOut != 5 || !l.takes() {
		t.Fatalf("%d frames out, %d wait, next %d", len(frames), len(ses.backlog), ses.nextOut)
	}
}

func TestAPeerThatOpensNoWindowIsCut(t *testing.T) {
	t.Parallel()
	c := newConn(New(Options{}), nopConn{})
	defer c.idle.Stop()
	c.maxFrame = maxFrame
	ses := &session{c: c, links: map[uint32]*link{}}
	l := &link{ses: ses, sender: true}
	msg := make([]byte, maxMessage)
	for n := 0; !c.dead; n++ { // answers to its requests
		if n*len(msg) > 2*hardOutbox {
			t.Fatal("not cut")
		}
		l.send([]byte("r"), msg, true)
	}
	if ses.drop(); ses.waiting != 0 {
		t.Fatalf("%d bytes wait in an ended session", ses.waiting)
	}
}

// Not parallel: it counts goroutines, by the package's name in their stacks.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	srv := New(Options{})
	q := srv.AddQueue("jobs", QueueConfig{})
	if _, err := srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var peers []net.Conn
	for range 10 {
		peers = append(peers, srv.Pipe()) // reads and sends nothing
	}
	q.DelayDeliveries(time.Hour)
	srv.Close()
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for _, name := range []string{"servicebus.(*conn)", "servicebus.(*Server).Listen"} {
		if strings.Contains(stacks, name) {
			t.Errorf("%s still runs", name)
		}
	}
	for _, p := range peers {
		_ = p.Close()
	}
	if _, err := srv.Pipe().Read(make([]byte, 1)); err == nil {
		t.Error("a closed server talks")
	}
}

// The .NET client announces the largest window and omits a count of zero.
func TestWindowAndCreditAreUnsigned(t *testing.T) {
	t.Parallel()
	const most = 1<<32 - 1
	l := &link{sender: true}
	ses := &session{links: map[uint32]*link{1: l}}
	ses.flow(fields{uint32(0), uint32(most), uint32(0), uint32(most), uint32(1), nil, uint32(most)})
	if ses.window != most || l.credit != most {
		t.Errorf("window %d, credit %d", ses.window, l.credit)
	}
	ses.nextOut, l.count = 5, 3 // sent since then; the peer does not know it yet
	ses.flow(fields{uint32(0), uint32(10), uint32(0), uint32(10), uint32(1), uint32(0), uint32(10)})
	if ses.window != 5 || l.credit != 7 {
		t.Errorf("window %d, credit %d", ses.window, l.credit)
	}
}

func TestFirstDeliveryCountIsOnTheWire(t *testing.T) {
	t.Parallel()
	v, rest, err := decodeValue((&message{}).header())
	if err != nil || len(rest) != 0 {
		t.Fatal(err, rest)
	}
	if diff := cmp.Diff(described{codeHeader, []any{false, nil, nil, nil, uint32(0)}}, v,
		cmp.AllowUnexported(described{})); diff != "" {
		t.Error(diff)
	}
}
