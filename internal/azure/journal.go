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

// maxDocument bounds a document: the largest are manifests, of a few megabytes.
const maxDocument = 256 << 20

// Journal is a pipeline.Journal: one blob for each key, under the key's own name,
// so that the order of blobs is the order of keys. On an account with
// hierarchical namespace no key may be a folder of another.
type Journal struct {
	place    place
	pageSize int32
}

var _ pipeline.Journal = (*Journal)(nil)

// NewJournal keeps a journal in a container, which it has for itself. It does no
// I/O.
func NewJournal(client *service.Client, container string) *Journal {
	return &Journal{place: place{client: client.NewContainerClient(container), container: container, role: contributor}}
}

// EnsureContainer makes the container where it is missing; see Lake.EnsureContainers.
func (j *Journal) EnsureContainer(ctx context.Context) error {
	return ensure(ctx, j.place.client, j.place.container)
}

// Read implements pipeline.Journal.
func (j *Journal) Read(ctx context.Context, key string) (pipeline.Entry, error) {
	c, err := j.place.open(ctx, key, "")
	if err != nil {
		return pipeline.Entry{}, err
	}
	defer func() { _ = c.Close() }() // of a body that was read
	if c.size > maxDocument {
		return pipeline.Entry{}, fault.Permanentf("read document %s: it has %d bytes, more than %d", key, c.size, maxDocument)
	}
	data, err := io.ReadAll(c)
	if err != nil {
		return pipeline.Entry{}, err
	}
	return pipeline.Entry{Data: data, ETag: c.etag}, nil
}

// Write implements pipeline.Journal. It is sent once: after an answer that was
// lost a second try would meet its own write and call it a conflict. So the
// outcome of a write that fails as Transient is unknown.
func (j *Journal) Write(ctx context.Context, key, etag string, data []byte) (string, error) {
	if len(data) > maxDocument {
		return "", fault.Permanentf("write document %s: it has %d bytes, more than %d", key, len(data), maxDocument)
	}
	conditions := &blob.ModifiedAccessConditions{}
	if etag == "" {
		anyETag := azcore.ETagAny
		conditions.IfNoneMatch = &anyETag
	} else {
		conditions.IfMatch = quoted(etag)
	}
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: retries, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay, ShouldRetry: notDone})
	resp, err := j.place.client.NewBlockBlobClient(key).Upload(once, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
		HTTPHeaders:      &blob.HTTPHeaders{BlobContentType: contentType(".json")},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: conditions},
	})
	switch {
	case err == nil:
		return bare(resp.ETag), nil
	case conflicts(err):
		return "", fmt.Errorf("write document %s: %w", key, pipeline.ErrConflict)
	}
	return "", fmt.Errorf("write document %s: %w", key, classifyBlob(err, j.place.container, contributor))
}

// notDone says that a write did not happen for certain, so that it may be sent
// again: no link came about, or the storage itself declined it as too busy.
func notDone(resp *http.Response, err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "dial"
	}
	return resp != nil && resp.StatusCode == http.StatusServiceUnavailable &&
		resp.Header.Get("x-ms-error-code") == string(bloberror.ServerBusy)
}

// conflicts knows the answers to a condition that failed: 412, for a create 409,
// and for a replacement of what was deleted 404.
func conflicts(err error) bool {
	return bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet,
		bloberror.BlobAlreadyExists, bloberror.ResourceAlreadyExists, "PathAlreadyExists") || isMissing(err)
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
