package pipeline

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// Pipeline is the story with its ports. The zero values of Options are filled in
// by New; the ports and Now are required.
type Pipeline struct {
	Options
	Ports
	records records.Store

	mu        sync.Mutex
	manifests map[string]Manifest          // by job; only the URLs of a manifest change
	paths     map[string]map[string]string // by job: the types of the files of its manifest
	viewSets  map[string]int               // by plan and fingerprint; numbers never change
	deletes   map[string]deletes           // by job, once they are all here

	witnesses   witnesses
	retries     seen[string] // by export: the step whose retry was written down last
	exports     seen[records.Export]
	collections seen[bool]          // by job: its manifest is here
	owners      seen[records.Owner] // by folder of the landing area

	rereading sync.Mutex // one fresh manifest serves every file that waits for it
}

// Ports are what the pipeline needs of the world.
type Ports struct {
	Lake      Lake
	Journal   Journal
	Queue     Queue
	Warehouse Warehouse
	Flattener Flattener
	// Landings is needed for sources whose server keeps the files.
	Landings Landings
	// Remover removes the prepared files of exports that have ended; nil keeps them.
	Remover Remover
	// Source gives the FHIR server of a plan.
	Source func(plan string) (Source, error)
	// Now is the local clock. It times waiting, never data.
	Now func() time.Time
	// Token gives a new random name of hexadecimal digits.
	Token func() string
	Log   *slog.Logger
	// Trouble hears of every step that fails, from any goroutine; nil means nobody
	// listens.
	Trouble func(Trouble)
}

// Options are the pipeline's settings.
type Options struct {
	Plans []Plan
	// Settle is how long after its event a blob is left alone: the FHIR server
	// commits the same bytes several times.
	Settle time.Duration // 30 s
	// PollMin and PollMax bound the wait between polls where the server says nothing.
	PollMin, PollMax time.Duration // 10 s, 5 min
	// SilentAfter is how long an unfinished export may be silent before its steps
	// are sent again.
	SilentAfter time.Duration // 15 min
	// StepTimeout ends a step before the host would kill the whole handler.
	StepTimeout time.Duration // 55 min
	// ExportTimeout is how long the FHIR server may take over one job.
	ExportTimeout time.Duration // 24 h
	// StuckAfter is how long a job may show neither another progress text nor another
	// file before it is taken for stuck, at servers that show such things.
	StuckAfter time.Duration // 12 h
	// KickOffPatience is how long after a kick-off whose outcome nobody wrote down
	// the next one is made: longer than any server takes to answer it.
	KickOffPatience time.Duration // 4 min
	// LeaseFor is how long a killed committer keeps others from the same tables; one
	// that works renews its lease.
	LeaseFor time.Duration // 1 min
	// Readers is how many small requests of one step are under way at once.
	Readers int // 8
	// GiveUpAfter is how long a server may be unavailable before a kick-off fails.
	GiveUpAfter time.Duration // 20 min
	// MaxTries bounds how often a step is sent again.
	MaxTries int // 30
}

// New makes a pipeline, with defaults for the options that are zero.
func New(o Options, ports Ports) *Pipeline {
	o.Settle = cmp.Or(o.Settle, 30*time.Second)
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
	return &Pipeline{Options: o, Ports: ports, records: records.Store{Journal: ports.Journal}, manifests: map[string]Manifest{}, paths: map[string]map[string]string{}, viewSets: map[string]int{}, deletes: map[string]deletes{}}
}

func (p *Pipeline) plan(name string) (Plan, bool) {
	for _, plan := range p.Plans {
		if plan.Name == name {
			return plan, true
		}
	}
	return Plan{}, false
}
