package servicebus

import (
	"log/slog"
	"maps"
	"time"

	"github.com/Azure/go-amqp"
)

// Annotations that the service sets. Their Go types matter: the SDK panics on any other type.
const (
	annScheduledTime  = "x-opt-scheduled-enqueue-time"  // time.Time
	annEnqueuedTime   = "x-opt-enqueued-time"           // time.Time
	annLockedUntil    = "x-opt-locked-until"            // time.Time
	annSequence       = "x-opt-sequence-number"         // int64
	annFirstSequence  = "x-opt-enqueue-sequence-number" // int64
	annState          = "x-opt-message-state"           // int32
	annDeadSource     = "x-opt-deadletter-source"       // string
	annLockToken      = "x-opt-lock-token"              //nolint:gosec // G101: a name; amqp.UUID, a delivery annotation
	propDeadReason    = "DeadLetterReason"
	propDeadErrorText = "DeadLetterErrorDescription"
)

// message is one stored message.
type message struct {
	seq       int64
	m         *amqp.Message
	enqueued  time.Time
	due       time.Time // of a scheduled or delayed message
	failures  uint32    // deliveries that were not completed
	deferred  bool
	token     [16]byte // of the current lock
	lockUntil time.Time
	timer     Timer // activation, or expiry of the lock; nil if neither is pending
}

func (m *message) stopTimer() {
	if m.timer != nil {
		m.timer.Stop()
		m.timer = nil
	}
}

// id returns the message id if it is a string.
func (m *message) id() string {
	if m.m.Properties == nil {
		return ""
	}
	id, _ := m.m.Properties.MessageID.(string)
	return id
}

// twin returns a copy of an unlocked message.
func (m *message) twin() *message {
	t, a := *m, *m.m
	a.Header = nil
	a.Annotations = maps.Clone(a.Annotations)
	a.ApplicationProperties = maps.Clone(a.ApplicationProperties)
	t.m = &a
	return &t
}

func annotate(m *amqp.Message) amqp.Annotations {
	if m.Annotations == nil {
		m.Annotations = amqp.Annotations{}
	}
	return m.Annotations
}

// wire encodes a message as the service sends it.
func (m *message) wire(s *Server, state State) []byte {
	a := annotate(m.m)
	a[annSequence], a[annFirstSequence], a[annState] = m.seq, m.seq, int32(state)
	delete(a, annEnqueuedTime)
	delete(a, annLockedUntil)
	if !m.enqueued.IsZero() {
		a[annEnqueuedTime] = m.enqueued.UTC()
	}
	if !m.lockUntil.IsZero() {
		a[annLockedUntil] = m.lockUntil.UTC()
	}
	if m.m.Properties == nil { // the SDK reads the delivery count only next to properties
		m.m.Properties = &amqp.MessageProperties{}
	}
	header := m.header()
	m.m.Header = nil
	m.m.DeliveryAnnotations = amqp.Annotations{annLockToken: amqp.UUID(m.token)}
	b, err := m.m.MarshalBinary()
	if err != nil { // the message was encodable when it came in
		s.log.Error("service bus stand-in: stored message does not encode",
			slog.Int64("sequence", m.seq))
	}
	return append(header, b...)
}

// header encodes the header section (part 3, section 3.2.1) with the count of failed deliveries.
// go-amqp omits a count of zero, and the .NET client fails without one.
func (m *message) header() []byte {
	return appendValue(nil, described{codeHeader, []any{false, nil, nil, nil, m.failures}})
}

// tag returns the token in the byte order of a .NET Guid, which delivery tags use. The management
// operations use the order of RFC 9562.
func tag(u [16]byte) []byte {
	t := u
	t[0], t[1], t[2], t[3] = u[3], u[2], u[1], u[0]
	t[4], t[5], t[6], t[7] = u[5], u[4], u[7], u[6]
	return t[:]
}
