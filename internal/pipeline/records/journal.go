package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"fhirsynapse/internal/fault"
)

// rewrite changes a document if it exists.
func rewrite[T any](ctx context.Context, j Journal, key string, change func(*T)) error {
	for range SwapTries {
		d, err := Read[T](ctx, j, key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		before, err := json.Marshal(d.Value)
		if err != nil {
			return err
		}
		change(&d.Value)
		if after, err := json.Marshal(d.Value); err != nil || string(after) == string(before) {
			return err
		}
		if err := d.Write(ctx, j); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("write journal %s: %w", key, ErrConflict)
}

// ErrConflict is returned by Journal.Write if the document is not at the ETag that the caller
// read, or exists although it should be created.
var ErrConflict = errors.New("changed by someone else")

// Entry is one document of the journal.
type Entry struct {
	Data []byte
	ETag string
}

// Journal holds small JSON documents that change only by compare-and-swap. Keys are
// slash-separated: "exports/nightly/000012".
type Journal interface {
	// Read returns the document, or fs.ErrNotExist.
	Read(ctx context.Context, key string) (Entry, error)
	// Write replaces the document at etag, or creates it if etag is empty, and returns the new
	// ETag. It returns ErrConflict if another writer was faster; a write with an unknown
	// outcome may have happened.
	Write(ctx context.Context, key, etag string, data []byte) (string, error)
	// List yields the keys that start with prefix, in order.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// Document is one JSON document of the journal with the ETag it was read at.
type Document[T any] struct {
	Key   string
	etag  string
	data  []byte
	Value T
}

// Read returns the document of a key, or fs.ErrNotExist. It returns ErrNewer for a document that
// only a newer version of the program can use.
func Read[T any](ctx context.Context, j Journal, key string) (Document[T], error) {
	d := Document[T]{Key: key}
	e, err := j.Read(ctx, key)
	if err != nil {
		return d, fmt.Errorf("read journal %s: %w", key, err)
	}
	if err := Decode(e.Data, &d.Value); err != nil {
		return d, fmt.Errorf("read journal %s: %w", key, err)
	}
	d.etag, d.data = e.ETag, e.Data
	return d, nil
}

// ReadOrNew reads like Read, but returns the zero value for a document that does not exist.
func ReadOrNew[T any](ctx context.Context, j Journal, key string) (Document[T], error) {
	d, err := Read[T](ctx, j, key)
	if errors.Is(err, fs.ErrNotExist) {
		return Document[T]{Key: key}, nil
	}
	return d, err
}

// Write stores the document if it has not changed since it was read, else it returns
// ErrConflict. Fields that this version does not know stay, as Encode says.
func (d *Document[T]) Write(ctx context.Context, j Journal) error {
	data, err := Encode(d.data, d.Value)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", d.Key, err)
	}
	etag, err := j.Write(ctx, d.Key, d.etag, data)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", d.Key, err)
	}
	d.etag, d.data = etag, data
	return nil
}

// SwapTries bounds the tries of a compare-and-swap. With more rivals than this at one
// document, it is better to send the step again.
const SwapTries = 16

// ErrUnchanged ends an update without a write.
var ErrUnchanged = errors.New("nothing to change")

// Update reads a document, changes it and writes it back, and repeats this while other writers
// are faster. change may run several times; it returns ErrUnchanged to end the update without
// a write.
func Update[T any](ctx context.Context, j Journal, key string, change func(*T) error) (T, error) {
	for range SwapTries {
		d, err := ReadOrNew[T](ctx, j, key)
		if err != nil {
			return d.Value, err
		}
		if err := change(&d.Value); errors.Is(err, ErrUnchanged) {
			return d.Value, nil
		} else if err != nil {
			return d.Value, err
		}
		if err := d.Write(ctx, j); !errors.Is(err, ErrConflict) {
			return d.Value, err
		}
	}
	var zero T
	return zero, fault.Transientf("write journal %s: others were faster %d times", key, SwapTries)
}
