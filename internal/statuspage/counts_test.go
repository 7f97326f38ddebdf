package statuspage

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
)

// slowCounter answers when the test lets it.
type slowCounter struct {
	mu      sync.Mutex
	asked   int
	most    int // at once
	running int
	answer  func() (Tables, error)
	held    chan struct{} // closed to let every question end
}

func (c *slowCounter) Tables(ctx context.Context, _ pipeline.Plan) (Tables, error) {
	c.mu.Lock()
	c.asked++
	c.running++
	c.most = max(c.most, c.running)
	c.mu.Unlock()
	select {
	case <-c.held:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	return c.answer()
}

func (c *slowCounter) set(answer func() (Tables, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

func (c *slowCounter) questions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func fails() (Tables, error) { return Tables{}, errors.New("the pool is paused") }

func rowsOf(n int64) func() (Tables, error) {
	return func() (Tables, error) {
		return Tables{Rows: []TableRows{{Table: "patient", Type: "Patient", Rows: &n}}}, nil
	}
}

// asking is a cache whose clock a test moves.
type asking struct {
	*counts
	counter *slowCounter
	clock   time.Time
	plan    pipeline.Plan
}

func newAsking(answer func() (Tables, error)) *asking {
	a := &asking{
		counter: &slowCounter{answer: answer, held: make(chan struct{})},
		clock:   time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC),
		plan:    pipeline.Plan{Name: "nightly", Schema: "fhir"},
	}
	close(a.counter.held)
	a.counts = newCounts(Options{
		Counter: a.counter, Now: func() time.Time { return a.clock }, Patience: time.Minute,
		Log: slog.New(slog.DiscardHandler),
	})
	return a
}

// look opens the page at a time, when an export had last changed the tables at changed.
func (a *asking) look(t *testing.T, changed time.Time) (rows string, at time.Time, why string) {
	t.Helper()
	a.begin(t.Context(), a.plan, changed)
	a.waitFor(t.Context(), []string{a.plan.Name})
	got := a.answer(a.plan)
	for _, r := range got.tables.Rows {
		rows += r.Count()
	}
	if got.pending && (rows != "" || got.why == "") {
		t.Errorf("%+v", got)
	}
	return rows, got.at, got.why
}

// A page that is left open lets a database fall asleep.
func TestAnOpenPageAsksOnlyAfterAnExport(t *testing.T) {
	t.Parallel()
	a := newAsking(rowsOf(1204))
	loaded := a.clock.Add(-time.Hour)
	for range 500 {
		rows, at, why := a.look(t, loaded)
		if rows != "1,204" || at.IsZero() || why != "" {
			t.Fatalf("%q, %s, %q", rows, at, why)
		}
		a.clock = a.clock.Add(time.Minute)
	}
	if n := a.counter.questions(); n != 1 {
		t.Errorf("%d questions without an export", n)
	}
	a.counter.set(rowsOf(1300))
	loaded = a.clock
	if rows, at, _ := a.look(t, loaded); rows != "1,300" || !at.Equal(a.clock) {
		t.Errorf("after an export: %q of %s", rows, at)
	}
	for range 59 { // exports that follow each other fast
		a.clock = a.clock.Add(time.Second)
		a.look(t, a.clock)
	}
	if n := a.counter.questions(); n != 2 {
		t.Errorf("%d questions within a minute of the second", n)
	}
}

func TestAFileIsAskedAgainWithoutAnExport(t *testing.T) {
	t.Parallel()
	a := newAsking(func() (Tables, error) { return Tables{Local: true}, nil })
	for range 20 {
		a.look(t, time.Time{})
		a.clock = a.clock.Add(time.Second)
	}
	if n := a.counter.questions(); n != 4 {
		t.Errorf("%d questions in 20 seconds", n)
	}
}

// A file that a commit holds is asked again soon.
func TestAFileThatIsInUseIsAskedAgain(t *testing.T) {
	t.Parallel()
	a := newAsking(func() (Tables, error) {
		return Tables{Local: true}, errors.New("the file is in use")
	})
	for range 20 {
		a.look(t, time.Time{})
		a.clock = a.clock.Add(time.Second)
	}
	if n := a.counter.questions(); n != 4 {
		t.Errorf("%d questions in 20 seconds", n)
	}
}

func TestAPanicOfTheWarehouseEndsNothing(t *testing.T) {
	t.Parallel()
	a := newAsking(func() (Tables, error) { panic("Zebulon-Qx7") })
	if _, _, why := a.look(t, time.Time{}); !strings.Contains(why, "the program has a fault") ||
		strings.Contains(why, "Zebulon") {
		t.Errorf("%q", why)
	}
}

func TestAFailingWarehouseIsAskedLessAndLess(t *testing.T) {
	t.Parallel()
	a := newAsking(rowsOf(1204))
	loaded := a.clock
	a.look(t, loaded)
	counted := a.clock
	a.counter.set(fails)
	a.clock = a.clock.Add(time.Hour)
	loaded = a.clock
	for range 24 * 60 {
		rows, at, why := a.look(t, loaded)
		if rows != "1,204" || !at.Equal(counted) || why != "the pool is paused" {
			t.Fatalf("%q, %s, %q", rows, at, why)
		}
		a.clock = a.clock.Add(time.Minute)
	}
	// After 0, 1, 5, 21 and 85 minutes, then every 6 hours.
	if n := a.counter.questions() - 1; n < 7 || n > 9 {
		t.Errorf("%d questions in a day", n)
	}
	a.counter.set(rowsOf(1300))
	if rows, _, why := a.look(t, a.clock); rows != "1,300" || why != "" {
		t.Errorf("the next export: %q, %q", rows, why)
	}
}

// The page does not wait for a warehouse that wakes up.
func TestAPageWaitsAMoment(t *testing.T) {
	t.Parallel()
	a := newAsking(rowsOf(1204))
	a.counter.held = make(chan struct{})
	a.wait = time.Millisecond
	rows, at, why := a.look(t, time.Time{})
	if rows != "" || !at.IsZero() || !strings.Contains(why, "has not answered yet") {
		t.Errorf("%q, %s, %q", rows, at, why)
	}
	for range 3 { // one question is under way
		a.clock = a.clock.Add(time.Hour)
		a.look(t, a.clock)
	}
	for _, name := range []string{"b", "c", "d"} {
		a.begin(t.Context(), pipeline.Plan{Name: name, Schema: name}, time.Time{})
	}
	a.wait = time.Minute
	close(a.counter.held)
	a.waitFor(t.Context(), []string{"nightly", "b", "c", "d"})
	if rows, _, _ := a.look(t, time.Time{}); rows != "1,204" {
		t.Errorf("later: %q", rows)
	}
	if n := a.counter.questions(); n != 4 || a.counter.most > asksAtOnce {
		t.Errorf("%d questions, %d at once", n, a.counter.most)
	}
}

func TestAPlanThatIsGoneIsNotAskedFor(t *testing.T) {
	t.Parallel()
	a := newAsking(rowsOf(1))
	a.plan = pipeline.Plan{}
	if _, _, why := a.look(t, time.Time{}); why != "the plan is not in the configuration" {
		t.Errorf("%q", why)
	}
	a.plan = pipeline.Plan{Name: "nightly"}
	if _, _, why := a.look(t, time.Time{}); why != "the plan has no schema" {
		t.Errorf("%q", why)
	}
	if n := a.counter.questions(); n != 0 {
		t.Errorf("%d questions", n)
	}
}
