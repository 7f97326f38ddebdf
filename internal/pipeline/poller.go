package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"fhirsynapse/internal/fault"
)

// poll asks for the status of a job once: still running is the next poll, done
// is the manifest and one step for each of its files.
func (p *Pipeline) poll(ctx context.Context, s Step) error {
	e, err := p.export(ctx, s.Export)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if e.State.Final() {
		return nil
	}
	j, err := p.job(ctx, s.Export, s.Job)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", s, err)
	case s.N < j.PollN || j.StatusURL == "":
		return nil // of an older chain
	case j.collected():
		return p.collected(ctx, e, j) // arrived late: send again what follows
	}
	source, err := p.Source(e.Plan)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	status, err := source.Status(ctx, j.StatusURL)
	if errors.Is(err, ErrUnknownJob) && p.Now().Sub(j.AcceptedAt) < replicaLag {
		return p.pollAgain(ctx, source, s, j, Status{})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if status.Manifest == nil {
		return p.pollAgain(ctx, source, s, j, status)
	}
	if err := p.keepManifest(ctx, j, *status.Manifest); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	j, err = p.updateJob(ctx, s.Export, s.Job, func(j *Job) error {
		if j.collected() {
			return errUnchanged
		}
		j.ManifestAt, j.TransactionTime, j.Files = p.Now(), status.Manifest.TransactionTime, len(status.Manifest.Output)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	p.Log.InfoContext(ctx, "manifest", "export", e.ID, "job", j.ID, "files", j.Files, "errorFiles", len(status.Manifest.Errors))
	return p.collected(ctx, e, j)
}

// replicaLag is how long after its promise a server may not know a job yet.
const replicaLag = time.Minute

// pollAgain sends the next poll before it moves the journal on: killed between
// the two, this poll comes again and its successor is a duplicate for the queue.
func (p *Pipeline) pollAgain(ctx context.Context, source Source, s Step, j Job, status Status) error {
	if p.Now().Sub(j.AcceptedAt) > p.ExportTimeout {
		if err := source.Cancel(ctx, j.StatusURL); err != nil {
			p.Log.WarnContext(ctx, "job not cancelled at the server", "job", j.ID, "error", err)
		}
		return fault.Permanentf("%s: the FHIR server has not finished it within %v; it was cancelled", s, p.ExportTimeout)
	}
	wait := status.RetryIn
	if wait <= 0 {
		wait = p.PollMin
		for range min(s.N, 64) {
			wait = min(wait*3/2, p.PollMax)
		}
	}
	next, at := Step{Kind: StepPoll, Export: s.Export, Job: s.Job, N: s.N + 1}, p.Now().Add(wait)
	if err := p.send(ctx, at, next); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	_, err := p.updateJob(ctx, s.Export, s.Job, func(j *Job) error {
		if j.PollN >= next.N {
			return errUnchanged
		}
		j.PollN, j.PollAt, j.Progress = next.N, at, status.Progress
		return nil
	})
	return err
}

// keepManifest stores the manifest as read and as received. The first one stays:
// it is the one whose files the steps were sent for.
func (p *Pipeline) keepManifest(ctx context.Context, j Job, m Manifest) error {
	var foreign []error
	for _, f := range m.Output {
		if f.Path == "" {
			foreign = append(foreign, fault.Permanentf("the manifest lists a %s file that is not in our landing container: check that the plan's container is the one the FHIR service exports to", f.Type))
		}
	}
	if len(foreign) > 0 {
		return fmt.Errorf("%d of %d files: %w", len(foreign), len(m.Output), foreign[0])
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(struct {
		Manifest string `json:"manifest"`
	}{string(m.Raw)})
	if err != nil {
		return err
	}
	for key, data := range map[string][]byte{rawManifestKey(j.ID): raw, manifestKey(j.ID): data} {
		if _, err := p.Journal.Write(ctx, key, "", data); err != nil && !errors.Is(err, ErrConflict) {
			return fmt.Errorf("write journal %s: %w", key, err)
		}
	}
	return nil
}

// manifest reads the manifest of a job; it is immutable and kept in memory.
func (p *Pipeline) manifest(ctx context.Context, job string) (Manifest, error) {
	p.mu.Lock()
	m, ok := p.manifests[job]
	p.mu.Unlock()
	if ok {
		return m, nil
	}
	d, err := read[Manifest](ctx, p.Journal, manifestKey(job))
	if err != nil {
		return m, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.manifests) >= keptManifests {
		clear(p.manifests)
	}
	p.manifests[job] = d.value
	return d.value, nil
}

// keptManifests bounds the memory for manifests: one of 10,000 files is a few MB.
const keptManifests = 8

// collected sends a prepare step for each file of a job that lacks one. It comes
// after a manifest, and again whenever a poll arrives later than that.
func (p *Pipeline) collected(ctx context.Context, e Export, j Job) error {
	m, err := p.manifest(ctx, j.ID)
	if err != nil {
		return err
	}
	work, err := p.survey(ctx, e, m.Output)
	if err != nil {
		return err
	}
	var steps []Step
	for _, f := range work {
		if !f.prepared {
			steps = append(steps, Step{Kind: StepPrepare, Export: e.ID, Job: j.N, Type: f.Type, Path: f.Path, ETag: f.blob.ETag, Round: e.Round})
		}
	}
	if err := p.send(ctx, time.Time{}, steps...); err != nil {
		return err
	}
	return p.finish(ctx, e.ID, "")
}

// exists turns "not there" from an error into an answer.
func exists(err error) (bool, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
