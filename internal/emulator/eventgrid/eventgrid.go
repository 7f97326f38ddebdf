// Package eventgrid emulates Event Grid for one container: it sends a BlobCreated event for every
// commit of a blob to a Service Bus queue, in Event Grid's schema, one JSON object per message. The
// writer of the blobs, the FHIR server emulator, reports each commit to it.
//
// As Event Grid does, it sometimes delivers twice, in another order, or not at all. Options set how
// often, and the same Seed repeats the same faults. Messages carry the id of the event: a queue
// with
// duplicate detection would undo Duplicate.
package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// interval is the time between two ticks.
const interval = 500 * time.Millisecond

// Sender is the part of azservicebus.Sender that Events needs.
type Sender interface {
	SendMessage(
		ctx context.Context, m *azservicebus.Message, o *azservicebus.SendMessageOptions,
	) error
}

// Options configures Events. Endpoint, Container, Sender and Now are required.
type Options struct {
	// Endpoint is the URL of the blob service, including the account if the URL has it:
	// http://127.0.0.1:10000/devstoreaccount1. It is part of the blob names in events.
	Endpoint string
	// Container is the name of the container.
	Container string
	Sender    Sender
	// Now returns the time of events. Sequencers begin with it, so that a later Events has greater
	// sequencers.
	Now func() time.Time
	// Ticks replaces the ticker of Run; nil means a tick every 500 ms.
	Ticks <-chan time.Time
	// Seed determines all random decisions.
	Seed uint64
	// Duplicate and Lose are probabilities, 0 to 1, per event.
	Duplicate, Lose float64
	// Disorder is the number of events that are held back, to be sent in random order.
	Disorder int
	// Log may be nil.
	Log *slog.Logger
}

// Events announces the commits of one container. It is safe for concurrent use.
type Events struct {
	o    Options
	wake chan struct{} // has room for one signal: an event is pending

	sending sync.Mutex // one sender at a time, before mu

	mu      sync.Mutex
	mix     *mixer
	events  eventMaker
	news    bool // an event came since the last tick
	pending []event
}

// New returns Events without any event, or an error with all faults of o.
func New(o Options) (*Events, error) {
	var faults []error
	for name, missing := range map[string]bool{
		"Endpoint": o.Endpoint == "", "Container": o.Container == "",
		"Sender": o.Sender == nil, "Now": o.Now == nil,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("storage events: %s is not set", name))
		}
	}
	for name, p := range map[string]float64{"Duplicate": o.Duplicate, "Lose": o.Lose} {
		if !(p >= 0 && p <= 1) {
			faults = append(faults,
				fmt.Errorf("storage events: %s is %v, and not between 0 and 1", name, p))
		}
	}
	if o.Disorder < 0 {
		faults = append(faults,
			fmt.Errorf("storage events: Disorder is %d, want 0 or more", o.Disorder))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Events{
		o: o, wake: make(chan struct{}, 1),
		mix:    newMixer(o.Seed, o.Duplicate, o.Lose, o.Disorder),
		events: newEventMaker(o.Endpoint, o.Container, o.Now),
	}, nil
}

// Created announces a commit; api is APIPutBlob or APIPutBlockList. It does not wait for the queue:
// Run or Flush sends the event.
func (w *Events) Created(path, etag string, size int64, api string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news = true
	w.put(w.mix.add(w.events.make(path, etag, size, api)))
}

func (w *Events) put(es []event) {
	if len(es) == 0 {
		return
	}
	w.pending = append(w.pending, es...)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Flush sends all events, including the events that Disorder holds back.
func (w *Events) Flush(ctx context.Context) error {
	w.mu.Lock()
	w.put(w.mix.flush())
	w.mu.Unlock()
	return w.send(ctx)
}

// send empties pending. Unsent events stay first in line.
func (w *Events) send(ctx context.Context) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	for {
		w.mu.Lock()
		if len(w.pending) == 0 {
			w.mu.Unlock()
			return nil
		}
		e := w.pending[0]
		w.mu.Unlock()
		body, err := e.json()
		if err == nil {
			err = w.o.Sender.SendMessage(ctx, &azservicebus.Message{
				Body: body, MessageID: to.Ptr(e.ID), ContentType: to.Ptr("application/json"),
			}, nil)
		}
		if err != nil {
			return fmt.Errorf("storage events: send: %w", err)
		}
		w.mu.Lock()
		w.pending = slices.Delete(w.pending, 0, 1)
		w.mu.Unlock()
	}
}

// Run sends events as they come, until ctx ends. If the queue is unavailable, Run logs that once,
// and retries at the next tick; a tick without a new event since the last one also sends the events
// that Disorder holds back.
func (w *Events) Run(ctx context.Context) {
	ticks := w.o.Ticks
	if ticks == nil {
		t := time.NewTicker(interval)
		defer t.Stop()
		ticks = t.C
	}
	failing := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
			if failing {
				continue // retry at the next tick
			}
			err = w.send(ctx)
		case <-ticks:
			err = w.tick(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			w.o.Log.Warn("storage events are held up", slog.Any("error", err))
		case err == nil && failing:
			w.o.Log.Info("storage events go on")
		}
		failing = err != nil
	}
}

func (w *Events) tick(ctx context.Context) error {
	w.mu.Lock()
	quiet := !w.news
	w.news = false
	w.mu.Unlock()
	if quiet {
		return w.Flush(ctx)
	}
	return w.send(ctx)
}
