package functionshost

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// blobTries is the number of times that the real host calls a function for a blob, within 60 to 140
// ms. After them, the blob goes to the queue webjobs-blobtrigger-poison.
const blobTries = 5

// BlobFound calls a function for a blob as a polling blobTrigger with deferred binding does: up to
// five times in a row while it fails. It returns the error of the last call.
func (h *Host) BlobFound(ctx context.Context, function, url string, size int64) error {
	f := h.function(function)
	if f == nil {
		return fmt.Errorf("call %s for a blob: no such function in %q", function, h.Functions())
	}
	return h.tracked(func() error {
		var err error
		for range blobTries {
			if err = h.invoke(ctx, f, encoded(blobBody(f, url, size, h.opt.Now()))); err == nil {
				return nil
			}
		}
		return fmt.Errorf("poison after %d tries: %w", blobTries, err)
	})
}

// blobBody returns the body of a blobTrigger with deferred binding. The ETag never arrives.
func blobBody(f *function, url string, size int64, now time.Time) invocation {
	return invocation{
		Data: map[string]any{f.trigger.Name: map[string]any{
			"Version": "1.0", "Source": "AzureStorageBlobs", "Content": map[string]any{},
			"ContentType": "application/json",
		}},
		Metadata: map[string]any{
			"Uri": quoted(url),
			"Properties": map[string]any{
				"ETag": map[string]any{}, "ContentLength": size,
				"LastModified": now.UTC().Format(offsetTime),
			},
			"Metadata": map[string]any{},
			"sys": map[string]any{
				"MethodName": f.name, "UtcNow": now.UTC().Format(time.RFC3339Nano),
				"RandGuid": uuid.NewString(),
			},
		},
	}
}
