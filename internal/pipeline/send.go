package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// send puts steps into the queue, to be done at a given time, or at once if at is zero.
func (d *deps) send(ctx context.Context, at time.Time, steps ...Step) error {
	return send(ctx, d.Queue, at, steps...)
}

func send(ctx context.Context, q Queue, at time.Time, steps ...Step) error {
	if len(steps) == 0 {
		return nil
	}
	messages := make([]Message, len(steps))
	for i, s := range steps {
		m, err := s.message(at)
		if err != nil {
			return fmt.Errorf("send step: %w", err)
		}
		messages[i] = m
	}
	if err := q.Send(ctx, messages...); err != nil {
		return fmt.Errorf("send %d steps, the first to %s: %w", len(steps), steps[0], err)
	}
	return nil
}

// id returns the message id for the queue's duplicate window: the same work has the same id,
// and work to be repeated has a new one. It never depends on a clock.
func (s Step) id() string {
	id := s.uncutID()
	if s.Cut > 0 {
		id += fmt.Sprintf("/cut/%d", s.Cut)
	}
	return id
}

func (s Step) uncutID() string {
	switch s.Kind {
	case StepPoll:
		return fmt.Sprintf("%s/poll/%d.%d", records.JobID(s.Export, s.Job), s.N, s.Try)
	case StepLanded:
		return fmt.Sprintf("landed/%s/%d", records.Digest(s.Path+"@"+s.ETag), s.Try)
	case StepFetch:
		return fmt.Sprintf("%s/file/%d/%d.%d.%d", records.JobID(s.Export, s.Job), s.File, s.Round,
			s.N, s.Try)
	case StepPrepare:
		return fmt.Sprintf("%s/file/%s/%d.%d", records.JobID(s.Export, s.Job),
			records.Digest(s.Path+"@"+s.ETag), s.Round, s.Try)
	default:
		id := fmt.Sprintf("%s/%s/%s/%d.%d", s.Export, s.Type, s.Kind, s.Round, s.Try)
		if s.N > 0 {
			id += fmt.Sprintf("/wait/%d", s.N)
		}
		if s.ETag == "" {
			return id
		}
		return s.Export + "/" + s.Kind + "/" + records.Digest(id+s.ETag)
	}
}

func (s Step) message(at time.Time) (Message, error) {
	body, err := json.Marshal(s)
	return Message{ID: s.id(), Body: body, At: at}, err
}
