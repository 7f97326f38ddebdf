package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// lookForOrphan looks for the job of a kick-off whose answer nobody wrote down, by
// the folder that it leaves in our landing area. A job that has ended shows by its
// manifest whose it is; while one runs that may be ours, there is nothing to do but
// wait. Where a server leaves no traces, nothing is found: the kick-off is made
// again, and the job's document tells of the lost one.
func (p *Pipeline) lookForOrphan(ctx context.Context, source Source, j Job, r Request) (found Accepted, wait bool, err error) {
	tracer, now := source.Traces, p.Now()
	if tracer == nil || j.StatusURL != "" || j.KickOffAt.IsZero() || now.Sub(j.KickOffAt) < p.KickOffPatience {
		return found, false, nil
	}
	since := j.KickOffAt
	if !j.LostSince.IsZero() {
		since = j.LostSince
	}
	candidates, err := p.unclaimedJobs(ctx, tracer, since.Add(-clockSkew), j.KickOffAt.Add(p.KickOffPatience+clockSkew))
	if err != nil {
		return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
	}
	for _, a := range candidates {
		switch status, err := source.Status(ctx, a.StatusURL); {
		case err != nil && (errors.Is(err, ErrUnknownJob) || fault.Of(err) != fault.Transient):
			// Cancelled, expired or failed: no job to go on with.
		case err != nil:
			return found, false, fmt.Errorf("look for job %s: %w", j.ID, err)
		case status.Manifest == nil:
			wait = true
		case tracer.Answers(*status.Manifest, r):
			return a, false, nil
		}
	}
	if wait && now.Sub(j.KickOffAt) > p.ExportTimeout {
		wait = false
	}
	if wait {
		p.Log.InfoContext(ctx, "a job runs that may be ours; the kick-off waits for its end", "job", j.ID)
	}
	return found, wait, nil
}

// unclaimedJobs lists the jobs that have left folders in our landing area between two
// instants, and that no job of the journal has taken.
func (p *Pipeline) unclaimedJobs(ctx context.Context, tracer Tracer, from, to time.Time) ([]Accepted, error) {
	var candidates []Accepted
	last := ""
	for _, prefix := range tracer.Prefixes(from, to) {
		for f, err := range p.Lake.List(ctx, Landing, prefix) {
			if err != nil {
				return nil, err
			}
			folder, _, nested := strings.Cut(f.Path, "/")
			if !nested || folder == last {
				continue
			}
			last = folder
			a, ok := tracer.Traced(folder)
			if !ok {
				continue
			}
			if owner, err := p.owner(ctx, a.Folder); err != nil {
				return nil, err
			} else if owner.Export == "" {
				candidates = append(candidates, a)
			}
		}
	}
	return candidates, nil
}

// Orphan is a job at the server that a lost kick-off has started and that nobody
// follows.
type Orphan struct {
	Folder    string    `json:"folder"`
	StatusURL string    `json:"statusUrl"`
	Fate      string    `json:"fate"`
	At        time.Time `json:"at"`
}

// Fates of an orphan.
const (
	OrphanCancelled = "cancelled" // at the server, by us
	OrphanEnded     = "ended"     // by itself; its files are never loaded
	OrphanUnclear   = "unclear"   // it runs, and may be somebody else's
)

// lost counts the kick-offs that may have started a job which nobody follows.
func (j Job) lost() int {
	if j.StatusURL == "" && !j.KickOffAt.IsZero() {
		return j.Lost + 1
	}
	return j.Lost
}

// unsettled counts those of them whose fate is not known.
func (j Job) unsettled() int {
	n := j.lost()
	for _, o := range j.Orphans {
		if o.Fate != OrphanUnclear {
			n--
		}
	}
	return max(n, 0)
}

// clearOrphans ends at the server what lost kick-offs of a job have started, once
// it is not wanted any more: another kick-off was promised, or the export has
// ended. A job that runs does not say whose it is; it is taken for ours when no
// more of them run without an owner than kick-offs were lost, and no other
// kick-off of ours is open. Else it is put on record, for a person.
func (p *Pipeline) clearOrphans(ctx context.Context, source Source, j Job, r Request) error {
	tracer, age := source.Traces, p.Now().Sub(j.KickOffAt)
	if tracer == nil || j.unsettled() == 0 || age < p.KickOffPatience || age > p.ExportTimeout {
		return nil
	}
	since := j.KickOffAt
	if !j.LostSince.IsZero() {
		since = j.LostSince
	}
	candidates, err := p.unclaimedJobs(ctx, tracer, since.Add(-clockSkew), j.KickOffAt.Add(p.KickOffPatience+clockSkew))
	if err != nil {
		return fmt.Errorf("look for what job %s has lost: %w", j.ID, err)
	}
	var running, ended []Accepted
	for _, a := range candidates {
		known := slices.IndexFunc(j.Orphans, func(o Orphan) bool { return o.Folder == a.Folder })
		if known >= 0 && j.Orphans[known].Fate != OrphanUnclear {
			continue
		}
		switch status, err := source.Status(ctx, a.StatusURL); {
		case err != nil && (errors.Is(err, ErrUnknownJob) || fault.Of(err) != fault.Transient):
			if known >= 0 { // somebody has ended it
				ended = append(ended, a)
			}
		case err != nil:
			return fmt.Errorf("look for what job %s has lost: %w", j.ID, err)
		case status.Manifest == nil:
			running = append(running, a)
		case tracer.Answers(*status.Manifest, r):
			ended = append(ended, a)
		}
	}
	fate := OrphanCancelled
	if len(running) > 0 {
		if len(running) > j.unsettled()-len(ended) {
			fate = OrphanUnclear
		} else if open, err := p.openKickOffs(ctx, j); err != nil {
			return err
		} else if open {
			fate = OrphanUnclear
		}
	}
	for _, a := range ended {
		if err := p.recordOrphanFate(ctx, j, a, OrphanEnded); err != nil {
			return err
		}
	}
	for _, a := range running {
		if fate == OrphanCancelled {
			if err := source.Cancel(ctx, a.StatusURL); err != nil {
				return fmt.Errorf("cancel what job %s has lost: %w", j.ID, err)
			}
		}
		if err := p.recordOrphanFate(ctx, j, a, fate); err != nil {
			return err
		}
	}
	return nil
}

// recordOrphanFate writes the fate of an orphan down.
func (p *Pipeline) recordOrphanFate(ctx context.Context, j Job, a Accepted, fate string) error {
	news := false
	_, err := p.updateJob(ctx, j.Export, j.N, func(j *Job) error {
		i := slices.IndexFunc(j.Orphans, func(o Orphan) bool { return o.Folder == a.Folder })
		if news = i < 0 || j.Orphans[i].Fate != fate; !news {
			return errUnchanged
		}
		o := Orphan{Folder: a.Folder, StatusURL: a.StatusURL, Fate: fate, At: p.Now()}
		if i < 0 {
			j.Orphans = append(j.Orphans, o)
		} else {
			j.Orphans[i] = o
		}
		return nil
	})
	if err == nil && news {
		p.Log.WarnContext(ctx, "job that nobody follows", "job", j.ID, "folder", a.Folder, "fate", fate)
	}
	return err
}

// openKickOffs says whether another job than this one waits for a promise, or has
// lost one: then a job without an owner may be that one's.
func (p *Pipeline) openKickOffs(ctx context.Context, than Job) (bool, error) {
	for name, err := range p.planNames(ctx) {
		if err != nil {
			return false, err
		}
		d, err := readOrNew[planRecord](ctx, p.Journal, planKey(name))
		if err != nil {
			return false, err
		}
		if d.value.Current == "" {
			continue
		}
		e, err := p.export(ctx, d.value.Current)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		jobs, err := p.jobs(ctx, e)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(jobs, func(j Job) bool { return j.ID != than.ID && j.unsettled() > 0 }) {
			return true, nil
		}
	}
	return false, nil
}

// notice tells a person what lost kick-offs may have left at the server.
func notice(jobs []Job) string {
	var open int
	var unclear []string
	for _, j := range jobs {
		if j.StatusURL == "" {
			continue // its kick-off is still being looked for
		}
		open += j.unsettled()
		for _, o := range j.Orphans {
			if o.Fate == OrphanUnclear {
				unclear = append(unclear, o.StatusURL)
			}
		}
	}
	switch {
	case open == 0:
		return ""
	case len(unclear) > 0:
		return fmt.Sprintf("kick-offs without an answer: %d, and these jobs run for nobody we know of: %s; if they are nobody else's, end each with an HTTP DELETE of that address",
			open, strings.Join(unclear, ", "))
	default:
		return fmt.Sprintf("kick-offs without an answer: %d; each may be a job that runs at the server for nobody: look there for exports of that time, and cancel them", open)
	}
}
