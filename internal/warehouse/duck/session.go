package duck

import (
	"context"
	"errors"
	"fmt"
	"sync"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"golang.org/x/sync/semaphore"

	"fhirsynapse/internal/pipeline"
)

// sessions has the calls of a Warehouse share the database while it is open, and
// leaves it open for those that wait already: opening a database of a hundred
// tables takes as long as a small commit. When nobody is left it is closed, so
// that other processes can read.
type sessions struct {
	commits *semaphore.Weighted // that go side by side
	opener  *semaphore.Weighted // one opens, the others wait for it

	mu     sync.Mutex
	coming int      // calls that are about to use the database
	open   *session // nil when none may be entered
	topics map[string]*semaphore.Weighted
}

// sideBySide is how many commits go at once, each on a thread of its own.
const sideBySide = 2

func newSessions() sessions {
	return sessions{commits: semaphore.NewWeighted(sideBySide), opener: semaphore.NewWeighted(1), topics: map[string]*semaphore.Weighted{}}
}

// session is the database open for writing, with the lock of its path.
type session struct {
	*database
	end   func() error
	users int // guarded by sessions

	definitions sync.Mutex // held while tables are looked for and made
	reports     sync.Mutex
	ledgers     ledgers
}

// topic is the exclusion of commits that touch the same tables.
func (s *sessions) topic(of string) *semaphore.Weighted {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[of] == nil {
		s.topics[of] = semaphore.NewWeighted(1)
	}
	return s.topics[of]
}

// announce says that a call will use the database: it is left open until then.
func (s *sessions) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming++
}

// giveUp takes an announcement back.
func (s *sessions) giveUp() error {
	s.mu.Lock()
	s.coming--
	var left *session
	if s.coming == 0 && s.open != nil && s.open.users == 0 {
		left, s.open = s.open, nil // it was kept for this call
	}
	s.mu.Unlock()
	if left == nil {
		return nil
	}
	return left.end()
}

// Keep leaves the database open for a commit that is about to come, so that many small
// ones in a row do not open and close it each. It has to be let go.
func (w *Warehouse) Keep() (letGo func() error) {
	w.sessions.announce()
	return w.sessions.giveUp
}

// enter gives a call that was announced the session, which it must leave.
func (s *sessions) enter(ctx context.Context, open func(context.Context) (*session, error)) (*session, error) {
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

// join gives the open session to a call, announced or not; nil when there is none.
func (s *sessions) join(announced int) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.coming -= announced
		s.open.users++
	}
	return s.open
}

// leave ends what a call did in a session. After an error nobody enters it any
// more. The last to leave ends it, unless others are coming.
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

// use gives do a connection of its own.
func (s *sessions) use(ctx context.Context, in *session, do func(*session, *database) error) error {
	db, err := in.beside(ctx)
	if err == nil {
		err = errors.Join(do(in, db), db.close())
	}
	return s.leave(in, err)
}

// write gives do the database, beside commits of other topics. What finds no room
// beside another is done again alone.
func (w *Warehouse) write(ctx context.Context, topic string, do func(*session, *database) error) error {
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
		err = w.writeBeside(ctx, sideBySide, func(s *session, db *database) error { return w.withMoreMemory(ctx, s, db, do) })
	}
	return err
}

// lacksMemory reports whether a commit may have failed for want of memory: DuckDB
// has the same code for all errors at the end of a transaction.
func lacksMemory(err error) bool {
	t := typeOf(err)
	return t == duckdb.ErrorTypeOutOfMemory || t == duckdb.ErrorTypeTransaction
}

// withMoreMemory runs a commit that is alone in the database with moreMemory.
func (w *Warehouse) withMoreMemory(ctx context.Context, s *session, db *database, do func(*session, *database) error) error {
	if _, err := db.ExecContext(ctx, "SET memory_limit = '"+moreMemory+"'"); err != nil {
		return fmt.Errorf("give the commit more memory: %w", classified(err))
	}
	err := do(s, db)
	if err == nil {
		_, err = db.ExecContext(ctx, "SET memory_limit = '"+w.o.MemoryLimit+"'")
	}
	return err
}

// writeBeside takes so many of the places of commits.
func (w *Warehouse) writeBeside(ctx context.Context, places int64, do func(*session, *database) error) error {
	w.sessions.announce()
	if err := w.sessions.commits.Acquire(ctx, places); err != nil {
		return errors.Join(fmt.Errorf("wait for database %s: %w", w.o.Path, err), w.sessions.giveUp())
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
	// DuckDB's memory comes on top of what flattening has left behind.
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

// report reads and remembers the ledger of an export. Of several commits the last
// to report has seen what all of them wrote.
func (s *session) report(ctx context.Context, db *database, schema, export string) error {
	s.reports.Lock()
	defer s.reports.Unlock()
	entries, err := db.ledger(ctx, schema, export)
	if err == nil {
		s.ledgers.remember(stamp{}, schema, export, entries)
	}
	return err
}

// read gives do the database: as writers have it open, or beside other readers.
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

// reported is what the commits of the open session said of an export.
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
	db, err := openDatabase(ctx, settings{memoryLimit: w.o.MemoryLimit, threads: 1, tempDir: w.o.TempDir, now: w.o.Now()})
	if err != nil {
		return nil, err
	}
	if err := db.attach(ctx, w.o.Path, attached, m); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}
