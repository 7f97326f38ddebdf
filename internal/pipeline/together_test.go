package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fhirsynapse/internal/pipeline"
)

// The last two files of a type are finished at the same time, by two instances or by one: for
// any order of calls the commit is sent, without help from the watchdog.
func TestTheLastTwoFilesAtOnce(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(*testing.T) *world{
		"the server writes into our lake": func(t *testing.T) *world {
			w := newWorld(t)
			w.server.loseEvents = true
			return w
		},
		"the server keeps its files": func(t *testing.T) *world {
			w, _ := newKeeperWorld(t)
			return w
		},
	} {
		for _, instances := range []int{1, 2} {
			for _, warm := range []int{0, 1, 4} {
				t.Run(fmt.Sprintf("%s, %d instances, %d files before", name, instances,
					warm), func(t *testing.T) {
					t.Parallel()
					for seed := range uint64(60) {
						lastTwoFiles(t, world(t), instances, warm, newRandom(seed).IntN)
						if t.Failed() {
							t.Fatalf("seed %d", seed)
						}
					}
				})
			}
		}
	}
}

func lastTwoFiles(t *testing.T, w *world, instances, warm int, pick func(int) int) {
	t.Helper()
	w.server.fileSize, w.server.pollsBeforeDone = 1, 0
	w.plans[0].Types = []string{"Patient"}
	w.boot()
	for i := range warm + 2 {
		w.server.put("Patient", fmt.Sprintf("p%d", i), "first", 1, false)
	}
	w.clock = w.clock.Add(time.Minute)
	// The steps of the files, in order.
	var steps [][]byte
	for len(steps) < warm+2 {
		if j, known := w.server.jobs["status/101"]; !known || j.polls == 0 {
			w.step()
			continue
		}
		w.queue.Receive(t.Context(), nil, func(_ context.Context, m pipeline.Message) error {
			steps = append(steps, m.Body)
			return nil
		})
	}
	works := []*pipeline.Pipeline{w.p, w.p}
	if instances == 2 {
		works[1] = w.instance()
	}
	handle := func(ctx context.Context, i int, body []byte) {
		if err := works[i%2].Handle(ctx, body); err != nil {
			t.Error(err)
		}
	}
	for i, body := range steps[:warm] {
		handle(t.Context(), i, body)
	}
	w.atOnce(pick,
		func(ctx context.Context) { handle(ctx, 0, steps[warm]) },
		func(ctx context.Context) { handle(ctx, 1, steps[warm+1]) })
	w.loaded("nightly-000001")
	w.neverSilent()
}

// turns lets one of several goroutines run at a time, from one call of a port to the next.
type turns struct{ resume, parked chan struct{} }

type turnsKey struct{}

// atOnce runs several functions concurrently, and pick decides the order of their calls.
func (w *world) atOnce(pick func(int) int, things ...func(context.Context)) {
	w.gate.hold = func(ctx context.Context) {
		if mine, ok := ctx.Value(turnsKey{}).(turns); ok {
			mine.parked <- struct{}{}
			<-mine.resume
		}
	}
	defer func() { w.gate.hold = nil }()
	var alive []turns
	for _, do := range things {
		mine := turns{resume: make(chan struct{}), parked: make(chan struct{})}
		alive = append(alive, mine)
		go func() {
			defer close(mine.parked)
			<-mine.resume
			do(context.WithValue(w.t.Context(), turnsKey{}, mine))
		}()
	}
	for len(alive) > 0 {
		i := pick(len(alive))
		alive[i].resume <- struct{}{}
		if _, more := <-alive[i].parked; !more {
			alive = append(alive[:i], alive[i+1:]...)
		}
	}
}

// Concurrent steps of files of one type leave the check for the end to the last step.
func TestOneLookForManyFilesAtOnce(t *testing.T) {
	t.Parallel()
	w, _ := newKeeperWorld(t)
	w.server.fileSize, w.server.pollsBeforeDone = 1, 0
	w.plans[0].Types = []string{"Patient"}
	w.readers = 8
	w.boot()
	const files = 40
	for i := range files {
		w.server.put("Patient", fmt.Sprintf("p%02d", i), "first", 1, false)
	}
	w.clock = w.clock.Add(time.Minute)
	for len(w.tables.ledger) == 0 {
		if w.clock.After(dawn.Add(time.Hour)) {
			t.Fatal("nothing was loaded within an hour")
		}
		var bodies [][]byte
		for range 4 {
			w.queue.Receive(t.Context(), nil, func(_ context.Context, m pipeline.Message) error {
				bodies = append(bodies, m.Body)
				return nil
			})
		}
		if len(bodies) == 0 {
			w.step()
			continue
		}
		var things []func(context.Context)
		for _, body := range bodies {
			things = append(things, func(ctx context.Context) {
				if err := w.p.Handle(ctx, body); err != nil {
					t.Error(err)
				}
			})
		}
		turn := 0
		w.atOnce(func(n int) int { turn++; return turn % n }, things...)
	}
	lists := 0
	for _, call := range w.gate.log {
		if call == "lake list" {
			lists++
		}
	}
	if lists > files/2 {
		t.Errorf("%d listings for %d files", lists, files)
	}
	w.loaded("nightly-000001")
	w.neverSilent()
}

// Giving up a step of an export that does not exist yet leaves nothing in memory that would
// end later steps.
func TestAnExportThatIsNotThereYetIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.put("Patient", "p1", "first", 1, false)
	w.clock = w.clock.Add(time.Minute)
	for _, kind := range []string{"prepare", "fetch"} {
		body := fmt.Appendf(nil,
			`{"step":%q,"export":"nightly-000001","job":1,"file":1,"type":"Patient","path":"x/y","try":99}`, kind)
		if err := w.p.Handle(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.instance().Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	message := `{"step":"prepare","export":"nightly-000001","job":1,"type":"Patient","path":"x/y"}`
	if err := w.p.Handle(t.Context(), []byte(message)); err != nil {
		t.Fatal(err)
	}
	again := w.queue.Drop(func(m pipeline.Message) bool { return strings.Contains(m.ID, "/file/") })
	if again != 0 {
		t.Errorf("the step, whose manifest is not here, was sent again %d times", again)
	}
	w.loaded("nightly-000001")
}
