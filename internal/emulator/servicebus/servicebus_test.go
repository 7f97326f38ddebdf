package servicebus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"fhirsynapse/internal/emulator/servicebus"
)

// start is the time at which the manual clocks of these tests begin.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world connects the real SDK to a namespace with the queue "jobs".
type world struct {
	srv    *servicebus.Server
	clock  *servicebus.ManualClock
	jobs   *servicebus.Queue
	client *azservicebus.Client
	sender *azservicebus.Sender
}

func quickRetries() azservicebus.RetryOptions {
	return azservicebus.RetryOptions{
		MaxRetries: 5, RetryDelay: 5 * time.Millisecond, MaxRetryDelay: 20 * time.Millisecond,
	}
}

func newWorld(t *testing.T, cfg servicebus.QueueConfig) *world {
	t.Helper()
	w := &world{clock: servicebus.NewManualClock(start)}
	w.srv = servicebus.New(servicebus.Options{
		Clock: w.clock, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	t.Cleanup(w.srv.Close)
	w.jobs = w.srv.AddQueue("jobs", cfg)
	if _, err := w.srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.client = newClient(t, w.srv.ConnectionString())
	var err error
	w.sender, err = w.client.NewSender("jobs", nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newClient(t *testing.T, connection string) *azservicebus.Client {
	t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(connection,
		&azservicebus.ClientOptions{RetryOptions: quickRetries()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeClient(client) })
	return client
}

// closeClient closes without waiting for a server that is gone.
func closeClient(c *azservicebus.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) send(t *testing.T, m *azservicebus.Message) {
	t.Helper()
	must(t, w.sender.SendMessage(testContext(t), m, nil))
}

func (w *world) sendText(t *testing.T, body string) {
	t.Helper()
	w.send(t, &azservicebus.Message{Body: []byte(body)})
}

func (w *world) receiver(t *testing.T, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	t.Helper()
	r, err := w.client.NewReceiverForQueue("jobs", o)
	must(t, err)
	return r
}

// one receives one message. After a cut, the SDK may return none.
func one(t *testing.T, r *azservicebus.Receiver) *azservicebus.ReceivedMessage {
	t.Helper()
	ctx := testContext(t)
	for {
		m, err := r.ReceiveMessages(ctx, 1, nil)
		must(t, err)
		if len(m) == 1 {
			return m[0]
		}
	}
}

func codeOf(err error) azservicebus.Code {
	if e, ok := errors.AsType[*azservicebus.Error](err); ok {
		return e.Code
	}
	return ""
}

// wantStats compares the current counts, without the totals.
func (w *world) wantStats(t *testing.T, want servicebus.Stats) {
	t.Helper()
	got := w.jobs.Stats()
	got.Sent, got.Duplicates, got.Delivered, got.Completed = 0, 0, 0, 0
	if got != want {
		t.Fatalf("stats: got %+v, want %+v", got, want)
	}
}

func TestAMessageArrivesWithItsPropertiesAndIsCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	w.send(t, &azservicebus.Message{
		Body: []byte("a"), MessageID: to.Ptr("m1"), Subject: to.Ptr("s"),
		CorrelationID: to.Ptr("c"),
		ContentType:   to.Ptr("text/plain"), ApplicationProperties: map[string]any{"n": int64(7)},
	})
	w.wantStats(t, servicebus.Stats{Active: 1})
	r := w.receiver(t, nil)
	m := one(t, r)
	if string(m.Body) != "a" || m.MessageID != "m1" || *m.Subject != "s" ||
		*m.CorrelationID != "c" || m.ApplicationProperties["n"] != int64(7) {
		t.Fatalf("got %+v", m)
	}
	if m.DeliveryCount != 1 || *m.SequenceNumber != 1 || !m.EnqueuedTime.Equal(start) ||
		!m.LockedUntil.Equal(start.Add(30*time.Second)) {
		t.Fatalf("got %+v", m)
	}
	w.wantStats(t, servicebus.Stats{Locked: 1})
	must(t, r.CompleteMessage(testContext(t), m, nil))
	if st := w.jobs.Stats(); !st.Idle() || st.Completed != 1 || st.Sent != 1 || st.Delivered != 1 {
		t.Fatalf("got %+v", st)
	}
}

func TestARenewedLockHoldsAndAnExpiredOneDoesNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{LockDuration: 10 * time.Second})
	r := w.receiver(t, nil)
	w.sendText(t, "slow")
	m := one(t, r)
	ctx := testContext(t)
	w.clock.Advance(9 * time.Second)
	must(t, r.RenewMessageLock(ctx, m, nil))
	if !m.LockedUntil.Equal(start.Add(19 * time.Second)) {
		t.Fatalf("locked until %v", m.LockedUntil)
	}
	w.clock.Advance(9 * time.Second)
	w.wantStats(t, servicebus.Stats{Locked: 1})
	w.clock.Advance(time.Second)
	w.wantStats(t, servicebus.Stats{Active: 1})
	if err := r.CompleteMessage(ctx, m, nil); codeOf(err) != azservicebus.CodeLockLost {
		t.Fatalf("complete: got %v", err)
	}
	if err := r.RenewMessageLock(ctx, m, nil); codeOf(err) != azservicebus.CodeLockLost {
		t.Fatalf("renew: got %v", err)
	}
	if m = one(t, r); m.DeliveryCount != 2 {
		t.Fatalf("delivery count %d", m.DeliveryCount)
	}
	must(t, r.CompleteMessage(ctx, m, nil))
}

func TestAScheduledMessageArrivesAtItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	w.send(t, &azservicebus.Message{
		Body: []byte("later"), MessageID: to.Ptr("p/1"),
		ScheduledEnqueueTime: to.Ptr(start.Add(time.Minute)),
	})
	w.wantStats(t, servicebus.Stats{Scheduled: 1})
	if got := w.jobs.Messages(); len(got) != 1 || got[0].ID != "p/1" ||
		!got[0].Due.Equal(start.Add(time.Minute)) || got[0].State != servicebus.StateScheduled {
		t.Fatalf("got %+v", got)
	}
	w.clock.Advance(time.Minute - 1)
	w.wantStats(t, servicebus.Stats{Scheduled: 1})
	w.clock.Advance(1)
	w.wantStats(t, servicebus.Stats{Active: 1})
	r := w.receiver(t, nil)
	m := one(t, r)
	if string(m.Body) != "later" || !m.EnqueuedTime.Equal(start.Add(time.Minute)) ||
		*m.SequenceNumber != 2 {
		t.Fatalf("got %+v", m)
	}
	must(t, r.CompleteMessage(testContext(t), m, nil))
}

func TestScheduledMessagesCanBePeekedAndCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	seqs, err := w.sender.ScheduleMessages(ctx,
		[]*azservicebus.Message{{Body: []byte("s1")}, {Body: []byte("s2")}}, start.Add(time.Minute),
		nil)
	must(t, err)
	must(t, w.sender.CancelScheduledMessages(ctx, seqs[:1], nil))
	r := w.receiver(t, nil)
	peeked, err := r.PeekMessages(ctx, 10, nil)
	must(t, err)
	if len(peeked) != 1 || peeked[0].State != azservicebus.MessageStateScheduled {
		t.Fatalf("peeked %d", len(peeked))
	}
	w.clock.Advance(time.Minute)
	if m := one(t, r); string(m.Body) != "s2" {
		t.Fatalf("got %q", m.Body)
	}
	w.wantStats(t, servicebus.Stats{Locked: 1})
}

func TestAMessageAbandonedTooOftenIsDeadLettered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{MaxDeliveryCount: 3})
	ctx := testContext(t)
	r := w.receiver(t, nil)
	w.send(t, &azservicebus.Message{Body: []byte("x"), MessageID: to.Ptr("m")})
	for i := range 3 {
		m := one(t, r)
		if m.DeliveryCount != uint32(i+1) {
			t.Fatalf("delivery count %d at try %d", m.DeliveryCount, i)
		}
		must(t, r.AbandonMessage(ctx, m, nil))
	}
	w.wantStats(t, servicebus.Stats{DeadLettered: 1})
	if got := w.jobs.DeadLetters(); len(got) != 1 || got[0].ID != "m" ||
		got[0].DeadLetterReason != "MaxDeliveryCountExceeded" || string(got[0].Body) != "x" ||
		got[0].Failures != 3 {
		t.Fatalf("got %+v", got)
	}
	dead := w.receiver(t, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	m := one(t, dead)
	if *m.DeadLetterReason != "MaxDeliveryCountExceeded" || *m.DeadLetterSource != "jobs" {
		t.Fatalf("got %+v", m)
	}
	must(t, dead.CompleteMessage(ctx, m, nil))
	w.wantStats(t, servicebus.Stats{})
}

func TestAReceiverCanDeadLetterWithAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	r := w.receiver(t, nil)
	w.sendText(t, "bad")
	must(t, r.DeadLetterMessage(ctx, one(t, r), &azservicebus.DeadLetterOptions{
		Reason: to.Ptr("R"), ErrorDescription: to.Ptr("D"),
		PropertiesToModify: map[string]any{"try": int64(2)},
	}))
	if got := w.jobs.DeadLetters(); len(got) != 1 || got[0].DeadLetterReason != "R" ||
		got[0].DeadLetterDescription != "D" {
		t.Fatalf("got %+v", got)
	}
	dead := w.receiver(t, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	m := one(t, dead)
	if *m.DeadLetterReason != "R" || *m.DeadLetterErrorDescription != "D" ||
		m.ApplicationProperties["try"] != int64(2) {
		t.Fatalf("got %+v", m)
	}
	must(t, dead.CompleteMessage(ctx, m, nil))
}

func TestADeferredMessageIsReceivedByItsNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{LockDuration: 10 * time.Second})
	ctx := testContext(t)
	r := w.receiver(t, nil)
	w.sendText(t, "d")
	m := one(t, r)
	must(t, r.DeferMessage(ctx, m, nil))
	w.wantStats(t, servicebus.Stats{Deferred: 1})
	for range 2 { // the second time after its lock expired
		got, err := r.ReceiveDeferredMessages(ctx, []int64{*m.SequenceNumber}, nil)
		must(t, err)
		w.wantStats(t, servicebus.Stats{Locked: 1})
		if string(got[0].Body) != "d" {
			t.Fatalf("got %q", got[0].Body)
		}
		w.clock.Advance(10 * time.Second)
		w.wantStats(t, servicebus.Stats{Deferred: 1})
	}
	got, err := r.ReceiveDeferredMessages(ctx, []int64{*m.SequenceNumber}, nil)
	must(t, err)
	must(t, r.CompleteMessage(ctx, got[0], nil))
	w.wantStats(t, servicebus.Stats{})
}

func TestADuplicateWithinTheWindowIsThrownAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{DuplicateWindow: time.Hour})
	w.send(t, &azservicebus.Message{Body: []byte("1"), MessageID: to.Ptr("m")})
	w.send(t, &azservicebus.Message{Body: []byte("2"), MessageID: to.Ptr("m")})
	w.send(t, &azservicebus.Message{Body: []byte("3")}) // no id, no duplicate
	w.send(t, &azservicebus.Message{Body: []byte("4")})
	w.clock.Advance(time.Hour - 1)
	w.send(t, &azservicebus.Message{
		Body: []byte("5"), MessageID: to.Ptr("m"),
		ScheduledEnqueueTime: to.Ptr(start.Add(3 * time.Hour)),
	})
	w.wantStats(t, servicebus.Stats{Active: 3})
	w.clock.Advance(1)
	w.send(t, &azservicebus.Message{Body: []byte("6"), MessageID: to.Ptr("m")})
	if st := w.jobs.Stats(); st.Active != 4 || st.Duplicates != 2 || st.Sent != 6 {
		t.Fatalf("got %+v", st)
	}
}

func TestABatchArrivesInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	b, err := w.sender.NewMessageBatch(ctx, nil)
	must(t, err)
	const n = 50
	for i := range n {
		must(t, b.AddMessage(&azservicebus.Message{Body: fmt.Appendf(nil, "b%d", i)}, nil))
	}
	must(t, w.sender.SendMessageBatch(ctx, b, nil))
	r := w.receiver(t, nil)
	for i := range n {
		// Receive one at a time: the SDK releases messages that arrive after a ReceiveMessages of
		// many has returned, and that changes the order.
		m := one(t, r)
		if want := fmt.Sprintf("b%d", i); string(m.Body) != want {
			t.Fatalf("got %q, want %q", m.Body, want)
		}
		must(t, r.CompleteMessage(ctx, m, nil))
	}
	w.wantStats(t, servicebus.Stats{})
}

func TestALargeMessageCrossesInSeveralFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	body := bytes.Repeat([]byte("x"), 900<<10)
	w.send(t, &azservicebus.Message{Body: body})
	r := w.receiver(t, nil)
	m := one(t, r)
	if !bytes.Equal(m.Body, body) {
		t.Fatalf("got %d bytes", len(m.Body))
	}
	must(t, r.CompleteMessage(testContext(t), m, nil))
}

func TestAMessageOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	err := w.sender.SendMessage(testContext(t), &azservicebus.Message{Body: make([]byte, 2<<20)},
		nil)
	if !errors.Is(err, azservicebus.ErrMessageTooLarge) {
		t.Fatalf("got %v", err)
	}
}

func TestReceiveAndDeleteLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	w.sendText(t, "1")
	r := w.receiver(t,
		&azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if m := one(t, r); string(m.Body) != "1" {
		t.Fatalf("got %q", m.Body)
	}
	w.wantStats(t, servicebus.Stats{})
}
