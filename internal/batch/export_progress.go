package batch

import (
	"context"
	"strings"
	"time"

	"fhirsynapse/internal/pipeline"
	"fhirsynapse/internal/pipeline/records"
)

// look reads the progress of the export, and calls Watch when it has changed.
func (r *run) look(ctx context.Context) (records.Export, bool) {
	ctx = context.WithoutCancel(ctx) // reading memory always ends
	p := r.seen
	p.State = records.Requested
	e := records.Export{State: records.Requested} // its state after the first write to the journal
	if list, err := records.Exports(ctx, r.journal, r.Plan.Name, 1); err == nil && len(list) > 0 {
		e = list[0].Export
		p.State, p.Server = e.State, list[0].Progress
		if e.State != records.Requested {
			r.troubles.begun()
		}
		if e.State == records.Loading || e.State.Committed() {
			p.Files = list[0].Files
			r.survey(ctx, e, &p)
		}
	}
	p.Job, p.NextPoll = r.job(ctx)
	p.Trouble = r.troubles.current()
	if p.differs(r.seen) {
		r.seen = p
		r.Watch(p)
	}
	return e, e.State.Final()
}

// differs reports whether the progress is worth a call of Watch.
func (p ExportProgress) differs(from ExportProgress) bool {
	now, before := p.Trouble, from.Trouble
	p.Trouble, from.Trouble = nil, nil
	if (now == nil) != (before == nil) || p != from {
		return true
	}
	return now != nil &&
		(now.Doing != before.Doing || now.Tries != before.Tries || !now.Next.Equal(before.Next) ||
			now.Others != before.Others)
}

// countEvery is the shortest time between two listings of the lake. countShare keeps listings of
// many files below one part in countShare of the time.
const (
	countEvery = time.Second
	countShare = 50
)

// survey counts the files that have landed and that are prepared. The counts are for people:
// an error leaves the last counts.
func (r *run) survey(ctx context.Context, e records.Export, p *ExportProgress) {
	began := r.Now()
	if !e.State.Final() && began.Before(r.countAt) {
		return
	}
	defer func() { r.countAt = r.Now().Add(max(countEvery, countShare*r.Now().Sub(began))) }()
	p.Prepared = 0
	p.Landed, p.Bytes = r.landed(ctx, p.Files)
	for f, err := range r.Lake.List(ctx, pipeline.Staging, e.ID+"/") {
		if err != nil {
			break
		}
		if strings.Contains(f.Path, ".done/") {
			p.Prepared++
		}
	}
}

// landed counts the files in the landing area. A shared area also has files of other runs, so there
// the manifest's files count; they have all landed before the manifest.
func (r *run) landed(ctx context.Context, inManifest int) (files int, size int64) {
	if r.Shared {
		return inManifest, 0
	}
	for f, err := range r.Lake.List(ctx, pipeline.Landing, "") {
		if err != nil {
			break
		}
		files++
		size += f.Size
	}
	return files, size
}
