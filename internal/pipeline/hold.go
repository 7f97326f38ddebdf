package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"fhirsynapse/internal/pipeline/records"
)

// strange handles a message that this version cannot do: it sends the step of a newer version on,
// and keeps any other message for a person to look at.
func (p *Pipeline) strange(ctx context.Context, body []byte, why error) error {
	if errors.Is(why, records.ErrNewer) && p.isOurs(ctx, body) {
		return p.hold(ctx, body, why)
	}
	return p.recordStranger(ctx, body, why)
}

// isOurs reports whether a step that this version does not know names an export of the journal, or
// a folder of one. Other messages that look like a step may hold anything, and are not sent on.
func (p *Pipeline) isOurs(ctx context.Context, body []byte) bool {
	var s struct {
		Export string `json:"export"`
		Path   string `json:"path"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return false
	}
	if s.Export == "" {
		folder, _, _ := strings.Cut(s.Path, "/")
		owner, err := p.owner(ctx, folder)
		return owner.Export != "" || err != nil
	}
	if plan, _, ok := records.CutExportID(s.Export); !ok || !planID.MatchString(plan) {
		return false
	}
	_, err := p.records.Export(ctx, s.Export)
	return !errors.Is(err, fs.ErrNotExist) // another error does not tell
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
