package servicebus

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// sessionWindow is the window that we announce; the links' credit limits the peer.
	sessionWindow = 1 << 28
	// maxLinks bounds the links of a session; the SDK attaches two at most.
	maxLinks = 256
	// linkCredit is the credit of a sender, refilled at half.
	linkCredit = 1000
	// maxMessage is 1 MiB, the limit of the Premium tier, the next tier above Standard.
	maxMessage = 1 << 20
	// maxUnsettled deliveries of a session stop further deliveries; the SDK takes 5000 at a time.
	maxUnsettled = 1 << 16
)

type session struct {
	c         *conn
	channel   uint16
	nextIn    uint32
	nextOut   uint32 // id of our next transfer
	delivery  uint32 // id of our next delivery
	window    int64  // number of transfers that the peer takes
	backlog   []transfer
	waiting   int // bytes of backlog
	links     map[uint32]*link
	unsettled map[uint32]delivery
}

// transfer holds a frame that waits for the peer's window.
type transfer struct {
	performative described
	payload      []byte
}

// delivery holds a locked message that was sent to the peer.
type delivery struct {
	q     *Queue
	token [16]byte
}

func (c *conn) begin(f frame) {
	c.sessions[f.channel] = &session{
		c: c, channel: f.channel, nextIn: f.fields.uint32(1), window: int64(f.fields.uint32(2)),
		links: map[uint32]*link{}, unsettled: map[uint32]delivery{},
	}
	c.frame(frameAMQP, f.channel,
		described{
			codeBegin, []any{
				f.channel, uint32(0), uint32(sessionWindow), uint32(sessionWindow),
				uint32(maxLinks - 1),
			},
		}, nil)
}

func (ses *session) frame(code uint64, members ...any) {
	ses.c.frame(frameAMQP, ses.channel, described{code, members}, nil)
}

// drop forgets the links. Messages that the peer holds stay locked until their locks expire, as in
// the real service.
func (ses *session) drop() {
	for _, l := range ses.links {
		l.drop()
	}
	ses.links, ses.backlog, ses.waiting = map[uint32]*link{}, nil, 0
}

// attach opens a link, or refuses it as the specification requires: attach without source and
// target, then detach with the error (part 2, section 2.6.3).
func (ses *session) attach(f fields) error {
	handle := f.uint32(1)
	if ses.links[handle] != nil || len(ses.links) >= maxLinks {
		return fmt.Errorf("amqp attach: handle %d is taken, or there are too many", handle)
	}
	l := &link{ses: ses, handle: handle, sender: f.bool(2)}
	var deliveryCount any
	if l.sender {
		l.addr, l.reply = list(f.at(5)).string(0), list(f.at(6)).string(0)
		mode, _ := f.at(3).(uint8)
		l.presettled = mode == 1
		deliveryCount = uint32(0)
	} else {
		l.addr = list(f.at(6)).string(0)
	}
	answer := []any{
		f.at(0), handle, !l.sender, f.at(3), f.at(4), f.at(5), f.at(6), nil, nil, deliveryCount,
		uint64(maxMessage),
	}
	condition, text := ses.c.admit(l)
	if condition != "" {
		answer[5], answer[6] = nil, nil
		ses.frame(codeAttach, answer...)
		ses.frame(codeDetach, handle, true, amqpError(condition, text))
		return nil
	}
	ses.links[handle] = l
	ses.frame(codeAttach, answer...)
	switch {
	case !l.sender:
		l.credit = linkCredit
		ses.sendFlow(l)
	case l.q != nil && !l.management:
		l.q.consumers = append(l.q.consumers, l)
	}
	return nil
}

// admit finds the node of a link. It returns a condition if the peer may not have the link.
func (c *conn) admit(l *link) (condition, text string) {
	if l.addr == cbsNode {
		return "", ""
	}
	l.q, l.management = c.s.entity(l.addr)
	if l.q == nil {
		return "amqp:not-found", "The messaging entity '" + l.addr + "' could not be found."
	}
	addr := strings.TrimPrefix(strings.ToLower(l.addr), "/")
	if !c.claims[addr] && !c.claims[strings.TrimSuffix(addr, managementSuffix)] {
		return "amqp:unauthorized-access",
			"Unauthorized access. 'Send' or 'Listen' claim is required to perform this operation."
	}
	return "", ""
}

func (ses *session) detach(handle uint32) {
	if l := ses.links[handle]; l != nil {
		l.drop()
		delete(ses.links, handle)
		ses.frame(codeDetach, handle, true)
	}
}

func (ses *session) sendFlow(l *link) {
	ses.frame(codeFlow, ses.nextIn, uint32(sessionWindow), ses.nextOut, uint32(sessionWindow),
		l.handle, l.count, uint32(max(l.credit, 0)))
}

// serial returns a difference of two serial numbers, which wrap (RFC 1982).
func serial(d uint32) int64 {
	return int64(int32(d))
}

// flow applies the peer's window and credit (part 2, sections 2.5.6 and 2.6.7).
func (ses *session) flow(f fields) {
	if next, ok := f.at(0).(uint32); ok {
		ses.window = serial(next-ses.nextOut) + int64(f.uint32(1)) // a window may be 2^32-1
	} else {
		ses.window = int64(f.uint32(1))
	}
	ses.drain()
	handle, ok := f.at(4).(uint32)
	if !ok {
		ses.pump()
		return
	}
	l := ses.links[handle]
	if l == nil || !l.sender {
		return
	}
	l.credit = serial(f.uint32(5)-l.count) + int64(f.uint32(6))
	if l.q != nil {
		l.q.pump()
	}
	drain, echo := f.bool(8), f.bool(9)
	if drain && l.credit > 0 {
		l.count += uint32(l.credit)
		l.credit = 0
	}
	if drain || echo {
		ses.sendFlow(l)
	}
}

// pump resumes deliveries to the links of the session.
func (ses *session) pump() {
	for _, l := range ses.links {
		if l.sender && l.q != nil {
			l.q.pump()
		}
	}
}

// send writes a transfer, in order, when the window allows it.
func (ses *session) send(t transfer) {
	ses.backlog = append(ses.backlog, t)
	ses.waiting += len(t.payload)
	ses.drain()
	if ses.waiting > hardOutbox {
		ses.c.s.log.Warn("service bus stand-in: client opens no window, connection cut")
		ses.c.cut()
	}
}

func (ses *session) drain() {
	for len(ses.backlog) > 0 && ses.window > 0 {
		t := ses.backlog[0]
		ses.backlog = ses.backlog[1:]
		ses.waiting -= len(t.payload)
		ses.window--
		ses.nextOut++
		ses.c.frame(frameAMQP, ses.channel, t.performative, t.payload)
	}
}

// disposition settles deliveries that the peer holds. The peer waits for a settlement of each in
// return.
func (ses *session) disposition(f fields) {
	if !f.bool(0) {
		return // about deliveries from the peer, which we settled at once
	}
	first := f.uint32(1)
	span := uint32(0)
	if last, ok := f.at(2).(uint32); ok {
		span = last - first
	}
	state, ok := f.at(4).(described)
	if !ok {
		return
	}
	full := len(ses.unsettled) >= maxUnsettled
	var ids []uint32 // use our own ids: the range that the peer claims may span 2^32
	for id := range ses.unsettled {
		if id-first <= span {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uint32) int { return int(serial(a - b)) })
	for _, id := range ids {
		d := ses.unsettled[id]
		delete(ses.unsettled, id)
		echo := state
		if state.code == codeRejected {
			echo = stateRejected // the peer would read an error in the echo as a failed settlement
		}
		if !d.q.settle(d.token, outcomeOf(state)) {
			echo = rejected("com.microsoft:message-lock-lost",
				"The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.")
		}
		if !f.bool(3) {
			ses.frame(codeDisposition, false, id, id, true, echo)
		}
	}
	if full {
		ses.pump()
	}
}
