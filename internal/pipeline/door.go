package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// planID is the form of a plan's name.
var planID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// ignore drops a step about something that the journal does not have. Whoever can send
// to the queue or the handler's port can make up a step: it must not fail an export.
func (p *Pipeline) ignore(ctx context.Context, s Step, why string) error {
	p.Log.WarnContext(ctx, "step ignored", "step", s, "reason", why)
	return nil
}

// Reasons to ignore a step.
const (
	noExport   = "the journal has no such export"
	noJob      = "the export has no such job"
	noManifest = "the job has no manifest"
	noFile     = "the manifest has no such file"
	noPoll     = "no poll of this number was sent"
)

// manifestOf returns the manifest of a step's job, or the reason to ignore the step.
func (p *Pipeline) manifestOf(ctx context.Context, s Step, e records.Export) (m Manifest, why string, err error) {
	if s.Job > len(e.Jobs) {
		return m, noJob, nil
	}
	m, err = p.manifest(ctx, records.JobID(s.Export, s.Job))
	if errors.Is(err, fs.ErrNotExist) {
		return m, noManifest, nil
	}
	return m, "", err
}

// lists reports whether the manifest of a step's job lists the step's file, with the
// step's type.
func (p *Pipeline) lists(ctx context.Context, s Step, m Manifest) (bool, error) {
	job := records.JobID(s.Export, s.Job)
	p.mu.Lock()
	types, indexed := p.paths[job]
	p.mu.Unlock()
	if !indexed {
		types = make(map[string]string, len(m.Output))
		for _, f := range m.Output {
			types[f.Path] = f.Type
		}
		p.mu.Lock()
		if len(p.paths) >= keptManifests {
			clear(p.paths)
		}
		p.paths[job] = types
		p.mu.Unlock()
	}
	if typ, listed := types[s.Path]; listed {
		return typ == s.Type, nil
	}
	d, err := p.deletesOf(ctx, job, m)
	return slices.ContainsFunc(d.files, func(f OutputFile) bool { return f.Path == s.Path && f.Type == s.Type }), err
}

func isSpelledRight(typ string) bool { return records.CheckTypes([]string{typ}) == nil }

// checkManifestTypes refuses types of a manifest that cannot be told apart from others.
func checkManifestTypes(e records.Export, types []string) error {
	slices.Sort(types)
	types = slices.Compact(types)
	for _, r := range e.Jobs {
		types = append(types, r.Types...)
	}
	if err := records.CheckTypes(types); err != nil {
		return &fault.Error{Class: fault.Permanent, Whose: fault.TheirServer, Err: fmt.Errorf("the manifest: %w", err), Remedy: "correct the resource types at the server"}
	}
	return nil
}
