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

// Options are how a pool behaves; the zero values mean the defaults.
type Options struct {
	// Statements is how many run at the same time; 0 means 2.
	Statements int
	// Wait passes the time between two tries; nil means a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Log may be nil.
	Log *slog.Logger
}

// Pool is connections to one server.
type Pool struct {
	server Server
	o      Options
	db     *sql.DB
}

// Connect makes a pool. It does not connect yet.
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

// SignIn signs in at a server, for whoever runs statements of their own there: the
// connection is made as every other, and the error says what to do.
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

// Server is where the pool connects to.
func (p *Pool) Server() Server { return p.server }

// Close ends the connections that are kept.
func (p *Pool) Close() error { return p.db.Close() }

const idleTime = time.Minute

func (p *Pool) keepIdle() {
	p.db.SetMaxIdleConns(p.o.Statements)
	p.db.SetConnMaxIdleTime(idleTime)
}

// DropIdle ends the connections that nobody uses: where one was cut, others
// probably were.
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

// Tries is how often something is tried: a server that fails over cuts the
// connections in use and those in the pool, so that two in a row say nothing.
const Tries = 4

// Again tries do until it succeeds, fails for good, or asks for a longer wait.
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

// Pause passes the time after so many tries.
func (p *Pool) Pause(ctx context.Context, try int) error {
	const first, longest, doublings = 250 * time.Millisecond, 8 * time.Second, 5
	return p.o.Wait(ctx, min(first<<min(2*(try-1), doublings), longest))
}

// Session is one connection, for as long as it is used. After an error it is ended
// rather than used again: what it left open, the server rolls back.
type Session struct {
	conn   *sql.Conn
	failed bool
}

// With runs do on a connection of its own. It must not be called inside of another,
// which would wait for itself where one statement at a time is allowed.
func (p *Pool) With(ctx context.Context, do func(*Session) error) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return classified(ctx, stepConnect, err)
	}
	s := &Session{conn: conn}
	err = do(s)
	if err != nil || s.failed {
		// The pool closes a connection that is called bad.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close() // of the handle: the pool's own error is of no use here
	return err
}

// Fail classifies an error of the server, and has the session end.
func (s *Session) Fail(ctx context.Context, step string, err error) error {
	s.failed = true
	return classified(ctx, step, err)
}

// End has the session end with its connection, although nothing of the server failed.
func (s *Session) End() { s.failed = true }

// GoOn keeps a session whose last error is known to leave nothing behind.
func (s *Session) GoOn() { s.failed = false }

// Exec runs a statement and gives the number of rows that it touched.
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
func (s *Session) Query(ctx context.Context, step, text string, row func(scan func(...any) error) error) (err error) {
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

// Number runs a statement of one row and one column; there is false for NULL, and
// for no row.
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

// serverError is an error that came from the server or from the way to it.
type serverError struct {
	step   string
	number int32 // 0 where the way broke
	err    error
}

// Error has the server's text only where that cannot quote the data: a failed
// conversion, for one, shows the value.
func (e *serverError) Error() string {
	switch {
	case e.number == 0:
		return fmt.Sprintf("%s: %v", e.step, e.err)
	case e.step == stepConnect || speaksOfObjects(e.number):
		return fmt.Sprintf("%s: error %d: %v", e.step, e.number, e.err)
	}
	return fmt.Sprintf("%s: error %d of the server, whose text is left out since it may quote data", e.step, e.number)
}

func (e *serverError) Unwrap() error { return e.err }

// Number is the server's number in an error, 0 where there is none.
func Number(err error) int32 {
	var s *serverError
	if errors.As(err, &s) {
		return s.number
	}
	return 0
}

// Step is the step at which an error of the server came, or "".
func Step(err error) string {
	var s *serverError
	if errors.As(err, &s) {
		return s.step
	}
	return ""
}
