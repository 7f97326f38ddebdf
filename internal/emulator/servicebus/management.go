package servicebus

import (
	"slices"
	"time"

	"github.com/Azure/go-amqp"
)

const (
	busyCondition = "com.microsoft:server-busy" // the SDK retries it on the same link
	busyText      = "The server was unable to process the request; please retry the operation."
	lockLostText  = "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue."
)

var answerLockLost = answer{status: 410, text: lockLostText}

// management answers the requests to the queue's $management address.
type management struct{ *Queue }

// manage handles one request to the queue's $management node.
func (q management) manage(c *conn, operation string, body map[string]any) answer {
	switch operation {
	case "com.microsoft:schedule-message":
		return q.schedule(c, body)
	case "com.microsoft:cancel-scheduled-message":
		return q.cancelScheduled(body)
	case "com.microsoft:renew-lock":
		return q.renewLocks(body)
	case "com.microsoft:peek-message":
		return q.peekMessages(body)
	case "com.microsoft:receive-by-sequence-number":
		return q.receiveDeferred(body)
	case "com.microsoft:update-disposition":
		return q.updateDisposition(body)
	}
	return answer{
		status: 501, text: "The operation '" + operation + "' is not implemented by this stand-in.",
	}
}

func ok(body map[string]any) answer { return answer{status: 200, text: "OK", body: body} }

func (q management) schedule(c *conn, body map[string]any) answer {
	if q.s.refuseSends {
		return answer{status: 503, text: busyText}
	}
	entries, _ := body["messages"].([]any)
	var batch []*amqp.Message
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		b, _ := entry["message"].([]byte)
		m, err := parseMessage(b)
		if err != nil {
			return answer{status: 400, text: err.Error()}
		}
		batch = append(batch, m)
	}
	seqs := q.receive(c, batch)
	if len(seqs) == 0 {
		seqs = []int64{}
	}
	return ok(map[string]any{"sequence-numbers": seqs})
}

func (q management) cancelScheduled(body map[string]any) answer {
	seqs, _ := body["sequence-numbers"].([]int64)
	for _, seq := range seqs {
		if q.waiting[seq] == nil {
			return answer{
				status: 404, text: "A scheduled message with that sequence number does not exist.",
			}
		}
	}
	for _, seq := range seqs {
		if m := q.waiting[seq]; m != nil {
			m.stopTimer()
			delete(q.waiting, seq)
		}
	}
	return ok(map[string]any{})
}

func (q management) renewLocks(body map[string]any) answer {
	tokens, _ := body["lock-tokens"].([]amqp.UUID)
	expirations := make([]time.Time, 0, len(tokens)) // must be sent as an AMQP array
	for _, token := range tokens {
		m := q.locked[token]
		if m == nil {
			return answerLockLost
		}
		q.extend(m)
		expirations = append(expirations, m.lockUntil.UTC())
	}
	return ok(map[string]any{"expirations": expirations})
}

func (q management) peekMessages(body map[string]any) answer {
	from, _ := body["from-sequence-number"].(int64)
	limit, _ := body["message-count"].(int32)
	found := []any{}
	size := 0
	for _, p := range q.all() {
		if p.seq < from {
			continue
		}
		if len(found) >= int(limit) || size > maxMessage {
			break
		}
		b := p.wire(q.s, p.state)
		size += len(b)
		found = append(found, map[string]any{"message": b})
	}
	if len(found) == 0 {
		return answer{status: 204, text: "There are no messages."}
	}
	return ok(map[string]any{"messages": found})
}

func (q management) receiveDeferred(body map[string]any) answer {
	seqs, _ := body["sequence-numbers"].([]int64)
	found := []any{}
	for _, seq := range seqs {
		if m := q.deferred[seq]; m != nil {
			delete(q.deferred, seq)
			q.lock(m)
			q.delivered++
			found = append(found, map[string]any{
				"message": m.wire(q.s, StateDeferred), "lock-token": amqp.UUID(m.token),
			})
		}
	}
	if len(found) == 0 {
		return answer{
			status: 404, text: "A deferred message with that sequence number does not exist.",
		}
	}
	return ok(map[string]any{"messages": found})
}

func (q management) updateDisposition(body map[string]any) answer {
	tokens, _ := body["lock-tokens"].([]amqp.UUID)
	status, _ := body["disposition-status"].(string)
	o := outcome{}
	o.properties, _ = body["properties-to-modify"].(map[string]any)
	switch status {
	case "completed":
		o.settlement = complete
	case "abandoned":
		o.settlement = abandon
	case "defered": // sic
		o.settlement = deferIt
	case "suspended":
		o.settlement = reject
		o.reason, _ = body["deadletter-reason"].(string)
		o.description, _ = body["deadletter-description"].(string)
	default:
		return answer{status: 400, text: "The disposition '" + status + "' is not known."}
	}
	for _, token := range tokens {
		if !q.settle(token, o) {
			return answerLockLost
		}
	}
	return ok(map[string]any{})
}

// placed pairs a message with its state.
type placed struct {
	*message
	state  State
	locked bool
}

// all returns the messages of the queue by sequence number.
func (q *Queue) all() []placed {
	var all []placed
	for _, m := range q.ready {
		all = append(all, placed{m, StateActive, false})
	}
	for _, m := range q.locked {
		all = append(all, placed{m, StateActive, true})
	}
	for _, m := range q.waiting {
		all = append(all, placed{m, StateScheduled, false})
	}
	for _, m := range q.deferred {
		all = append(all, placed{m, StateDeferred, false})
	}
	slices.SortFunc(all, func(a, b placed) int { return int(a.seq - b.seq) })
	return all
}
