package servicebus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"fhirsynapse/internal/emulator/servicebus"
)

func TestClientsComeBackAfterACut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	r := w.receiver(t, nil)
	w.sendText(t, "1")
	m := one(t, r)
	w.srv.CutConnections()
	w.wantStats(t, servicebus.Stats{Locked: 1})
	w.sendText(t, "2")
	// A receiver can settle by the lock token alone, on a new link. Settling the message itself
	// would wait for the dead link.
	must(t, r.CompleteMessage(ctx, &azservicebus.ReceivedMessage{LockToken: m.LockToken}, nil))
	m = one(t, r)
	if string(m.Body) != "2" {
		t.Fatalf("got %q", m.Body)
	}
	must(t, r.CompleteMessage(ctx, m, nil))
	w.wantStats(t, servicebus.Stats{})
}

func TestACutSendIsStoredOnceOrTwiceAndTheDuplicateWindowTells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		point  servicebus.CutPoint
		window time.Duration
		active int
	}{
		{"cut before", servicebus.CutBefore, 0, 1},
		{"cut after", servicebus.CutAfter, 0, 2},
		{"cut after, duplicates detected", servicebus.CutAfter, time.Hour, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, servicebus.QueueConfig{DuplicateWindow: c.window})
			w.jobs.CutSends(1, c.point)
			// retried by the SDK
			w.send(t, &azservicebus.Message{Body: []byte("x"), MessageID: to.Ptr("m")})
			w.wantStats(t, servicebus.Stats{Active: c.active})
		})
	}
}

func TestACutScheduleIsRetriedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{DuplicateWindow: time.Hour})
	w.jobs.CutSends(1, servicebus.CutAfter)
	_, err := w.sender.ScheduleMessages(testContext(t),
		[]*azservicebus.Message{{Body: []byte("x"), MessageID: to.Ptr("m")}},
		start.Add(time.Minute), nil)
	must(t, err)
	w.wantStats(t, servicebus.Stats{Scheduled: 1})
}

func TestAnOutageOfSendsEndsInAnErrorAndPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	w.srv.RefuseSends(true)
	if err := w.sender.SendMessage(ctx, &azservicebus.Message{Body: []byte("x")}, nil); err == nil {
		t.Fatal("sent during the outage")
	}
	if _, err := w.sender.ScheduleMessages(ctx, []*azservicebus.Message{{Body: []byte("x")}},
		start.Add(time.Minute), nil); err == nil {
		t.Fatal("scheduled during the outage")
	}
	w.wantStats(t, servicebus.Stats{})
	w.srv.RefuseSends(false)
	w.sendText(t, "y")
	w.wantStats(t, servicebus.Stats{Active: 1})
}

func TestAnOutageOfConnectionsEndsInAnErrorAndPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	w.sendText(t, "1")
	w.srv.RefuseConnections(true)
	w.sendText(t, "2") // the current connection continues
	w.srv.CutConnections()
	if err := w.sender.SendMessage(ctx, &azservicebus.Message{Body: []byte("x")},
		nil); codeOf(err) != azservicebus.CodeConnectionLost {
		t.Fatalf("got %v", err)
	}
	w.srv.RefuseConnections(false)
	w.sendText(t, "3")
	w.wantStats(t, servicebus.Stats{Active: 3})
}

func TestALateDeliveryWaitsForTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	w.jobs.DelayDeliveries(time.Minute)
	w.sendText(t, "1")
	w.send(t, &azservicebus.Message{
		Body: []byte("2"), ScheduledEnqueueTime: to.Ptr(start.Add(30 * time.Second)),
	})
	w.jobs.DelayDeliveries(0)
	w.sendText(t, "3")
	w.wantStats(t, servicebus.Stats{Active: 1, Scheduled: 2})
	w.clock.Advance(time.Minute)
	w.wantStats(t, servicebus.Stats{Active: 3})
	r := w.receiver(t, nil)
	var got string
	for range 3 {
		got += string(one(t, r).Body)
	}
	if got != "132" {
		t.Fatalf("order %s", got)
	}
}

func TestALostLockMeansASecondDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	r := w.receiver(t, nil)
	w.jobs.LoseLocks(1)
	w.sendText(t, "x")
	first := one(t, r)
	if err := r.CompleteMessage(ctx, first, nil); codeOf(err) != azservicebus.CodeLockLost {
		t.Fatalf("got %v", err)
	}
	second := one(t, r)
	if second.DeliveryCount != 2 || second.LockToken == first.LockToken {
		t.Fatalf("delivery count %d", second.DeliveryCount)
	}
	if n := w.jobs.ExpireLocks(); n != 1 {
		t.Fatalf("%d locks expired", n)
	}
	third := one(t, r)
	if third.DeliveryCount != 3 {
		t.Fatalf("delivery count %d", third.DeliveryCount)
	}
	must(t, r.CompleteMessage(ctx, third, nil))
	w.wantStats(t, servicebus.Stats{})
}

func TestLosingEveryLockEndsInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{MaxDeliveryCount: 4})
	r := w.receiver(t, nil)
	w.jobs.LoseLocks(1000)
	w.sendText(t, "x")
	for range 4 {
		one(t, r)
	}
	w.wantStats(t, servicebus.Stats{DeadLettered: 1})
}

func TestAMessageIsDeliveredTwiceThoughCompleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	ctx := testContext(t)
	r := w.receiver(t, nil)
	w.jobs.DeliverTwice(1)
	w.send(t, &azservicebus.Message{
		Body: []byte("x"), MessageID: to.Ptr("m"),
		ApplicationProperties: map[string]any{"n": int64(1)},
	})
	w.sendText(t, "y")
	var got string
	for range 3 {
		m := one(t, r)
		got += string(m.Body) + m.MessageID
		must(t, r.CompleteMessage(ctx, m, nil))
	}
	if got[:4] != "xmxm" || got[4] != 'y' {
		t.Fatalf("got %s", got)
	}
	w.wantStats(t, servicebus.Stats{})
}

// TestNothingIsLostWhileConnectionsAreCut cuts sends before and after they are stored, and
// connections while messages are held: every message arrives, and none is left over.
func TestNothingIsLostWhileConnectionsAreCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{DuplicateWindow: time.Hour, MaxDeliveryCount: 1000})
	ctx := testContext(t)
	const messages = 60
	sent := make(chan error, 1)
	go func() {
		for i := range messages {
			switch i % 20 {
			case 7:
				w.jobs.CutSends(1, servicebus.CutBefore)
			case 14:
				w.jobs.CutSends(1, servicebus.CutAfter)
			}
			id := to.Ptr(string(rune('A' + i)))
			if err := w.sender.SendMessage(ctx,
				&azservicebus.Message{MessageID: id, Body: []byte(*id)}, nil); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	client := newClient(t, w.srv.ConnectionString())
	r, err := client.NewReceiverForQueue("jobs", nil)
	must(t, err)
	seen := map[string]bool{}
	for n := 0; len(seen) < messages; n++ {
		ms, err := r.ReceiveMessages(ctx, 5, nil)
		must(t, err)
		if n%7 == 3 {
			w.srv.CutConnections()
			w.jobs.ExpireLocks()
			continue // settling these would wait for the dead link, and their locks are lost
		}
		for _, m := range ms {
			if err := r.CompleteMessage(ctx, m, nil); err != nil {
				if codeOf(err) != azservicebus.CodeLockLost {
					t.Fatal(err)
				}
				continue
			}
			seen[string(m.Body)] = true
		}
	}
	must(t, <-sent)
	must(t, w.srv.WaitIdle(ctx))
	if st := w.jobs.Stats(); st.DeadLettered != 0 {
		t.Fatalf("got %+v", st)
	}
}

func TestCloseEndsClientsAndIsHarmlessTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, servicebus.QueueConfig{})
	w.sendText(t, "1")
	waiting := w.receiver(t, nil)
	one(t, waiting)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := waiting.ReceiveMessages(ctx, 1, nil)
		result <- err
	}()
	w.srv.Close()
	w.srv.Close()
	cancel()
	if err := <-result; err != nil && !errors.Is(err, context.Canceled) &&
		codeOf(err) != azservicebus.CodeConnectionLost {
		t.Fatalf("got %v", err)
	}
	if err := w.sender.SendMessage(t.Context(), &azservicebus.Message{Body: []byte("x")},
		nil); err == nil {
		t.Fatal("sent to a closed server")
	}
	w.wantStats(t, servicebus.Stats{Locked: 1})
}
