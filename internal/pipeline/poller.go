package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
	"fhirsynapse/internal/pipeline/records"
)

// checkManifestTypes refuses resource types of a manifest that CheckTypes refuses, also
// together with the types that the jobs asked for.
func checkManifestTypes(e records.Export, types []string) error {
	slices.Sort(types)
	types = slices.Compact(types)
	for _, r := range e.Jobs {
		types = append(types, r.Types...)
	}
	if err := records.CheckTypes(types); err != nil {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err:    fmt.Errorf("the manifest: %w", err),
			Remedy: "correct the resource types at the server",
		}
	}
	return nil
}

// fetches lists the fetch steps of a job: for files that are not in the lake yet, and for
// error files that were not read yet.
func (p *poller) fetches(
	ctx context.Context, e records.Export, j records.Job, m Manifest, d deletes, work []surveyed,
) ([]Step, error) {
	step := func(n int) Step {
		return Step{Kind: StepFetch, Export: e.ID, Job: j.N, File: n, Round: e.Round}
	}
	var steps []Step
	unread, err := p.records.UnreadErrors(ctx, j.ID, m)
	if err != nil {
		return nil, err
	}
	for _, n := range unread {
		steps = append(steps, step(n))
	}
	for _, n := range d.missing {
		steps = append(steps, step(n))
	}
	for i, f := range work {
		if f.Foreign && f.blob.ETag == "" && i < len(m.Output) {
			steps = append(steps, step(m.Number(records.OutputKind, i)))
		}
	}
	return steps, nil
}

// keepManifest stores the manifest of a job. It refuses a manifest whose files cannot be
// processed.
func (p *poller) keepManifest(
	ctx context.Context, e records.Export, j records.Job, m Manifest,
) error {
	var types []string
	for _, f := range m.Output {
		types = append(types, f.Type)
	}
	if err := checkManifestTypes(e, types); err != nil {
		return err
	}
	var strange []error
	for _, f := range m.Output {
		if f.Path == "" && !f.Foreign {
			strange = append(strange, &fault.Error{
				Class: fault.Permanent, Whose: fault.OurSetting,
				Err: fmt.Errorf(
					"the manifest lists a %s file that is not in our landing container", f.Type),
				Remedy: "check that the plan's container is the one the FHIR service exports to",
			})
		}
	}
	if len(strange) > 0 {
		return fmt.Errorf("%d of %d files: %w", len(strange), len(m.Output), strange[0])
	}
	if m.HasForeign() && p.Landings == nil {
		return fault.Permanentf(
			"the manifest lists files that the server keeps, and this program has nowhere to fetch them to")
	}
	m.Place(j.ID)
	return p.records.KeepManifest(ctx, j.ID, m)
}

// poller asks for the status of jobs, and sends the steps for a job's files once the job is
// done.
type poller struct {
	*deps
	files  *surveyor
	finish *finisher
}

// poll asks for the status of a job once. If the job still runs it sends the next poll, else
// it stores the manifest and sends one step for each file.
func (p *poller) poll(ctx context.Context, s Step) error {
	e, err := p.records.Export(ctx, s.Export)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.ignore(ctx, s, noExport)
	case err != nil:
		return fmt.Errorf("%s: %w", s, err)
	case e.State.Final():
		return nil
	case s.Job > len(e.Jobs):
		return p.ignore(ctx, s, noJob)
	}
	j, err := p.records.Job(ctx, s.Export, s.Job)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", s, err)
	case s.N < j.PollN || j.StatusURL == "":
		return nil // this poll belongs to an older chain
	case s.N > j.PollN+1: // the next poll is sent before the journal has its number
		return p.ignore(ctx, s, noPoll)
	case j.Collected():
		return p.collected(ctx, e, j) // arrived late: send the following steps again
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
		return p.pollFailed(ctx, source, s, j, deidentified(e.Jobs[s.Job-1], err))
	}
	if status.Manifest == nil {
		return p.pollAgain(ctx, source, s, j, status)
	}
	if err := p.settleTime(status.Manifest, j, e.Jobs); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	for _, n := range status.Manifest.Notices {
		p.Log.WarnContext(ctx, "the manifest is unusual", "notice", n, "export", e.ID, "job", j.ID)
	}
	if err := p.keepManifest(ctx, e, j, *status.Manifest); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	j, err = p.records.UpdateJob(ctx, s.Export, s.Job, func(j *records.Job) error {
		if j.Collected() {
			return records.ErrUnchanged
		}
		j.ManifestAt, j.TransactionTime, j.Files = p.Now(), status.Manifest.TransactionTime,
			len(status.Manifest.Output)
		j.Notices = status.Manifest.Notices
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	p.Log.InfoContext(ctx, "manifest", "export", e.ID, "job", j.ID, "files", j.Files, "errorFiles",
		len(status.Manifest.Errors))
	return p.collected(ctx, e, j)
}

// settleTime replaces a transactionTime that cannot be used with the time of the kick-off. It
// refuses one that is before the requested window, or ahead of our clock.
func (p *poller) settleTime(m *Manifest, j records.Job, requests []Request) error {
	if m.TransactionTime.IsZero() {
		m.TransactionTime = j.ServerTime
		if m.TransactionTime.IsZero() {
			m.TransactionTime = j.KickOffAt.Add(-clockSkew)
		}
	}
	if err := p.notAhead("the manifest's transactionTime", m.TransactionTime); err != nil {
		return err
	}
	if i := j.N - 1; i >= 0 && i < len(requests) &&
		m.TransactionTime.Before(requests[i].Since.Truncate(time.Second)) {
		return &fault.Error{
			Class: fault.Permanent, Whose: fault.TheirServer,
			Err: fmt.Errorf(
				"the manifest's transactionTime %s is before the begin of the window that was asked for", m.TransactionTime.UTC().Format(time.RFC3339)),
			Remedy: "check the clock of the FHIR server",
		}
	}
	return nil
}

// pollFailed moves PollAt to the next try of a failed poll, so that the watchdog sends no poll
// of its own. A new chain would count its tries from zero and never reach the limit.
func (p *poller) pollFailed(
	ctx context.Context, source Source, s Step, j records.Job, cause error,
) error {
	if fault.Of(cause) == fault.Transient {
		if p.Now().Sub(j.AcceptedAt) > p.ExportTimeout {
			return p.giveUp(ctx, source, s, j,
				fmt.Errorf("the FHIR server has not finished it within %v; at last: %w",
					p.ExportTimeout, cause))
		}
		next := p.Now().Add(again(s.Try+1, cause))
		if _, err := p.records.UpdateJob(ctx, s.Export, s.Job, func(j *records.Job) error {
			if !next.After(j.PollAt) {
				return records.ErrUnchanged
			}
			j.PollAt = next
			return nil
		}); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return fmt.Errorf("%s: %w", s, cause)
}

// replicaLag is how long a server may not know a job after it accepted the job.
const replicaLag = time.Minute

// pollAgain sends the next poll before it updates the journal. If the process is killed
// between the two, this poll runs again and the queue drops its successor as a duplicate.
func (p *poller) pollAgain(
	ctx context.Context, source Source, s Step, j records.Job, status Status,
) error {
	moved, err := p.moved(ctx, source, j, status)
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	switch {
	case p.Now().Sub(j.AcceptedAt) > p.ExportTimeout:
		return p.giveUp(ctx, source, s, j,
			fmt.Errorf("the FHIR server has not finished it within %v", p.ExportTimeout))
	case p.Now().Sub(moved) > p.StuckAfter:
		return p.giveUp(ctx, source, s, j,
			fmt.Errorf("the FHIR server shows no progress since %s, and has written no file",
				moved.UTC().Format(time.RFC3339)))
	}
	wait := status.RetryIn
	if wait <= 0 {
		wait = p.PollMin
		for range min(s.N, 64) {
			wait = min(wait*3/2, p.PollMax)
		}
		wait = min(wait+jitter(wait, s), p.PollMax)
	}
	next, at := Step{Kind: StepPoll, Export: s.Export, Job: s.Job, N: s.N + 1}, p.Now().Add(wait)
	if err := p.send(ctx, at, next); err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	_, err = p.records.UpdateJob(ctx, s.Export, s.Job, func(j *records.Job) error {
		if j.PollN >= next.N {
			return records.ErrUnchanged
		}
		j.PollN, j.PollAt, j.Progress, j.ProgressMark, j.MovedAt = next.N, at, status.Progress,
			status.ProgressMark, moved
		return nil
	})
	return err
}

// jitter returns up to a fifth of a wait, so that jobs that began at the same tick do not all
// ask at the same time. It is computed from the step, so a repeated step gets the same jitter.
func jitter(wait time.Duration, s Step) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.id())) // never fails, by its documentation
	return wait * time.Duration(h.Sum32()%20) / 100
}

// giveUp ends a job at the server, so that it does not block the next one.
func (p *poller) giveUp(
	ctx context.Context, source Source, s Step, j records.Job, why error,
) error {
	if err := source.Cancel(ctx, j.StatusURL); err != nil {
		p.Log.WarnContext(ctx, "job not cancelled at the server", "job", j.ID, "error", err)
	}
	return &fault.Error{
		Class: fault.Permanent, Whose: fault.TheirServer,
		Err:    fmt.Errorf("%s: %w; it was cancelled", s, why),
		Remedy: "the next export covers the same window; a job that hangs has often passed then",
	}
}

// moved returns when the server last showed work on the job: new progress text, or a new file
// in the job's folder. A server that shows neither never counts as stuck; the deadline ends
// its job.
func (p *poller) moved(
	ctx context.Context, source Source, j records.Job, status Status,
) (time.Time, error) {
	last := j.MovedAt
	if j.AcceptedAt.After(last) {
		last = j.AcceptedAt
	}
	silent := status.Progress+status.ProgressMark == "" && j.Progress+j.ProgressMark == "" &&
		j.Folder == ""
	if silent || status.Progress != j.Progress || status.ProgressMark != j.ProgressMark {
		return p.Now(), nil
	}
	if p.Now().Sub(last) <= p.StuckAfter || j.Folder == "" {
		return last, nil
	}
	if source.Traces == nil {
		return p.Now(), nil
	}
	for _, prefix := range source.Traces.Prefixes(j.AcceptedAt.Add(-clockSkew),
		j.AcceptedAt.Add(clockSkew)) {
		for f, err := range p.Lake.List(ctx, Landing, prefix) {
			if err != nil {
				return last, err
			}
			if name := folderOf(f.Path); f.Modified.After(last) &&
				strings.HasSuffix(name, "-"+j.Folder+"/") {
				last = f.Modified
			}
		}
	}
	return last, nil
}

// collected sends the step of each file of a job that needs one: a fetch if the server keeps
// the file, else a prepare. It runs after the manifest arrives, and again for each later poll.
func (p *poller) collected(ctx context.Context, e records.Export, j records.Job) error {
	m, err := p.files.manifest(ctx, j.ID)
	if err != nil {
		return err
	}
	deletes, err := p.files.deletesOf(ctx, j.ID, m)
	if err != nil {
		return err
	}
	work, err := p.files.survey(ctx, e,
		append(m.Output[:len(m.Output):len(m.Output)], deletes.files...))
	if err != nil {
		return err
	}
	steps, err := p.fetches(ctx, e, j, m, deletes, work)
	if err != nil {
		return err
	}
	for _, f := range work {
		if !f.prepared && (!f.Foreign || f.blob.ETag != "") {
			steps = append(steps, Step{
				Kind: StepPrepare, Export: e.ID, Job: j.N, Type: f.Type, Path: f.Path,
				ETag: f.blob.ETag, Round: e.Round,
			})
		}
	}
	if err := p.send(ctx, time.Time{}, steps...); err != nil {
		return err
	}
	return p.finish.check(ctx, e.ID, "")
}
