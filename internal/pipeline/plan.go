package pipeline

import (
	"time"
)

func (d *deps) plan(name string) (Plan, bool) {
	for _, plan := range d.Plans {
		if plan.Name == name {
			return plan, true
		}
	}
	return Plan{}, false
}

// Plan is one recurring export. A plan owns its schema: two plans never write the same tables.
type Plan struct {
	Name  string // [a-z][a-z0-9-]*, at most 40 characters; part of ids and paths
	Level string
	Group string // for LevelGroup
	// Cohort names the cohort whose Groups are exported, for LevelGroup without a Group.
	Cohort string
	// Mode is how a cohort is exported; empty means ModeGroupFull.
	Mode       string
	Types      []string
	TypeFilter []string
	// Deleted asks the server for deletes on incremental exports.
	Deleted bool
	Schema  string
	// Deidentify are the rules by which the server changes the resources; nil if it does not.
	// Every export is full then.
	Deidentify *Deidentify
	// Schedule is when the plan is due; nil means only by hand.
	Schedule Schedule
	// FullEvery makes every nth export of the schedule ask for everything again; 0 means none does.
	FullEvery int
	// Lag is how far behind the server's clock an export ends, so that writes in progress are
	// left to the next export. Overlap is how far before the end of the last export the next
	// one begins.
	Lag, Overlap time.Duration
	// OpenEnd is set if the server cannot be told where a window ends: it ends at the job's
	// transactionTime.
	OpenEnd bool
	// Paused keeps the schedule from starting the plan. A person can still start it.
	Paused bool
	// AllowErrors accepts an export although the server reports errors: the export becomes
	// loaded, and the watermark moves past the data that the server left out.
	AllowErrors bool
	// MaxBad is the share of bad lines of a resource type, 0 to 1, above which the export fails.
	MaxBad float64
}

// Schedule is a recurring time.
type Schedule interface {
	// Next returns the first time after t.
	Next(t time.Time) time.Time
}
