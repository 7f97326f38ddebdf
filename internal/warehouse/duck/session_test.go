package duck

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/localdir"
	"fhirsynapse/internal/prepared"
)

func openTest(t *testing.T) *Warehouse {
	t.Helper()
	dir := t.TempDir()
	w, err := Open(Options{
		Path: filepath.Join(dir, "x.duckdb"), Lake: localdir.New(filepath.Join(dir, "lake")), TempDir: dir, Now: nowOf(start),
		Views: func(string) ([]prepared.Table, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// waitFor returns when so many calls wait for their turn.
func (s *sessions) waitFor(n int) {
	for {
		s.mu.Lock()
		waiting := s.waiting
		s.mu.Unlock()
		if waiting >= n {
			return
		}
	}
}

func TestADatabaseIsLeftOpenForWhoWaits(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	var first, second, reader *database
	var others sync.WaitGroup
	err := w.write(t.Context(), 1, func(db *database) error {
		first = db
		others.Go(func() {
			if err := w.write(t.Context(), 2, func(db *database) error { second = db; return nil }); err != nil {
				t.Error(err)
			}
		})
		others.Go(func() {
			if err := w.read(t.Context(), func(db *database) error { reader = db; return nil }); err != nil {
				t.Error(err)
			}
		})
		w.sessions.waitFor(2)
		return nil
	})
	others.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if first != second || first != reader {
		t.Error("those who waited opened the database again")
	}
	closed(t, w)
}

// closed fails when the database is open for writing.
func closed(t *testing.T, w *Warehouse) {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	release, err := lockPath(ctx, w.o.Path, alone)
	if err != nil {
		t.Fatalf("the database stays open: %v", err)
	}
	release()
	if w.sessions.open != nil {
		t.Error("a session stays open")
	}
}

func TestAfterAnErrorTheNextOpensAnew(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	broken := errors.New("broken")
	var first, second *database
	var others sync.WaitGroup
	err := w.write(t.Context(), 1, func(db *database) error {
		first = db
		others.Go(func() {
			if err := w.write(t.Context(), 1, func(db *database) error { second = db; return nil }); err != nil {
				t.Error(err)
			}
		})
		w.sessions.waitFor(1)
		return broken
	})
	others.Wait()
	if !errors.Is(err, broken) || first == second {
		t.Errorf("error %v, the same session: %v", err, first == second)
	}
	closed(t, w)
}

func TestNobodyLeavesADatabaseOpenByGivingUp(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	for range 50 {
		ctx, giveUp := context.WithCancel(t.Context())
		var others sync.WaitGroup
		err := w.write(t.Context(), 1, func(*database) error {
			others.Go(func() {
				err := w.write(ctx, 1, func(*database) error { return nil })
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			w.sessions.waitFor(1)
			go giveUp() // about when the turn ends
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
