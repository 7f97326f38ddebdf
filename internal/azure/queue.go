package azure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// Limits for one call. A silent broker must not block a step for ever.
const (
	sendTimeout  = time.Minute
	closeTimeout = 5 * time.Second
)

// Queue implements pipeline.Queue on one Service Bus queue. Duplicates are dropped if the queue has
// duplicate detection.
type Queue struct {
	client *azservicebus.Client
	name   string

	mu     sync.Mutex
	sender *azservicebus.Sender
	closed bool
}

var _ pipeline.Queue = (*Queue)(nil)

// NewQueue returns a Queue. It does no I/O: the first Send connects.
func NewQueue(client *azservicebus.Client, queue string) *Queue {
	return &Queue{client: client, name: queue}
}

// Send implements pipeline.Queue. It uses the fewest batches that the broker's size limit allows.
func (q *Queue) Send(ctx context.Context, messages ...pipeline.Message) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	sender, err := q.open()
	if err != nil {
		return fmt.Errorf("send to queue %s: %w", q.name, err)
	}
	if err := send(ctx, sender, messages); err != nil {
		if linkLost(err) {
			q.drop(ctx, sender)
		}
		if fault.Of(err) == fault.Permanent {
			return fmt.Errorf("send to queue %s: %w", q.name, err)
		}
		return fmt.Errorf("send to queue %s: %w", q.name, classifyBus(err, q.name))
	}
	return nil
}

func send(ctx context.Context, sender *azservicebus.Sender, messages []pipeline.Message) error {
	batch, err := sender.NewMessageBatch(ctx, nil)
	if err != nil {
		return err
	}
	for _, m := range messages {
		err := batch.AddMessage(message(m), nil)
		if errors.Is(err, azservicebus.ErrMessageTooLarge) && batch.NumMessages() > 0 {
			if err := sender.SendMessageBatch(ctx, batch, nil); err != nil {
				return err
			}
			if batch, err = sender.NewMessageBatch(ctx, nil); err != nil {
				return err
			}
			err = batch.AddMessage(message(m), nil)
			if err == nil {
				continue
			}
		}
		if errors.Is(err, azservicebus.ErrMessageTooLarge) {
			return fault.Permanentf("message %s has %d bytes: %w", m.ID, len(m.Body), err)
		}
		if err != nil {
			return err
		}
	}
	return sender.SendMessageBatch(ctx, batch, nil)
}

func message(m pipeline.Message) *azservicebus.Message {
	contentType := "application/json"
	out := &azservicebus.Message{Body: m.Body, ContentType: &contentType}
	if m.ID != "" {
		out.MessageID = &m.ID
	}
	if !m.At.IsZero() {
		at := m.At.UTC()
		out.ScheduledEnqueueTime = &at
	}
	return out
}

// linkLost reports whether the SDK has abandoned the sender's link.
func linkLost(err error) bool {
	var sb *azservicebus.Error
	return errors.As(err, &sb) &&
		(sb.Code == azservicebus.CodeClosed || sb.Code == azservicebus.CodeConnectionLost)
}

func (q *Queue) open() (*azservicebus.Sender, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, fault.Transientf("it was closed: the program is stopping")
	}
	if q.sender == nil {
		s, err := q.client.NewSender(q.name, nil)
		if err != nil {
			return nil, classifyBus(err, q.name)
		}
		q.sender = s
	}
	return q.sender, nil
}

// drop forgets a sender, so that the next Send creates a new one.
func (q *Queue) drop(ctx context.Context, s *azservicebus.Sender) {
	q.mu.Lock()
	if q.sender == s {
		q.sender = nil
	}
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = s.Close(ctx) // the link is lost
}

// Close closes the sender; a later Send fails. The client belongs to the caller.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	s := q.sender
	q.sender, q.closed = nil, true
	q.mu.Unlock()
	if s == nil {
		return nil
	}
	if err := s.Close(ctx); err != nil {
		return fmt.Errorf("close queue %s: %w", q.name, classifyBus(err, q.name))
	}
	return nil
}
