package servicebus

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options configures a Server. Every field has a default.
type Options struct {
	// Clock determines the time of schedules and locks; nil selects the machine's clock.
	Clock Clock
	// Log receives the events of connections and links, never message bodies.
	Log *slog.Logger
	// KeyName and Key sign the SAS tokens that clients must show. An empty Key is replaced by a
	// random key: see ConnectionString.
	KeyName, Key string
	// CheckToken, if set, checks the JWTs of clients that use a token credential instead of a key.
	// Without it, any JWT passes.
	CheckToken func(token string) error
}

// Server is one namespace. Make it with New.
type Server struct {
	clock        Clock
	log          *slog.Logger
	keyName, key string
	checkToken   func(string) error
	running      sync.WaitGroup // all goroutines of the server
	// guards everything below, and all queues, connections, sessions and links
	mu            sync.Mutex
	queues        map[string]*Queue
	conns         map[*conn]bool
	listeners     []net.Listener
	addr          string
	changed       chan struct{} // closed at the next change; nil if nobody waits
	closed        bool
	refuseSends   bool
	refuseClients bool
}

// New returns a namespace without queues. The caller must close it.
func New(o Options) *Server {
	s := &Server{
		clock: o.Clock, log: o.Log, keyName: o.KeyName, key: o.Key, checkToken: o.CheckToken,
		queues: map[string]*Queue{}, conns: map[*conn]bool{},
	}
	if s.clock == nil {
		s.clock = WallClock{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.keyName == "" {
		s.keyName = "RootManageSharedAccessKey"
	}
	if s.key == "" {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails, by its contract
		s.key = base64.StdEncoding.EncodeToString(b[:])
	}
	return s
}

// AddQueue makes and returns a queue with its dead-letter queue. If a queue of that name exists
// (case does not matter), AddQueue leaves it unchanged.
func (s *Server) AddQueue(name string, cfg QueueConfig) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(name)
	if q := s.queues[key]; q != nil {
		return q
	}
	q := newQueue(s, name, cfg)
	q.dead = newQueue(s, name+deadLetterSuffix, QueueConfig{LockDuration: cfg.LockDuration})
	s.queues[key] = q
	return q
}

// Queue returns the queue of that name, or nil.
func (s *Server) Queue(name string) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queues[strings.ToLower(name)]
}

// Queues returns the names of all queues, sorted, without the dead-letter queues.
func (s *Server) Queues() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, q := range s.queues {
		names = append(names, q.name)
	}
	slices.Sort(names)
	return names
}

// Listen serves clients on a loopback address such as "127.0.0.1:0" until Close,
// and returns the address with the real port.
func (s *Server) Listen(addr string) (string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("listen for service bus clients: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf(
			"listen for service bus clients on %s: only loopback addresses are allowed, use 127.0.0.1", addr)
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for service bus clients on %s: %w", addr, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", errors.Join(net.ErrClosed, ln.Close())
	}
	s.listeners = append(s.listeners, ln)
	s.addr = ln.Addr().String()
	s.running.Go(func() {
		for {
			nc, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				// The client left before we accepted, or descriptors are short: the pause prevents
				// a busy loop in the latter case.
				s.log.Warn("service bus stand-in: accept", slog.Any("error", err))
				if !s.pause(100 * time.Millisecond) {
					return
				}
				continue
			}
			s.serve(nc)
		}
	})
	return s.addr, nil
}

// pause waits in real time. It returns false if the server is closed.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed
}

// Pipe returns the client's end of a connection without a network, for
// azservicebus.ClientOptions.NewWebSocketConn.
func (s *Server) Pipe() net.Conn {
	client, server := net.Pipe()
	s.serve(server)
	return client
}

// ConnectionString returns the string for azservicebus.NewClientFromConnectionString. Before Listen
// its address leads nowhere, which does not matter to a client that uses Pipe.
func (s *Server) ConnectionString() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:1"
	}
	return "Endpoint=sb://" + addr + ";SharedAccessKeyName=" + s.keyName + ";SharedAccessKey=" +
		s.key + ";UseDevelopmentEmulator=true"
}

// Close stops listening, cuts all connections, stops all timers and waits until no goroutine of the
// server runs. Queues can still be inspected.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for _, ln := range s.listeners {
		_ = ln.Close() // this ends the accept loop; nothing else to do
	}
	s.cutAll()
	for _, q := range s.queues {
		q.stopTimers()
		q.dead.stopTimers()
	}
	s.notify()
	s.mu.Unlock()
	s.running.Wait()
}

// serve accepts or closes a connection.
func (s *Server) serve(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.refuseClients {
		_ = nc.Close() // the client sees the refusal
		return
	}
	c := newConn(s, nc)
	s.conns[c] = true
	s.running.Go(c.write)
	s.running.Go(c.read)
}

// after runs f under the mutex after d.
func (s *Server) after(d time.Duration, f func()) Timer {
	return s.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			return
		}
		f()
		s.notify()
	})
}

// notify wakes all callers of wait.
func (s *Server) notify() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// wait returns when done is true. It calls done under the mutex after every change.
func (s *Server) wait(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		if done() {
			s.mu.Unlock()
			return nil
		}
		if s.closed {
			s.mu.Unlock()
			return net.ErrClosed
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

const (
	deadLetterSuffix = "/$DeadLetterQueue"
	managementSuffix = "/$management"
	cbsNode          = "$cbs"
)

// entity returns the queue of an address, or nil, and whether the address is the queue's management
// node.
func (s *Server) entity(addr string) (q *Queue, management bool) {
	// the .NET client sends the path of a URL
	name := strings.TrimPrefix(strings.ToLower(addr), "/")
	name, management = strings.CutSuffix(name, managementSuffix)
	name, dead := strings.CutSuffix(name, strings.ToLower(deadLetterSuffix))
	q = s.queues[name]
	if q != nil && dead {
		q = q.dead
	}
	return q, management
}
