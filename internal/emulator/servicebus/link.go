package servicebus

import (
	"fmt"
	"slices"

	"github.com/Azure/go-amqp"
)

// batchFormat marks a message with messages in its data sections.
const batchFormat = 0x80013700

type link struct {
	ses        *session
	handle     uint32
	sender     bool   // we send on it
	addr       string // of the node: source when we send, target when the peer sends
	reply      string // address at which a receiver of answers listens
	q          *Queue // nil for $cbs
	management bool
	presettled bool   // receive-and-delete
	count      uint32 // deliveries so far
	credit     int64

	in incoming
}

// incoming holds an unfinished delivery.
type incoming struct {
	open   bool
	id     uint32
	format uint32
	buf    []byte
}

func (l *link) drop() {
	l.ses.c.partial -= len(l.in.buf)
	l.in = incoming{}
	if l.q != nil {
		l.q.consumers = slices.DeleteFunc(l.q.consumers, func(o *link) bool { return o == l })
	}
}

// takes reports whether the link can take a delivery now.
func (l *link) takes() bool {
	return l.credit > 0 && l.ses.window > 0 && len(l.ses.backlog) == 0 &&
		len(l.ses.unsettled) < maxUnsettled && !l.ses.c.dead && !l.ses.c.out.full()
}

// send transfers one delivery in pieces of at most the peer's frame size, and returns its id.
func (l *link) send(tag, msg []byte, settled bool) uint32 {
	ses := l.ses
	id := ses.delivery
	ses.delivery++
	for first := true; first || len(msg) > 0; first = false {
		n := min(len(msg), ses.c.maxFrame-frameOverhead)
		t := []any{l.handle, nil, nil, nil, settled, n < len(msg)}
		if first {
			t[1], t[2], t[3] = id, tag, uint32(0) // the SDK requires all three
		}
		ses.send(transfer{described{codeTransfer, t}, msg[:n]})
		msg = msg[n:]
	}
	l.count++
	l.credit--
	return id
}

// transfer handles a piece of a delivery from the peer.
func (ses *session) transfer(f fields, payload []byte) error {
	ses.nextIn++
	l := ses.links[f.uint32(0)]
	if l == nil || l.sender {
		return nil
	}
	if f.bool(9) { // aborted
		ses.c.partial -= len(l.in.buf)
		l.in = incoming{}
		return nil
	}
	if !l.in.open {
		l.in = incoming{open: true, id: f.uint32(1), format: f.uint32(3)}
	}
	l.in.buf = append(l.in.buf, payload...)
	ses.c.partial += len(payload)
	if len(l.in.buf) > maxMessage {
		id := l.handle
		l.drop()
		delete(ses.links, id)
		ses.frame(codeDetach, id, true,
			amqpError("amqp:link:message-size-exceeded", "The message is larger than 1 MiB."))
		return nil
	}
	if ses.c.partial > maxPartial {
		return fmt.Errorf("amqp transfer: more than %d bytes of unfinished deliveries", maxPartial)
	}
	if f.bool(5) { // more follows
		return nil
	}
	in := l.in
	l.in = incoming{}
	ses.c.partial -= len(in.buf)
	l.count++
	if l.credit--; l.credit < linkCredit/2 {
		l.credit = linkCredit
		ses.sendFlow(l)
	}
	state := ses.accept(l, in)
	if !f.bool(4) {
		ses.frame(codeDisposition, true, in.id, in.id, true, state)
	}
	return nil
}

// accept handles a complete delivery and returns its outcome.
func (ses *session) accept(l *link, in incoming) described {
	m, err := parseMessage(in.buf)
	if err != nil {
		return rejected("amqp:decode-error", err.Error())
	}
	if l.addr == cbsNode || l.management {
		ses.answer(l, m)
		return stateAccepted
	}
	batch := []*amqp.Message{m}
	if in.format == batchFormat {
		batch = nil
		for _, d := range m.Data {
			one, err := parseMessage(d)
			if err != nil {
				return rejected("amqp:decode-error", err.Error())
			}
			batch = append(batch, one)
		}
	}
	if ses.c.s.refuseSends {
		return rejected(busyCondition, busyText)
	}
	l.q.receive(ses.c, batch)
	return stateAccepted
}

// answer handles a request to $cbs or $management. The answer goes to the link whose target equals
// the request's reply-to; the comparison uses the whole name, because the SDK's names are unusual.
func (ses *session) answer(l *link, m *amqp.Message) {
	if m.Properties == nil || m.Properties.ReplyTo == nil {
		return
	}
	var a answer
	if l.addr == cbsNode {
		a = ses.c.putToken(m)
	} else {
		operation, _ := m.ApplicationProperties["operation"].(string)
		body, _ := m.Value.(map[string]any)
		a = management{l.q}.manage(ses.c, operation, body)
	}
	out := &amqp.Message{
		Properties:            &amqp.MessageProperties{CorrelationID: m.Properties.MessageID},
		ApplicationProperties: a.properties(),
		Value:                 a.body,
	}
	if a.body == nil {
		out.Value = amqp.Null{}
	}
	b, err := out.MarshalBinary()
	if err != nil {
		ses.c.s.log.Error("service bus stand-in: answer does not encode")
		return
	}
	for _, r := range ses.links {
		if r.sender && r.reply == *m.Properties.ReplyTo {
			r.send([]byte("r"), b, true)
		}
	}
}

// parseMessage decodes a message. Input that makes go-amqp panic returns an error, because the
// bytes come from the peer.
func parseMessage(b []byte) (m *amqp.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("amqp message: %v", p)
		}
	}()
	m = new(amqp.Message)
	if err := m.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("amqp message: %w", err)
	}
	if _, err := m.MarshalBinary(); err != nil { // a message must be encodable to be sent again
		return nil, fmt.Errorf("amqp message: %w", err)
	}
	return m, nil
}
