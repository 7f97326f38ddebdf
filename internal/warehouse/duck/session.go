package duck

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// sessions has the calls of a Warehouse take turns at the database, which one
// leaves open for the next when that is waiting already: opening a database of a
// hundred tables takes as long as a small commit. When nobody waits it is closed,
// so that other processes can read.
type sessions struct {
	turn *semaphore.Weighted

	mu      sync.Mutex
	waiting int
	open    *session // its owner is whoever has the turn
}

func newSessions() sessions { return sessions{turn: semaphore.NewWeighted(1)} }

// session is the database open for writing, with the lock of its path.
type session struct {
	*database
	release func()
}

func (s *session) end() error {
	defer s.release()
	return s.close()
}

// take waits for a turn, and gives what the last one left open. Unless it fails,
// done must be called, with what this one leaves open.
func (s *sessions) take(ctx context.Context) (open *session, err error) {
	s.mu.Lock()
	s.waiting++
	s.mu.Unlock()
	err = s.turn.Acquire(ctx, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	if err == nil {
		open, s.open = s.open, nil
		return open, nil
	}
	// What was left open for this call would stay open.
	if s.waiting == 0 && s.open != nil && s.turn.TryAcquire(1) {
		open, s.open = s.open, nil
		err = errors.Join(err, open.end())
		s.turn.Release(1)
	}
	return nil, err
}

// done ends a turn. The session is left to the next, or ended when there is none.
func (s *sessions) done(open *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.turn.Release(1)
	if open == nil {
		return nil
	}
	if s.waiting > 0 {
		s.open = open
		return nil
	}
	return open.end()
}

// write gives do the database, alone.
func (w *Warehouse) write(ctx context.Context, threads int, do func(*database) error) error {
	open, err := w.sessions.take(ctx)
	if err != nil {
		return fmt.Errorf("wait for database %s: %w", w.o.Path, err)
	}
	if open == nil {
		if open, err = w.openSession(ctx); err != nil {
			return errors.Join(err, w.sessions.done(nil))
		}
	}
	if err = open.useThreads(ctx, threads); err == nil {
		err = do(open.database)
	}
	if err != nil {
		// After an error the connection is of no more use.
		return errors.Join(err, open.end(), w.sessions.done(nil))
	}
	return w.sessions.done(open)
}

func (w *Warehouse) openSession(ctx context.Context) (*session, error) {
	if err := w.makeFolder(); err != nil {
		return nil, err
	}
	release, err := lockPath(ctx, w.o.Path, alone)
	if err != nil {
		return nil, err
	}
	db, err := w.openDatabase(ctx, readWrite)
	if err != nil {
		release()
		return nil, err
	}
	return &session{db, release}, nil
}

// read gives do the database: as a writer left it open, or beside other readers.
func (w *Warehouse) read(ctx context.Context, do func(*database) error) error {
	open, err := w.sessions.take(ctx)
	if err != nil {
		return fmt.Errorf("wait for database %s: %w", w.o.Path, err)
	}
	if open != nil {
		if err := do(open.database); err != nil {
			return errors.Join(err, open.end(), w.sessions.done(nil))
		}
		return w.sessions.done(open)
	}
	err = w.readBeside(ctx, do)
	return errors.Join(err, w.sessions.done(nil))
}

func (w *Warehouse) readBeside(ctx context.Context, do func(*database) error) error {
	release, err := lockPath(ctx, w.o.Path, shared)
	if err != nil {
		return err
	}
	defer release()
	db, err := w.openDatabase(ctx, readOnly)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.close())
}

func (w *Warehouse) openDatabase(ctx context.Context, m mode) (*database, error) {
	db, err := openDatabase(ctx, settings{memoryLimit: w.o.MemoryLimit, threads: 1, tempDir: w.o.TempDir})
	if err != nil {
		return nil, err
	}
	if err := db.attach(ctx, w.o.Path, attached, m); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}
