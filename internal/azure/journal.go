package azure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// maxDocument bounds a document in bytes. The largest are manifests, of a few megabytes.
const maxDocument = 256 << 20

// Journal implements pipeline.Journal: one blob per key, named by the key, so that blobs sort like
// keys. With a hierarchical namespace no key may be a folder of another.
type Journal struct {
	place    place
	pageSize int32
}

var _ pipeline.Journal = (*Journal)(nil)

// NewJournal returns a journal in a container of its own. It does no I/O.
func NewJournal(client *service.Client, container string) *Journal {
	return &Journal{place: place{
		client: client.NewContainerClient(container), container: container, role: contributor,
	}}
}

// EnsureContainer creates the container if it is missing; see Lake.EnsureContainers.
func (j *Journal) EnsureContainer(ctx context.Context) error {
	return ensure(ctx, j.place.client, j.place.container)
}

// Read implements pipeline.Journal.
func (j *Journal) Read(ctx context.Context, key string) (pipeline.Entry, error) {
	c, err := j.place.open(ctx, key, "")
	if err != nil {
		return pipeline.Entry{}, err
	}
	defer func() { _ = c.Close() }() // the body has been read
	if c.size > maxDocument {
		return pipeline.Entry{},
			fault.Permanentf("read document %s: it has %d bytes, more than %d", key, c.size,
				maxDocument)
	}
	data, err := io.ReadAll(c)
	if err != nil {
		return pipeline.Entry{}, err
	}
	return pipeline.Entry{Data: data, ETag: c.etag}, nil
}

// Write implements pipeline.Journal. The request is sent once, because a retry after a lost answer
// would see its own write as a conflict. The outcome of a Transient failure is therefore unknown.
func (j *Journal) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
	if len(data) > maxDocument {
		return "", fault.Permanentf("write document %s: it has %d bytes, more than %d", key,
			len(data), maxDocument)
	}
	conditions := &blob.ModifiedAccessConditions{}
	if etag == "" {
		anyETag := azcore.ETagAny
		conditions.IfNoneMatch = &anyETag
	} else {
		conditions.IfMatch = quoted(etag)
	}
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{
		MaxRetries: retries, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay,
		ShouldRetry: notDone,
	})
	resp, err := j.place.client.NewBlockBlobClient(key).Upload(once,
		streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
			HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: contentType(".json")},
			AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: conditions},
		})
	switch {
	case err == nil:
		return bare(resp.ETag), nil
	case conflicts(err):
		return "", fmt.Errorf("write document %s: %w", key, pipeline.ErrConflict)
	}
	return "", fmt.Errorf("write document %s: %w", key,
		classifyBlob(err, j.place.container, contributor))
}

// notDone reports whether a failed write certainly did not happen, so that it may be repeated: no
// connection was made, or the storage was too busy.
func notDone(resp *http.Response, err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "dial"
	}
	return resp != nil && resp.StatusCode == http.StatusServiceUnavailable &&
		resp.Header.Get("x-ms-error-code") == string(bloberror.ServerBusy)
}

// conflicts reports a failed condition: 412, 409 for a create, or 404 for the replacement of a
// deleted blob.
func conflicts(err error) bool {
	return bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet,
		bloberror.BlobAlreadyExists, bloberror.ResourceAlreadyExists, "PathAlreadyExists") ||
		isMissing(err)
}

// List implements pipeline.Journal.
func (j *Journal) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for f, err := range j.place.list(ctx, prefix, j.pageSize) {
			if !yield(f.Path, err) {
				return
			}
		}
	}
}
