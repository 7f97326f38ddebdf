package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// Kinds of step.
const (
	StepPoll     = "poll"     // ask the server for the status of a job
	StepLanded   = "landed"   // an event reports a written blob
	StepFetch    = "fetch"    // stream one file that the server keeps into the lake
	StepPrepare  = "prepare"  // flatten one file of the manifest
	StepCommit   = "commit"   // commit all prepared files of one export and type to the tables
	StepConclude = "conclude" // end an export in the tables, once all its files are committed
)

// kinds lists the kinds of step that come in messages.
var kinds = []string{StepPoll, StepLanded, StepFetch, StepPrepare, StepCommit, StepConclude}

// Step is the body of one message of the steps queue.
type Step struct {
	Kind   string `json:"step"`
	Export string `json:"export,omitempty"`
	Job    int    `json:"job,omitempty"`
	// N numbers the polls of a job, the turns of a fetch, and the waits of a commit for its
	// tables.
	N int `json:"n,omitempty"`
	// File is the number of a file in its manifest.
	File int    `json:"file,omitempty"`
	Type string `json:"type,omitempty"`
	Path string `json:"path,omitempty"`
	// ETag is the file's ETag; for a commit, a digest of the ETags of all its files.
	ETag  string `json:"etag,omitempty"`
	Round int    `json:"round,omitempty"`
	// Try counts how often this step failed for a reason that may pass.
	Try int `json:"try,omitempty"`
	// Cut counts how often this step was cut because its handler stopped.
	Cut int `json:"cut,omitempty"`
	// Format is the format that a version must know to do this step, as in documents.
	Format int `json:"format,omitempty"`
	// Held counts how often versions that cannot do this step have sent it on.
	Held int `json:"held,omitempty"`
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
	case StepConclude:
		return "conclude export " + s.Export
	default:
		return fmt.Sprintf("%s file %s", s.Kind, s.Path)
	}
}

// planID matches the name of a plan.
var planID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// DecodeStep parses a message body. It returns an error for a message that is not ours, with a
// reason that has nothing of its content, and records.ErrNewer for a step that only a newer version
// can do.
func DecodeStep(body []byte) (Step, error) {
	var s Step
	bad := func(what string) (Step, error) { return s, fault.BadDataf("it is no step: %s", what) }
	var newer struct {
		Kind   string `json:"step"`
		Format int    `json:"format"`
	}
	if !json.Valid(body) {
		return bad("it is not JSON")
	}
	if err := json.Unmarshal(body, &newer); err != nil || newer.Kind == "" {
		return bad("it names no kind of step")
	}
	switch {
	case newer.Format > records.Format:
		return s, records.Newer(fmt.Sprintf("format %d", newer.Format))
	case !slices.Contains(kinds, newer.Kind):
		return s, records.Newer("this kind of step")
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return bad("it has kinds of value that this version does not know")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&Step{}); err != nil {
		return s, records.Newer("one of the step's fields")
	}
	s.Held = 0
	switch s.Kind {
	case StepPoll, StepFetch, StepPrepare, StepCommit, StepConclude:
		if plan, _, ok := records.CutExportID(s.Export); !ok || !planID.MatchString(plan) {
			return bad("it names no export")
		}
	case StepLanded:
	}
	switch {
	case (s.Kind == StepPoll || s.Kind == StepFetch || s.Kind == StepPrepare) && s.Job < 1:
		return bad("it names no job")
	case s.Kind == StepFetch && s.File < 1:
		return bad("it names no file")
	case (s.Kind == StepPrepare || s.Kind == StepLanded) && s.Path == "":
		return bad("it names no file")
	case (s.Kind == StepPrepare || s.Kind == StepCommit) &&
		records.CheckTypes([]string{s.Type}) != nil:
		return bad("it names no resource type")
	}
	return s, nil
}
