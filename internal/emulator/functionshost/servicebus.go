package functionshost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/cenkalti/backoff/v5"
)

// Limits of the communication with the broker.
const (
	// settleQuick is for a healthy link. After a cut, the SDK would retry on the old link for most
	// of a minute and then fail.
	settleQuick = 3 * time.Second
	// settleAgain is for the detour by the management link, which must be opened again.
	settleAgain = 15 * time.Second
	closeLimit  = 5 * time.Second
	renewLimit  = 10 * time.Second
	firstRetry  = 100 * time.Millisecond
	lastRetry   = 5 * time.Second
)

// queueListener receives the messages of one function's queue.
type queueListener struct {
	h     *Host
	f     *function
	slots chan struct{} // maxConcurrentCalls
}

// queues makes the listeners, and reports invalid connection strings.
func (h *Host) queues() ([]*queueListener, error) {
	var list []*queueListener
	var faults []error
	for _, f := range h.app.functions {
		if f.trigger.Type != serviceBusTrigger {
			continue
		}
		if _, err := azservicebus.NewClientFromConnectionString(f.connection,
			h.clientOptions()); err != nil {
			// Omit the SDK's text: it may quote the connection string.
			faults = append(faults,
				fmt.Errorf("function %s: the setting %s is no Service Bus connection string",
					f.name, f.trigger.Connection))
			continue
		}
		list = append(list, &queueListener{h: h, f: f, slots: make(chan struct{}, h.app.maxCalls)})
	}
	return list, errors.Join(faults...)
}

// clientOptions sets short retries, because the listener's own loop retries for longer.
func (h *launcher) clientOptions() *azservicebus.ClientOptions {
	o := azservicebus.ClientOptions{}
	if h.opt.ServiceBus != nil {
		o = *h.opt.ServiceBus
	}
	if o.RetryOptions == (azservicebus.RetryOptions{}) {
		o.RetryOptions = azservicebus.RetryOptions{
			MaxRetries: 1, RetryDelay: firstRetry, MaxRetryDelay: time.Second,
		}
	}
	return &o
}

// run receives until ctx ends, through any number of lost connections. life is the context of the
// invocations.
func (q *queueListener) run(ctx, life context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstRetry, lastRetry
	told := ""
	for ctx.Err() == nil {
		err := q.session(ctx, life, func() {
			pause.Reset()
			told = ""
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != told { // report it once, not every few seconds
			told = err.Error()
			q.h.log.LogAttrs(ctx, slog.LevelWarn, "queue cannot be received from, trying again",
				slog.String("function", q.f.name), slog.String("queue", q.f.queue),
				slog.String("error", told))
		}
		wait(ctx, pause.NextBackOff())
	}
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// session receives over one client until an error. It then waits in the background for the running
// calls, because settling needs the client.
func (q *queueListener) session(ctx, life context.Context, healthy func()) error {
	client, err := azservicebus.NewClientFromConnectionString(q.f.connection, q.h.clientOptions())
	if err != nil {
		return errors.New("the connection string is none")
	}
	receiver, err := client.NewReceiverForQueue(q.f.queue, nil)
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	var inFlight sync.WaitGroup
	// The listener's own goroutine is in h.work, so it may add to it.
	defer q.h.work.Go(func() {
		inFlight.Wait()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		_ = client.Close(closing) // closes the receiver too; the broker takes its messages back
	})
	for {
		select {
		case q.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		// Receive one at a time: unused credit would lock messages that nobody waits for.
		messages, err := receiver.ReceiveMessages(ctx, 1, nil)
		if err != nil || len(messages) == 0 {
			<-q.slots
			if err == nil && ctx.Err() == nil { // the SDK returns nothing after a lost link
				err = errors.New("the link was lost")
			}
			return err
		}
		healthy()
		inFlight.Go(func() {
			defer func() { <-q.slots }()
			q.handle(life, receiver, messages[0])
		})
	}
}

// handle runs one message through the function and settles it.
func (q *queueListener) handle(
	life context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage,
) {
	renewing, stop := context.WithCancel(life)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		q.renew(renewing, r, m)
	}()
	err := q.h.invoke(life, q.f, encoded(messageBody(q.f, m, q.h.opt.Now())))
	stop()
	<-renewed
	q.settle(context.WithoutCancel(life), r, m, err == nil)
}

// renew extends the lock for as long as host.json allows.
func (q *queueListener) renew(
	ctx context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage,
) {
	if q.h.app.renewFor > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.h.app.renewFor)
		defer cancel()
	}
	for {
		wait(ctx, q.untilRenewal(m))
		if ctx.Err() != nil {
			return
		}
		limited, cancel := context.WithTimeout(ctx, renewLimit)
		err := r.RenewMessageLock(limited, m, nil)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			q.h.log.LogAttrs(ctx, slog.LevelWarn, "lock not renewed",
				slog.String("function", q.f.name), slog.String("error", err.Error()))
			if lockLost(err) {
				return
			}
			wait(ctx, firstRetry)
		}
	}
}

// untilRenewal returns half of the lock's remaining time, within bounds: the broker's clock may
// differ from ours.
func (q *queueListener) untilRenewal(m *azservicebus.ReceivedMessage) time.Duration {
	const least, most = 20 * time.Millisecond, 30 * time.Second
	if m.LockedUntil == nil {
		return most / 2
	}
	return min(max(m.LockedUntil.Sub(q.h.opt.Now())/2, least), most)
}

func lockLost(err error) bool {
	var e *azservicebus.Error
	return errors.As(err, &e) && e.Code == azservicebus.CodeLockLost
}

// settle completes or abandons a message. A message that cannot be settled is delivered again when
// its lock expires, which does no other harm.
func (q *queueListener) settle(
	ctx context.Context, r *azservicebus.Receiver, m *azservicebus.ReceivedMessage, complete bool,
) {
	do, kind := r.AbandonMessage, MessageAbandoned
	if complete {
		do = func(
			ctx context.Context, m *azservicebus.ReceivedMessage,
			_ *azservicebus.AbandonMessageOptions,
		) error {
			return r.CompleteMessage(ctx, m, nil)
		}
		kind = MessageCompleted
	}
	try := func(limit time.Duration, m *azservicebus.ReceivedMessage) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return do(ctx, m, nil)
	}
	err := try(settleQuick, m)
	if err != nil && !lockLost(err) && !q.h.isStopping() {
		// With the token alone, the SDK uses the management link.
		err = try(settleAgain, &azservicebus.ReceivedMessage{LockToken: m.LockToken})
	}
	if err != nil {
		kind = MessageLost
		q.h.log.LogAttrs(ctx, slog.LevelWarn,
			"message not settled: its lock expires, and it is delivered again",
			slog.String("function", q.f.name), slog.Bool("complete", complete),
			slog.String("error", err.Error()))
	}
	q.h.emit(Event{Kind: kind, Function: q.f.name, Err: err})
}

func (h *life) isStopping() bool {
	select {
	case <-h.stopping:
		return true
	default:
		return false
	}
}
