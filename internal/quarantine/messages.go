package quarantine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"regexp"
	"strings"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
)

// MessageFacts describe a message of the queue of steps that the handler could not read. They have
// nothing of its content but names that this program has checked.
type MessageFacts struct {
	ID    string `json:"id"`
	Queue string `json:"queue,omitempty"`
	// Step is the kind of step, if this version can read the message; Export is the step's export,
	// empty for the event of a blob.
	Step   string `json:"step,omitempty"`
	Export string `json:"export,omitempty"`
}

const messageEnding = ".json"

// messageLimit bounds a message that is read, in bytes. A premium namespace can carry 100 MB; the
// handler takes 1 MiB.
const messageLimit = 1 << 20

var messageName = regexp.MustCompile(`^[0-9a-f]{24}$`)

// MessageID returns the id of a message that a person has named by its id or its path.
func MessageID(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, pipeline.MessagesFolder), messageEnding)
}

// IsMessage reports whether a name is one of a message rather than of an export.
func IsMessage(name string) bool {
	return strings.HasPrefix(name, pipeline.MessagesFolder) || messageName.MatchString(name)
}

// Messages yields all messages, without what this version makes of them.
func Messages(ctx context.Context, lake pipeline.Lake) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for f, err := range lake.List(ctx, pipeline.Quarantine, pipeline.MessagesFolder) {
			file := fileOf(f)
			if err == nil && file.Kind != Message {
				continue
			}
			if !yield(file, err) || err != nil {
				return
			}
		}
	}
}

// Kept sums up the messages.
type Kept struct {
	Count int64
	// More is set if there are more messages than were counted.
	More bool
	// First are some of them, with their reasons.
	First []File
}

// countedMessages bounds the messages that SumMessages counts: one page of a listing.
const countedMessages = 5000

// SumMessages counts the messages and reads the reasons of the first ones.
func SumMessages(ctx context.Context, lake pipeline.Lake, first int) (out Kept, err error) {
	for f, err := range Messages(ctx, lake) {
		if err != nil {
			return out, err
		}
		if out.Count == countedMessages {
			out.More = true
			break
		}
		if out.Count++; len(out.First) < first {
			out.First = append(out.First, f)
		}
	}
	return out, readAll(ctx, lake, out.First, Query{})
}

// FindMessage returns the message of an id, with what this version makes of it, and its content.
func FindMessage(
	ctx context.Context, lake pipeline.Lake, id string,
) (f File, body []byte, err error) {
	there := pipeline.File{}
	err = fs.ErrNotExist
	if id != "" && !strings.ContainsAny(id, `/\`) {
		there, err = lake.Stat(ctx, pipeline.Quarantine,
			pipeline.MessagesFolder+id+messageEnding)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, &fault.Error{
			Class:  fault.Permanent,
			Err:    fmt.Errorf("message %s is not in the quarantine", id),
			Remedy: "fhirsynapse quarantine list shows those that are; one that was sent again is removed",
		}
	}
	if err != nil {
		return f, nil, err
	}
	f = fileOf(there)
	body, err = f.readMessage(ctx, lake)
	return f, body, err
}

// ETag returns the ETag of the file.
func (f File) ETag() string { return f.etag }

// read reads the reason of a message or of a failed file.
func (f *File) read(ctx context.Context, lake pipeline.Lake, _ *Progress) error {
	if f.Kind == Message {
		_, err := f.readMessage(ctx, lake)
		return err
	}
	data, err := f.content(ctx, lake)
	if err != nil {
		return err
	}
	var failed pipeline.FailedFile
	if err := json.Unmarshal(data, &failed); err != nil {
		f.Reason = "the record cannot be read"
		return nil //nolint:nilerr // the reason says it
	}
	f.Type, f.Reason = failed.Type, failed.Cause
	f.From = cmp.Or(failed.Path,
		fmt.Sprintf("file %d of the manifest of job %s", failed.Number, failed.Job))
	return nil
}

// readMessage reads a message and finds out whether this version knows it.
func (f *File) readMessage(ctx context.Context, lake pipeline.Lake) ([]byte, error) {
	if f.Size > messageLimit {
		f.Reason = fmt.Sprintf("it has %d bytes, more than a step can have", f.Size)
		return nil, nil
	}
	body, err := f.content(ctx, lake)
	if err != nil {
		return nil, err
	}
	s, err := pipeline.DecodeStep(body)
	if err != nil {
		if why, is := errors.AsType[*fault.Error](err); is {
			err = why.Err // the remedy is one for all messages
		}
		f.Reason = err.Error()
		return body, nil
	}
	f.Message.Step, f.Message.Export = s.Kind, s.Export
	f.Reason = "another version could not read it; this one can"
	return body, nil
}

// content reads a small file.
func (f *File) content(ctx context.Context, lake pipeline.Lake) (data []byte, err error) {
	r, err := lake.Open(ctx, pipeline.Quarantine, f.Path, f.etag)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err = io.ReadAll(io.LimitReader(r, messageLimit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return data, nil
}
