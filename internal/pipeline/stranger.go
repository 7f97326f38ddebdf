package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// MessagesFolder is the folder of the quarantine area with the messages of the steps queue that
// the handler could not read, each as it was sent: messages/<digest>.json.
const MessagesFolder = "messages/"

// recordStranger keeps a message that is not ours, for a person to look at.
func (p *Pipeline) recordStranger(ctx context.Context, body []byte, why error) error {
	path, err := p.keepMessage(ctx, body)
	if err == nil {
		p.Log.WarnContext(ctx, "message that is not ours", "reason", why, "bytes", len(body),
			"kept", path)
	}
	return err
}

// keepMessage keeps a message in the quarantine area, and returns where. A message that is kept
// already is written again: whoever puts it back on the queue removes only the copy that was read.
func (p *Pipeline) keepMessage(ctx context.Context, body []byte) (kept string, err error) {
	path := MessagesFolder + records.Digest(string(body)) + ".json"
	if _, err := p.Lake.Put(ctx, Quarantine, path, bytes.NewReader(body)); err != nil {
		return "", fmt.Errorf("keep a message: %w", err)
	}
	return string(Quarantine) + "/" + path, nil
}

// FailedFile is the record in the quarantine area of a file that could not be fetched or prepared,
// so that its export failed. It holds no content of the file.
type FailedFile struct {
	Step string `json:"step"`
	Type string `json:"type,omitempty"`
	// Path is the place in the landing area, where the file may be missing; it is empty for a file
	// of deletes, which Number names in the manifest of Job.
	Path   string    `json:"path,omitempty"`
	Job    string    `json:"job"`
	Number int       `json:"number,omitempty"`
	Class  string    `json:"class"`
	Cause  string    `json:"cause"`
	Remedy string    `json:"remedy,omitempty"`
	At     time.Time `json:"at"`
}

// FailedFilePrefix begins the names of the records of failed files, which are in the folder
// <export>/<job> of the quarantine area.
const FailedFilePrefix = "file-"

// keepFile records the file of a step that is given up. A failure to do so is only logged, because
// the export's record has the cause too.
func (fa *failures) keepFile(ctx context.Context, s Step, cause error) {
	if s.Kind != StepFetch && s.Kind != StepPrepare {
		return
	}
	job := records.JobID(s.Export, s.Job)
	if m, err := fa.records.Manifest(ctx, job); err == nil && s.File > 0 {
		f, _, _ := m.File(s.File)
		s.Type, s.Path = f.Type, f.Path
	}
	data, err := json.Marshal(FailedFile{
		Step: s.Kind, Type: s.Type, Path: s.Path, Job: job, Number: s.File,
		Class: fault.Of(cause).String(), Cause: fault.Clip(cause.Error()),
		Remedy: fault.Clip(fault.Remedy(cause)), At: fa.Now(),
	})
	if err == nil {
		_, err = fa.Lake.Put(ctx, Quarantine, fmt.Sprintf("%s/%s/%s%s.json", s.Export, job,
			FailedFilePrefix, records.Digest(fmt.Sprint(s.File, s.Path))), bytes.NewReader(data))
	}
	if err != nil {
		fa.Log.WarnContext(ctx, "failed file not written down", "step", s, "error", err)
	}
}
