package azure_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"fhirsynapse/internal/azure"
	"fhirsynapse/internal/emulator/servicebus"
	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/testkit/pipelinetest"
)

const queueName = "export-steps"

// broker is the emulator of a namespace with one queue, on the test's clock.
type broker struct {
	*servicebus.Server
	*servicebus.ManualClock
	jobs *servicebus.Queue
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{ManualClock: servicebus.NewManualClock(time.Date(2026, 11, 23, 8, 0, 0, 0,
		time.UTC))}
	b.Server = servicebus.New(servicebus.Options{
		Clock: b.ManualClock, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	t.Cleanup(b.Close)
	// A timed-out Receive may leave a message locked. The lock must outlive the steps of the test's
	// clock.
	b.jobs = b.AddQueue(queueName, servicebus.QueueConfig{
		DuplicateWindow: time.Hour, LockDuration: 5 * time.Minute,
	})
	if _, err := b.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) client(t *testing.T) *azservicebus.Client {
	t.Helper()
	clients, err := azure.Connect(
		azure.Settings{ServiceBus: azure.Account{ConnectionString: b.ConnectionString()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSoon(t, clients.ServiceBus) })
	return clients.ServiceBus
}

// closeSoon closes without waiting for a peer that is gone.
func closeSoon(t *testing.T, c interface{ Close(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

func (b *broker) queue(t *testing.T) *azure.Queue {
	t.Helper()
	q := azure.NewQueue(b.client(t), queueName)
	t.Cleanup(func() { closeSoon(t, q) })
	return q
}

// farEnd receives in peek-lock mode. A message that arrives after Receive timed out stays in the
// queue.
type farEnd struct {
	*broker
	receiver *azservicebus.Receiver
}

func (f farEnd) Receive(ctx context.Context) (pipeline.Message, error) {
	for {
		got, err := f.receiver.ReceiveMessages(ctx, 1, nil)
		if err != nil {
			return pipeline.Message{}, err
		}
		if len(got) == 0 {
			continue // after a lost link
		}
		if err := f.receiver.CompleteMessage(ctx, got[0], nil); err != nil {
			return pipeline.Message{}, err
		}
		return pipeline.Message{ID: got[0].MessageID, Body: got[0].Body}, nil
	}
}

func TestQueueKeepsThePortsContract(t *testing.T) {
	t.Parallel()
	pipelinetest.TestQueue(t, func(t *testing.T) (pipeline.Queue, pipelinetest.Receiver) {
		b := newBroker(t)
		r, err := b.client(t).NewReceiverForQueue(queueName, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b.queue(t), farEnd{b, r}
	})
}

func TestQueueOutlivesItsLinks(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	q := b.queue(t)
	mustSend(t, q, "1")
	b.CutConnections()
	mustSend(t, q, "2")
	b.jobs.CutSends(1, servicebus.CutAfter)
	mustSend(t, q, "3") // the SDK resends it, and the broker drops the duplicate
	b.RefuseSends(true)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := q.Send(ctx, pipeline.Message{ID: "4"}); err == nil ||
		fault.Of(err) != fault.Transient {
		t.Errorf("while the broker refuses: %v, want a transient error", err)
	}
	b.RefuseSends(false)
	mustSend(t, q, "4")
	if got := b.jobs.Stats().Active; got != 4 {
		t.Errorf("%d messages are there, want 4", got)
	}
}

func TestQueueMakesANewSenderAfterAnOutage(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	q := b.queue(t)
	mustSend(t, q, "1")
	b.RefuseConnections(true)
	b.CutConnections()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := q.Send(ctx, pipeline.Message{ID: fmt.Sprintf("lost-%d", i)})
			if err == nil || fault.Of(err) != fault.Transient {
				t.Errorf("in the outage: %v, want a transient error", err)
			}
		})
	}
	wg.Wait()
	b.RefuseConnections(false)
	mustSend(t, q, "2")
	if got := b.jobs.Stats().Active; got != 2 {
		t.Errorf("%d messages are there, want 2", got)
	}
}

func TestQueueThatIsMissingNeedsAPerson(t *testing.T) {
	t.Parallel()
	q := azure.NewQueue(newBroker(t).client(t), "typo")
	err := q.Send(t.Context(), pipeline.Message{ID: "1"})
	if fault.Of(err) != fault.Permanent || !strings.Contains(err.Error(), `create queue "typo"`) {
		t.Errorf("%v, want a permanent error that names the queue", err)
	}
}

func TestQueueWithAWrongKeyNeedsAPerson(t *testing.T) {
	t.Parallel()
	const key = "d3Jvbmcta2V5LXdyb25nLWtleQ=="
	b := newBroker(t)
	text := b.ConnectionString()
	i := strings.Index(text, "SharedAccessKey=")
	end := strings.Index(text[i:], ";")
	text = text[:i] + "SharedAccessKey=" + key + text[i+end:]
	clients, err := azure.Connect(azure.Settings{ServiceBus: azure.Account{ConnectionString: text}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSoon(t, clients.ServiceBus) })
	err = azure.NewQueue(clients.ServiceBus, queueName).Send(t.Context(), pipeline.Message{ID: "1"})
	if fault.Of(err) != fault.Permanent ||
		!strings.Contains(err.Error(), "Azure Service Bus Data Sender") ||
		strings.Contains(err.Error(), key) {
		t.Errorf("%v, want a permanent error that names the role and not the key", err)
	}
}

func TestQueueRefusesWhatNoBatchCanHold(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	err := b.queue(t).Send(t.Context(), pipeline.Message{ID: "huge", Body: make([]byte, 101<<20)})
	if fault.Of(err) != fault.Permanent || !errors.Is(err, azservicebus.ErrMessageTooLarge) {
		t.Errorf("%v, want a permanent ErrMessageTooLarge", err)
	}
}

func TestQueueSendsNothingAfterClose(t *testing.T) {
	t.Parallel()
	q := newBroker(t).queue(t)
	mustSend(t, q, "1")
	for range 2 {
		if err := q.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := q.Send(t.Context(), pipeline.Message{ID: "2"}); err == nil ||
		fault.Of(err) != fault.Transient {
		t.Errorf("Send after Close: %v, want a transient error", err)
	}
}

func mustSend(t *testing.T, q *azure.Queue, id string) {
	t.Helper()
	if err := q.Send(t.Context(), pipeline.Message{ID: id, Body: []byte("{}")}); err != nil {
		t.Fatalf("Send %s: %v", id, err)
	}
}
