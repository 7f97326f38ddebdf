// Package eventgrid stands in for Event Grid before one container: it sends a
// BlobCreated event for every commit of a blob to a Service Bus queue, in Event
// Grid's schema, one JSON object per message.
//
// It learns of commits in two ways. A writer that knows us tells every one by
// Created, as the stand-in FHIR server does. Blobs of anybody else are found by
// listing the container; a listing misses commits that were overwritten since, so
// for a blob that is new there it makes up the zero-length first commit which a
// writer by Flush leaves. A commit, known by path and ETag, is announced once,
// whichever way comes first.
//
// As Event Grid does, it delivers twice, in any order, and now and then not at all,
// as much as Options say, the same with the same Seed. Messages carry the id of the
// event: a queue with duplicate detection would undo Duplicate.
package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const (
	defaultInterval = 500 * time.Millisecond
	// etagsKept per blob; the real writer commits three or four times.
	etagsKept = 16
	// maxPending events wait for a queue that is away; then the oldest are lost,
	// which costs a consumer that trusts manifests nothing.
	maxPending = 100_000
)

// Blob is one blob as a listing shows it.
type Blob struct {
	Path        string
	ETag        string
	Size        int64
	ContentType string
}

// Lister lists the container.
type Lister interface {
	// Blobs yields the committed blobs, in any order, and stops after an error.
	Blobs(ctx context.Context) iter.Seq2[Blob, error]
}

// Sender is the part of azservicebus.Sender that is needed.
type Sender interface {
	SendMessage(ctx context.Context, m *azservicebus.Message, o *azservicebus.SendMessageOptions) error
}

// Options of a Watcher. Those without a default are needed.
type Options struct {
	// Endpoint is the URL of the blob service, with the account where the URL has
	// it: http://127.0.0.1:10000/devstoreaccount1. Events name blobs by it.
	Endpoint string
	// Container is the name of the watched container.
	Container string
	Lister    Lister
	Sender    Sender
	// Now is the time of events; it also sees to it that the sequencers of a later
	// Watcher are greater.
	Now func() time.Time
	// Ticks make Run look into the container; without them it looks every
	// Interval, half a second by default.
	Ticks    <-chan time.Time
	Interval time.Duration
	// Seed decides all that is random.
	Seed uint64
	// Duplicate and Lose are probabilities, 0 to 1, per event.
	Duplicate, Lose float64
	// Disorder is how many events are held back, to leave in random order.
	Disorder int
	// Log may be nil.
	Log *slog.Logger
}

// Watcher announces the commits of one container. It is safe for concurrent use.
type Watcher struct {
	o    Options
	log  *slog.Logger
	wake chan struct{} // has room for one: something is pending

	sending sync.Mutex // one sender at a time, before mu

	mu      sync.Mutex
	known   map[string]*commits
	round   int // of scans
	mix     *mixer
	events  eventMaker
	news    bool // since the last tick
	pending []event
}

// commits are the last ETags of a blob that were announced.
type commits struct {
	etags []string
	round int // when the last came
}

// New gives a Watcher that knows of no blob, or all that is wrong with o.
func New(o Options) (*Watcher, error) {
	var faults []error
	for name, missing := range map[string]bool{
		"Endpoint": o.Endpoint == "", "Container": o.Container == "", "Lister": o.Lister == nil, "Sender": o.Sender == nil, "Now": o.Now == nil,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("storage events: %s is not set", name))
		}
	}
	for name, p := range map[string]float64{"Duplicate": o.Duplicate, "Lose": o.Lose} {
		if !(p >= 0 && p <= 1) {
			faults = append(faults, fmt.Errorf("storage events: %s is %v, and not between 0 and 1", name, p))
		}
	}
	if o.Disorder < 0 {
		faults = append(faults, fmt.Errorf("storage events: Disorder is %d, and not 0 or more", o.Disorder))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	w := &Watcher{
		o: o, log: o.Log, wake: make(chan struct{}, 1), known: map[string]*commits{},
		mix:    newMixer(o.Seed, o.Duplicate, o.Lose, o.Disorder),
		events: newEventMaker(o.Endpoint, o.Container, o.Now),
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	return w, nil
}

// Created announces a commit; api is APIPutBlob or APIPutBlockList. It does not wait
// for the queue: Run, Scan or Flush send the event.
func (w *Watcher) Created(path, etag string, size int64, api string) {
	w.announce(Blob{Path: path, ETag: etag, Size: size, ContentType: defaultContentType}, api)
}

// announce puts an event on its way, unless the commit is known.
func (w *Watcher) announce(b Blob, api string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, fresh := w.learn(b); !fresh {
		return
	}
	w.enqueue(w.events.make(b, api))
}

// found announces a commit that a listing shows.
func (w *Watcher) found(b Blob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	newBlob, fresh := w.learn(b)
	if !fresh {
		return
	}
	if b.Size == 0 {
		w.enqueue(w.events.make(b, APIPutBlob))
		return
	}
	if newBlob {
		first := b
		first.Size, first.ETag = 0, "0x0" // the ETag that it had is gone
		w.enqueue(w.events.make(first, APIPutBlob))
	}
	w.enqueue(w.events.make(b, APIPutBlockList))
}

// learn notes a commit; it is fresh when it was not known.
func (w *Watcher) learn(b Blob) (newBlob, fresh bool) {
	etag := strings.Trim(b.ETag, `"`)
	c := w.known[b.Path]
	if c == nil {
		c, newBlob = &commits{}, true
		w.known[b.Path] = c
	}
	c.round = w.round
	if slices.Contains(c.etags, etag) {
		return false, false
	}
	if len(c.etags) == etagsKept {
		c.etags = slices.Delete(c.etags, 0, 1)
	}
	c.etags = append(c.etags, etag)
	return newBlob, true
}

func (w *Watcher) enqueue(e event) {
	w.news = true
	w.put(w.mix.add(e))
}

func (w *Watcher) put(es []event) {
	if len(es) == 0 {
		return
	}
	w.pending = append(w.pending, es...)
	if over := len(w.pending) - maxPending; over > 0 {
		w.log.Warn("storage events: queue is away, events are lost", slog.Int("events", over))
		w.pending = slices.Delete(w.pending, 0, over)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Baseline lists the container and takes what is there as announced. Without it the
// first look announces everything.
func (w *Watcher) Baseline(ctx context.Context) error {
	return w.list(ctx, func(b Blob) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.learn(b)
	})
}

// Scan looks into the container once and sends what is to be sent. Events that
// Disorder holds back stay.
func (w *Watcher) Scan(ctx context.Context) error {
	return errors.Join(w.list(ctx, w.found), w.send(ctx))
}

// Flush sends all events, also those that Disorder holds back.
func (w *Watcher) Flush(ctx context.Context) error {
	w.mu.Lock()
	w.put(w.mix.flush())
	w.mu.Unlock()
	return w.send(ctx)
}

// list calls f for every blob, and forgets the blobs that are gone.
func (w *Watcher) list(ctx context.Context, f func(Blob)) error {
	w.mu.Lock()
	w.round++
	round := w.round
	w.mu.Unlock()
	for b, err := range w.o.Lister.Blobs(ctx) {
		if err != nil {
			return fmt.Errorf("storage events: list container %s: %w", w.o.Container, err)
		}
		f(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, c := range w.known {
		if c.round < round { // neither listed nor created since the listing began
			delete(w.known, path)
		}
	}
	return nil
}

// send empties pending. What was not sent stays first in the line.
func (w *Watcher) send(ctx context.Context) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	for {
		w.mu.Lock()
		if len(w.pending) == 0 {
			w.mu.Unlock()
			return nil
		}
		e := w.pending[0]
		w.pending = w.pending[1:]
		w.mu.Unlock()
		body, err := e.json()
		if err == nil {
			err = w.o.Sender.SendMessage(ctx, &azservicebus.Message{
				Body: body, MessageID: to.Ptr(e.ID), ContentType: to.Ptr("application/json"),
			}, nil)
		}
		if err != nil {
			w.mu.Lock()
			w.pending = append([]event{e}, w.pending...)
			w.mu.Unlock()
			return fmt.Errorf("storage events: send: %w", err)
		}
	}
}

// Run looks into the container at every tick and sends events as they come, until
// ctx ends. Neither a container nor a queue that is away ends it: it logs that
// once, and tries again at the next tick. What Disorder holds back leaves at a tick
// before which nothing new came.
func (w *Watcher) Run(ctx context.Context) {
	ticks := w.o.Ticks
	if ticks == nil {
		t := time.NewTicker(w.o.Interval)
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
				continue // the next tick tries
			}
			err = w.send(ctx)
		case <-ticks:
			err = w.tick(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			w.log.Warn("storage events are held up", slog.Any("error", err))
		case err == nil && failing:
			w.log.Info("storage events go on")
		}
		failing = err != nil
	}
}

func (w *Watcher) tick(ctx context.Context) error {
	w.mu.Lock()
	quiet := !w.news
	w.news = false
	w.mu.Unlock()
	if err := w.Scan(ctx); err != nil {
		return err
	}
	if quiet {
		return w.Flush(ctx)
	}
	return nil
}
