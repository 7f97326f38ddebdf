package jobs

import (
	"context"
	"fmt"
)

// Blobs is where a job writes its files: a storage account, or memory.
type Blobs interface {
	// Ensure makes a container; one that is there is no error.
	Ensure(ctx context.Context, container string) error
	// Create puts a blob of length zero in place of whatever was there.
	Create(ctx context.Context, container, path string) (Blob, error)
	// URL is the blob's address as the manifest tells it.
	URL(container, path string) string
}

// Blob is one blob being written, the way the Azure SDK's OpenWrite does it:
// data is staged, and becomes visible with a commit. The same bytes can be
// committed again, and get a new ETag each time.
type Blob interface {
	// ETag is that of the last commit, without quotes; at first of the empty blob.
	ETag() string
	// Write stages data behind what is there.
	Write(ctx context.Context, data []byte) error
	// Commit makes everything staged so far the blob's content, provided that
	// nobody else touched the blob, and gives its length.
	Commit(ctx context.Context) (size int64, err error)
}

// Storage operations as the data.api of a storage event spells them.
const (
	APIPutBlob      = "PutBlob"
	APIPutBlockList = "PutBlockList"
)

// StorageError is the storage's refusal, with the HTTP status it gave.
type StorageError struct {
	Status int
	Err    error
}

func (e *StorageError) Error() string { return fmt.Sprintf("storage answered %d: %v", e.Status, e.Err) }

// Unwrap gives the cause.
func (e *StorageError) Unwrap() error { return e.Err }
