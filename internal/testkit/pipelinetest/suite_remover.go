package pipelinetest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"fhirsynapse/internal/pipeline"
)

// LakeWithRemover is a lake whose blobs can be removed.
type LakeWithRemover interface {
	pipeline.Lake
	pipeline.Remover
	// RemoveAt removes a blob at an ETag.
	RemoveAt(ctx context.Context, area pipeline.Area, path, etag string) error
}

// TestRemover checks a Remover against its contract.
func TestRemover(t *testing.T, open func(t *testing.T) LakeWithRemover) {
	t.Helper()
	lake := open(t)
	for _, path := range []string{"a/1", "a/2"} {
		if _, err := lake.Put(t.Context(), pipeline.Staging, path,
			strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time the blob is already removed
		if err := lake.Remove(t.Context(), pipeline.Staging, "a/1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lake.Stat(t.Context(), pipeline.Staging, "a/1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the removed blob: %v", err)
	}
	if _, err := lake.Stat(t.Context(), pipeline.Staging, "a/2"); err != nil {
		t.Errorf("the other blob: %v", err)
	}
	old, err := lake.Stat(t.Context(), pipeline.Staging, "a/2")
	if err != nil {
		t.Fatal(err)
	}
	present, err := lake.Put(t.Context(), pipeline.Staging, "a/2", strings.NewReader("xy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := lake.RemoveAt(t.Context(), pipeline.Staging, "a/2",
		old.ETag); !errors.Is(err, pipeline.ErrChanged) {
		t.Errorf("a blob that was written again: %v", err)
	}
	for range 2 { // the second time the blob is already removed
		if err := lake.RemoveAt(t.Context(), pipeline.Staging, "a/2", present.ETag); err != nil {
			t.Errorf("the blob at its ETag: %v", err)
		}
	}
	if _, err := lake.Stat(t.Context(), pipeline.Staging, "a/2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the blob that was removed at its ETag: %v", err)
	}
}
