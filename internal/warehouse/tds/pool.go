package tds

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options configure a pool. Zero values mean the defaults.
type Options struct {
	// Statements is the number of concurrent statements; 0 means 2.
	Statements int
	// Wait waits between two tries; nil means a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Log may be nil.
	Log *slog.Logger
}

// Pool is a pool of connections to one server.
type Pool struct {
	server Server
	o      Options
	db     *sql.DB
}

// Connect returns a pool. It does not connect yet.
func Connect(s Server, o Options) (*Pool, error) {
	if s.connector == nil {
		return nil, errors.New("a pool needs a server")
	}
	o.Statements = cmp.Or(o.Statements, 2)
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{server: s, o: o, db: sql.OpenDB(s.connector)}
	// A connection runs one statement at a time.
	p.db.SetMaxOpenConns(o.Statements)
	p.keepIdle()
	return p, nil
}

// SignIn signs in to a server for callers with their own statements. The connection and its errors
// are the same as in a pool.
func SignIn(ctx context.Context, s Server) (*sql.DB, error) {
	if s.connector == nil {
		return nil, errors.New("signing in needs a server")
	}
	db := sql.OpenDB(s.connector)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(classified(ctx, stepConnect, err), db.Close())
	}
	return db, nil
}

// Server returns the server of the pool.
func (p *Pool) Server() Server { return p.server }

// Close closes the idle connections.
func (p *Pool) Close() error { return p.db.Close() }

const idleTime = time.Minute

func (p *Pool) keepIdle() {
	p.db.SetMaxIdleConns(p.o.Statements)
	p.db.SetConnMaxIdleTime(idleTime)
}

// DropIdle closes the idle connections. If one was cut, the others probably were too.
func (p *Pool) DropIdle() {
	p.db.SetMaxIdleConns(-1)
	p.keepIdle()
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tries is the number of tries. A failover cuts active and pooled connections, so two failures in a
// row prove nothing.
const Tries = 4

// Again calls do until it succeeds, fails permanently, or asks for a longer delay.
func (p *Pool) Again(ctx context.Context, do func(try int) error) error {
	for try := 1; ; try++ {
		err := do(try)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if try == Tries || !passesSoon(err) {
			return err
		}
		p.o.Log.WarnContext(ctx, "the warehouse failed, trying again", "try", try, "error", err)
		p.DropIdle()
		if err := p.Pause(ctx, try); err != nil {
			return err
		}
	}
}

// Pause waits before the next try.
func (p *Pool) Pause(ctx context.Context, try int) error {
	const first, longest, doublings = 250 * time.Millisecond, 8 * time.Second, 5
	return p.o.Wait(ctx, min(first<<min(2*(try-1), doublings), longest))
}

// Session is one pinned connection. After an error it is closed, so that the server rolls back an
// open transaction.
type Session struct {
	conn   *sql.Conn
	failed bool
}

// With runs do on a connection of its own. It must not be nested, because the inner call could wait
// for the outer one.
func (p *Pool) With(ctx context.Context, do func(*Session) error) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return classified(ctx, stepConnect, err)
	}
	s := &Session{conn: conn}
	err = do(s)
	if err != nil || s.failed {
		// The pool closes a connection that returns ErrBadConn.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close() // the pool's own error does not matter
	return err
}

// Fail classifies a server error and marks the session for closing.
func (s *Session) Fail(ctx context.Context, step string, err error) error {
	s.failed = true
	return classified(ctx, step, err)
}

// End marks the session for closing without a server error.
func (s *Session) End() { s.failed = true }

// GoOn keeps a session whose last error left nothing behind.
func (s *Session) GoOn() { s.failed = false }

// Exec runs a statement and returns the number of affected rows.
func (s *Session) Exec(ctx context.Context, step, text string) (int64, error) {
	r, err := s.conn.ExecContext(ctx, text)
	if err != nil {
		return 0, s.Fail(ctx, step, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, s.Fail(ctx, step, err)
	}
	return n, nil
}

// Query runs a statement and calls row for each of its rows.
func (s *Session) Query(
	ctx context.Context, step, text string, row func(scan func(...any) error) error,
) (err error) {
	rows, err := s.conn.QueryContext(ctx, text)
	if err != nil {
		return s.Fail(ctx, step, err)
	}
	defer func() {
		if closeErr := rows.Close(); err == nil && closeErr != nil {
			err = s.Fail(ctx, step, closeErr)
		}
	}()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			s.failed = true
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	if err := rows.Err(); err != nil {
		return s.Fail(ctx, step, err)
	}
	return nil
}

// Number runs a statement with one row and one column. there is false for NULL and for no row.
func (s *Session) Number(ctx context.Context, step, text string) (n int64, there bool, err error) {
	err = s.Query(ctx, step, text, func(scan func(...any) error) error {
		var cell sql.NullInt64
		if err := scan(&cell); err != nil {
			return err
		}
		n, there = cell.Int64, cell.Valid
		return nil
	})
	return n, there, err
}

// Raw runs do on the driver's connection; see sql.Conn.
func (s *Session) Raw(do func(any) error) error { return s.conn.Raw(do) }

// serverError is an error of the server or of the connection to it.
type serverError struct {
	step   string
	number int32 // 0 if the connection broke
	err    error
}

// Error includes the server's text only if it cannot quote data. A failed conversion, for example,
// quotes the value.
func (e *serverError) Error() string {
	switch {
	case e.number == 0:
		return fmt.Sprintf("%s: %v", e.step, e.err)
	case e.step == stepConnect || speaksOfObjects(e.number):
		return fmt.Sprintf("%s: error %d: %v", e.step, e.number, e.err)
	}
	return fmt.Sprintf("%s: error %d of the server, whose text is left out since it may quote data",
		e.step, e.number)
}

func (e *serverError) Unwrap() error { return e.err }

// Number returns the server's number of an error, or 0.
func Number(err error) int32 {
	var s *serverError
	if errors.As(err, &s) {
		return s.number
	}
	return 0
}

// Step returns the step of a server error, or "".
func Step(err error) string {
	var s *serverError
	if errors.As(err, &s) {
		return s.step
	}
	return ""
}
