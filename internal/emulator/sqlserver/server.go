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

// Error is an error that the server sends to the client.
type Error struct {
	Number  int32
	Message string
	// Severity is the class; zero means 16.
	Severity byte
	// First is an error that the server sends before this one.
	First *Error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Number, e.Message) }

// Result is the answer to a request: rows if it has columns, otherwise a count.
type Result struct {
	Columns  []Column
	Rows     [][]any
	Affected int64
}

// Session answers the requests of one connection, one at a time. An *Error reaches the client
// unchanged; any other error gets the number 50000.
type Session interface {
	// Batch runs a text with the parameters of sp_executesql. The context ends when the client
	// cancels or disconnects.
	Batch(ctx context.Context, text string, parameters []any) (Result, error)
	// Columns describes the target table of a bulk copy.
	Columns(ctx context.Context, table string) ([]Column, error)
	// Copy inserts rows into the named columns of a table. It reads all rows, unless it fails.
	Copy(
		ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error],
	) (int64, error)
	// Transaction reports whether a transaction is open. The server calls it after every request.
	Transaction() bool
	// Close ends the session and rolls back uncommitted changes.
	Close()
}

// Request is a client's request, for the record and for faults.
type Request struct {
	Session int    // numbered from 1, in the order of connections
	Kind    string // login, batch, call, copy
	Text    string // the text of the batch, or the table of the copy
}

// Fault replaces the answer to a request, or follows it.
type Fault struct {
	// Error replaces the answer of the session.
	Error *Error
	// CutBefore ends the connection before the request runs; CutAfter, after it has run and before
	// the answer.
	CutBefore, CutAfter bool
	// Stall waits until the client cancels or disconnects.
	Stall bool
}

// Options configures a server. Sessions is required.
type Options struct {
	// Sessions returns the session of a new connection.
	Sessions func(database string) Session
	// Login may refuse a client; nil admits everybody.
	Login func(Login) *Error
	// Directory asks a client without its own token to get one.
	Directory bool
	// Faults is called before every request, and may be nil.
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
	// undone holds the connections with an open transaction.
	undone  map[int]bool
	changed chan struct{} // closed when undone changes
}

// Listen starts a server on a free loopback port.
func Listen(o Options) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{
		o: o, l: l, open: map[int]net.Conn{}, undone: map[int]bool{}, changed: make(chan struct{}),
	}
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
		_ = c.Close() // intended to fail
	}
	s.mu.Unlock()
	s.serves.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// URL returns the server's URL for the go-mssqldb driver.
func (s *Server) URL(user, password, database string) string {
	u := url.URL{
		Scheme: "sqlserver", Host: s.l.Addr().String(),
		RawQuery: url.Values{"database": {database}, "encrypt": {"disable"}}.Encode(),
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// Requests returns all requests of all clients up to now.
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

// Open returns the number of connections, and the number of connections with an open transaction.
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

// Settle waits until no connection has an open transaction. The server notices a cut connection a
// little later than the client.
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

// note notifies Settle of a change. The caller holds the mutex.
func (s *Server) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// record records a request and returns its fault.
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
