package pipeline

import (
	"cmp"
	"context"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// Events takes the events of the storage. It needs only the queue, so that an outage of
// anything else loses no event.
type Events struct {
	Queue Queue
	Now   func() time.Time
	// Settle is how long a blob is left alone after its event; zero means 30 s.
	Settle time.Duration
}

// BlobWritten takes the event of a blob in the landing area. The event is a hint: the blob is
// read only after it has settled, and a lost event loses no data.
func (v Events) BlobWritten(ctx context.Context, path, etag string, size int64) error {
	if folder, _, _ := strings.Cut(path, "/"); records.IsJobFolder(folder) {
		return nil // fetched by us: the fetch step continues with it
	}
	if size == 0 {
		return nil // the writer creates each blob empty before it fills it
	}
	return send(ctx, v.Queue, v.Now().Add(cmp.Or(v.Settle, settle)), Step{
		Kind: StepLanded, Path: path, ETag: etag,
	})
}
