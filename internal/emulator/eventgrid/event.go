package eventgrid

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The operations that create a block blob, as events name them.
const (
	APIPutBlob      = "PutBlob"
	APIPutBlockList = "PutBlockList"
)

const (
	eventType   = "Microsoft.Storage.BlobCreated"
	contentType = "application/octet-stream" // of a writer that sets none
)

// event has Event Grid's schema of a BlobCreated event.
type event struct {
	Topic           string    `json:"topic"`
	Subject         string    `json:"subject"`
	EventType       string    `json:"eventType"`
	ID              string    `json:"id"`
	Data            eventData `json:"data"`
	DataVersion     string    `json:"dataVersion"`
	MetadataVersion string    `json:"metadataVersion"`
	EventTime       time.Time `json:"eventTime"`
}

type eventData struct {
	API             string `json:"api"`
	ClientRequestID string `json:"clientRequestId"`
	RequestID       string `json:"requestId"`
	ETag            string `json:"eTag"`
	ContentType     string `json:"contentType"`
	ContentLength   int64  `json:"contentLength"`
	BlobType        string `json:"blobType"`
	URL             string `json:"url"`
	Sequencer       string `json:"sequencer"`
}

func (e event) json() ([]byte, error) { return json.Marshal(e) }

// eventMaker makes the events of one container.
type eventMaker struct {
	now       func() time.Time
	endpoint  string
	container string
	topic     string
	sequence  int64
}

func newEventMaker(endpoint, container string, now func() time.Time) eventMaker {
	endpoint = strings.TrimRight(endpoint, "/")
	account := endpoint[strings.LastIndex(endpoint, "/")+1:]
	return eventMaker{
		now: now, endpoint: endpoint, container: container, sequence: now().UnixNano(),
		topic: "/subscriptions/" + uuid.Nil.String() +
			"/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/" + account,
	}
}

func (m *eventMaker) make(path, etag string, size int64, api string) event {
	m.sequence++
	sequencer := fmt.Sprintf("%032x", m.sequence) // compared as text, per blob
	id := func(kind string) string {
		return uuid.NewSHA1(uuid.NameSpaceURL,
			[]byte(kind+"\n"+m.container+"\n"+path+"\n"+sequencer)).String()
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return event{
		ID: id("event"), Topic: m.topic, EventType: eventType, MetadataVersion: "1",
		EventTime: m.now().UTC(),
		Subject:   "/blobServices/default/containers/" + m.container + "/blobs/" + path,
		Data: eventData{
			API: api, ClientRequestID: id("client request"), RequestID: id("request"),
			ETag:        strings.Trim(etag, `"`),
			ContentType: contentType, ContentLength: size, BlobType: "BlockBlob",
			URL:       m.endpoint + "/" + m.container + "/" + strings.Join(segments, "/"),
			Sequencer: sequencer,
		},
	}
}
