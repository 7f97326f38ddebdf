package azfunc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// Invocation is one call of a function by the host.
type Invocation struct {
	Function string
	// ID is the host's invocation id, which the host's log lines carry too.
	ID string
	// Data holds the trigger under its binding name.
	Data map[string]Value
	// Metadata holds the host's data about the trigger.
	Metadata map[string]Value
}

// Message is a Service Bus message.
type Message struct {
	Body          []byte
	ID            string
	DeliveryCount int // 1 for the first delivery; 0 if unknown
	Sequence      int64
	Enqueued      time.Time
	Subject       string
	CorrelationID string
	ContentType   string
}

// Timer is one tick of the timer trigger.
type Timer struct {
	PastDue bool // the tick was missed while no host ran
	// Last, Next and Updated are zero if the host does not know them.
	Last, Next, Updated time.Time
}

// BlobEvent reports a write to a blob.
type BlobEvent struct {
	ID   string // of the event; empty from a polling trigger
	Type string // "Microsoft.Storage.BlobCreated"; empty from a polling trigger
	API  string // "PutBlob", "PutBlockList", "FlushWithClose", ...; empty from a polling trigger
	URL  string
	ETag string // without quotes; empty when unknown
	// Length is -1 if unknown.
	Length int64
	Time   time.Time
}

// Skipped returns the number of body bytes that were skipped.
func (in Invocation) Skipped() int64 {
	var n int64
	for _, m := range []map[string]Value{in.Data, in.Metadata} {
		for _, v := range m {
			n += v.skipped
		}
	}
	return n
}

// Message returns the Service Bus message with the body that the sender sent. Errors are BadData,
// because another delivery brings the same message.
func (in Invocation) Message() (Message, error) {
	v, err := in.trigger(BindingMessage)
	if err != nil {
		return Message{}, err
	}
	if v.skipped > 0 {
		return Message{},
			fault.BadDataf("the message has about %d bytes, more than the %d that are taken",
				v.skipped, maxValue)
	}
	m := Message{
		Body:          messageBody(v),
		ID:            in.metadata("MessageId").Text(),
		Enqueued:      in.metadata("EnqueuedTime").Time(),
		Subject:       in.metadata("Subject").Text(),
		CorrelationID: in.metadata("CorrelationId").Text(),
		ContentType:   in.metadata("ContentType").Text(),
	}
	if m.Enqueued.IsZero() {
		m.Enqueued = in.metadata("EnqueuedTimeUtc").Time()
	}
	n, _ := in.metadata("DeliveryCount").Int()
	m.DeliveryCount = int(n)
	m.Sequence, _ = in.metadata("SequenceNumber").Int()
	return m, nil
}

// messageBody undoes the binding's dataType: binary is base64, text is a string that holds a JSON
// string with the text.
func messageBody(v Value) []byte {
	if j := v.JSON(); j != nil {
		return j
	}
	s, ok := unquote(v.raw)
	if !ok {
		return v.raw
	}
	// Base64 has neither quotes nor brackets, so this value is text.
	if inner, ok := unquote([]byte(s)); ok {
		return []byte(inner)
	}
	if b, err := base64.StdEncoding.DecodeString(s); err == nil {
		return b
	}
	return []byte(s)
}

// Timer returns the tick.
func (in Invocation) Timer() (Timer, error) {
	v, err := in.trigger(BindingTimer)
	if err != nil {
		return Timer{}, err
	}
	status := v.member("ScheduleStatus")
	return Timer{
		PastDue: v.member("IsPastDue").Bool(),
		Last:    status.member("Last").Time(),
		Next:    status.member("Next").Time(),
		Updated: status.member("LastUpdated").Time(),
	}, nil
}

// BlobEvents returns the blobs of the call, from a storage event in a Service Bus message, from an
// Event Grid trigger, or from a blob trigger, whose content is never read. It accepts both event
// schemas, as one event or an array; the caller judges the event types. Errors are BadData.
func (in Invocation) BlobEvents() ([]BlobEvent, error) {
	if uri := in.metadata("Uri"); uri.Present() && !in.Data[BindingMessage].Present() {
		return []BlobEvent{in.pushedBlob(uri.Text())}, nil
	}
	var v Value
	if e := in.Data[BindingEvent]; e.Present() {
		v = e
	} else {
		m, err := in.Message()
		if err != nil {
			return nil, err
		}
		v = Value{raw: trim(m.Body)}
	}
	text := v.JSON()
	if text == nil {
		return nil, fault.BadDataf("not a storage event: the message is not a JSON object")
	}
	list := []json.RawMessage{text}
	if text[0] == '[' {
		list = nil
		if json.Unmarshal(text, &list) != nil {
			return nil, fault.BadDataf("not a storage event: the message is not JSON")
		}
	}
	var events []BlobEvent
	for i, raw := range list {
		e, ok := storageEvent(Value{raw: raw})
		if !ok {
			return nil, fault.BadDataf("not a storage event: item %d of %d has no data.url", i+1,
				len(list))
		}
		events = append(events, e)
	}
	return events, nil
}

// pushedBlob returns the event of a blobTrigger call.
func (in Invocation) pushedBlob(uri string) BlobEvent {
	p := in.metadata("Properties")
	etag := p.member("ETag")
	if etag.JSON() != nil {
		etag = Value{} // the real host sends an empty object
	}
	return BlobEvent{
		URL:    uri,
		ETag:   bareETag(etag.Text()),
		Length: lengthOf(p.member("ContentLength")),
		Time:   p.member("LastModified").Time(),
	}
}

// storageEvent parses one event in Event Grid's schema (eventType, eventTime) or as a CloudEvent
// (type, time).
func storageEvent(v Value) (BlobEvent, bool) {
	data := v.member("data")
	e := BlobEvent{
		ID:     v.member("id").Text(),
		Type:   v.member("eventType").Text(),
		API:    data.member("api").Text(),
		URL:    data.member("url").Text(),
		ETag:   bareETag(data.member("eTag").Text()),
		Length: lengthOf(data.member("contentLength")),
		Time:   v.member("eventTime").Time(),
	}
	if e.Type == "" {
		e.Type = v.member("type").Text()
	}
	if e.Time.IsZero() {
		e.Time = v.member("time").Time()
	}
	return e, e.URL != ""
}

func lengthOf(v Value) int64 {
	n, ok := v.Int()
	if !ok || n < 0 {
		return -1
	}
	return n
}

func bareETag(s string) string {
	return strings.Trim(strings.TrimPrefix(s, "W/"), `"`)
}

// trigger returns the member of Data that function.json names.
func (in Invocation) trigger(name string) (Value, error) {
	v, ok := in.Data[name]
	if ok && v.Present() {
		return v, nil
	}
	names := slices.Sorted(maps.Keys(in.Data))
	return Value{}, &fault.Error{
		Class:  fault.BadData,
		Err:    fmt.Errorf("the invocation of %s has no %q, only %q", in.Function, name, names),
		Remedy: "the trigger in its function.json must have that name",
	}
}

// metadata returns a member of Metadata, ignoring case.
func (in Invocation) metadata(name string) Value {
	if v, ok := in.Metadata[name]; ok {
		return v
	}
	for k, v := range in.Metadata {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return Value{}
}
