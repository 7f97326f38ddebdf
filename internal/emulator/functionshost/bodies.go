package functionshost

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

// invocation is the body of the host's POST.
type invocation struct {
	Data     map[string]any
	Metadata map[string]any
}

// Formats in which Newtonsoft writes a DateTimeOffset and a DateTime after ToString: without
// sub-seconds, and a DateTime also without a zone.
const (
	offsetTime = "2006-01-02T15:04:05-07:00"
	bareTime   = "2006-01-02T15:04:05"
	// statusTime is the format in the timer's status, which is serialized directly.
	statusTime = "2006-01-02T15:04:05.9999999-07:00"
)

// never is the last run of a timer that has not run, as older hosts send it: year 1, without a zone
// (azure-functions-host#7391).
const never = "0001-01-01T00:00:00"

// timerStatus holds the times that the host remembers of a timer.
type timerStatus struct{ last, next time.Time }

func timerBody(f *function, status timerStatus, pastDue bool, now time.Time) invocation {
	last := never
	if !status.last.IsZero() {
		last = status.last.UTC().Format(statusTime)
	}
	timer := map[string]any{
		"Schedule":       map[string]any{"AdjustForDST": true},
		"ScheduleStatus": nil,
		"IsPastDue":      pastDue,
	}
	if f.trigger.UseMonitor == nil || *f.trigger.UseMonitor {
		timer["ScheduleStatus"] = map[string]any{
			"Last": last, "Next": status.next.UTC().Format(statusTime), "LastUpdated": last,
		}
	}
	return invocation{
		Data: map[string]any{f.trigger.Name: timer},
		Metadata: map[string]any{"sys": map[string]any{
			"MethodName": f.name, "UtcNow": now.UTC().Format(time.RFC3339Nano),
			"RandGuid": uuid.NewString(),
		}},
	}
}

// messageBody returns the body for a Service Bus message in the form that the trigger's dataType
// selects.
func messageBody(f *function, m *azservicebus.ReceivedMessage, now time.Time) invocation {
	meta := map[string]any{
		"MessageId":     quoted(m.MessageID),
		"DeliveryCount": plain(m.DeliveryCount),
		"LockToken":     quoted(uuid.UUID(m.LockToken).String()),
		"sys": map[string]any{
			"MethodName": f.name, "UtcNow": now.UTC().Format(time.RFC3339Nano),
			"RandGuid": uuid.NewString(),
		},
	}
	for _, opaque := range []string{
		"MessageReceiver", "MessageSession", "MessageActions", "SessionActions", "ReceiveActions",
		"Client",
	} {
		meta[opaque] = map[string]any{}
	}
	if m.SequenceNumber != nil {
		meta["SequenceNumber"] = plain(*m.SequenceNumber)
	}
	for name, t := range map[string]*time.Time{"Enqueued": m.EnqueuedTime, "Expires": m.ExpiresAt} {
		if t == nil {
			continue
		}
		offset, bare := name+"Time", name+"TimeUtc"
		if name == "Expires" {
			offset, bare = "ExpiresAt", "ExpiresAtUtc"
		}
		meta[offset], meta[bare] = t.UTC().Format(offsetTime), t.UTC().Format(bareTime)
	}
	for name, s := range map[string]*string{
		"ContentType": m.ContentType, "Subject": m.Subject, "Label": m.Subject,
		"CorrelationId": m.CorrelationID,
		"ReplyTo":       m.ReplyTo, "To": m.To, "PartitionKey": m.PartitionKey,
		"SessionId": m.SessionID,
	} {
		if s != nil { // nulls are dropped
			meta[name] = quoted(*s)
		}
	}
	properties := m.ApplicationProperties
	if properties == nil {
		properties = map[string]any{}
	}
	meta["ApplicationProperties"], meta["UserProperties"] = properties, properties

	var data any = base64.StdEncoding.EncodeToString(m.Body)
	if !strings.EqualFold(f.trigger.DataType, "binary") {
		data = quoted(string(m.Body))
		copyProperties(meta, m.Body)
	}
	return invocation{Data: map[string]any{f.trigger.Name: data}, Metadata: meta}
}

// copyProperties copies the top-level properties of a JSON body into the metadata, where they
// replace the host's own. This is a trap of bindings that are not binary.
func copyProperties(meta map[string]any, body []byte) {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return
	}
	for k, v := range object {
		switch v := v.(type) {
		case nil, []any:
		case map[string]any:
			meta[k] = v
		case string:
			meta[k] = quoted(v)
		case bool:
			meta[k] = quoted(map[bool]string{true: "True", false: "False"}[v])
		default:
			meta[k] = plain(v)
		}
	}
}

// quoted returns a string as the host writes it: JSON in a string.
func quoted(s string) string { return plain(s) }

// plain returns a value as JSON text, for use in a string.
func plain(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // numbers and strings always marshal
		return ""
	}
	return string(b)
}
