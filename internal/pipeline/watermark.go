package pipeline

import (
	"context"
	"slices"
	"time"
)

// Watermarks derives, per resource type, up to when a plan has loaded into the tables of its
// schema; zero means never. That is the greatest till among the exports that have loaded the
// type, or the job's transactionTime if the server was given no till.
//
// For a plan that names no types, it also lists the types that are behind all others.
func (p *Pipeline) Watermarks(ctx context.Context, plan string) (map[string]time.Time, error) {
	configured, _ := p.plan(plan)
	b, err := p.planner.basis(ctx, plan, configured.Schema)
	return b.marks, err
}

// watermarks returns the watermark of each wanted type. If all types are wanted, it adds the
// types that some export left out, because they may be behind the others.
func watermarks(reach []covered, wanted []string) map[string]time.Time {
	if slices.Contains(wanted, AllTypes) {
		for _, c := range reach {
			if c.short != nil && !c.short.Accepted {
				wanted = append(wanted[:len(wanted):len(wanted)], c.short.Types...)
			}
		}
	}
	marks := map[string]time.Time{}
	for _, t := range wanted {
		marks[t] = time.Time{}
		for _, c := range reach {
			if c.till.After(marks[t]) && c.covers(t) {
				marks[t] = c.till
			}
		}
	}
	return marks
}
