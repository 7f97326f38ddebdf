package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/pipeline"
)

// Receiver is the receiving side of a queue, for tests.
type Receiver interface {
	// Receive takes the next visible message for good. It waits for a message until ctx ends, then
	// fails with ctx's error.
	Receive(ctx context.Context) (pipeline.Message, error)
	// Now returns the broker's clock, and Advance moves it.
	Now() time.Time
	Advance(d time.Duration)
}

// arrival is the longest time that an existing message may take to arrive. silence is the time that
// the suite waits before it assumes that there is no message.
const (
	arrival = 20 * time.Second
	silence = 250 * time.Millisecond
)

// TestQueue is the definition of pipeline.Queue. open returns an empty queue with a duplicate
// window of at least an hour, and its receiving side.
func TestQueue(t *testing.T, open func(t *testing.T) (pipeline.Queue, Receiver)) {
	t.Helper()
	run := func(name string, test func(*testing.T, pipeline.Queue, Receiver)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, r := open(t)
			test(t, q, r)
		})
	}
	run("a message arrives with its id and its bytes", queueDelivers)
	run("a Send of nothing is no error", queueSendsNothing)
	run("every message of a Send arrives, in any order", queueDeliversAll)
	run("messages too many for one batch all arrive", queueSplits)
	run("an id within the window is taken once", queueDropsDuplicates)
	run("an id that is scheduled is taken once", queueDropsScheduledDuplicates)
	run("a message is not there before its time", queueSchedules)
	run("a time that has passed means at once", queueSchedulesPast)
	run("Sends at the same time lose nothing", queueConcurrent)
	run("a Send under an ended context fails", queueCancelled)
}

func queueDelivers(t *testing.T, q pipeline.Queue, r Receiver) {
	body := []byte("{\"job\":\"17\",\"zero\":\"\x00\",\"letters\":\"é患\"}")
	send(t, q, pipeline.Message{ID: "17/poll/1", Body: body})
	m := receive(t, r)
	if m.ID != "17/poll/1" || !bytes.Equal(m.Body, body) {
		t.Errorf("received id %q with %q", m.ID, m.Body)
	}
	quiet(t, r)
}

func queueSendsNothing(t *testing.T, q pipeline.Queue, r Receiver) {
	send(t, q)
	quiet(t, r)
}

func queueDeliversAll(t *testing.T, q pipeline.Queue, r Receiver) {
	var messages []pipeline.Message
	for i := range 40 {
		messages = append(messages, pipeline.Message{
			ID: fmt.Sprintf("17/file/%03d/0", i), Body: []byte("{}"),
		})
	}
	send(t, q, messages...)
	allArrive(t, r, ids(messages))
	quiet(t, r)
}

func queueSplits(t *testing.T, q pipeline.Queue, r Receiver) {
	// 2 MB in all: more than the 256 kB of Service Bus Standard, and the 1 MB of Premium.
	var messages []pipeline.Message
	for i := range 20 {
		messages = append(messages, pipeline.Message{
			ID: fmt.Sprintf("big/%02d", i), Body: []byte(strings.Repeat("x", 100_000)),
		})
	}
	send(t, q, messages...)
	allArrive(t, r, ids(messages))
}

func queueDropsDuplicates(t *testing.T, q pipeline.Queue, r Receiver) {
	send(t, q, pipeline.Message{ID: "a", Body: []byte("1")}, pipeline.Message{
		ID: "b", Body: []byte("1"),
	})
	send(t, q, pipeline.Message{ID: "a", Body: []byte("2")})
	allArrive(t, r, []string{"a", "b"})
	// A message that was taken off the queue still counts as a duplicate.
	r.Advance(50 * time.Minute)
	send(t, q, pipeline.Message{ID: "b", Body: []byte("3")}, pipeline.Message{
		ID: "c", Body: []byte("3"),
	})
	allArrive(t, r, []string{"c"})
	quiet(t, r)
}

func queueDropsScheduledDuplicates(t *testing.T, q pipeline.Queue, r Receiver) {
	at := r.Now().Add(10 * time.Minute)
	send(t, q, pipeline.Message{ID: "17/poll/2", Body: []byte("1"), At: at})
	send(t, q, pipeline.Message{ID: "17/poll/2", Body: []byte("2"), At: at})
	r.Advance(11 * time.Minute)
	allArrive(t, r, []string{"17/poll/2"})
	quiet(t, r)
}

func queueSchedules(t *testing.T, q pipeline.Queue, r Receiver) {
	now := r.Now()
	send(t, q,
		pipeline.Message{ID: "later", Body: []byte("2"), At: now.Add(10 * time.Minute)},
		pipeline.Message{ID: "now", Body: []byte("0")},
		pipeline.Message{ID: "soon", Body: []byte("1"), At: now.Add(time.Minute)},
	)
	allArrive(t, r, []string{"now"})
	quiet(t, r)
	r.Advance(59 * time.Second)
	quiet(t, r)
	r.Advance(2 * time.Second)
	allArrive(t, r, []string{"soon"})
	r.Advance(8 * time.Minute)
	quiet(t, r)
	r.Advance(2 * time.Minute)
	allArrive(t, r, []string{"later"})
}

func queueSchedulesPast(t *testing.T, q pipeline.Queue, r Receiver) {
	send(t, q, pipeline.Message{ID: "past", Body: []byte("{}"), At: r.Now().Add(-time.Hour)})
	allArrive(t, r, []string{"past"})
}

func queueConcurrent(t *testing.T, q pipeline.Queue, r Receiver) {
	var want []string
	var wg sync.WaitGroup
	for i := range 8 {
		var messages []pipeline.Message
		for k := range 5 {
			messages = append(messages, pipeline.Message{
				ID: fmt.Sprintf("%d/%d", i, k), Body: []byte("{}"),
			})
		}
		want = append(want, ids(messages)...)
		wg.Go(func() {
			if err := q.Send(t.Context(), messages...); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
	wg.Wait()
	allArrive(t, r, want)
	quiet(t, r)
}

func queueCancelled(t *testing.T, q pipeline.Queue, r Receiver) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Send(ctx, pipeline.Message{
		ID: "x", Body: []byte("{}"),
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("Send: %v, want context.Canceled", err)
	}
	quiet(t, r)
	// The queue must still work afterwards.
	send(t, q, pipeline.Message{ID: "y", Body: []byte("{}")})
	allArrive(t, r, []string{"y"})
}

func send(t *testing.T, q pipeline.Queue, messages ...pipeline.Message) {
	t.Helper()
	if err := q.Send(t.Context(), messages...); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func receive(t *testing.T, r Receiver) pipeline.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), arrival)
	defer cancel()
	m, err := r.Receive(ctx)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return m
}

// allArrive receives one message per id and compares the ids as sets.
func allArrive(t *testing.T, r Receiver, want []string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, receive(t, r).ID)
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("arrived (-want +got):\n%s", diff)
	}
}

func quiet(t *testing.T, r Receiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	if m, err := r.Receive(ctx); err == nil {
		t.Fatalf("message %q is there, want none", m.ID)
	}
}

func ids(messages []pipeline.Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, m.ID)
	}
	return out
}
