package duckdb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	driver "github.com/duckdb/duckdb-go/v2"
	"golang.org/x/sync/semaphore"

	"fhirsynapse/internal/pipeline"
)

// sessions shares the open database between the calls of a Warehouse and keeps it open for waiting
// ones, because opening a database of a hundred tables takes as long as a small commit. The last
// call closes it, so that other processes can read.
type sessions struct {
	commits *semaphore.Weighted // concurrent ones
	opener  *semaphore.Weighted // one caller opens, the others wait for it

	mu     sync.Mutex
	coming int      // calls that are about to use the database
	open   *session // nil if it cannot be entered
	topics map[string]*semaphore.Weighted
}

// sideBySide is the number of concurrent commits, each on its own thread.
const sideBySide = 2

func newSessions() sessions {
	return sessions{
		commits: semaphore.NewWeighted(sideBySide), opener: semaphore.NewWeighted(1),
		topics: map[string]*semaphore.Weighted{},
	}
}

// session is the database open for writing, with the lock of its path.
type session struct {
	*database
	end   func() error
	users int // guarded by sessions

	definitions sync.Mutex // held while tables are checked and created
	reports     sync.Mutex
	ledgers     ledgers
}

// topic returns the semaphore of commits that use the same tables.
func (s *sessions) topic(of string) *semaphore.Weighted {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[of] == nil {
		s.topics[of] = semaphore.NewWeighted(1)
	}
	return s.topics[of]
}

// announce records that a call will use the database, which keeps it open until then.
func (s *sessions) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming++
}

// giveUp withdraws an announcement.
func (s *sessions) giveUp() error {
	s.mu.Lock()
	s.coming--
	var left *session
	if s.coming == 0 && s.open != nil && s.open.users == 0 {
		left, s.open = s.open, nil // it was kept open for this call
	}
	s.mu.Unlock()
	if left == nil {
		return nil
	}
	return left.end()
}

// Keep leaves the database open for the next commit, so that many small commits do not each open
// and close it. The caller must call letGo.
func (w *Warehouse) Keep() (letGo func() error) {
	w.sessions.announce()
	return w.sessions.giveUp
}

// enter returns the session to an announced call, which must leave it.
func (s *sessions) enter(
	ctx context.Context, open func(context.Context) (*session, error),
) (*session, error) {
	if err := s.opener.Acquire(ctx, 1); err != nil {
		return nil, errors.Join(err, s.giveUp())
	}
	defer s.opener.Release(1)
	if in := s.join(1); in != nil {
		return in, nil
	}
	in, err := open(ctx)
	if err != nil {
		return nil, errors.Join(err, s.giveUp())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming--
	in.users++
	s.open = in
	return in, nil
}

// join returns the open session, for an announced call or another; nil if there is none.
func (s *sessions) join(announced int) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.coming -= announced
		s.open.users++
	}
	return s.open
}

// leave ends a call's use of a session. After an error no other call enters it. The last call to
// leave closes it, unless others are announced.
func (s *sessions) leave(in *session, err error) error {
	s.mu.Lock()
	in.users--
	if s.open == in && (err != nil || in.users == 0 && s.coming == 0) {
		s.open = nil
	}
	last := in.users == 0 && s.open != in
	s.mu.Unlock()
	if last {
		return errors.Join(err, in.end())
	}
	return err
}

// use calls do with a connection of its own.
func (s *sessions) use(ctx context.Context, in *session, do func(*session, *database) error) error {
	db, err := in.beside(ctx)
	if err == nil {
		err = errors.Join(do(in, db), db.close())
	}
	return s.leave(in, err)
}

// write calls do with the database, concurrently with commits of other topics. A commit without
// enough memory is repeated alone.
func (w *Warehouse) write(
	ctx context.Context, topic string, do func(*session, *database) error,
) error {
	t := w.sessions.topic(topic)
	if err := t.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for another commit of %s: %w", topic, err)
	}
	defer t.Release(1)
	err := w.writeBeside(ctx, 1, do)
	if lacksMemory(err) {
		err = w.writeBeside(ctx, sideBySide, do)
	}
	if lacksMemory(err) && !w.memoryChosen {
		err = w.writeBeside(ctx, sideBySide, func(s *session, db *database) error {
			return w.withMoreMemory(ctx, s, db, do)
		})
	}
	return err
}

// lacksMemory reports whether a commit may have failed for lack of memory. DuckDB has one code for
// all errors at the end of a transaction.
func lacksMemory(err error) bool {
	t := typeOf(err)
	return t == driver.ErrorTypeOutOfMemory || t == driver.ErrorTypeTransaction
}

// withMoreMemory runs a commit with moreMemory while it is alone in the database.
func (w *Warehouse) withMoreMemory(
	ctx context.Context, s *session, db *database, do func(*session, *database) error,
) error {
	if _, err := db.ExecContext(ctx, "SET memory_limit = '"+moreMemory+"'"); err != nil {
		return fmt.Errorf("give the commit more memory: %w", classified(err))
	}
	err := do(s, db)
	if err == nil {
		_, err = db.ExecContext(ctx, "SET memory_limit = '"+w.o.MemoryLimit+"'")
	}
	return err
}

// writeBeside runs a commit that takes this number of places.
func (w *Warehouse) writeBeside(
	ctx context.Context, places int64, do func(*session, *database) error,
) error {
	w.sessions.announce()
	if err := w.sessions.commits.Acquire(ctx, places); err != nil {
		return errors.Join(fmt.Errorf("wait for database %s: %w", w.o.Path, err),
			w.sessions.giveUp())
	}
	defer w.sessions.commits.Release(places)
	in, err := w.sessions.enter(ctx, w.openSession)
	if err != nil {
		return err
	}
	return w.sessions.use(ctx, in, do)
}

func (w *Warehouse) openSession(ctx context.Context) (*session, error) {
	if err := w.makeFolder(); err != nil {
		return nil, err
	}
	release, err := lockPath(ctx, w.o.Path, alone)
	if err != nil {
		return nil, err
	}
	// DuckDB's memory adds to the memory that flattening has kept.
	roomTaken := w.o.MakeRoom()
	db, err := w.openDatabase(ctx, readWrite)
	if err != nil {
		roomTaken()
		release()
		return nil, err
	}
	s := &session{database: db}
	s.end = func() error {
		defer release()
		defer roomTaken()
		if err := db.close(); err != nil {
			return err
		}
		if at, whole := stampOf(w.o.Path); whole {
			w.ledgers.learn(at, &s.ledgers)
		}
		return nil
	}
	return s, nil
}

// report reads and remembers the ledger of an export. The last of several concurrent commits has
// seen all entries.
func (s *session) report(ctx context.Context, db *database, schema, export string) error {
	s.reports.Lock()
	defer s.reports.Unlock()
	entries, err := db.ledger(ctx, schema, export)
	if err == nil {
		s.ledgers.remember(stamp{}, schema, export, entries)
	}
	return err
}

// read calls do with the database, either in the writers' session or together with other readers.
func (w *Warehouse) read(ctx context.Context, do func(*database) error) error {
	if in := w.sessions.join(0); in != nil {
		return w.sessions.use(ctx, in, func(_ *session, db *database) error { return do(db) })
	}
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

// reported returns the entries that the commits of the open session have remembered for an export.
func (w *Warehouse) reported(schema, export string) ([]pipeline.LedgerEntry, bool) {
	w.sessions.mu.Lock()
	in := w.sessions.open
	w.sessions.mu.Unlock()
	if in == nil {
		return nil, false
	}
	return in.ledgers.at(stamp{}, schema, export)
}

func (w *Warehouse) openDatabase(ctx context.Context, m mode) (*database, error) {
	db, err := openDatabase(ctx, settings{
		memoryLimit: w.o.MemoryLimit, threads: 1, tempDir: w.o.TempDir, now: w.o.Now(),
	})
	if err != nil {
		return nil, err
	}
	if err := db.attach(ctx, w.o.Path, attached, m); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}
