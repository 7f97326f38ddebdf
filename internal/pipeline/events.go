package pipeline

import (
	"cmp"
	"context"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// Events takes the events of the storage. It needs the queue alone, so that an outage of
// anything else loses none.
type Events struct {
	Queue Queue
	Now   func() time.Time
	// Settle is how long after its event a blob is left alone; zero means 30 s.
	Settle time.Duration
}

// BlobWritten is the event of a blob in the landing area. It is a hint: nothing
// is looked at before the blob has settled, and nothing is lost when it is lost.
func (v Events) BlobWritten(ctx context.Context, path, etag string, size int64) error {
	if folder, _, _ := strings.Cut(path, "/"); records.IsJobFolder(folder) {
		return nil // fetched by us: its step knows already
	}
	if size == 0 {
		return nil // the writer creates each blob empty before it fills it
	}
	return send(ctx, v.Queue, v.Now().Add(cmp.Or(v.Settle, settle)), Step{Kind: StepLanded, Path: path, ETag: etag})
}
