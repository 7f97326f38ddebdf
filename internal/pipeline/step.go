package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Kinds of step.
const (
	StepPoll    = "poll"    // ask the server for the status of a job
	StepLanded  = "landed"  // a blob was written, says an event
	StepFetch   = "fetch"   // stream one file that the server keeps into the lake
	StepPrepare = "prepare" // flatten one file of the manifest
	StepCommit  = "commit"  // all prepared files of one export and type, to the tables
)

// Step is the body of one message of the steps queue.
type Step struct {
	Kind   string `json:"step"`
	Export string `json:"export,omitempty"`
	Job    int    `json:"job,omitempty"`
	// N numbers the polls of a job, the turns of a fetch, and the waits of a commit
	// for its tables.
	N int `json:"n,omitempty"`
	// File is the number of a file in its manifest.
	File int    `json:"file,omitempty"`
	Type string `json:"type,omitempty"`
	Path string `json:"path,omitempty"`
	// ETag is that of the file; of a commit it is a digest of those of all its files.
	ETag  string `json:"etag,omitempty"`
	Round int    `json:"round,omitempty"`
	// Try counts how often this very step failed for a reason that may pass.
	Try int `json:"try,omitempty"`
	// Cut counts how often this very step was cut because its handler stopped.
	Cut int `json:"cut,omitempty"`
}

// id names the step for the queue's duplicate window: the same work has the same
// id, and work to be done again has a new one. It never holds a clock's reading.
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
		return fmt.Sprintf("landed/%s/%d", short(s.Path+"@"+s.ETag), s.Try)
	case StepFetch:
		return fmt.Sprintf("%s/file/%d/%d.%d.%d", records.JobID(s.Export, s.Job), s.File, s.Round, s.N, s.Try)
	case StepPrepare:
		return fmt.Sprintf("%s/file/%s/%d.%d", records.JobID(s.Export, s.Job), short(s.Path+"@"+s.ETag), s.Round, s.Try)
	default:
		id := fmt.Sprintf("%s/%s/%s/%d.%d", s.Export, s.Type, s.Kind, s.Round, s.Try)
		if s.N > 0 {
			id += fmt.Sprintf("/wait/%d", s.N)
		}
		if s.ETag == "" {
			return id
		}
		return s.Export + "/" + s.Kind + "/" + short(id+s.ETag)
	}
}

// short is a digest that fits a message id (128 characters, Service Bus).
func short(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:12])
}

func (s Step) message(at time.Time) (Message, error) {
	body, err := json.Marshal(s)
	return Message{ID: s.id(), Body: body, At: at}, err
}

// LogValue names the step without its content.
func (s Step) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", s.Kind), slog.String("export", s.Export)}
	for name, v := range map[string]string{"type": s.Type, "file": s.Path} {
		if v != "" {
			attrs = append(attrs, slog.String(name, fault.Clip(v)))
		}
	}
	if s.File > 0 {
		attrs = append(attrs, slog.Int("number", s.File))
	}
	if s.N > 0 {
		attrs = append(attrs, slog.Int("n", s.N))
	}
	if s.Try > 0 {
		attrs = append(attrs, slog.Int("try", s.Try))
	}
	return slog.GroupValue(attrs...)
}

func (s Step) String() string {
	switch s.Kind {
	case StepPoll:
		return fmt.Sprintf("poll job %s", records.JobID(s.Export, s.Job))
	case StepFetch:
		return fmt.Sprintf("fetch file %d of job %s", s.File, records.JobID(s.Export, s.Job))
	case StepCommit:
		return fmt.Sprintf("commit %s of export %s", s.Type, s.Export)
	default:
		return fmt.Sprintf("%s file %s", s.Kind, s.Path)
	}
}

func (p *Pipeline) send(ctx context.Context, at time.Time, steps ...Step) error {
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
	if err := p.Queue.Send(ctx, messages...); err != nil {
		return fmt.Errorf("send %d steps, the first to %s: %w", len(steps), steps[0], err)
	}
	return nil
}

// decodeStep reads a message body; it fails for a message that is not ours.
func decodeStep(body []byte) (Step, error) {
	var s Step
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fault.BadDataf("it is no step: not the JSON that this version sends")
	}
	bad := func(what string) (Step, error) { return s, fault.BadDataf("it is no step: %s", what) }
	switch s.Kind {
	case StepPoll, StepFetch, StepPrepare, StepCommit:
		if plan, _, ok := records.CutExportID(s.Export); !ok || !planID.MatchString(plan) {
			return bad("it names no export")
		}
	case StepLanded:
	default:
		return bad("it names no kind of step that this version knows")
	}
	switch {
	case (s.Kind == StepPoll || s.Kind == StepFetch || s.Kind == StepPrepare) && s.Job < 1:
		return bad("it names no job")
	case s.Kind == StepFetch && s.File < 1:
		return bad("it names no file")
	case (s.Kind == StepPrepare || s.Kind == StepLanded) && s.Path == "":
		return bad("it names no file")
	case (s.Kind == StepPrepare || s.Kind == StepCommit) && records.CheckTypes([]string{s.Type}) != nil:
		return bad("it names no resource type")
	}
	return s, nil
}

// Handle does the step of one message of the steps queue. A failure is
// acknowledged once it is recorded: a step that may succeed later is sent again,
// a step that cannot fails its export. Handle fails only when that record could
// not be made; the queue delivers the message again then.
func (p *Pipeline) Handle(ctx context.Context, body []byte) error {
	s, err := decodeStep(body)
	if err != nil {
		return p.recordStranger(ctx, body, err)
	}
	work, done := context.WithTimeoutCause(ctx, p.StepTimeout, errDeadline)
	err = p.do(work, s)
	done()
	if err == nil {
		p.forgetRetry(ctx, s)
		return nil
	}
	if ctx.Err() != nil {
		return p.putBack(ctx, s)
	}
	// The record is made even when the step ended because its time was up.
	ctx, done = context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	if class := fault.Of(err); class != fault.Transient {
		p.tellTrouble(Trouble{Export: s.Export, Step: s, Err: err})
		p.Log.ErrorContext(ctx, "step failed", "step", s, "class", class.String(), "error", err)
		return p.fail(ctx, s, err)
	}
	if s.Try >= p.MaxTries {
		p.tellTrouble(Trouble{Export: s.Export, Step: s, Err: err})
		p.Log.ErrorContext(ctx, "step given up", "step", s, "class", fault.Transient.String(), "error", err)
		return p.fail(ctx, s, fmt.Errorf("tried %d times, at last: %w", s.Try+1, err))
	}
	next := s
	next.Try++
	wait := again(next.Try, err)
	p.Log.WarnContext(ctx, "step sent again", "step", s, "class", fault.Transient.String(), "error", err, "wait", wait)
	at := p.Now().Add(wait)
	p.tellTrouble(Trouble{Export: s.Export, Step: s, Err: err, Next: at})
	if sendErr := p.send(ctx, at, next); sendErr != nil {
		return sendErr
	}
	p.recordRetry(ctx, s, at, err)
	return nil
}

// putBack sends a step again that was cut because its handler stops. That uses up no
// try, and the error that the cut has caused says nothing.
func (p *Pipeline) putBack(ctx context.Context, s Step) error {
	reason := context.Cause(ctx)
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer done()
	next := s
	next.Cut++
	p.Log.InfoContext(ctx, "step put back: the handler stops", "step", s, "reason", reason)
	return p.send(ctx, time.Time{}, next)
}

// again is the wait before try n of a step, the first being try 0.
func again(try int, cause error) time.Duration {
	return max(backOff(try-1), min(fault.After(cause), longestWait))
}

var errDeadline = errors.New("the step's time is up; the rest is done by the next one")

const (
	recordTimeout = 30 * time.Second
	longestWait   = 5 * time.Minute
)

// backOff is the wait before try n+1: 1 s, doubled up to five minutes. Thirty
// tries outlast two hours.
func backOff(try int) time.Duration {
	return min(longestWait, time.Second<<min(try, 20))
}

func (p *Pipeline) do(ctx context.Context, s Step) error {
	switch s.Kind {
	case StepPoll:
		return p.poll(ctx, s)
	case StepLanded:
		return p.landed(ctx, s)
	case StepFetch:
		return p.fetch(ctx, s)
	case StepPrepare:
		return p.prepare(ctx, s)
	default:
		return p.commit(ctx, s)
	}
}

// fail records why the export of a step cannot go on.
func (p *Pipeline) fail(ctx context.Context, s Step, cause error) error {
	if s.Export == "" {
		return nil // a landed step: the event was a hint, the manifest will tell
	}
	return p.failJob(ctx, s.Export, s.Job, s.Kind, cause)
}

func (p *Pipeline) failExport(ctx context.Context, id, step string, cause error) error {
	return p.failJob(ctx, id, 0, step, cause)
}

// failJob records why an export cannot go on. The server's words go to the quarantine
// area, because they may name a patient.
func (p *Pipeline) failJob(ctx context.Context, id string, job int, step string, cause error) error {
	f := &records.Failure{
		Step: step, Cause: fault.Clip(cause.Error()), Whose: string(fault.Whose(cause)), Remedy: fault.Clip(fault.Remedy(cause)),
		Text: p.keepServerText(ctx, id, job, cause),
	}
	_, err := p.updateExport(ctx, id, func(e *records.Export) error {
		if e.ID == "" {
			return records.ErrUnchanged // never came to be
		}
		e.State, e.FinishedAt, e.Failure, e.Retry = records.Failed, p.Now(), f, nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("record the failure of export %s: %w", id, err)
	}
	return nil
}

// recordStranger keeps a message that is not ours where a person can look at it.
func (p *Pipeline) recordStranger(ctx context.Context, body []byte, why error) error {
	path := "messages/" + short(string(body)) + ".json"
	if _, err := p.Lake.Put(ctx, Quarantine, path, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("record a message that is not ours: %w", err)
	}
	p.Log.WarnContext(ctx, "message that is not ours", "reason", why, "bytes", len(body), "kept", string(Quarantine)+"/"+path)
	return nil
}
