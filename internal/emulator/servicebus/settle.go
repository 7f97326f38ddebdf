package servicebus

import "fmt"

// settlement is the action that a receiver asks for.
type settlement int

const (
	complete settlement = iota
	abandon
	deferIt
	reject
	release // return without counting a failure
)

// outcome is a settlement with its details.
type outcome struct {
	settlement
	reason, description string         // reason and description of a rejection
	properties          map[string]any // to set on the message
}

// outcomeOf reads an AMQP delivery state as the SDK means it.
func outcomeOf(state described) outcome {
	members, _ := state.val.([]any)
	f := fields(members)
	switch state.code {
	case codeAccepted:
		return outcome{settlement: complete}
	case codeRejected:
		o := outcome{settlement: reject, properties: map[string]any{}}
		info, _ := list(f.at(0)).at(2).(map[any]any)
		for k, v := range info {
			text, _ := v.(string)
			switch key := fmt.Sprint(k); key { // strings or symbols, the SDK sends either
			case propDeadReason:
				o.reason = text
			case propDeadErrorText:
				o.description = text
			default:
				o.set(key, v)
			}
		}
		return o
	case codeModified:
		o := outcome{settlement: abandon, properties: map[string]any{}}
		if f.bool(1) { // undeliverable here
			o.settlement = deferIt
		}
		changes, _ := f.at(2).(map[any]any)
		for k, v := range changes {
			o.set(fmt.Sprint(k), v)
		}
		return o
	default:
		return outcome{settlement: release}
	}
}

// set stores a property that a message can carry.
func (o *outcome) set(key string, v any) {
	switch v := v.(type) {
	case nil, bool, string, uint8, uint16, uint32, uint64, int32, int64, float64:
		o.properties[key] = v
	}
}

// settle applies an outcome. It returns false if the lock is lost.
func (q *Queue) settle(token [16]byte, o outcome) bool {
	m := q.unlock(token)
	if m == nil {
		return false
	}
	if o.settlement != complete && o.settlement != reject && len(o.properties) > 0 {
		if m.m.ApplicationProperties == nil {
			m.m.ApplicationProperties = map[string]any{}
		}
		for k, v := range o.properties {
			m.m.ApplicationProperties[k] = v
		}
	}
	switch o.settlement {
	case complete:
		q.completed++
	case reject:
		if q.dead == nil { // a dead letter stays a dead letter
			q.requeue(m)
			break
		}
		q.deadLetter(m, o.reason, o.description, o.properties)
	case release:
		if m.deferred {
			q.deferred[m.seq] = m
			break
		}
		q.requeue(m)
	case deferIt:
		m.deferred = true
		q.deferred[m.seq] = m
	case abandon:
		q.failed(m)
	}
	return true
}
