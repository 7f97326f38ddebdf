package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/url"
	"slices"
	"sync"
)

// Error is an error of the server, as the client sees it.
type Error struct {
	Number  int32
	Message string
	// Severity is the class; 16 where it is zero.
	Severity byte
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Number, e.Message) }

// Result is the answer to a request: rows when there are columns, else a count.
type Result struct {
	Columns  []Column
	Rows     [][]any
	Affected int64
}

// Session answers what one connection asks. Its methods are not called at the
// same time. An error that is an *Error reaches the client as it is; any other is
// one of number 50000.
type Session interface {
	// Batch runs a text. The parameters are those of sp_executesql. The context
	// ends when the client cancels, or is gone.
	Batch(ctx context.Context, text string, parameters []any) (Result, error)
	// Columns describes a table that rows are to be copied into.
	Columns(ctx context.Context, table string) ([]Column, error)
	// Copy takes rows into the named columns of a table. It reads rows to their
	// end, unless it fails.
	Copy(ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error]) (int64, error)
	// Transaction says whether one is open; asked after every request.
	Transaction() bool
	// Close ends the session: what is not committed is gone.
	Close()
}

// Request is what a client sent: what is recorded, and what faults go by.
type Request struct {
	Session int    // numbered from 1, in the order of connections
	Kind    string // login, batch, call, copy
	Text    string // the batch; of a copy, the table
}

// Fault is what happens to a request instead of its answer, or after it.
type Fault struct {
	// Error is answered in place of what the session would.
	Error *Error
	// CutBefore ends the connection before the request is done; CutAfter, when it
	// is done and not yet answered.
	CutBefore, CutAfter bool
	// Stall waits until the client cancels or is gone.
	Stall bool
}

// Options make a server. Sessions is needed.
type Options struct {
	// Sessions makes the session of a connection.
	Sessions func(database string) Session
	// Login may refuse; nil lets everyone in.
	Login func(Login) *Error
	// Directory asks a client without a token of its own to get one.
	Directory bool
	// Faults is asked before every request, and may be nil.
	Faults func(Request) Fault
}

// Server listens on loopback.
type Server struct {
	o      Options
	l      net.Listener
	ctx    context.Context // lives as long as the server
	stop   context.CancelFunc
	serves sync.WaitGroup

	mu       sync.Mutex
	log      []Request
	sessions int
	open     map[int]net.Conn
	// undone is the connections with a transaction.
	undone  map[int]bool
	changed chan struct{} // closed when undone changes
}

// Listen starts a server on a free port of loopback.
func Listen(o Options) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{o: o, l: l, open: map[int]net.Conn{}, undone: map[int]bool{}, changed: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.serves.Go(s.accept)
	return s, nil
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		s.sessions++
		n := s.sessions
		s.open[n] = c
		s.mu.Unlock()
		s.serves.Go(func() {
			(&conn{server: s, n: n, Conn: c}).serve()
			s.mu.Lock()
			delete(s.open, n)
			delete(s.undone, n)
			s.note()
			s.mu.Unlock()
		})
	}
}

// Close ends the server and all its connections.
func (s *Server) Close() error {
	s.stop()
	err := s.l.Close()
	s.mu.Lock()
	for _, c := range s.open {
		_ = c.Close() // its end is what is wanted
	}
	s.mu.Unlock()
	s.serves.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// URL is the server as go-mssqldb's driver takes it.
func (s *Server) URL(user, password, database string) string {
	u := url.URL{Scheme: "sqlserver", Host: s.l.Addr().String(), RawQuery: url.Values{"database": {database}, "encrypt": {"disable"}}.Encode()}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// Requests is what all clients sent so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Forget empties the record.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Open counts the connections, and those among them with an open transaction.
func (s *Server) Open() (connections, transactions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, undone := range s.undone {
		if undone {
			transactions++
		}
	}
	return len(s.open), transactions
}

// Settle waits until no connection has a transaction open: the server hears of a cut
// connection a little after the client.
func (s *Server) Settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if _, n := s.Open(); n == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			_, n := s.Open()
			return fmt.Errorf("%d transactions are open: %w", n, ctx.Err())
		}
	}
}

// note tells Settle that something has changed. The mutex is held.
func (s *Server) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// record notes a request and says what is to happen to it.
func (s *Server) record(r Request) Fault {
	s.mu.Lock()
	s.log = append(s.log, r)
	s.mu.Unlock()
	if s.o.Faults == nil {
		return Fault{}
	}
	return s.o.Faults(r)
}

func (s *Server) transaction(n int, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undone[n] = open
	s.note()
}
