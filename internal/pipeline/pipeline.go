package pipeline

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// Pipeline takes exports from their request to the tables. It passes each tick, message and
// event to the agent for that work.
type Pipeline struct {
	*deps
	failures  *failures
	files     *surveyor
	planner   *planner
	starter   *starter
	watchdog  *watchdog
	poller    *poller
	fetcher   *fetcher
	preparer  *preparer
	committer *committer
	concluder *concluder
}

// Ports connects the pipeline to storage, queue, warehouse, FHIR servers and clock.
type Ports struct {
	Lake      Lake
	Journal   Journal
	Queue     Queue
	Warehouse Warehouse
	// Concluder ends exports in the tables; nil for a warehouse that cannot.
	Concluder Concluder
	Flattener Flattener
	// Landings is needed for sources whose server keeps the files.
	Landings Landings
	// Remover removes the prepared files of exports that have ended; nil keeps them.
	Remover Remover
	// Source returns the FHIR server of a plan.
	Source func(plan string) (Source, error)
	// Cohorts is needed for plans with a cohort.
	Cohorts Cohorts
	// Now is the local clock. It measures waits only, never data.
	Now func() time.Time
	// Token returns a new random name of hexadecimal digits.
	Token func() string
	Log   *slog.Logger
	// Trouble is called for every step that fails, from any goroutine; nil turns it off.
	Trouble func(Trouble)
	// Observer takes what happens, for telemetry; nil turns it off.
	Observer Observer
}

// Options are the pipeline's settings.
type Options struct {
	Plans []Plan
	// Settle is how long a blob is left alone after its event: the FHIR server commits the same
	// bytes several times.
	Settle time.Duration // 30 s
	// PollMin and PollMax bound the wait between polls if the server suggests none.
	PollMin, PollMax time.Duration // 10 s, 5 min
	// SilentAfter is how long an unfinished export may be silent before its steps are sent
	// again.
	SilentAfter time.Duration // 15 min
	// StepTimeout ends a step before the host would kill the whole handler.
	StepTimeout time.Duration // 55 min
	// ExportTimeout is how long the FHIR server may take for one job.
	ExportTimeout time.Duration // 24 h
	// StuckAfter is how long a job may show neither new progress text nor a new file before it
	// counts as stuck. It applies to servers that show progress or files.
	StuckAfter time.Duration // 12 h
	// KickOffPatience is how long after a kick-off without a recorded outcome the next one is
	// made. It exceeds the time in which any server answers a kick-off.
	KickOffPatience time.Duration // 4 min
	// LeaseFor is how long a killed committer keeps others from the same tables. A running
	// committer renews its lease.
	LeaseFor time.Duration // 1 min
	// Readers bounds the concurrent small requests of one step.
	Readers int // 8
	// GiveUpAfter is how long a server may be unavailable before a kick-off fails.
	GiveUpAfter time.Duration // 20 min
	// MaxTries bounds how often a step is sent again.
	MaxTries int // 30
}

const settle = 30 * time.Second

// New returns a pipeline, with defaults for the options that are zero.
func New(o Options, ports Ports) *Pipeline {
	o.Settle = cmp.Or(o.Settle, settle)
	o.PollMin = cmp.Or(o.PollMin, 10*time.Second)
	o.PollMax = max(o.PollMin, cmp.Or(o.PollMax, 5*time.Minute))
	o.SilentAfter = cmp.Or(o.SilentAfter, 15*time.Minute)
	o.StepTimeout = cmp.Or(o.StepTimeout, 55*time.Minute)
	o.ExportTimeout = cmp.Or(o.ExportTimeout, 24*time.Hour)
	o.StuckAfter = cmp.Or(o.StuckAfter, 12*time.Hour)
	o.KickOffPatience = cmp.Or(o.KickOffPatience, 4*time.Minute)
	o.LeaseFor = cmp.Or(o.LeaseFor, time.Minute)
	o.Readers = cmp.Or(o.Readers, 8)
	o.GiveUpAfter = cmp.Or(o.GiveUpAfter, 20*time.Minute)
	o.MaxTries = cmp.Or(o.MaxTries, 30)
	d := &deps{
		Options: o, Ports: ports, records: records.Store{Journal: ports.Journal},
		manifests: map[string]Manifest{}, paths: map[string]map[string]string{},
		viewSets: map[string]int{}, deletes: map[string]deletes{},
	}
	p := &Pipeline{deps: d, failures: &failures{d}, files: &surveyor{d}}
	p.planner = &planner{d, p.files}
	finish := &finisher{d, p.files}
	p.preparer = &preparer{deps: d, files: p.files, finish: finish}
	p.committer = &committer{d, p.files, p.planner, finish}
	p.concluder = &concluder{d, p.files, p.planner, p.preparer, finish}
	p.fetcher = &fetcher{d, p.files, p.preparer, finish}
	p.poller = &poller{d, p.files, finish}
	p.starter = &starter{d, p.failures, p.planner}
	p.watchdog = &watchdog{d, p.failures, p.starter, p.files}
	return p
}

// BlobWritten takes the event of a blob in the landing area, as Events does.
func (p *Pipeline) BlobWritten(ctx context.Context, path, etag string, size int64) error {
	return Events{p.Queue, p.Now, p.Settle}.BlobWritten(ctx, path, etag, size)
}

// Cancel ends an export at a person's request, as Canceller does.
func (p *Pipeline) Cancel(ctx context.Context, id string) ([]JobEnd, error) {
	return Canceller{p.Journal, p.Source, p.Now}.Cancel(ctx, id)
}
