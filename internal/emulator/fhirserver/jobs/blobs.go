package jobs

import (
	"context"
	"fmt"
)

// Blobs stores the files of jobs: in a storage account, a folder or memory.
type Blobs interface {
	// Ensure makes a container, or accepts an existing container.
	Ensure(ctx context.Context, container string) error
	// Create replaces any previous blob by a blob of length zero.
	Create(ctx context.Context, container, path string) (Blob, error)
	// URL returns the blob's address for the manifest.
	URL(container, path string) string
}

// Blob writes one blob as the Azure SDK's OpenWrite does: data becomes visible with a commit. The
// same bytes can be committed again, with a new ETag each time.
type Blob interface {
	// ETag returns the ETag of the last commit, without quotes; before the first commit, the ETag
	// of the empty blob.
	ETag() string
	// Write appends uncommitted data.
	Write(ctx context.Context, data []byte) error
	// Commit makes the data written up to now the blob's content and returns its length. It fails
	// if anybody else changed the blob.
	Commit(ctx context.Context) (size int64, err error)
}

// Storage operations as spelled in data.api of a storage event.
const (
	APIPutBlob      = "PutBlob"
	APIPutBlockList = "PutBlockList"
)

// StorageError is an error of the storage, with its HTTP status.
type StorageError struct {
	Status int
	Err    error
}

func (e *StorageError) Error() string {
	return fmt.Sprintf("storage answered %d: %v", e.Status, e.Err)
}

// Unwrap returns the cause.
func (e *StorageError) Unwrap() error { return e.Err }
