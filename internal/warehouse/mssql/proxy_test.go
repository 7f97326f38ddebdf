package mssql_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy forwards TDS to a server and cuts a connection at a client message. It reads only
// unencrypted messages, which are all but the login unless encrypt asks for more.
type proxy struct {
	dsn, target string

	mu    sync.Mutex
	left  int
	after bool
	cut   bool
}

func newProxy(t *testing.T, dsn string) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the connection string does not parse")
	}
	p := &proxy{target: u.Host}
	if u.Port() == "" {
		p.target = net.JoinHostPort(u.Hostname(), "1433")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	u.Host = l.Addr().String()
	p.dsn = u.String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

// cutAt cuts at the nth message from now on, or never if nth is 0. It reports whether a connection
// was cut since the last call.
func (p *proxy) cutAt(nth int, after bool) (cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut = p.cut
	p.left, p.after, p.cut = nth, after, false
	return cut
}

// due counts a message.
func (p *proxy) due() (cut, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return false, false
	}
	if p.left--; p.left > 0 {
		return false, false
	}
	p.cut = true
	return true, p.after
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // a proxy's end
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // a proxy's end
	answers := make(chan struct{})
	hold := make(chan struct{})
	go func() {
		defer close(answers)
		buf := make([]byte, 32<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			select {
			case <-hold:
				return // executed, but the answer is lost
			default:
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	const header, batch, bulk = 8, 1, 7
	for {
		h := make([]byte, header)
		if _, err := io.ReadFull(client, h); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint16(h[2:]))-header)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		cut, after := false, false
		if last := h[1]&1 != 0; last && (h[0] == batch || h[0] == bulk) {
			cut, after = p.due()
		}
		if cut && !after {
			return
		}
		if cut {
			close(hold)
		}
		if _, err := server.Write(append(h, body...)); err != nil {
			return
		}
		if cut {
			<-answers
			return
		}
	}
}
