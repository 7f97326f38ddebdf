package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"fhirsynapse/internal/pipeline/records"
)

// strange handles a message that this version cannot do: it sends the step of a newer version on,
// and keeps any other message for a person to look at.
func (p *Pipeline) strange(ctx context.Context, body []byte, why error) error {
	if errors.Is(why, records.ErrNewer) {
		return p.hold(ctx, body, why)
	}
	return p.recordStranger(ctx, body, why)
}

// hold sends a message on that only a newer version can do: while instances are replaced, one of
// that version takes it soon. A message that none has taken after MaxTries is kept. Once the
// newer version runs again, its watchdog sends the steps of the export.
func (p *Pipeline) hold(ctx context.Context, body []byte, why error, attrs ...any) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return p.recordStranger(ctx, body, why)
	}
	held := 0
	if n, there := fields["held"]; there {
		var err error
		if held, err = strconv.Atoi(string(n)); err != nil || held < 0 {
			held = p.MaxTries
		}
	}
	if held >= p.MaxTries {
		path, err := p.keepMessage(ctx, body)
		if err == nil {
			p.Log.WarnContext(ctx, "step kept: no newer version has taken it",
				append(attrs, "reason", why, "kept", path)...)
		}
		return err
	}
	fields["held"] = json.RawMessage(strconv.Itoa(held + 1))
	next, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("send on a step of a newer version: %w", err)
	}
	wait := backOff(held)
	p.Log.WarnContext(ctx, "step sent on: only a newer version can do it",
		append(attrs, "reason", why, "held", held, "wait", wait)...)
	m := Message{ID: "held/" + records.Digest(string(next)), Body: next, At: p.Now().Add(wait)}
	if err := p.Queue.Send(ctx, m); err != nil {
		return fmt.Errorf("send on a step of a newer version: %w", err)
	}
	return nil
}
