package duckdb

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/batch/localfs"
	"fhirsynapse/internal/flatten"
)

func openTest(t *testing.T) *Warehouse {
	t.Helper()
	dir := t.TempDir()
	w, err := Open(Options{
		Path: filepath.Join(dir, "x.duckdb"), Lake: localfs.New(filepath.Join(dir, "lake")),
		TempDir: dir, Now: nowOf(start),
		Views: func(string) ([]flatten.Table, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// waitFor returns when this number of calls is announced.
func (s *sessions) waitFor(n int) {
	for {
		s.mu.Lock()
		coming := s.coming
		s.mu.Unlock()
		if coming >= n {
			return
		}
	}
}

func nothing(*session, *database) error { return nil }

func TestADatabaseIsLeftOpenForWhoWaits(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	var first, second, third, reader *session
	var others sync.WaitGroup
	both := make(chan struct{})
	err := w.write(t.Context(), "A", func(in *session, _ *database) error {
		first = in
		others.Go(func() {
			if err := w.write(t.Context(), "B", func(in *session, _ *database) error {
				second = in
				close(both)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		<-both // commits of two types run concurrently
		if err := w.read(t.Context(), func(*database) error {
			reader = w.sessions.open
			return nil
		}); err != nil {
			t.Error(err)
		}
		w.sessions.announce()
		return nil
	})
	others.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write(t.Context(), "C", func(in *session, _ *database) error {
		third = in
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.sessions.giveUp(); err != nil {
		t.Fatal(err)
	}
	if first != second || first != third || first != reader {
		t.Error("those who came or waited opened the database again")
	}
	closed(t, w)
}

func TestADatabaseIsKeptBetweenCommits(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	var sessions []*session
	letGo := w.Keep()
	for range 3 {
		if err := w.write(t.Context(), "A", func(in *session, _ *database) error {
			sessions = append(sessions, in)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if sessions[0] != sessions[1] || sessions[0] != sessions[2] {
		t.Error("the database was opened again")
	}
	if err := letGo(); err != nil {
		t.Fatal(err)
	}
	closed(t, w)
}

// closed fails if the database is open for writing.
func closed(t *testing.T, w *Warehouse) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	release, err := lockPath(ctx, w.o.Path, alone)
	if err != nil {
		t.Fatalf("the database stays open: %v", err)
	}
	release()
	if s := &w.sessions; s.open != nil || s.coming != 0 {
		t.Errorf("a session stays open: %v, for %d calls", s.open != nil, s.coming)
	}
}

func TestCommitsOfOneTypeTakeTurns(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	under := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := w.write(t.Context(), "A", func(*session, *database) error {
				under++ // so that the race detector checks it
				if under != 1 {
					t.Errorf("%d at once", under)
				}
				under--
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	closed(t, w)
}

func TestAfterAnErrorTheNextOpensAnew(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	broken := errors.New("broken")
	var first, second *session
	var others sync.WaitGroup
	err := w.write(t.Context(), "A", func(in *session, _ *database) error {
		first = in
		others.Go(func() {
			if err := w.write(t.Context(), "A", func(in *session, _ *database) error {
				second = in
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		return broken
	})
	others.Wait()
	if !errors.Is(err, broken) || first == second {
		t.Errorf("error %v, the same session: %v", err, first == second)
	}
	closed(t, w)
}

// After a failed commit, another one in the same session still finishes.
func TestAnErrorDoesNotDisturbTheCommitBeside(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	broken := errors.New("broken")
	var others sync.WaitGroup
	entered, failed := make(chan struct{}), make(chan struct{})
	others.Go(func() {
		err := w.write(t.Context(), "A", func(_ *session, db *database) error {
			close(entered)
			<-failed
			_, err := db.ExecContext(t.Context(),
				"CREATE TABLE "+name(attached)+".main.kept (n INT)")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-entered
	if err := w.write(t.Context(), "B", func(*session, *database) error {
		return broken
	}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	close(failed)
	if err := w.write(t.Context(), "C", nothing); err != nil {
		t.Error(err)
	}
	others.Wait()
	closed(t, w)
	rows, err := Query(t.Context(), w.o.Path, "SELECT * FROM kept", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Error(err)
	}
}

func TestNobodyLeavesADatabaseOpenByGivingUp(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	for range 50 {
		ctx, giveUp := context.WithCancel(t.Context())
		var others sync.WaitGroup
		err := w.writeBeside(t.Context(), sideBySide, func(*session, *database) error {
			others.Go(func() {
				if err := w.write(ctx, "B", nothing); err != nil &&
					!errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			w.sessions.waitFor(1)
			go giveUp() // near the end of the turn
			return nil
		})
		others.Wait()
		giveUp()
		if err != nil {
			t.Fatal(err)
		}
		closed(t, w)
	}
}

// A commit that lacks memory next to another gets all of it.
func TestACommitWithoutRoomIsDoneAgainAlone(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	tries := 0
	err := w.write(t.Context(), "A", func(_ *session, db *database) error {
		if tries++; tries > 1 {
			if w.sessions.commits.TryAcquire(1) {
				t.Error("another may begin beside it")
			}
			return nil
		}
		_, err := db.ExecContext(t.Context(), "SET memory_limit = '1MB'")
		if err == nil {
			_, err = db.ExecContext(t.Context(),
				"CREATE TEMP TABLE big AS SELECT repeat('x', 1000) || range AS x FROM range(1000000)")
		}
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries: %v", tries, err)
	}
	closed(t, w)
}
