package retry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
	"fhirsynapse/internal/quarantine"
)

// Messenger puts kept messages back on the queue of steps. All fields are needed.
//
// A copy is removed after the queue has taken the message. Killed between the two, the message is
// sent again under the same id, which the queue drops; after the queue's duplicate window it is
// delivered twice, and a step that is done twice changes nothing.
type Messenger struct {
	Lake    pipeline.Lake
	Remover Remover
	Queue   pipeline.Queue
	Journal pipeline.Journal
}

// Remover deletes blobs that nobody has written in the meantime.
type Remover interface {
	// RemoveAt removes a blob at an ETag. It returns pipeline.ErrChanged if the blob has another
	// one. A missing blob is not an error.
	RemoveAt(ctx context.Context, area pipeline.Area, path, etag string) error
}

// MessagesReport is the result of putting messages back.
type MessagesReport struct {
	Sent    int64 `json:"sent"`
	Refused int64 `json:"refused"`
	// Back counts the sent messages that were kept again at once.
	Back int64 `json:"back"`
	// Messages are the first ones.
	Messages []MessageReport `json:"messages"`
}

// Left returns the number of messages that are still in the quarantine.
func (r MessagesReport) Left() int64 { return r.Refused + r.Back }

// mostMessages bounds the messages in a report.
const mostMessages = 1000

// MessageReport is the result for one message.
type MessageReport struct {
	quarantine.MessageFacts
	Sent bool `json:"sent"`
	// Outcome holds the consequence, or the reason of a refusal.
	Outcome string `json:"outcome"`

	back bool // kept again at once
}

// All puts all messages back that this version can read.
func (m Messenger) All(ctx context.Context, p *quarantine.Progress) (MessagesReport, error) {
	out := MessagesReport{Messages: []MessageReport{}}
	for f, err := range quarantine.Messages(ctx, m.Lake) {
		if err != nil {
			return out, err
		}
		p.Read()
		report, err := m.one(ctx, f.Message.ID)
		if errors.Is(err, pipeline.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
			continue // somebody else has sent it, or it was kept again: it is listed the next time
		}
		if err != nil {
			return out, err
		}
		out.add(report)
	}
	return out, nil
}

// Message puts one message back. It returns an error of class BadData if this version cannot read
// it.
func (m Messenger) Message(ctx context.Context, id string) (MessagesReport, error) {
	out := MessagesReport{Messages: []MessageReport{}}
	report, err := m.one(ctx, id)
	if err != nil {
		return out, err
	}
	out.add(report)
	if !report.Sent {
		return out, &fault.Error{
			Class: fault.BadData,
			Err:   fmt.Errorf("message %s is not sent again: %s", id, report.Outcome),
			Remedy: "if a newer version of yours has sent it, run its retry command after the upgrade of the app; " +
				"else leave it: nothing waits for it, and it is deleted with the quarantine's old files",
		}
	}
	return out, nil
}

func (r *MessagesReport) add(m MessageReport) {
	if m.Sent {
		r.Sent++
	} else {
		r.Refused++
	}
	if m.back {
		r.Back++
	}
	if len(r.Messages) < mostMessages {
		r.Messages = append(r.Messages, m)
	}
}

func (m Messenger) one(ctx context.Context, id string) (MessageReport, error) {
	f, body, err := quarantine.FindMessage(ctx, m.Lake, id)
	if err != nil {
		return MessageReport{}, err
	}
	out := MessageReport{MessageFacts: *f.Message, Outcome: f.Reason}
	if f.Message.Step == "" {
		return out, nil
	}
	if out.Outcome, err = m.follows(ctx, f.Message.Export); err != nil {
		return out, err
	}
	// The id is another than the step's own, which the queue may remember. The ETag is a part of it
	// because a message that is kept again may be sent again.
	if err := m.Queue.Send(ctx, pipeline.Message{
		ID: fmt.Sprintf("kept/%s/%s", id, records.Digest(f.ETag())), Body: body,
	}); err != nil {
		return out, fmt.Errorf("message %s: %w", id, err)
	}
	out.Sent = true
	err = m.Remover.RemoveAt(ctx, pipeline.Quarantine, f.Path, f.ETag())
	if errors.Is(err, pipeline.ErrChanged) {
		out.back = true
		out.Outcome = "it came back at once: a handler of another version reads the queue, so end the upgrade and send it again"
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("message %s is sent, and its copy is not removed: %w", id, err)
	}
	return out, nil
}

// follows describes how the handler will treat a step of an export.
func (m Messenger) follows(ctx context.Context, export string) (string, error) {
	if export == "" {
		return "a file of a running export is prepared; otherwise nothing happens", nil
	}
	e, err := records.Store{Journal: m.Journal}.Export(ctx, export)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the journal has no export " + export + ": the handler ignores the step", nil
	case err != nil:
		return "", err
	case e.State.Final():
		return fmt.Sprintf("export %s is %s: nothing is left to do", export, e.State), nil
	}
	return fmt.Sprintf("export %s is %s, and goes on with it", export, e.State), nil
}
