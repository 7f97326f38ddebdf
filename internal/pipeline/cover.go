package pipeline

import (
	"context"
	"fmt"
	"time"

	"fhirsynapse/internal/pipeline/records"
)

// covered is the time up to which one job of a committed export has loaded its types.
type covered struct {
	Request
	till  time.Time
	short *records.Shortfall
}

// covers reports whether the job has loaded all that the server has of a type.
func (c covered) covers(typ string) bool {
	return c.Asks(typ) && !c.short.Holds(typ)
}

// cover lists what the jobs of an export cover.
func (p *planner) cover(ctx context.Context, b *basis, e records.Export) ([]covered, error) {
	out := make([]covered, len(e.Jobs))
	for i, r := range e.Jobs {
		out[i] = covered{Request: r, till: r.Till, short: e.Shortfall}
		if r.Till.IsZero() {
			j, err := p.records.Job(ctx, e.ID, i+1)
			if err != nil {
				return nil, err
			}
			out[i].till = j.TransactionTime
		}
		said := out[i].till
		if till, corrected := plausible(said, e); corrected {
			out[i].till = till
			begins := "this export asks for everything"
			if !till.IsZero() {
				begins = "this export begins at " + till.UTC().Format(time.RFC3339) +
					", when that one was requested"
			}
			b.notices = append(b.notices,
				fmt.Sprintf("export %s ended in the year %d by the server's clock, which cannot be: %s", e.ID, said.Year(), begins))
		}
	}
	return out, nil
}

// plausible corrects a watermark that cannot be the time of an export, never to a later time.
// After a watermark in the far future a plan would never export again, and a server refuses
// one in the far past.
func plausible(till time.Time, e records.Export) (corrected time.Time, wrong bool) {
	latest := e.RequestedAt
	if e.FinishedAt.After(latest) {
		latest = e.FinishedAt
	}
	switch {
	case till.After(latest.Add(clocksDiffer)):
		return e.RequestedAt, true
	case !till.IsZero() && till.Year() < earliestYear:
		return time.Time{}, true
	}
	return till, false
}

const (
	// clocksDiffer exceeds the difference between any two clocks.
	clocksDiffer = 30 * 24 * time.Hour
	// earliestYear is before the first FHIR server.
	earliestYear = 1970
)
