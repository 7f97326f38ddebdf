package eventgrid_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/go-cmp/cmp"

	"fhirsynapse/internal/emulator/eventgrid"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeQueue collects the sent messages.
type fakeQueue struct {
	mu   sync.Mutex
	sent []*azservicebus.Message
	err  error
	came chan struct{} // one for each message or refusal, if set
}

func (f *fakeQueue) SendMessage(
	_ context.Context, m *azservicebus.Message, _ *azservicebus.SendMessageOptions,
) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.came != nil {
		f.came <- struct{}{}
	}
	if f.err != nil {
		return f.err
	}
	f.sent = append(f.sent, m)
	return nil
}

func (f *fakeQueue) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// events returns the sent events, as "<api> <size> <etag> <path>".
func (f *fakeQueue) events(t *testing.T) []string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, m := range f.sent {
		out = append(out, brief(t, m.Body))
	}
	return out
}

type gridEvent struct {
	ID, Topic, Subject, EventType string
	EventTime                     time.Time
	Data                          struct {
		API, ContentType, BlobType, ETag, URL, Sequencer string
		ContentLength                                    int64
	}
}

func decode(t *testing.T, body []byte) gridEvent {
	t.Helper()
	var e gridEvent
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func brief(t *testing.T, body []byte) string {
	t.Helper()
	e := decode(t, body)
	_, path, _ := strings.Cut(e.Subject, "/blobs/")
	return fmt.Sprintf("%s %d %s %s", e.Data.API, e.Data.ContentLength, e.Data.ETag, path)
}

func newEvents(t *testing.T, change func(*eventgrid.Options)) (*eventgrid.Events, *fakeQueue) {
	t.Helper()
	q := &fakeQueue{}
	o := eventgrid.Options{
		Endpoint: "http://127.0.0.1:10000/devstoreaccount1", Container: "lake", Sender: q,
		Now: func() time.Time { return start }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	w, err := eventgrid.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w, q
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnEventHasEventGridsSchema(t *testing.T) {
	t.Parallel()
	w, q := newEvents(t, nil)
	w.Created("20260102T030405-7/Patient-1 ü.ndjson", `"0x8D1"`, 42, eventgrid.APIPutBlockList)
	must(t, w.Flush(t.Context()))
	if len(q.sent) != 1 {
		t.Fatalf("%d messages", len(q.sent))
	}
	var got map[string]any
	must(t, json.Unmarshal(q.sent[0].Body, &got))
	data := got["data"].(map[string]any)
	for _, k := range []string{"clientRequestId", "requestId", "sequencer"} {
		if s, _ := data[k].(string); s == "" {
			t.Errorf("%s is empty", k)
		}
		delete(data, k)
	}
	if *q.sent[0].MessageID != got["id"] || got["id"] == "" {
		t.Errorf("message id %q, event id %q", *q.sent[0].MessageID, got["id"])
	}
	delete(got, "id")
	want := map[string]any{
		"topic":     "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/devstoreaccount1",
		"subject":   "/blobServices/default/containers/lake/blobs/20260102T030405-7/Patient-1 ü.ndjson",
		"eventType": "Microsoft.Storage.BlobCreated", "eventTime": "2026-01-02T03:04:05Z",
		"dataVersion": "", "metadataVersion": "1",
		"data": map[string]any{
			"api": "PutBlockList", "contentType": "application/octet-stream", "contentLength": 42.0,
			"blobType": "BlockBlob", "eTag": "0x8D1",
			"url": "http://127.0.0.1:10000/devstoreaccount1/lake/20260102T030405-7/Patient-1%20%C3%BC.ndjson",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// run sends n events with faults.
func run(t *testing.T, seed uint64, n int, change func(*eventgrid.Options)) []string {
	t.Helper()
	w, q := newEvents(t, func(o *eventgrid.Options) { o.Seed = seed; change(o) })
	for i := range n {
		w.Created(fmt.Sprintf("f/%d", i), "1", 1, eventgrid.APIPutBlockList)
	}
	must(t, w.Flush(t.Context()))
	return q.events(t)
}

func TestFaultsFollowTheSeed(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const n = 1000
	plain := run(t, seed, n, func(*eventgrid.Options) {})
	if len(plain) != n || plain[0] != "PutBlockList 1 1 f/0" ||
		plain[n-1] != fmt.Sprintf("PutBlockList 1 1 f/%d", n-1) {
		t.Fatalf("without faults: %d events", len(plain))
	}
	all := func(o *eventgrid.Options) { o.Duplicate, o.Lose, o.Disorder = 0.3, 0.2, 5 }
	if diff := cmp.Diff(run(t, seed, n, all), run(t, seed, n, all)); diff != "" {
		t.Fatal("the same seed gives something else:", diff)
	}
	if cmp.Equal(run(t, seed, n, all), run(t, seed+1, n, all)) {
		t.Fatal("another seed gives the same")
	}
	double := run(t, seed, n, func(o *eventgrid.Options) { o.Duplicate = 1 })
	if len(double) != 2*n {
		t.Fatalf("all doubled: %d events", len(double))
	}
	if got := run(t, seed, n, func(o *eventgrid.Options) { o.Lose = 1 }); len(got) != 0 {
		t.Fatalf("all lost: %d events", len(got))
	}
	if got := len(run(t, seed, n, func(o *eventgrid.Options) {
		o.Lose = 0.5
	})); got < 400 || got > 600 {
		t.Fatalf("half lost: %d events", got)
	}
	mixed := run(t, seed, n, func(o *eventgrid.Options) { o.Disorder = 10 })
	if cmp.Equal(mixed, plain) {
		t.Fatal("in order")
	}
	slices.Sort(mixed)
	slices.Sort(plain)
	if diff := cmp.Diff(plain, mixed); diff != "" {
		t.Fatal("disorder changed the events:", diff)
	}
}

func TestWhatAQueueRefusesIsSentLaterInOrder(t *testing.T) {
	t.Parallel()
	w, q := newEvents(t, nil)
	ctx := t.Context()
	away := errors.New("away")
	q.fail(away)
	w.Created("a", "1", 1, eventgrid.APIPutBlob)
	w.Created("b", "1", 1, eventgrid.APIPutBlob)
	for range 3 {
		if err := w.Flush(ctx); !errors.Is(err, away) {
			t.Fatalf("got %v", err)
		}
	}
	q.fail(nil)
	must(t, w.Flush(ctx))
	if diff := cmp.Diff([]string{"PutBlob 1 1 a", "PutBlob 1 1 b"}, q.events(t)); diff != "" {
		t.Fatal(diff)
	}
}

func TestRunSendsAtOnceFlushesWhenQuietAndOutlivesFailures(t *testing.T) {
	t.Parallel()
	ticks := make(chan time.Time)
	w, q := newEvents(t, func(o *eventgrid.Options) { o.Ticks = ticks; o.Disorder = 1 })
	q.came = make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	w.Created("a", "1", 1, eventgrid.APIPutBlob)
	w.Created("b", "1", 1, eventgrid.APIPutBlob) // pushes one of them out
	<-q.came
	ticks <- start
	ticks <- start // a quiet tick: the other leaves
	<-q.came
	q.fail(errors.New("away"))
	w.Created("c", "1", 1, eventgrid.APIPutBlob)
	w.Created("d", "1", 1, eventgrid.APIPutBlob)
	<-q.came // refused
	q.fail(nil)
	ticks <- start
	ticks <- start
	ticks <- start // when this tick is taken, the second has gone through
	got := q.events(t)
	slices.Sort(got)
	if diff := cmp.Diff([]string{
		"PutBlob 1 1 a", "PutBlob 1 1 b", "PutBlob 1 1 c", "PutBlob 1 1 d",
	}, got); diff != "" {
		t.Fatal(diff)
	}
	cancel()
	<-ended
}

func TestNewNamesEveryFaultOfItsOptions(t *testing.T) {
	t.Parallel()
	_, err := eventgrid.New(eventgrid.Options{Duplicate: 2, Lose: -1, Disorder: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Endpoint", "Container", "Sender", "Now", "Duplicate", "Lose", "Disorder",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestSequencersOfABlobRise(t *testing.T) {
	t.Parallel()
	w, q := newEvents(t, nil)
	for i := range 20 {
		w.Created("a", fmt.Sprint(i), 1, eventgrid.APIPutBlockList)
	}
	must(t, w.Flush(t.Context()))
	last := ""
	for _, m := range q.sent {
		s := decode(t, m.Body).Data.Sequencer
		if s <= last {
			t.Fatalf("%s after %s", s, last)
		}
		last = s
	}
}
