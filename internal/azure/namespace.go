package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"

	"fhirsynapse/internal/fault"
)

// ErrNotPermitted reports that the identity may not read the settings of queues. It needs the right
// Manage, which the app has no other use for.
var ErrNotPermitted = errors.New("the settings of a queue need the right Manage")

// ErrNoManagement reports that a namespace has no management API, as Microsoft's emulator at its
// AMQP port.
var ErrNoManagement = errors.New("the emulator does not tell the settings of its queues")

// Namespace examines the queues of a Service Bus namespace.
type Namespace struct {
	client  *azservicebus.Client
	manager *admin.Client // nil for an emulator
	address string
}

// QueueState is the settings of a queue and its counts of messages.
type QueueState struct {
	Duplicates              bool
	Window, Lock            time.Duration
	MaxDelivery             int
	Sessions                bool
	Status                  string
	Active, Dead, Scheduled int64
}

// NewNamespace returns a namespace. It does no I/O. transport replaces the connections of the
// management API; nil means the usual ones.
func NewNamespace(a Account, transport policy.Transporter) (*Namespace, error) {
	client, err := connectServiceBus(a)
	if err != nil {
		return nil, err
	}
	n := &Namespace{client: client, address: a.Address}
	o := &admin.ClientOptions{ClientOptions: clientOptions()}
	if transport != nil {
		o.Transport = transport
	}
	if a.ConnectionString == "" {
		cred, err := credential(a.ClientID)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", a.Address, err)
		}
		if n.manager, err = admin.NewClient(a.Address, cred, o); err != nil {
			return nil, fault.Permanentf("connect to %s: %w", a.Address, err)
		}
		return n, nil
	}
	var emulator bool
	n.address, emulator = endpoint(a.ConnectionString)
	if emulator && transport == nil {
		return n, nil
	}
	if n.manager, err = admin.NewClientFromConnectionString(a.ConnectionString, o); err != nil {
		return nil, fault.Permanentf("the Service Bus connection string does not parse")
	}
	return n, nil
}

// endpoint returns the host of a connection string, and whether it is an emulator's.
func endpoint(connection string) (host string, emulator bool) {
	for part := range strings.SplitSeq(connection, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "endpoint":
			host = strings.TrimSpace(value)
		case "usedevelopmentemulator":
			emulator = strings.EqualFold(strings.TrimSpace(value), "true")
		}
	}
	return host, emulator
}

// Address returns the host of the namespace, with the port of an emulator.
func (n *Namespace) Address() string {
	return strings.TrimSuffix(strings.TrimPrefix(n.address, "sb://"), "/")
}

// MaySend opens a sender, which needs the right to send, and sends nothing.
func (n *Namespace) MaySend(ctx context.Context, queue string) error {
	sender, err := n.client.NewSender(queue, nil)
	if err != nil {
		return fmt.Errorf("send to queue %s: %w", queue, classifyBus(err, queue))
	}
	_, err = sender.NewMessageBatch(ctx, nil) // opens the link
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer stop()
	_ = sender.Close(closing) // nothing was sent
	if err != nil {
		return fmt.Errorf("send to queue %s: %w", queue, classifyBus(err, queue))
	}
	return nil
}

// Close closes the connection.
func (n *Namespace) Close(ctx context.Context) error {
	if err := n.client.Close(ctx); err != nil {
		return fmt.Errorf("close %s: %w", n.Address(), classifyBus(err, ""))
	}
	return nil
}

// Queue reads the settings of a queue. It returns ErrNotPermitted or ErrNoManagement if they cannot
// be read.
func (n *Namespace) Queue(ctx context.Context, name string) (QueueState, error) {
	if n.manager == nil {
		return QueueState{}, ErrNoManagement
	}
	q, err := n.manager.GetQueue(ctx, name, nil)
	if err != nil {
		return QueueState{}, n.unmanaged(name, err)
	}
	if q == nil {
		return QueueState{}, n.unmanaged(name, errNoQueue)
	}
	counts, err := n.manager.GetQueueRuntimeProperties(ctx, name, nil)
	if err != nil {
		return QueueState{}, n.unmanaged(name, err)
	}
	out := QueueState{
		Duplicates: deref(q.RequiresDuplicateDetection), Sessions: deref(q.RequiresSession),
		MaxDelivery: int(deref(q.MaxDeliveryCount)), Status: string(deref(q.Status)),
	}
	if counts != nil {
		out.Active, out.Dead = int64(counts.ActiveMessageCount),
			int64(counts.DeadLetterMessageCount)
		out.Scheduled = int64(counts.ScheduledMessageCount)
	}
	if out.Window, err = isoDuration(deref(q.DuplicateDetectionHistoryTimeWindow)); err == nil {
		out.Lock, err = isoDuration(deref(q.LockDuration))
	}
	if err != nil {
		return out, fault.Permanentf("read queue %s: %w", name, err)
	}
	return out, nil
}

var errNoQueue = errors.New("there is no such queue")

// unmanaged classifies an error of the management API.
func (n *Namespace) unmanaged(queue string, err error) error {
	missing := &fault.Error{
		Class: fault.Permanent, Err: fmt.Errorf("queue %s: %w", queue, errNoQueue),
		Remedy: fmt.Sprintf("create queue %q, or correct its name in the settings", queue),
	}
	var re *azcore.ResponseError
	switch {
	case errors.Is(err, errNoQueue):
		return missing
	case !errors.As(err, &re):
		return fmt.Errorf("read queue %s: %w", queue, classifyTransport(err))
	case re.StatusCode == http.StatusUnauthorized, re.StatusCode == http.StatusForbidden:
		return fmt.Errorf("queue %s: %w", queue, ErrNotPermitted)
	case re.StatusCode == http.StatusNotFound:
		return missing
	}
	f := &fault.Error{Class: fault.Permanent, Err: responseError(re)}
	if passing(re.StatusCode) {
		f.Class = fault.Transient
	}
	return fmt.Errorf("read queue %s: %w", queue, f)
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// isoDuration parses a duration of ISO 8601 with days, hours, minutes and seconds: P1DT2H3M4.5S.
// Empty is zero.
func isoDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wrong := fmt.Errorf("%q is not a duration of the form PT1H", text)
	rest, ok := strings.CutPrefix(text, "P")
	if !ok {
		return 0, wrong
	}
	units := map[byte]time.Duration{'D': 24 * time.Hour}
	var total time.Duration
	for rest != "" {
		if rest[0] == 'T' {
			rest = rest[1:]
			units = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool {
			return r != '.' && (r < '0' || r > '9')
		})
		if end <= 0 {
			return 0, wrong
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		unit, known := units[rest[end]]
		if err != nil || !known {
			return 0, wrong
		}
		// The service writes P10675199DT2H48M5.4775807S for no limit, which overflows.
		const most = float64(1<<63 - 1)
		if sum := float64(total) + n*float64(unit); sum >= most {
			return 1<<63 - 1, nil
		}
		total += time.Duration(n * float64(unit))
		rest = rest[end+1:]
	}
	return total, nil
}
